"""What limits may name: the backend services, tiers and unit primitives of a policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from authz.deciding.rules import Branch, Endpoint, Rules
from authz.model import Authenticated, ByHeader, Rule, Tiers, TokenRule
from authz.policy.catalog.model import Catalog


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What limits may name; `answers` are the unit primitives that requests to a backend with rules are counted by."""

    catalog: Catalog
    tiers: Tiers
    answers: Mapping[str, frozenset[str]]

    @property
    def tier_names(self) -> tuple[str, ...]:
        """The tiers, smallest customers first."""
        return (self.tiers.default, *(name for _, name in reversed(self.tiers.descending)))


def answers(rules: Rules) -> Mapping[str, frozenset[str]]:
    """Return, by backend service, every unit primitive that one of its rules can answer with.

    A backend whose rules are all public has none: no caller is counted there.
    """
    found: dict[str, set[str]] = {}
    for endpoint in _endpoints(rules.root):
        for rule in chain(endpoint.by_method.values(), *(choice.rules.values() for choice in endpoint.choices)):
            found.setdefault(rule.backend.name, set()).update(_answers(rule))
    return {backend: frozenset(names) for backend, names in found.items()}


def _answers(rule: Rule) -> Iterator[str]:
    if isinstance(rule, TokenRule):
        demands = rule.access.demands.values() if isinstance(rule.access, ByHeader) else (rule.access,)
        for demanded in demands:
            if not isinstance(demanded, Authenticated):
                yield from demanded.unit_primitives


def _endpoints(branch: Branch) -> Iterator[Endpoint]:
    yield from (endpoint for endpoint in (branch.endpoint, branch.rest) if endpoint is not None)
    for below in (*branch.literals.values(), *([] if branch.free is None else [branch.free])):
        yield from _endpoints(below)
