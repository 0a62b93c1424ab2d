"""What limits may name: the backend services, tiers and unit primitives of a policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from authz.deciding.rules import Branch, Endpoint, Rules
from authz.model import Access, AllOf, AnyOf, PublicRule, Rule, Tiers
from authz.policy.catalog.model import Catalog


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What limits may name; `answers` are the combinations of unit primitives by backend service that has rules."""

    catalog: Catalog
    tiers: Tiers
    answers: Mapping[str, frozenset[tuple[str, ...]]]

    @property
    def tier_names(self) -> tuple[str, ...]:
        """The tiers, smallest customers first."""
        return (self.tiers.default, *(name for _, name in reversed(self.tiers.descending)))

    def unit_primitives(self, backend: str) -> tuple[str, ...]:
        """Return the unit primitives that requests to a backend can be counted by, sorted."""
        return tuple(sorted({name for names in self.answers.get(backend, ()) for name in names}))


def answers(rules: Rules) -> Mapping[str, frozenset[tuple[str, ...]]]:
    """Return, by backend service, every combination of unit primitives that one of its rules can answer with.

    A backend whose rules are all public has none: no caller is counted there.
    """
    found: dict[str, set[tuple[str, ...]]] = {}
    for endpoint in _endpoints(rules.root):
        for rule in _rules(endpoint):
            combinations = found.setdefault(rule.backend.name, set())
            if not isinstance(rule, PublicRule):
                combinations.update(_combinations(rule.access))
    return {backend: frozenset(combinations) for backend, combinations in found.items()}


def _endpoints(branch: Branch) -> Iterator[Endpoint]:
    yield from (endpoint for endpoint in (branch.endpoint, branch.rest) if endpoint is not None)
    for below in (*branch.literals.values(), *([] if branch.free is None else [branch.free])):
        yield from _endpoints(below)


def _rules(endpoint: Endpoint) -> Iterator[Rule]:
    yield from endpoint.by_method.values()
    for choice in endpoint.choices:
        yield from choice.rules.values()


def _combinations(access: Access) -> Iterator[tuple[str, ...]]:
    if isinstance(access, AllOf):
        yield access.unit_primitives
    else:
        names = access.unit_primitives if isinstance(access, AnyOf) else access.allowed
        yield from ((name,) for name in names)
