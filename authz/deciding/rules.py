"""Matches a request to its rule: a tree, walked once per path segment however many rules there are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from authz.deciding.decision import Denied
from authz.deciding.paths import segments
from authz.deciding.reasons import Reason
from authz.model import BackendService, Rule

SHOWN_VALUE: Final = re.compile(r"[A-Za-z0-9_/.-]{1,128}")
"""The values of a path that a message may contain."""

Span = tuple[int, int | None]
"""The segments that a name in a path stands for, as slice bounds; None is the end of the path."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Rules that the path chooses between (`by_path`): the segments of `span`, joined by `/`, name the rule.

    `unknown` is the text of the 404 for a value without a rule, empty for the usual one; `{value}` in it is the value.
    """

    backend: BackendService
    methods: tuple[str, ...]
    span: Span
    rules: Mapping[str, Rule]
    unknown: str = ""

    def value(self, path: Sequence[str]) -> str:
        """Return the value in a decoded path."""
        return "/".join(path[slice(*self.span)])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The rules of one path template: by method, and those that also depend on words of the path."""

    backend: BackendService
    by_method: Mapping[str, Rule]
    choices: tuple[Choice, ...]

    def rules(self, path: Sequence[str]) -> Mapping[str, Rule]:
        """Return the rules for this path by method; empty if the path is not served."""
        if not self.choices:
            return self.by_method
        found = dict(self.by_method)
        for choice in self.choices:
            rule = choice.rules.get(choice.value(path))
            if rule is not None:
                found.update(dict.fromkeys(choice.methods, rule))
        return found

    def unserved(self, path: Sequence[str]) -> Denied:
        """Return the 404 for a value that no rule lists. Its text has the value only if `SHOWN_VALUE` matches it."""
        choice = next((choice for choice in self.choices if choice.unknown), None)
        if choice is None:
            return Denied(Reason.NO_RULE)
        value = choice.value(path)
        shown = "{value}" not in choice.unknown or SHOWN_VALUE.fullmatch(value)
        return Denied(Reason.NO_RULE, text=choice.unknown.replace("{value}", value) if shown else "")


@dataclass(frozen=True, slots=True)
class Branch:
    """One node of the tree. A literal segment beats `{name}`, which beats `{name=**}`."""

    literals: "Mapping[str, Branch]"
    free: "Branch | None"
    endpoint: Endpoint | None
    rest: Endpoint | None

    def find(self, path: Sequence[str], depth: int) -> Endpoint | None:
        """Return the most specific endpoint for `path[depth:]`, compared from left to right."""
        if depth == len(path):
            return self.endpoint
        literal = self.literals.get(path[depth])
        if literal is not None:
            found = literal.find(path, depth + 1)
            if found is not None:
                return found
        if self.free is not None:
            found = self.free.find(path, depth + 1)
            if found is not None:
                return found
        return self.rest


@dataclass(frozen=True, slots=True)
class Rules:
    """Every rule of a policy.

    `claims` and `headers` (lower-case) are those that rules name, beside the ones that every request is checked for.
    """

    root: Branch
    claims: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()

    def match(self, method: str, target: str) -> Rule | Denied:
        """Return the one rule for a method and request target, or the refusal of its path or method."""
        path = segments(target)
        if path is None:
            return Denied(Reason.AMBIGUOUS_PATH)
        endpoint = self.root.find(path, 0) if path[-1] else None
        by_method = endpoint.rules(path) if endpoint is not None else None
        if endpoint is None:
            return Denied(Reason.NO_RULE)
        if not by_method:
            return endpoint.unserved(path)
        rule = by_method.get(method)
        if rule is None:
            backend = endpoint.backend.name
            return Denied(Reason.METHOD_NOT_ALLOWED, backend_service=backend, methods=tuple(sorted(by_method)))
        return rule
