"""Reads YAML: a file becomes a checked value with the line of each of its parts."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from authz.documents.findings import Findings
from authz.documents.hints import did_you_mean, nearest
from authz.documents.schema import Schema, allowed_keys

Where = tuple[str | int, ...]
"""The path to a part of a document: keys and list positions, from its top."""

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_NODES: Final = 2_000_000
MAX_DEPTH: Final = 64
_SUFFIXES: Final = (".yml", ".yaml")

S = TypeVar("S", bound=BaseModel)
S_co = TypeVar("S_co", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Document(Generic[S_co]):
    """A file, its checked content, and the lines of its parts."""

    file: Path
    content: S_co
    lines: Mapping[Where, int]

    def line(self, where: Where) -> int:
        """Return the line of that part, or of the nearest part around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def problem(self, where: Where, message: str, findings: Findings) -> None:
        """Report a problem of that part."""
        findings.problem(self.file, self.line(where), message)

    def warning(self, where: Where, message: str, findings: Findings) -> None:
        """Report what is harmless but probably not intended in that part."""
        findings.warning(self.file, self.line(where), message)


def read_folder(folder: Path, schema: type[S], findings: Findings) -> list[Document[S]]:
    """Read every `*.yml` file in a folder, by name; a folder that does not exist holds none.

    A file that looks like one of them but would not be read is a problem: someone expects it to have an effect.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208  names suffice
    except FileNotFoundError:
        return []
    except OSError as error:
        findings.problem(folder, 0, f"cannot be read: {error.strerror}")
        return []
    entries = [folder / name for name in names]
    for entry in entries:
        if entry.suffix not in _SUFFIXES and (entry.is_dir() or entry.suffix.lower() in _SUFFIXES):
            findings.problem(entry, 0, "is not read: policy files end in .yml and are directly in their folder")
    files = [entry for entry in entries if entry.suffix in _SUFFIXES]
    return [document for file in files if (document := read(file, schema, findings)) is not None]


def read(file: Path, schema: type[S], findings: Findings) -> Document[S] | None:
    """Read one file. Returns None if it has problems, which go to `findings`."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        findings.problem(file, 0, f"cannot be read: {error.strerror}")
        return None
    return read_bytes(raw, file, schema, findings)


def read_bytes(raw: bytes, file: Path, schema: type[S], findings: Findings) -> Document[S] | None:
    """Check the content of a file, or a new content for it. Returns None if it has problems, which go to `findings`."""
    before = len(findings.problems)
    data, lines = parse(raw, file, findings)
    if issubclass(schema, Schema) and not schema.null_has_meaning:
        for where in _empty_parts(data, ()):
            message = f"{dotted(where)} is empty: give it a value, or remove the key"
            findings.problem(file, lines.get(where, 1), message)
    if len(findings.problems) > before:
        return None
    try:
        content = schema.model_validate(data)
    except ValidationError as error:
        for details in _without_echoes(error.errors(include_url=False, include_context=False)):
            findings.problem(file, *_explain(details, lines, schema))
        for key in data if isinstance(data, dict) and not issubclass(schema, Schema) else ():
            if key not in allowed_keys(schema, ()):
                findings.warning(file, lines.get((key,), 1), f"unknown key '{key}' is ignored")
        return None
    for where in _unknown_keys(content, ()):
        hint = did_you_mean(str(where[-1]), allowed_keys(schema, where[:-1]), cutoff=0.8)
        findings.warning(file, lines.get(where, 1), f"unknown key '{where[-1]}' is ignored{hint}")
    return Document(file, content, lines)


def parse(
    raw: bytes, file: Path, findings: Findings
) -> tuple[Any, dict[Where, int]]:  # Any: values are not checked yet
    """Return the content of a YAML file, and the line of each part; problems go to `findings`."""
    lines: dict[Where, int] = {}
    try:
        if len(raw) > MAX_BYTES:
            findings.problem(file, 0, f"is larger than {MAX_BYTES} bytes")
            return None, lines
        text = raw.decode("utf-8")
        if _too_deep(text, file, findings):
            return None, lines
        loader = yaml.CSafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                findings.problem(file, 0, "is empty")
                return None, lines
            for where, line in _walk(root, file, findings):
                lines[where] = line
                if len(lines) > MAX_NODES or len(where) > MAX_DEPTH:
                    bounds = f"{MAX_NODES} values or {MAX_DEPTH} levels"
                    findings.problem(file, line, f"has more than {bounds}, aliases counted")
                    break
            if findings.problems and findings.problems[-1].file == file:
                return None, lines
            return loader.construct_document(root), lines
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        findings.problem(file, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        findings.problem(file, mark.line + 1 if mark else 0, error.problem or "is not YAML")
    except (yaml.YAMLError, ValueError) as error:
        findings.problem(file, 0, f"is not YAML that can be read: {str(error).splitlines()[0]}")
    except (LookupError, AttributeError):  # raised by the YAML library for `!!bool x` and `!!timestamp x`
        findings.problem(file, 0, "has a value that does not fit its tag (!!): leave the tag out")
    return None, lines


def _too_deep(text: str, file: Path, findings: Findings) -> bool:
    """Report deep nesting from the stream of events: to build a tree of it would overflow the C stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            mark = event.start_mark
            findings.problem(file, mark.line + 1 if mark else 0, f"is nested more than {MAX_DEPTH} levels deep")
            return True
    return False


def _walk(
    node: yaml.Node, file: Path, findings: Findings, where: Where = (), above: tuple[yaml.Node, ...] = ()
) -> Iterator[tuple[Where, int]]:
    """Yield the line of every part; report duplicate keys, keys that are not text, and circular aliases."""
    line = node.start_mark.line + 1
    yield where, line
    if node in above:
        findings.problem(file, line, "an anchor contains itself")
        return
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield from _walk(item, file, findings, (*where, position), (*above, node))
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                named = f"key '{key.value}'" if isinstance(key, yaml.ScalarNode) else "key"
                hint = "merge keys are not supported" if key.value == "<<" else "put it in quotes"
                findings.problem(file, line, f"{named} is not text: {hint}")
            elif key.value in seen:
                findings.problem(file, line, f"key '{key.value}' appears twice, first on line {seen[key.value]}")
            else:
                seen[key.value] = line
                yield (*where, key.value), line
                for inner, inner_line in _walk(value, file, findings, (*where, key.value), (*above, node)):
                    if inner != (*where, key.value):
                        yield inner, inner_line


_WORDS: Final = {
    "model_type": "should be keys and values",
    "dict_type": "should be keys and values",
    "list_type": "should be a list",
    "string_type": "should be text (put it in quotes)",
    "bool_type": "should be true or false",
    "int_type": "should be a whole number",
    "too_short": "should have at least one entry",
    "string_too_short": "should not be empty",
}


def _without_echoes(found: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out a missing key that stands there misspelt: the unknown key says which one was meant."""
    missing = {details["loc"] for details in found if details["type"] == "missing"}
    for details in found:
        *where, last = details["loc"] or ("",)
        if details["type"] == "extra_forbidden":
            near = nearest(str(last), (str(each[-1]) for each in missing if each[:-1] == tuple(where)))
            missing.discard((*where, near or ""))
    yield from (details for details in found if details["type"] != "missing" or details["loc"] in missing)


def _explain(details: ErrorDetails, lines: Mapping[Where, int], schema: type[BaseModel]) -> tuple[int, str]:
    """Return the line of a problem that pydantic found, and a message in plain words."""
    where: Where = ()
    for step in details["loc"]:
        if (*where, step) in lines:
            where = (*where, step)
    line, last = lines.get(where, 1), details["loc"][-1] if details["loc"] else ""
    match details["type"]:
        case "extra_forbidden":
            known = allowed_keys(schema, where[:-1]) - {str(last)}
            return line, f"unknown key '{last}'{did_you_mean(str(last), known)}"
        case "missing":
            return line, f"key '{last}' is missing" + (f" in {dotted(where)}" if where else "")
    text = _WORDS.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    text = text.replace("Input should be", "should be").replace("String should match pattern", "should match")
    shown = details["input"]
    shows = isinstance(shown, str | int | float) and "should" in text
    text += f", not {shown!r}" if shows and details["type"] != "model_type" else ""
    return line, f"{dotted(where)}: {text}" if where else text


def dotted(where: Where) -> str:
    """Return the way to a part as people write it, such as `rules[0].path`."""
    parts = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return parts.removeprefix(".")


def _empty_parts(data: object, where: Where) -> Iterator[Where]:
    """Yield the parts that YAML reads as null: a key whose entries were removed must not restrict nothing."""
    if data is None and where:
        yield where
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _empty_parts(value, (*where, key))
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from _empty_parts(value, (*where, position))


def _unknown_keys(content: object, where: Where) -> Iterator[Where]:
    if isinstance(content, BaseModel):
        yield from ((*where, name) for name in content.model_extra or ())
        for name in type(content).model_fields:
            yield from _unknown_keys(getattr(content, name), (*where, name))
    elif isinstance(content, list | tuple):
        for position, item in enumerate(content):
            yield from _unknown_keys(item, (*where, position))
