"""A refusal of Envoy's in the words of who edits the file: what is wrong, and what to write instead."""

import re
from collections.abc import Iterable
from typing import Any

from authz.documents.hints import nearest
from dev.envoy.refusal import Refusal

NEAR = 0.75
CORRECT = "correct it, or take it out"
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?")
_FIELD = re.compile(r"no such field: '(.*)'")
_WHOLE = {"uint32", "int32", "uint64", "int64", "UInt32Value", "UInt64Value", "Int32Value", "Int64Value"}
_FRACTION = {"double", "float", "DoubleValue", "FloatValue"}
_SHAPES = (("expected '{'", "a mapping of keys to values"), ("expected '['", "a list"))


def worded(refusal: Refusal, value: Any, known: Iterable[str]) -> str:
    """One sentence. `value` is what the field holds, `known` the words among which a misspelt one may be found."""
    name = next((str(step) for step in reversed(refusal.path) if isinstance(step, str)), "")
    if "@type" in refusal.reason:
        types = {_last(word): word for word in known if word.startswith("type.")}
        near = nearest(_last(refusal.word), types.keys() - {_last(refusal.word)}, NEAR)
        return f"Envoy knows no type {refusal.word}; {CORRECT if near is None else f'write {types[near]}'}"
    if refusal.word:
        return f"Envoy knows no value '{refusal.word}'; {_instead(refusal.word, known)}"
    if misspelt := _FIELD.fullmatch(refusal.reason):
        return f"no such field: '{misspelt[1]}'; {_instead(misspelt[1], known)}"
    if refusal.reason == "value is required":
        return f"{name} is missing; add it"
    mend = _mend(refusal, value)
    if mend:
        return f"{name}: {value} will not do; {mend}"
    return f"{name}: {refusal.reason}" if name else refusal.reason


def _mend(refusal: Refusal, value: Any) -> str:
    """What to write, as far as the field's type and Envoy's reason tell."""
    if refusal.kind == "Duration":
        return f"write {_duration(value)}"
    if refusal.kind in _WHOLE:
        return "write a whole number" + (" from 0 on" if refusal.kind.lower().startswith("u") else "")
    if refusal.kind in _FRACTION:
        return "write a number"
    if refusal.kind in {"bool", "BoolValue"}:
        return "write true or false"
    if "already been set" in refusal.reason:
        return "keep only one of the keys here that exclude each other"
    if refusal.kind in {"string", "StringValue"} and "unexpected character" in refusal.reason:
        return "write text" if isinstance(value, list | dict) else f'write "{value}", in quotes'
    return next((f"write {shape}" for sign, shape in _SHAPES if sign in refusal.reason), "")


def _duration(value: Any) -> str:
    found = _DURATION.fullmatch(str(value))
    return (
        f"{float(found[1]) * SECONDS[found[2] or 's']:.9g}s" if found else "a number of seconds and an s, such as 60s"
    )


def _instead(word: str, known: Iterable[str]) -> str:
    near = nearest(word, {*known} - {word}, NEAR)
    return CORRECT if near is None else f"write {near}"


def _last(name: str) -> str:
    return name.rpartition(".")[2]
