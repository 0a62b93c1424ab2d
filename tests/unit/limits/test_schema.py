"""The shipped limits: their schema, what editors see by it, and what they are for."""

import json
from typing import Any, Final

import pytest
import yaml

from authz.cli.catalog.schemas import schema_text
from authz.documents.findings import Findings
from authz.limits.rates import parse_rate, parse_share
from authz.limits.reader import read_limits
from authz.limits.vocabulary import Vocabulary, answers
from authz.model import SAAS, TierBy
from authz.policy.catalog.reader import read_catalog
from authz.policy.rules.reader import read_rules
from authz.policy.tiers import read_tiers
from tests.support.json_schema import faults
from tests.support.limits import FILE
from tests.support.repository import ROOT

SHIPPED: Final = ROOT / "envoy" / "limits.yaml"
SCHEMA: Final[dict[str, Any]] = json.loads(schema_text("limits"))


def test_the_shipped_file_names_its_schema_and_keeps_it() -> None:
    text = SHIPPED.read_text()
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (SHIPPED.parent / named).resolve() == ROOT / "authz" / "data" / "schema" / "limits.json"
    assert faults(yaml.safe_load(text), SCHEMA, SCHEMA) == []


def test_the_shipped_file_has_no_problem_and_no_warning_and_limits_every_backend_and_tier() -> None:
    findings, policy = Findings(), ROOT / "authz" / "data"
    catalog = read_catalog(policy, findings)
    rules = answers(read_rules(policy / "rules", catalog, findings))
    vocabulary = Vocabulary(catalog, read_tiers(policy / "tiers.yml", findings), rules)
    read = read_limits(SHIPPED, vocabulary, findings)
    assert read is not None
    assert (findings.problems, findings.warnings) == ([], [])
    assert {backend.backend_service for backend in read.backends} == set(rules)
    assert {tuple(tier.tier for tier in backend.tiers) for backend in read.backends} == {vocabulary.tier_names}


def test_shipped_limits_hold_each_customer_of_gitlab_com_below_an_eighth_of_its_tier() -> None:
    """Without a limit of its own, one root namespace could use all that gitlab.com has."""
    policy = ROOT / "authz" / "data"
    tiers = {
        assignment.tier
        for assignment in read_tiers(policy / "tiers.yml", Findings()).assign
        if assignment.by is TierBy.ROOT_NAMESPACE or SAAS in assignment.values
    }
    assert tiers
    for name, backend in yaml.safe_load(SHIPPED.read_text())["backend_services"].items():
        capacity = parse_rate(backend["capacity"])
        for tier in tiers:
            limits = backend["tiers"][tier]
            eighth = capacity.per_second * parse_share(limits["share"]) / 8
            assert parse_rate(limits["namespace"]).per_second <= eighth, (name, tier)


def test_the_file_of_the_tests_keeps_the_schema() -> None:
    assert faults(yaml.safe_load(FILE), SCHEMA, SCHEMA) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("user: 4/minute", "user: 4/week"),
        ("user: 4/minute", "user: 4"),
        ("user: 4/minute", "user: {limit: 4/minute, shadow: 1}"),
        ("user: 4/minute", "user: {limit: 4/minute, shade: true}"),
        ("user: 4/minute", "user: 4/minute, namespace: 4"),
        ("addresses: 1,", "addresses: 1, namespaces: 0,"),
        ("addresses:\n", "exceptions: [{reason: r, backend_services: {alpha: {instance: 1/day}}}]\naddresses:\n"),
        (
            "addresses:\n",
            "exceptions: [{limited_namespace_id: '1', reason: r, backend_services: {alpha: {instance: 1/day}}}]\n"
            "addresses:\n",
        ),
        ("share: 10%", "share: 0.1"),
        ("share: 10%", "share: {limit: 10%}"),
        (", user: 4/minute", ""),
        ("    tiers:", "    oversubscribe: 101\n    tiers:"),
        ("    tiers:", "    oversubscribe: 0.5\n    tiers:"),
        ("    tiers:", "    unit_primitives: {}\n    tiers:"),
        ("on_failure: allow", "on_failure: maybe"),
        ("timeout: 50ms", "timeout: 0.05"),
        ("limits.example:8081", "limits.example"),
        ("addresses: 1,", "addresses: 0,"),
        ("embedded:", "imbedded:"),
    ],
)
def test_an_editor_sees_what_is_wrong(old: str, new: str) -> None:
    assert old in FILE
    assert faults(yaml.safe_load(FILE.replace(old, new)), SCHEMA, SCHEMA)
