"""The JSON catalog: its keys and values one by one, and the schema that says so."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from authz.documents.findings import Findings
from authz.policy.catalog.catalog_json import catalog_json
from authz.policy.catalog.reader import read_catalog_files
from tests.support.files import write
from tests.support.json_schema import faults
from tests.support.repository import PACKAGED_POLICY, UPSTREAM
from tests.support.tables import row

SCHEMA: Final = PACKAGED_POLICY / "schema/catalog_json.json"
REQUIRED: Final = (
    "name: read\ndescription: d\ngroup: group::a\nfeature_category: c\ndocumentation_url: https://d.example\n"
)
ENTRY: Final = {
    "name": "read",
    "description": "d",
    "group": "group::a",
    "feature_category": "c",
    "documentation_url": "https://d.example",
}


def exported(policy: Path) -> dict[str, Any]:
    """Return the document of a policy without problems."""
    findings = Findings()
    files = read_catalog_files(policy, findings)
    findings.conclude()
    return catalog_json(files)


def catalog(folder: Path, more: str = "", **files: str) -> dict[str, Any]:
    """Return the document of a catalog with unit primitive `read`, whose file ends in these lines, and other files."""
    write(folder / "catalog/backend_services/alpha.yml", "name: alpha\njwt_aud: aud-alpha\n")
    write(folder / "catalog/unit_primitives/read.yml", REQUIRED + more)
    for kind, text in files.items():
        write(folder / "catalog" / kind / "first.yml", text)
    return exported(folder)


@pytest.mark.parametrize("policy", [PACKAGED_POLICY, UPSTREAM], ids=["shipped", "upstream"])
def test_the_document_of_a_catalog_fits_the_shipped_schema(policy: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    assert faults(exported(policy), schema, schema) == []


def test_the_document_of_an_upstream_catalog_is_the_golden_file() -> None:
    assert exported(UPSTREAM) == json.loads((UPSTREAM / "catalog.json").read_text())


def test_the_keys_of_the_document_are_those_that_gitlab_loads() -> None:
    assert exported(UPSTREAM).keys() == {"add_ons", "backend_services", "license_types", "unit_primitives"}


def test_what_an_entry_does_not_say_is_left_out(tmp_path: Path) -> None:
    assert catalog(tmp_path, "add_ons: []\nalias_names: []\n") == {
        "add_ons": [],
        "backend_services": [{"name": "alpha", "jwt_aud": "aud-alpha"}],
        "license_types": [],
        "unit_primitives": [ENTRY],
    }


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        row("a date as Rails writes it", "cut_off_date: 2024-10-17 00:00:00 UTC", "cut_off_date",
            "2024-10-17T00:00:00.000+00:00"),
        row("a date without a time", "cut_off_date: 2024-10-17", "cut_off_date", "2024-10-17T00:00:00.000+00:00"),
        row("a date of another zone", "cut_off_date: 2024-10-17T02:00:00+02:00", "cut_off_date",
            "2024-10-17T00:00:00.000+00:00"),
        row("a milestone that YAML takes for a number", "milestone: 17.3", "milestone", "17.3"),
        row("a milestone", "milestone: '17.10'", "milestone", "17.10"),
        row("a version as it is written", "min_gitlab_version: '17.10'", "min_gitlab_version", "17.10"),
        row("names in their order", "backend_services: [alpha]", "backend_services", ["alpha"]),
        row("names of what has no folder", "add_ons: [pro, core]", "add_ons", ["pro", "core"]),
        row("other names", "alias_names: [Old One]", "alias_names", ["Old One"]),
        row("why it will go", "deprecation_message: m", "deprecation_message", "m"),
    ],
)  # fmt: skip
def test_an_entry_says_what_its_file_says(line: str, key: str, value: object, tmp_path: Path) -> None:
    assert catalog(tmp_path, f"{line}\n")["unit_primitives"] == [{**ENTRY, key: value}]


def test_keys_that_are_not_public_are_left_out(tmp_path: Path) -> None:
    document = catalog(
        tmp_path, "owners: [somebody]\noperators: [first]\nadd_ons_association: [x]\n", add_ons="name: first\nsku: 1\n"
    )
    assert document["unit_primitives"] == [ENTRY]
    assert document["add_ons"] == [{"name": "first"}]


def test_add_ons_and_license_types_keep_their_descriptions(tmp_path: Path) -> None:
    text = "name: first\ndescription: First\n"
    document = catalog(tmp_path, add_ons=text, license_types=text)
    assert document["add_ons"] == document["license_types"] == [{"name": "first", "description": "First"}]


def test_entries_are_sorted_by_name(tmp_path: Path) -> None:
    names = ("b", "a_b", "a")
    for name in names:
        write(tmp_path / f"catalog/unit_primitives/{name}.yaml", REQUIRED.replace("name: read", f"name: {name}"))
    document = catalog(tmp_path)
    assert [entry["name"] for entry in document["unit_primitives"]] == ["a", "a_b", "b", "read"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        row("a service", {"services": []}, "services is unknown"),
        row("a key that is not public", {"unit_primitives": [{**ENTRY, "operators": ["a"]}]}, "operators is unknown"),
        row("no description", {"unit_primitives": [{"name": "read"}]}, "breaks required"),
        row("an empty list", {"unit_primitives": [{**ENTRY, "add_ons": []}]}, "breaks minItems"),
        row("an empty text", {"add_ons": [{"name": "a", "description": ""}]}, "breaks minLength"),
        row("nothing", {"unit_primitives": [{**ENTRY, "milestone": None}]}, "None is no string"),
        row("another date", {"unit_primitives": [{**ENTRY, "cut_off_date": "2024-10-17"}]}, "breaks pattern"),
        row("a backend without audience", {"backend_services": [{"name": "a"}]}, "breaks required"),
    ],
)
def test_the_schema_refuses_what_is_never_exported(change: dict[str, Any], fault: str) -> None:
    schema = json.loads(SCHEMA.read_text())
    found = faults({**exported(UPSTREAM), **change}, schema, schema)
    assert len(found) == 1
    assert fault in found[0]
