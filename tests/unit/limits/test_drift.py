"""Drift: which number differs between the rendered files and what the limits say now."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Final

import pytest

from authz.documents.findings import Findings
from authz.limits.drift import compare, leftovers
from authz.limits.rendering.rendered_file import RenderedFile
from tests.support.tables import row
from tests.unit.limits.rendering.test_files import EXCEPTION, render

SOURCE = PurePath("envoy/limits.yaml")
REMEDY = "; run authz limits render"
USERS = "embedded/users.yaml"
TIERS = "shared/ratelimit/tiers.yaml"


@pytest.fixture
def files(tmp_path: Path) -> Mapping[str, RenderedFile]:
    """Rendered files, written to the folder."""
    return written(tmp_path)


def written(folder: Path, *edits: tuple[str, str]) -> Mapping[str, RenderedFile]:
    files = render(folder, *edits)
    for name, file in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(file.text)
    return files


def differences(files: Mapping[str, RenderedFile], folder: Path) -> list[str]:
    """The findings; files are named from the folder of rendered files."""
    findings = Findings()
    compare(files, folder, SOURCE, findings)
    return [str(problem).replace(f"{folder}/", "") for problem in findings.problems]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_what_was_just_rendered_does_not_differ(tmp_path: Path, files: Mapping[str, RenderedFile]) -> None:
    assert differences(files, tmp_path) == []


ANY_USER: Final = "alpha, tier any, per user"
NOW: Final = "4/minute in envoy/limits.yaml:5"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        row(
            "a number",
            "max_tokens: 4, tokens_per_fill: 4,",
            "max_tokens: 7, tokens_per_fill: 7,",
            f"7/minute here, {NOW}",
        ),
        row("a window", "fill_interval: 60s", "fill_interval: 3600s", f"4/hour here, {NOW}"),
        row("a window that limits.yaml cannot have", "fill_interval: 60s", "fill_interval: 7s", f"4/7s here, {NOW}"),
        row(
            "something beside the number",
            "tokens_per_fill: 4,",
            "tokens_per_fill: 5,",
            f"counts something else than {NOW} means",
        ),
    ],
)
def test_the_number_that_was_changed_by_hand_is_named(
    tmp_path: Path, files: Mapping[str, RenderedFile], old: str, new: str, message: str
) -> None:
    edit(tmp_path / USERS, old, new)
    assert differences(files, tmp_path) == [f"{USERS}:{line_of(files[USERS], ANY_USER)}: {ANY_USER}: {message}{REMEDY}"]


def test_shadow_that_was_changed_by_hand_is_named_for_the_shared_engine_too(
    tmp_path: Path, files: Mapping[str, RenderedFile]
) -> None:
    edit(tmp_path / TIERS, "requests_per_unit: 300}", "requests_per_unit: 301}\n    shadow_mode: true")
    label = "alpha, tier small, in all"
    message = "301/minute in shadow here, 300/minute in envoy/limits.yaml:6"
    assert differences(files, tmp_path) == [f"{TIERS}:{line_of(files[TIERS], label)}: {label}: {message}{REMEDY}"]


def line_of(file: RenderedFile, label: str) -> int:
    """Return the line of the limit with that comment."""
    return next(at for at, text in enumerate(file.text.splitlines(), 1) if text.partition("# ")[2].startswith(label))


def test_a_number_that_was_edited_in_the_source_is_named_for_both_engines(tmp_path: Path) -> None:
    written(tmp_path)
    now = render(tmp_path, ("user: 5/minute", "user: {limit: 8/hour, shadow: true}"))
    found = [each.split(": ", 1)[1] for each in differences(now, tmp_path) if "per user" in each]
    assert found == [f"alpha, tier small, per user: 5/minute here, 8/hour in shadow in envoy/limits.yaml:6{REMEDY}"] * 2


def test_every_number_is_named_at_once(tmp_path: Path) -> None:
    written(tmp_path)
    now = render(tmp_path, ("capacity: 1000/minute", "capacity: 2000/minute"))
    found = [each.split(": ", 1)[1] for each in differences(now, tmp_path)]
    assert found == [
        f"alpha, tier any, in all: 100/minute here, 200/minute in envoy/limits.yaml:5{REMEDY}",
        f"alpha, tier small, in all: 300/minute here, 600/minute in envoy/limits.yaml:6{REMEDY}",
        f"alpha, tier large, in all: 600/minute here, 1200/minute in envoy/limits.yaml:7{REMEDY}",
    ] * 2  # fmt: skip


def test_a_limit_that_is_new_or_gone_is_named(tmp_path: Path) -> None:
    with_exception = written(tmp_path, EXCEPTION)
    without = render(tmp_path)
    gone = [each for each in differences(without, tmp_path) if each.startswith("embedded/")]
    assert len(gone) == 3
    found = f"alpha, tier any, instance big: 90/minute here, nothing in envoy/limits.yaml{REMEDY}"
    assert gone[0].split(": ", 1)[1] == found
    written(tmp_path)
    new = [each for each in differences(with_exception, tmp_path) if each.startswith("embedded/")]
    found = f"alpha, tier any, instance big: nothing here, 90/minute in envoy/limits.yaml:8{REMEDY}"
    assert (len(new), new[0]) == (3, f"embedded/instances.yaml: {found}")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        row(
            "a value", "- name: authz ", "- name: other ", "- name: other", "filters[3].name: 'other' here, 'authz' now"
        ),
        row("a key", "  tier: ", "  tire: ", "  tire: ", "log.tire: '-' here, nothing now"),
        row("text", "- name: backend", "- backend", "- backend", "clusters[0]: 'backend' here, keys name now"),
        row(
            "a list", "- name: first\n", "- name: [first]\n", "- name: [f", "filters[0].name: a list here, 'first' now"
        ),
        row("a key that is gone", "- name: first\n", "- {}\n", "- {}", "filters[0].name: nothing here, 'first' now"),
    ],
)
def test_any_other_difference_is_named_by_its_first_place(
    tmp_path: Path, files: Mapping[str, RenderedFile], old: str, new: str, line: str, message: str
) -> None:
    file = tmp_path / "shared/envoy.yaml"
    edit(file, old, new)
    number = next(at for at, text in enumerate(file.read_text().splitlines(), 1) if text.startswith(line))
    assert differences(files, tmp_path) == [f"shared/envoy.yaml:{number}: {message}{REMEDY}"]


def test_a_part_that_is_missing_at_the_end_is_named(tmp_path: Path, files: Mapping[str, RenderedFile]) -> None:
    file = tmp_path / "embedded/envoy.yaml"
    edit(file, "clusters:\n- name: backend\n", "")
    assert differences(files, tmp_path) == [f"embedded/envoy.yaml:3: clusters: nothing here, a list now{REMEDY}"]


def test_a_version_is_named_where_nothing_else_differs(tmp_path: Path, files: Mapping[str, RenderedFile]) -> None:
    edit(tmp_path / USERS, "max_dynamic_descriptors: 40", "max_dynamic_descriptors: 4")
    edit(tmp_path / USERS, "version_info: ", "version_info: x")
    (found,) = differences(files, tmp_path)
    assert found.endswith(f".max_dynamic_descriptors: '4' here, '40' now{REMEDY}")
    edit(tmp_path / USERS, "max_dynamic_descriptors: 4", "max_dynamic_descriptors: 40")
    (found,) = differences(files, tmp_path)
    assert found.startswith(f"{USERS}:2: version_info: 'x")


@pytest.mark.parametrize(("old", "new"), [("# alpha", "# beta"), ("descriptors:\n", "descriptors: \n")])
def test_another_comment_or_layout_is_a_difference(
    tmp_path: Path, files: Mapping[str, RenderedFile], old: str, new: str
) -> None:
    edit(tmp_path / USERS, old, new)
    assert differences(files, tmp_path) == [f"{USERS}: is not written as it was rendered{REMEDY}"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: b: c", 1, "mapping values are not allowed in this context"),
        ("a: 1\na: 2\n", 2, "key 'a' appears twice, first on line 1"),
        ("a: \xff", 1, "is not UTF-8"),
    ],
)
def test_a_file_that_is_no_yaml_is_a_difference(
    tmp_path: Path, files: Mapping[str, RenderedFile], text: str, line: int, message: str
) -> None:
    (tmp_path / USERS).write_bytes(text.encode("latin-1"))
    assert differences(files, tmp_path) == [f"{USERS}:{line}: {message}{REMEDY}"]


@pytest.mark.parametrize(
    "text",
    [
        "- token_bucket: {max_tokens: [1]}\n  entries: [1, {value: a}, {key: [b], value: {c: d}}]\n",
        "rate_limit: {unit: {a: b}}\nkey: [1]\n",
        "token_bucket: {}\nentries: {a: b}\n",
    ],
)
def test_a_limit_of_any_other_form_is_one_that_limits_yaml_does_not_have(
    tmp_path: Path, files: Mapping[str, RenderedFile], text: str
) -> None:
    (tmp_path / USERS).write_text(text)
    *_, last = differences(files, tmp_path)
    assert last.endswith(f" here, nothing in envoy/limits.yaml{REMEDY}")


def test_a_list_of_limits_that_is_empty_lacks_all_of_them(tmp_path: Path, files: Mapping[str, RenderedFile]) -> None:
    (tmp_path / USERS).write_text("descriptors: []\nentries:\n- 1\n")
    assert [each.split(": ")[2] for each in differences(files, tmp_path)] == [
        f"nothing here, {number}/minute in envoy/limits.yaml:{line}{REMEDY}"
        for number, line in ((4, 5), (5, 6), (6, 7))
    ]


def test_a_file_that_is_missing_or_cannot_be_read_is_told(tmp_path: Path, files: Mapping[str, RenderedFile]) -> None:
    (tmp_path / USERS).unlink()
    (tmp_path / TIERS).unlink()
    (tmp_path / TIERS).mkdir()
    assert differences(files, tmp_path) == [
        f"{USERS}: is missing: run authz limits render",
        f"{TIERS}: cannot be read: Is a directory",
    ]


def test_a_file_of_an_earlier_rendering_is_named_and_other_files_are_not(
    tmp_path: Path, files: Mapping[str, RenderedFile]
) -> None:
    old = tmp_path / "embedded/unit_primitives.yaml"
    old.write_text(files[USERS].text)
    (tmp_path / "embedded/notes.yaml").write_text("mine: true\n")
    (tmp_path / "embedded/folder.yaml").mkdir()
    assert leftovers(files, tmp_path) == (old,)
    assert differences(files, tmp_path) == [
        "embedded/unit_primitives.yaml: is no longer rendered, but may still be read: run authz limits render, which "
        "removes it"
    ]
