"""The catalog: names that rules and issuers may use, in files that others evolve."""

from pathlib import Path

from authz.documents.findings import Findings
from authz.model import BackendService
from authz.policy.catalog.reader import read_catalog
from tests.support.examples import UNIT_PRIMITIVE
from tests.support.files import shown, write

BACKEND = """
    name: alpha
    description: d
    project_url: https://p.example
    group: group::a
    jwt_aud: aud-alpha
    """
READ = """
    name: read
    description: d
    group: group::a
    feature_category: c
    documentation_url: https://d.example
    backend_services: [alpha]
    """


def test_backends_and_unit_primitives_are_read(tmp_path: Path) -> None:
    write(tmp_path / "catalog/backend_services/alpha.yml", BACKEND)
    write(tmp_path / "catalog/unit_primitives/read.yml", READ)
    findings = Findings()
    catalog = read_catalog(tmp_path, findings)
    assert catalog.backend_services == {"alpha": BackendService("alpha", "aud-alpha")}
    assert catalog.unit_primitives == {"read": UNIT_PRIMITIVE}
    assert (findings.problems, findings.warnings) == ([], [])


def test_the_folder_may_have_its_upstream_name(tmp_path: Path) -> None:
    write(tmp_path / "config/backend_services/alpha.yml", BACKEND)
    findings = Findings()
    assert set(read_catalog(tmp_path, findings).backend_services) == {"alpha"}
    assert findings.problems == []


def test_our_name_of_the_folder_comes_first(tmp_path: Path) -> None:
    write(tmp_path / "catalog/backend_services/alpha.yml", BACKEND)
    write(tmp_path / "config/backend_services/beta.yml", BACKEND.replace("alpha", "beta"))
    assert set(read_catalog(tmp_path, Findings()).backend_services) == {"alpha"}


def test_a_policy_without_a_catalog_is_a_problem(tmp_path: Path) -> None:
    findings = Findings()
    catalog = read_catalog(tmp_path, findings)
    assert (catalog.backend_services, catalog.unit_primitives) == ({}, {})
    assert [problem.message for problem in findings.problems] == ["has no catalog/ (or config/) directory"]


def test_a_name_that_differs_from_its_file_is_a_problem_and_names_nothing(tmp_path: Path) -> None:
    write(tmp_path / "catalog/backend_services/beta.yml", BACKEND)
    write(tmp_path / "catalog/unit_primitives/write.yml", "\n# first\n" + READ.lstrip("\n"))
    findings = Findings()
    catalog = read_catalog(tmp_path, findings)
    assert (catalog.backend_services, catalog.unit_primitives) == ({}, {})
    assert shown(findings.problems) == [
        "beta.yml:1: name 'alpha' differs from the file's name 'beta'",
        "write.yml:2: name 'read' differs from the file's name 'write'",
    ]


def test_what_a_newer_schema_adds_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "catalog/backend_services/alpha.yml", BACKEND + "added_later: 1\n")
    write(tmp_path / "catalog/unit_primitives/read.yml", READ + "newer: 1\n")
    findings = Findings()
    catalog = read_catalog(tmp_path, findings)
    assert set(catalog.unit_primitives) == {"read"}
    assert findings.problems == []
    assert shown(findings.warnings) == [
        "alpha.yml:6: unknown key 'added_later' is ignored",
        "read.yml:7: unknown key 'newer' is ignored",
    ]


def test_a_missing_audience_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path / "catalog/backend_services/alpha.yml", BACKEND.replace("jwt_aud", "jwt_audience"))
    findings = Findings()
    assert read_catalog(tmp_path, findings).backend_services == {}
    assert shown(findings.problems) == ["alpha.yml:1: key 'jwt_aud' is missing"]
