"""Measures how method and path find their rule.

The same path among 10 rules and among 10,000, whose paths share segments as in a real table; then the shipped table:
a literal path, one whose words choose the rule, the same with escapes, and one without a rule.
"""

from collections.abc import Iterator

from authz.deciding.rules import Endpoint, Rules
from authz.model import AllOf, BackendService, TokenRule, TokenType
from authz.policy.rules.templates import parse_template
from authz.policy.rules.tree import build_rules
from benchmarks.measuring import Case
from benchmarks.subjects import POLICY


def rules(count: int) -> Rules:
    """Return a table of that many rules: ten to an area, each with one free segment."""
    backend = BackendService("made_up", "made-up")
    rule = TokenRule(backend, ("POST",), AllOf(("complete_code",)), frozenset(TokenType), ())
    endpoint = Endpoint(backend, {"POST": rule}, ())
    paths = (f"/v1/area{number // 10}/{{name}}/action{number % 10}" for number in range(count))
    return build_rules((parse_template(("made-up",), path)[0], endpoint) for path in paths)


def cases() -> Iterator[Case]:
    """Yield the cases to measure."""
    few, many, shipped = rules(10), rules(10_000), POLICY.judge.rules
    yield Case("match among 10 rules", lambda: few.match("POST", "/made-up/v1/area0/x/action7"))
    yield Case("match among 10,000 rules", lambda: many.match("POST", "/made-up/v1/area0/x/action7"))
    yield Case("match code completions", lambda: shipped.match("POST", "/ai/v2/code/completions"))
    yield Case("match a prompt by its words", lambda: shipped.match("POST", "/ai/v1/prompts/chat/explain_code"))
    yield Case("match a path with escapes", lambda: shipped.match("POST", "/ai/v1/prompts/ch%61t/explain_c%6fde"))
    yield Case("match nothing", lambda: shipped.match("POST", "/ai/v2/code/nothing"))
