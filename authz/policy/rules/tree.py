"""Builds the tree of rules that a request is matched against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from authz.deciding.rules import Branch, Endpoint, Rules
from authz.policy.rules.templates import Template


@dataclass(slots=True)
class _Node:
    """A branch that can still be changed."""

    literals: "dict[str, _Node]" = field(default_factory=dict)
    free: "_Node | None" = None
    endpoint: Endpoint | None = None
    rest: Endpoint | None = None

    def below(self, segments: Sequence[str | None]) -> "_Node":
        """Return the node at the end of these segments; nodes that are missing are added."""
        node = self
        for segment in segments:
            if segment is None:
                node.free = node.free or _Node()
                node = node.free
            else:
                node = node.literals.setdefault(segment, _Node())
        return node

    def branch(self) -> Branch:
        """Return the branch that this node and those below it describe."""
        literals = {segment: node.branch() for segment, node in self.literals.items()}
        return Branch(literals, self.free.branch() if self.free else None, self.endpoint, self.rest)


def build_rules(endpoints: Iterable[tuple[Template, Endpoint]]) -> Rules:
    """Build the tree from one endpoint for each template; templates are distinct."""
    root = _Node()
    for template, endpoint in endpoints:
        node = root.below(template.segments)
        if template.rest:
            node.rest = endpoint
        else:
            node.endpoint = endpoint
    return Rules(root.branch())
