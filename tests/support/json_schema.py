"""Checks values against the part of JSON Schema that our schemas use; any other keyword is an error."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

WITHOUT_EFFECT: Final = {"$schema", "$defs", "description", "default", "format"}
TYPES: Final[dict[str, Callable[[Any], bool]]] = {  # Any: JSON
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
CHECKS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "type": lambda value, rule: TYPES[rule](value),
    "enum": lambda value, rule: value in rule,
    "const": lambda value, rule: value == rule,
    "pattern": lambda value, rule: re.search(rule, value) is not None,
    "required": lambda value, rule: set(rule) <= set(value),
    "minItems": lambda value, rule: len(value) >= rule,
    "minLength": lambda value, rule: len(value) >= rule,
    "minProperties": lambda value, rule: len(value) >= rule,
    "maxLength": lambda value, rule: len(value) <= rule,
    "minimum": lambda value, rule: value >= rule,
    "maximum": lambda value, rule: value <= rule,
}


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """Return how a value breaks a schema, whose `$defs` are those of `root`."""
    if "type" in schema and not TYPES[schema["type"]](value):
        return [f"{value!r} is no {schema['type']}"]
    plain = [key for key in schema if key in CHECKS and not CHECKS[key](value, schema[key])]
    return [*(f"{value!r} breaks {key} {schema[key]!r}" for key in plain), *_inner(value, schema, root)]


def _inner(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    for keyword, rule in schema.items():
        match keyword:
            case "$ref":
                yield from faults(value, root["$defs"][rule.removeprefix("#/$defs/")], root)
            case "anyOf" | "oneOf":
                if all(faults(value, part, root) for part in rule):
                    yield f"{value!r} fits none of {rule}"
            case "properties":
                for key in rule.keys() & value.keys():
                    yield from faults(value[key], rule[key], root)
            case "patternProperties":
                fitting = ((key, part) for key in value for pattern, part in rule.items() if re.search(pattern, key))
                for key, part in fitting:
                    yield from faults(value[key], part, root)
            case "additionalProperties":
                yield from _others(value, rule, schema, root)
            case "items":
                for item in value:
                    yield from faults(item, rule, root)
            case _:
                assert keyword in WITHOUT_EFFECT | CHECKS.keys(), f"unknown keyword {keyword}"


def _others(value: Any, rule: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    """Return how keys that no other keyword names violate `additionalProperties`."""
    patterns = schema.get("patternProperties", {})
    for key in value.keys() - schema.get("properties", {}).keys():
        if not any(re.search(pattern, key) for pattern in patterns):
            yield from [f"{key} is unknown"] if rule is False else []
            yield from faults(value[key], rule, root) if isinstance(rule, dict) else []
