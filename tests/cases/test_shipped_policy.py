"""The policy that we ship: whole, known to the tables, and what the tests believe of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from authz.documents.findings import Findings
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import read_catalog
from authz.policy.load import Policy, load_policy
from tests.support.cases.case_file import POLICY
from tests.support.cases.expectation import CALLERS
from tests.support.cases.problems import policy_problems, sentence, shown
from tests.support.cases.tables import CASES
from tests.support.issuers import ISSUERS_FILE, profiles
from tests.support.minting import write_anchors, write_keys
from tests.support.tiers import NAMES as TIERS
from tests.support.upstream import calls

RULES: Final = sorted((POLICY / "rules").glob("*.yml"))


def documents() -> Iterator[tuple[str, dict[str, Any]]]:  # Any: YAML as it is written
    for file in RULES:
        yield shown(file), yaml.safe_load(file.read_text())


class Endpoint(NamedTuple):
    """One path template and method of the shipped rules, what it grants, and a row that would be its case."""

    file: str
    method: str
    path: str
    granted: str
    row: str

    def __str__(self) -> str:
        return f"{self.method} {self.path} of {self.file}"


def endpoints() -> Iterator[Endpoint]:
    """Yield everything that the shipped rules serve."""
    for file, document in documents():
        for rule in document["rules"]:
            for method in rule["methods"]:
                for path, granted, row in spelt_out(rule):
                    yield Endpoint(file, method, document["prefix"].rstrip("/") + path, granted, row)


def spelt_out(rule: dict[str, Any]) -> Iterator[tuple[str, str, str]]:  # Any: YAML as it is written
    path = rule["path"]
    match rule.get("unit_primitives", {}):
        case {"by_path": name, "values": values}:
            for value, demanded in values.items():
                yield from demands(re.sub(rf"\{{{name}(=\*\*)?\}}", value, path), demanded)
        case {"by_header": _, "allowed": names}:
            yield from ((path, name, f"served: [{name}]") for name in names)
        case list() | {"any_of": _} as demanded:
            yield from demands(path, demanded)
        case _ if "authenticated" in rule:
            yield path, "authenticated", "id: any token, allow: authenticated"
        case _ if "public" in rule:
            yield path, "public", "tokens: none"
        case _:
            return  # it is gone


def demands(path: str, demanded: Any) -> Iterator[tuple[str, str, str]]:  # Any: YAML as it is written
    if isinstance(demanded, list):
        yield path, ",".join(demanded), needing(demanded)
    else:
        yield from ((path, name, needing([name])) for name in demanded["any_of"])


def needing(names: list[str]) -> str:
    """Return how a row says it; several at once are beyond the short form."""
    if len(names) == 1:
        return f"needs: {names[0]}"
    return f"id: all of them, token: {{scopes: [{', '.join(names)}]}}, allow: '{','.join(names)}'"


def loaded(folder: Path, environment: str) -> Policy:
    issuers = profiles(ISSUERS_FILE, environment)
    keys = write_keys(folder, {name: [profile.key] for name, profile in issuers.items() if profile.has_keys})
    write_anchors(folder, (name for name, profile in issuers.items() if profile.has_anchors))
    return load_policy(POLICY, keys, environment, allow_empty_issuers=False, allow_unlabelled_routes=False)


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_each_environment_loads_without_a_warning(environment: str, tmp_path: Path) -> None:
    warnings = loaded(tmp_path, environment).warnings
    if warnings:
        pytest.fail("\n".join(map(sentence, warnings)), pytrace=False)


UPSTREAM: Final = [
    (granted, f"{call.method} {call.path}")
    for call in calls()
    for granted in (call.any_of or ("public" if call.public else "authenticated",))
]
ENDPOINTS: Final = [] if policy_problems() else sorted(set(endpoints()))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint} {endpoint.granted}")
def test_each_endpoint_has_a_case_that_is_allowed(endpoint: Endpoint) -> None:
    rest = re.sub(r"\\\{\w+=\\\*\\\*\\\}", ".+", re.escape(endpoint.path))
    request = re.compile(f"{endpoint.method} " + re.sub(r"\\\{\w+\\\}", "[^/]+", rest))
    rows = ((case.row.allow, case.row.request) for case in CASES if case.row.policy == "shipped")
    if not any(granted == endpoint.granted and request.fullmatch(asked) for granted, asked in (*rows, *UPSTREAM)):
        path = re.sub(r"\{(\w+)(=\*\*)?\}", r"\1", endpoint.path)
        pytest.fail(
            f"{endpoint} has no case that is allowed: add a row to tests/cases/other_backends.yaml, such as\n"
            f"  - {{request: {endpoint.method} {path}, {endpoint.row}}}",
            pytrace=False,
        )


def shipped_catalog() -> Catalog:
    return read_catalog(POLICY, Findings())


def test_each_rule_names_unit_primitives_that_are_granted_for_its_backend() -> None:
    catalog, missing = shipped_catalog(), []
    for file, document in documents():
        backend = document["backend_service"]
        names = {name for rule in document["rules"] for _, granted, _ in spelt_out(rule) for name in granted.split(",")}
        for name in sorted(names - {"public", "authenticated"}):
            if backend not in catalog.unit_primitives[name].backend_services:
                listed = f"authz/data/catalog/unit_primitives/{name}.yml"
                missing.append(f"{file} needs {name} for {backend}: list it under backend_services in {listed}")
    if missing:
        pytest.fail("\n".join(missing), pytrace=False)


def test_the_tables_know_each_backend_by_its_audience_and_prefixes() -> None:
    known, catalog = CALLERS.backends, shipped_catalog().backend_services
    wanted = [f"no {name} under 'backends': the catalog has none" for name in sorted(known.keys() - catalog.keys())]
    for name, backend in catalog.items():
        if name not in known or known[name].audience != backend.audience:
            wanted.append(f"backends: {name} with 'audience: {backend.audience}'")
    for file, document in documents():
        name, prefix = document["backend_service"], document["prefix"]
        if name not in known or prefix not in known[name].prefixes:
            wanted.append(f"backends: {name} with {prefix} under 'prefixes', as {file} has it")
    if wanted:
        pytest.fail("\n".join(f"tests/cases/callers.yaml should have {line}" for line in wanted), pytrace=False)


def test_each_tier_has_a_case() -> None:
    missing = sorted(TIERS - {case.row.metadata.get("tier") for case in CASES})
    if missing:
        lines = (
            f"tier '{name}' of authz/data/tiers.yml has no case: add a row to tests/cases/tiers.yaml"
            for name in missing
        )
        pytest.fail("\n".join(lines), pytrace=False)


def test_no_issuer_name_stands_for_two_environments() -> None:
    assert not profiles(ISSUERS_FILE, "production").keys() & profiles(ISSUERS_FILE, "staging").keys()
