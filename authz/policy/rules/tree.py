"""Builds the tree of rules that a request is matched against."""

from collections.abc import Iterable, Sequence

from authz.deciding.rules import Branch, Endpoint, Rules
from authz.policy.rules.templates import Template


def build_rules(
    endpoints: Iterable[tuple[Template, Endpoint]],
    *,
    claims: frozenset[str] = frozenset(),
    headers: frozenset[str] = frozenset(),
) -> Rules:
    """Build the tree from one endpoint for each template. Templates are distinct; the rest is as in `Rules`."""
    root = _branch([(template.segments, template.rest, endpoint) for template, endpoint in endpoints])
    return Rules(root, claims, headers)


def _branch(endpoints: Sequence[tuple[Sequence[str | None], bool, Endpoint]]) -> Branch:
    """Return the branch below which endpoints are: each has the segments that are left of its template."""
    here: dict[bool, Endpoint] = {}
    below: dict[str | None, list[tuple[Sequence[str | None], bool, Endpoint]]] = {}
    for segments, rest, endpoint in endpoints:
        if segments:
            below.setdefault(segments[0], []).append((segments[1:], rest, endpoint))
        else:
            here[rest] = endpoint
    free = _branch(below.pop(None)) if None in below else None
    literals = {segment: _branch(inner) for segment, inner in below.items() if segment is not None}
    return Branch(literals, free, endpoint=here.get(False), rest=here.get(True))
