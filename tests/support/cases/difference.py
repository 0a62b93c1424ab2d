"""Describes how an answer differs from the expected one."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

ABSENT: Final = object()


def difference(wanted: Mapping[str, Any], got: Mapping[str, Any]) -> str:
    """Return the expected and the actual outcome, then each field that differs; empty if none does."""
    if wanted == got:
        return ""
    outcomes = _outcome(wanted), _outcome(got)
    if outcomes[0] == outcomes[1]:
        return "\n".join([f"{outcomes[0]}, as expected, but not with these details", *_lines(wanted, got)])
    words = f' ({got["http"]}, "{(got["body"] or {}).get("error")}")' if got["http"] is not None else ""
    text = f"expected {outcomes[0]}; got {outcomes[1]}{words}"
    if (wanted["http"] is None) != (got["http"] is None):  # then nearly all else differs, and follows from that
        return text
    return "\n".join([text, *_lines(wanted, got)])


def _lines(wanted: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    expected, came = dict(_fields(wanted)), dict(_fields(got))
    return [
        f"  {name}: expected {_value(expected, name)}, got {_value(came, name)}"
        for name in dict.fromkeys([*expected, *came])
        if expected.get(name, ABSENT) != came.get(name, ABSENT)
    ] or [f"  expected {wanted}", f"  got {got}"]


def _outcome(answer: Mapping[str, Any]) -> str:
    metadata = answer["metadata"]
    if answer["http"] is None:
        return f"allow {metadata.get('unit_primitive', 'public')}"
    error = f" {answer['token_error']}" if answer["token_error"] else ""
    return f"deny {metadata.get('reason')}{error}"


def _fields(answer: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in answer.items():
        if isinstance(value, dict):
            yield from _fields(value, f"{above}{name}.")
        elif value is not None:
            yield above + name, value


def _value(fields: Mapping[str, object], name: str) -> str:
    return repr(fields[name]) if name in fields else "nothing"
