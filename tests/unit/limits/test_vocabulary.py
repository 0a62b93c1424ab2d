"""The vocabulary: what the rules of a policy can answer with."""

from pathlib import Path

from authz.documents.findings import Findings
from authz.limits.vocabulary import Vocabulary, answers
from authz.model import Tiers
from authz.policy.rules.reader import read_rules
from tests.support.examples import CATALOG
from tests.support.files import write

RULES = """
backend_service: alpha
prefix: /p
rules:
  - {path: /all, methods: [GET], unit_primitives: [write, read]}
  - {path: /any, methods: [GET], unit_primitives: {any_of: [read, admin]}}
  - {path: /header, methods: [GET], unit_primitives: {by_header: X-Purpose, allowed: [write]}}
  - path: /{name}/by_path
    methods: [GET]
    unit_primitives: {by_path: name, values: {a: [admin, read], b: [write]}}
  - {path: "/x/{rest=**}", methods: [GET], unit_primitives: [read]}
  - {path: /health, methods: [GET], public: true}
"""


def test_every_form_of_a_rule_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    write(tmp_path / "rules" / "alpha.yml", RULES)
    public = "backend_service: beta\nprefix: /b\nrules: [{path: /health, methods: [GET], public: true}]\n"
    write(tmp_path / "rules" / "beta.yml", public)
    findings = Findings()
    found = answers(read_rules(tmp_path / "rules", CATALOG, findings))
    assert findings.problems == []
    assert found == {"alpha": {"admin", "read", "write"}, "beta": frozenset()}
    vocabulary = Vocabulary(CATALOG, Tiers("any", ((9, "b"), (1, "a"))), found)
    assert vocabulary.tier_names == ("any", "a", "b")
