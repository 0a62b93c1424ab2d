"""The JSON Schemas: up to date, named by every shipped file, and true of it."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from authz.cli.catalog.schemas import SCHEMAS, schema_text
from tests.support.json_schema import faults
from tests.support.repository import PACKAGED_POLICY

PACKAGED: Final = PACKAGED_POLICY
SHIPPED: Final = sorted(PACKAGED.rglob("*.y*ml"))


class _DatesAreText(yaml.SafeLoader):
    """Reads what YAML 1.2 has."""


_DatesAreText.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def kind(file: Path) -> str:
    """Return the name of the schema that a policy file follows."""
    parts = file.relative_to(PACKAGED).parts
    return {"catalog": parts[-2], "rules": "rules"}.get(parts[0], file.stem) if len(parts) > 1 else file.stem


def as_editors_read(file: Path) -> Any:  # Any: YAML
    """Return what a file holds; editors know YAML 1.2, in which a date is text."""
    return yaml.load(file.read_text(), _DatesAreText)  # noqa: S506  a safe loader that knows less


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_shipped_schema_is_up_to_date(name: str) -> None:
    assert (PACKAGED / "schema" / f"{name}.json").read_text() == schema_text(name), "run: make schemas"


def test_no_other_schema_is_shipped() -> None:
    assert {file.stem for file in (PACKAGED / "schema").iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: str(file.relative_to(PACKAGED)))
def test_a_shipped_file_names_its_schema_first_and_keeps_it(file: Path) -> None:
    line = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text())
    assert line, "its first line names its schema"
    assert (file.parent / line[1]).resolve() == PACKAGED / "schema" / f"{kind(file)}.json"
    schema = json.loads(schema_text(kind(file)))
    assert faults(as_editors_read(file), schema, schema) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("issuers", "issuers: []"),
        ("issuers", "issuers: [{name: a, issuer: b, token_type: instance, max_lifetime: 3}]"),
        ("issuers", "issuers: [{name: a, issuer: b, token_type: instance, max_lifetime: 3 days}]"),
        ("issuers", "issuers: [{name: a, issuer: b, token_type: robot, max_lifetime: 3d}]"),
        ("issuers", "issuers: [{name: a, issuer: b, token_type: user, max_lifetime: 3d, reams: [saas]}]"),
        ("rules", "{backend_service: a, prefix: /a, rules: [{path: /x, methods: [get], unit_primitives: [b]}]}"),
        ("rules", "{backend_service: a, prefix: /a, rules: [{path: /x, methods: [GET], unit_primitives: {any: [b]}}]}"),
        ("tiers", "{default: any, tiers: [{name: small, min_seats: 0}]}"),
        ("revocations", "token_ids: [{value: x}]"),
        ("unit_primitives", "name: a"),
        ("unit_primitives", "{name: a, description: d, group: a, feature_category: c, documentation_url: u}"),
        ("unit_primitives", "{name: A, description: d, group: 'group::a', feature_category: c, documentation_url: u}"),
        ("backend_services", "{name: a}"),
        ("add_ons", "{name: Duo Pro}"),
        ("services", "{name: a, unit_primitives: []}"),
        ("operators", "{name: cloud}"),
    ],
)
def test_an_editor_sees_what_is_wrong(name: str, text: str) -> None:
    schema = json.loads(schema_text(name))
    assert faults(yaml.safe_load(text), schema, schema)
