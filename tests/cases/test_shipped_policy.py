"""The policy that we ship: whole, known to the tables, and what the tests believe of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from authz.policy import load_policy
from tests.cases.case_file import POLICY
from tests.cases.expectation import CALLERS
from tests.cases.tables import ROWS
from tests.minting import PRODUCTION
from tests.minting import write_keys as write
from tests.signing import key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.policy import Policy

LIFETIMES: Final = {"1h": 3600, "3d": 3 * 86400}
DOCUMENTS: Final = {file.name: yaml.safe_load(file.read_text()) for file in sorted((POLICY / "rules").glob("*.yml"))}
ISSUERS: Final = yaml.safe_load((POLICY / "issuers.yml").read_text())["issuers"]


def endpoints() -> Iterator[tuple[str, str, str]]:
    """Yield method, path template and unit primitive of everything that the shipped rules serve."""
    for document in DOCUMENTS.values():
        for rule in document["rules"]:
            for method in rule["methods"]:
                for path, granted in spelt_out(rule):
                    yield method, document["prefix"].rstrip("/") + path, granted


def spelt_out(rule: dict[str, Any]) -> Iterator[tuple[str, str]]:  # Any: YAML as it is written
    match rule.get("unit_primitives", {}):
        case list() as names:
            yield rule["path"], ",".join(names)
        case {"by_path": name, "values": values}:
            for value, names in values.items():
                yield re.sub(rf"\{{{name}(=\*\*)?\}}", value, rule["path"]), ",".join(names)
        case {"by_header": _, "allowed": names}:
            yield from ((rule["path"], name) for name in names)
        case _:
            yield rule["path"], "public"


def loaded(folder: Path, environment: str) -> Policy:
    names = [issuer["name"] for issuer in ISSUERS if issuer["environment"] == environment]
    keys = write(folder, {name: [key(f"{name}-1")] for name in names})
    return load_policy(POLICY, keys, environment, allow_empty_issuers=False, allow_unlabelled_routes=False)


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_each_environment_loads_without_a_warning(environment: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, environment).warnings == ()


@pytest.mark.parametrize(("method", "template", "granted"), sorted(set(endpoints())))
def test_each_endpoint_has_a_case_that_is_allowed(method: str, template: str, granted: str) -> None:
    rest = re.sub(r"\\\{\w+=\\\*\\\*\\\}", ".+", re.escape(template))
    request = re.compile(f"{method} " + re.sub(r"\\\{\w+\\\}", "[^/]+", rest))
    assert any(row.policy == "shipped" and row.allow == granted and request.fullmatch(row.request) for _, row in ROWS)


def test_each_rule_names_unit_primitives_that_are_granted_for_its_backend(tmp_path: Path) -> None:
    catalog = loaded(tmp_path, "production").catalog
    for document in DOCUMENTS.values():
        names = {name for rule in document["rules"] for _, granted in spelt_out(rule) for name in granted.split(",")}
        for name in names - {"public"}:
            assert document["backend_service"] in catalog.unit_primitives[name].backend_services, name


def test_the_tables_know_each_backend_by_its_audience_and_prefixes(tmp_path: Path) -> None:
    catalog = loaded(tmp_path, "production").catalog
    assert {name: backend.audience for name, backend in CALLERS.backends.items()} == {
        name: backend.audience for name, backend in catalog.backend_services.items()
    }
    for document in DOCUMENTS.values():
        assert document["prefix"] in CALLERS.backends[document["backend_service"]].prefixes


def test_the_tests_mint_as_the_shipped_issuers_do() -> None:
    shipped = {issuer["name"]: issuer for issuer in ISSUERS if issuer["environment"] == "production"}
    assert shipped.keys() == PRODUCTION.keys()
    for name, profile in PRODUCTION.items():
        issuer = shipped[name]
        assert issuer["issuer"] == profile.identifier
        assert issuer["token_type"] == ("user" if profile.speaks_for_user else "instance")
        assert profile.realm in issuer.get("realms", [profile.realm])
        assert LIFETIMES[issuer["max_lifetime"]] == profile.lifetime


def test_no_issuer_name_stands_for_two_environments() -> None:
    names = [issuer["name"] for issuer in ISSUERS]
    assert len(set(names)) == len(names)
