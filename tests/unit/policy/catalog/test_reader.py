"""The catalog's files: upstream files load unchanged, and all problems are reported with file and line."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from authz.documents.findings import Findings
from authz.documents.schema import moment
from authz.model import BackendService
from authz.policy.catalog.model import Catalog, Operator
from authz.policy.catalog.reader import read_catalog
from authz.policy.catalog.versions import Version
from tests.support.files import shown, write
from tests.support.repository import PACKAGED_POLICY, UPSTREAM

PACKAGED: Final = PACKAGED_POLICY
UNIT: Final = """\
name: {name}
description: d
group: group::a
feature_category: c
documentation_url: https://d.example
backend_services: [alpha]
"""


def read(policy: Path) -> tuple[Catalog, list[str], list[str]]:
    findings = Findings()
    catalog = read_catalog(policy, findings)
    return catalog, shown(sorted(findings.problems)), shown(sorted(findings.warnings))


def policy(folder: Path, *more: str, **files: str) -> Path:
    """Write a policy with backend alpha and unit primitive `read`, whose file ends in these lines, and other files."""
    write(folder / "catalog/backend_services/alpha.yml", "name: alpha\njwt_aud: aud-alpha\n")
    write(
        folder / "catalog/unit_primitives/read.yml",
        "".join([UNIT.format(name="read"), *(f"{line}\n" for line in more)]),
    )
    for name, text in files.items():
        write(folder / f"catalog/{name.replace('__', '/')}.yml", text)
    return folder


def test_a_config_folder_as_upstream_writes_it_loads_unchanged() -> None:
    catalog, problems, warnings = read(UPSTREAM)
    assert problems == []
    assert warnings == ["documentation_search.yml:15: unknown key 'owners' is ignored"]
    assert {name: len(getattr(catalog, name)) for name in ("unit_primitives", "services", "operators")} == {
        "unit_primitives": 5,
        "services": 3,
        "operators": 0,
    }
    assert catalog.backend_services["ai_gateway"] == BackendService("ai_gateway", "gitlab-ai-gateway")
    assert catalog.add_ons == {"duo_enterprise", "duo_pro"}
    search = catalog.unit_primitives["documentation_search"]
    assert search.cut_off_date == catalog.unit_primitives["duo_chat"].cut_off_date == datetime(2024, 10, 17, tzinfo=UTC)
    assert (search.min_gitlab_version, search.add_ons) == (Version.parse("16.10"), ("duo_pro",))
    assert catalog.unit_primitives["explain_vulnerability"].cut_off_date is None
    assert not catalog.unit_primitives["explain_vulnerability"].is_deprecated
    assert catalog.unit_primitives["security_scans"].is_deprecated


def test_services_call_unit_primitives_by_their_own_names() -> None:
    assert read(UPSTREAM)[0].services["duo_chat"].unit_primitives == ("documentation_search", "duo_chat")


def test_another_name_never_takes_the_place_of_a_unit_primitives_own(tmp_path: Path) -> None:
    """2026-11-22: the legacy export told a paid one's service with the terms of a free one that called itself so."""
    paid = UNIT.format(name="paid") + "alias_names: [dear]\n"
    thief = UNIT.format(name="thief") + "alias_names: [cheap, read, paid, dear]\n"
    service = "name: all\nunit_primitives: [read, paid, dear, cheap]\n"
    folder = policy(tmp_path, unit_primitives__paid=paid, unit_primitives__thief=thief, services__all=service)
    catalog, problems, warnings = read(folder)
    assert problems == []
    assert catalog.services["all"].unit_primitives == ("read", "paid", "thief")
    assert warnings == [
        "thief.yml:7: 'dear' is ignored: it is a name of unit primitive 'paid'",
        "thief.yml:7: 'paid' is ignored: it is a name of unit primitive 'paid'",
        "thief.yml:7: 'read' is ignored: it is a name of unit primitive 'read'",
    ]


def test_the_shipped_catalog_has_neither_problems_nor_warnings() -> None:
    catalog, problems, warnings = read(PACKAGED)
    assert (problems, warnings) == ([], [])
    assert set(catalog.backend_services) == {"ai_gateway", "duo_workflow_service", "observability", "sast"}
    assert set(catalog.license_types) == {"free", "premium", "ultimate"}
    assert catalog.operators["gitlab_cloud_operator"] == Operator("gitlab_cloud_operator", (), ("premium", "ultimate"))


@pytest.mark.parametrize("folder", ["add_ons", "license_types", "operators", "services"])
def test_an_optional_folder_that_is_missing_is_empty(folder: str, tmp_path: Path) -> None:
    shutil.copytree(PACKAGED / "catalog", tmp_path / "catalog")
    shutil.rmtree(tmp_path / "catalog" / folder)
    catalog, problems, _ = read(tmp_path)
    assert problems == []
    assert not getattr(catalog, folder)


def test_a_folder_that_is_needed_is_no_optional_one(tmp_path: Path) -> None:
    shutil.rmtree(policy(tmp_path) / "catalog/backend_services")
    assert read(tmp_path)[1] == ["read.yml:6: 'alpha' is not in backend_services/"]


def test_for_the_inner_folder_the_outer_one_is_suggested() -> None:
    message = f"has no catalog/ (or config/) directory: name the folder around it, {UPSTREAM}"
    assert read(UPSTREAM / "config")[1] == [f"config:0: {message}"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("cut_off_date: soon", "cut_off_date: should be a date such as 2024-10-17 00:00:00 UTC, not 'soon'"),
        ("cut_off_date: 17", "cut_off_date: should be a date such as 2024-10-17 00:00:00 UTC, not 17"),
        ("cut_off_date: 2024-10-17 00:00:00+02:00 UTC", "cut_off_date: should be a date such as"),
        ("cut_off_date: 0001-01-01 00:00:00+14:00", "cut_off_date: should be a date such as"),
        ("min_gitlab_version: 17.10", "min_gitlab_version: put it in quotes, as in '17.8': YAML reads 17.10 as 17.1"),
        ("min_gitlab_version: 17", "min_gitlab_version: put it in quotes"),
        ("min_gitlab_version: 'soon'", "min_gitlab_version: should be a GitLab version such as '17.8', not 'soon'"),
        ("min_gitlab_version_for_free_access: 17.8", "min_gitlab_version_for_free_access: put it in quotes"),
        ("add_ons: pro", "add_ons: should be a list, not 'pro'"),
        ("add_ons:", "add_ons: should be a list"),
        ("license_types: [ultimate, 3]", "license_types[1]: should be text (put it in quotes), not 3"),
        ("operators: [Cloud]", "operators[0]: should be lower-case letters, digits and underscores"),
        ("deprecation_message: [a]", "deprecation_message: should be text (put it in quotes)"),
        ("alias_names: old", "alias_names: should be a list, not 'old'"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_problem(line: str, problem: str, tmp_path: Path) -> None:
    _, [told_problem], _ = read(policy(tmp_path, line))
    assert told_problem.startswith(f"read.yml:7: {problem}")


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("unit_primitives", UNIT.replace("group::a", "a"), ":3: group: should be the group that owns it"),
        ("unit_primitives", UNIT.replace("description: d\n", ""), ":1: key 'description' is missing"),
        (
            "unit_primitives",
            UNIT.replace("https://d.example", "''"),
            ":5: documentation_url: should not be empty",
        ),
        ("backend_services", "name: {name}\njwt_aud: ''\n", ":2: jwt_aud: should not be empty"),
        ("operators", "name: {name}\n", ":1: name: should end in _operator, not 'bad'"),
        ("services", "name: {name}\nunit_primitives: []\n", ":2: unit_primitives: should have at least one entry"),
        ("services", "name: {name}\nunit_primitives: [read]\ngitlab_realm: [saas]\n", ":3: gitlab_realm[0]: should be"),
        ("add_ons", "- name: {name}\n", ":1: should be keys and values"),
        ("license_types", "name: {name}\nname: {name}\n", ":2: key 'name' appears twice"),
    ],
)
def test_each_kind_of_file_has_its_schema(kind: str, text: str, problem: str, tmp_path: Path) -> None:
    _, [told_problem], _ = read(policy(tmp_path, **{f"{kind}__bad": text.format(name="bad")}))
    assert told_problem.startswith(f"bad.yml{problem}")


@pytest.mark.parametrize("name", ["Read", "read-code", "1st", "", "über", "a" * 65, "read\n"])
def test_names_are_in_snake_case(name: str, tmp_path: Path) -> None:
    write(policy(tmp_path) / "catalog/add_ons/bad.yml", f"name: {name!r}\n")
    assert read(tmp_path)[1][0].startswith("bad.yml:1: name: should be lower-case letters")


def test_names_that_nothing_has_are_problems_where_they_stand(tmp_path: Path) -> None:
    files = {
        "add_ons__pro": "name: pro\n",
        "license_types__premium": "name: premium\n",
        "operators__our_operator": "name: our_operator\nadd_ons: [pro, por]\nlicense_types:\n  - premium\n  - pre\n",
        "services__chat": "name: chat\nbasic_unit_primitive: reed\nunit_primitives:\n  - read\n  - reed\n",
    }
    lines = ["add_ons: [pro, por]", "license_types: [pre]", "operators: [my_operator]"]
    assert read(policy(tmp_path, *lines, **files))[1] == [
        "our_operator.yml:2: 'por' is not in add_ons/",
        "our_operator.yml:5: 'pre' is not in license_types/",
        "chat.yml:2: 'reed' is not in unit_primitives/",
        "chat.yml:5: 'reed' is not in unit_primitives/",
        "read.yml:7: 'por' is not in add_ons/",
        "read.yml:8: 'pre' is not in license_types/",
        "read.yml:9: 'my_operator' is not in operators/",
    ]


def test_a_file_that_cannot_be_read_is_reported_once_and_not_by_all_that_name_it(tmp_path: Path) -> None:
    files = {"add_ons__pro": "name: [\n", "services__chat": "name: chat\nunit_primitives: [read, lost]\n"}
    write(tmp_path / "catalog/unit_primitives/lost.yml", "name: lost\n")
    problems = read(policy(tmp_path, "add_ons: [pro]", **files))[1]
    assert {problem.split(":")[0] for problem in problems} == {"pro.yml", "lost.yml"}


def test_a_name_in_two_files_is_a_problem(tmp_path: Path) -> None:
    write(policy(tmp_path) / "catalog/unit_primitives/read.yaml", UNIT.format(name="read"))
    assert read(tmp_path)[1] == ["read.yml:1: 'read' is in read.yaml too"]


def test_a_service_whose_basic_unit_primitive_is_another_ones_is_a_warning(tmp_path: Path) -> None:
    text = "name: chat\nbasic_unit_primitive: other\nunit_primitives: [read]\n"
    _, problems, warnings = read(
        policy(tmp_path, services__chat=text, unit_primitives__other=UNIT.format(name="other"))
    )
    assert problems == []
    assert warnings == ["chat.yml:2: 'other' is not in unit_primitives: the first of them describes the service"]


def test_a_key_that_is_almost_known_gets_a_suggestion(tmp_path: Path) -> None:
    _, problems, warnings = read(policy(tmp_path, "licence_types: [ultimate]"))
    assert problems == []
    assert warnings == ["read.yml:7: unknown key 'licence_types' is ignored; did you mean 'license_types'?"]


MISTAKES: Final = (
    ("add_ons: [lost]", "'lost' is not in add_ons/"),
    ("min_gitlab_version: 17.8", "min_gitlab_version: put it in quotes, as in '17.8': YAML reads 17.10 as 17.1"),
    ("cut_off_date: x", "cut_off_date: should be a date such as 2024-10-17 00:00:00 UTC, not 'x'"),
    ("documentation_url: y", "key 'documentation_url' appears twice, first on line 5"),
    ("add_ons: lost", "add_ons: should be a list, not 'lost'"),
)


def broken(count: int) -> Iterator[tuple[str, str]]:
    """Yield files with one problem each, and its message."""
    for number in range(count):
        name = f"up_{number:02}"
        line, told_line = MISTAKES[number % len(MISTAKES)]
        yield f"{UNIT.format(name=name)}{line}\n", f"{name}.yml:7: {told_line}"


def test_fifty_problems_are_reported_at_once_each_with_file_and_line(tmp_path: Path) -> None:
    texts = list(broken(50))
    files = {f"unit_primitives__up_{number:02}": text for number, (text, _) in enumerate(texts)}
    problems = read(policy(tmp_path, add_ons__pro="name: pro\n", **files))[1]
    assert problems == [problem for _, problem in texts]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-10-17 00:00:00 UTC", datetime(2024, 10, 17, tzinfo=UTC)),
        ("2024-10-17", datetime(2024, 10, 17, tzinfo=UTC)),
        ("2024-10-17T02:00:00+02:00", datetime(2024, 10, 17, tzinfo=UTC)),
        (datetime(2024, 10, 17, tzinfo=UTC).date(), datetime(2024, 10, 17, tzinfo=UTC)),
        (datetime(2024, 10, 17, 1), datetime(2024, 10, 17, 1, tzinfo=UTC)),  # noqa: DTZ001  as YAML has it
    ],
)
def test_dates_are_read_as_utc(value: object, expected: datetime) -> None:
    assert moment(value) == expected
    assert moment(value).tzinfo == UTC
