"""A slow, obvious twin of the rules: every rule is tried on every path, every check is spelled out once more.

It shares no code with the service beyond PyYAML. Where the two disagree, one of them is wrong.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import yaml

LITERAL, FREE, REST = 0, 1, 2


@dataclass(frozen=True)
class PublicEndpoint:
    """The twin's answer for a path that needs no token."""

    backend: str


@dataclass(frozen=True)
class TwinRule:
    """One rule as its file says it."""

    backend: str
    template: tuple[str, ...]
    entry: Mapping[str, Any]


def read_rules(folder: Path) -> list[TwinRule]:
    """Read the rule files without asking whether they make sense."""
    return [rule for file in sorted(folder.glob("*.yml")) for rule in read_file(file)]


def read_file(file: Path) -> list[TwinRule]:
    """Read one rule file."""
    content = yaml.safe_load(file.read_text())
    rules = []
    for entry in content["rules"]:
        template = (content["prefix"].rstrip("/") + entry["path"]).split("/")[1:]
        rules.append(TwinRule(content["backend_service"], tuple(template), _answering(entry)))
    return rules


def _answering(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rule that answers: where one is only tried, that is the one under `instead_of`."""
    if "instead_of" not in entry:
        return entry
    return {**{key: entry[key] for key in ("path", "methods", "gone") if key in entry}, **entry["instead_of"]}


def is_gone(rule: TwinRule, now: float) -> bool:
    """Whether the endpoint has been removed."""
    if "gone" not in rule.entry:
        return False
    says_who = any(key in rule.entry for key in ("unit_primitives", "authenticated", "public"))
    midnight = datetime.combine(rule.entry["gone"], time(), UTC)
    return not says_who or midnight.timestamp() <= now


def bound_headers_hold(rule: TwinRule, headers: Mapping[str, str], claims: Mapping[str, object]) -> bool:
    """Whether each header that the rule binds equals its claim, where the token has that claim."""
    return all(
        headers.get(header.lower()) == str(claims[claim])
        for header, claim in rule.entry.get("bind", {}).items()
        if claims.get(claim) not in (None, "")
    )


def claims_fit(rule: TwinRule, claims: Mapping[str, object]) -> bool:
    """Whether each claim that the rule names has one of the listed values."""
    return all(name in claims and str(claims[name]) in values for name, values in rule.entry.get("claims", {}).items())


def decode(target: str) -> list[str] | None:
    """Read a path one character at a time; None if anybody could read it differently."""
    path = target.split("?", 1)[0]
    if not path.startswith("/") or "//" in path or len(path) > 2048:
        return None
    segments = []
    for raw in path.split("/")[1:]:
        octets, position = b"", 0
        while position < len(raw):
            character = raw[position]
            if character == "%":
                escape = raw[position + 1 : position + 3]
                if not re.fullmatch("[0-9a-fA-F][0-9a-fA-F]", escape):
                    return None
                octet = int(escape, 16)
                if octet < 0x20 or octet == 0x7F or chr(octet) in "/\\;#?%":
                    return None
                octets += bytes([octet])
                position += 3
            elif not "!" <= character <= "~" or character in "\\;#":
                return None
            else:
                octets += character.encode()
                position += 1
        try:
            segment = octets.decode()
        except UnicodeDecodeError:
            return None
        if raw in (".", "..") or segment in (".", ".."):
            return None
        segments.append(segment)
    return segments


def match(rules: list[TwinRule], method: str, path: list[str]) -> TwinRule | str:
    """Return the rule for a path, or the reason of the refusal."""
    ranked = [(rank, rule) for rule in rules if (rank := _rank(rule.template, path)) is not None]
    if not ranked:
        return "no_rule"
    best = min(rank for rank, _ in ranked)
    equal = [rule for rank, rule in ranked if rank == best and needs(rule, path, "") is not None]
    if not equal:
        return "no_rule"
    return next((rule for rule in equal if method in rule.entry["methods"]), "method_not_allowed")


def grants(rule: TwinRule, path: list[str], headers: Mapping[str, str], scopes: Collection[str]) -> bool:
    """Whether these scopes suffice for that rule, path and named unit primitive."""
    if rule.entry.get("authenticated"):
        return True
    needed = needs(rule, path, headers.get("x-gitlab-unit-primitive", ""))
    if needed is None:
        return False
    every, names = needed
    held = [name in scopes for name in names]
    return bool(held) and (all(held) if every else any(held))


def _rank(template: tuple[str, ...], path: list[str]) -> list[int] | None:
    """Return how specific a match is, smaller first, or None if there is none."""
    rank: list[int] = []
    for index, part in enumerate(template):
        if part.endswith("=**}"):
            rest = path[index:]
            return [*rank, *[REST] * len(rest)] if rest and all(rest) else None
        if index >= len(path) or not path[index]:
            return None
        if part.startswith("{"):
            rank.append(FREE)
        elif part == path[index]:
            rank.append(LITERAL)
        else:
            return None
    return rank if len(template) == len(path) else None


def needs(rule: TwinRule, path: list[str], named: str) -> tuple[bool, list[str]] | None:
    """Return (all of them?, unit primitives); an empty list where the header names none; None where the path does."""
    access = rule.entry.get("unit_primitives")
    if access is None:
        return True, []
    if isinstance(access, list) or "any_of" in access:
        return _listed(access)
    if "by_header" in access:
        values = access.get("values") or {name: [name] for name in access["allowed"]}
        return _listed(values[named]) if named in values else (True, [])
    for index, part in enumerate(rule.template):
        if part in ("{" + access["by_path"] + "}", "{" + access["by_path"] + "=**}"):
            value = "/".join(path[index:] if part.endswith("=**}") else path[index : index + 1])
            return _listed(access["values"][value]) if value in access["values"] else None
    raise AssertionError("by_path names a part of the path")


def _listed(demanded: list[str] | Mapping[str, list[str]]) -> tuple[bool, list[str]]:
    return (True, demanded) if isinstance(demanded, list) else (False, demanded["any_of"])
