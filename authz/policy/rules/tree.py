"""Builds the tree of rules that a request is matched against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from authz.deciding.rules import Branch, Endpoint, Rules
from authz.policy.rules.templates import Template


@dataclass(slots=True)
class _Shoot:
    """A branch while the tree grows."""

    literals: dict[str, _Shoot] = field(default_factory=dict)
    free: _Shoot | None = None
    endpoint: Endpoint | None = None
    rest: Endpoint | None = None

    def reach(self, steps: Sequence[str | None]) -> _Shoot:
        shoot = self
        for step in steps:
            if step is None:
                shoot.free = shoot.free or _Shoot()
                shoot = shoot.free
            else:
                shoot = shoot.literals.setdefault(step, _Shoot())
        return shoot

    def ripen(self) -> Branch:
        literals = {step: shoot.ripen() for step, shoot in self.literals.items()}
        return Branch(literals, self.free.ripen() if self.free else None, self.endpoint, self.rest)


def grow(endpoints: Iterable[tuple[Template, Endpoint]]) -> Rules:
    """Build the tree from one endpoint for each template; templates are distinct."""
    root = _Shoot()
    for template, endpoint in endpoints:
        shoot = root.reach(template.segments)
        if template.rest:
            shoot.rest = endpoint
        else:
            shoot.endpoint = endpoint
    return Rules(root.ripen())
