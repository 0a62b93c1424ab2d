"""The comparison: which number differs between what was rendered and what the limits say now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath

import pytest

from authz.documents.findings import Findings
from authz.limits.drift import compare, leftovers
from authz.limits.rendering.text import Page
from tests.unit.limits.rendering.test_files import EXCEPTION, pages

SOURCE = PurePath("envoy/limits.yaml")
MEND = "; run authz limits render"
USERS = "embedded/users.yaml"
TIERS = "shared/ratelimit/tiers.yaml"


@pytest.fixture
def made(tmp_path: Path) -> Mapping[str, Page]:
    """What should be there, and is."""
    return placed(tmp_path)


def placed(folder: Path, *edits: tuple[str, str]) -> Mapping[str, Page]:
    rendered = pages(folder, *edits)
    for name, page in rendered.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(page.text)
    return rendered


def differences(made: Mapping[str, Page], folder: Path) -> list[str]:
    """What is told, files named from the folder of what is rendered."""
    findings = Findings()
    compare(made, folder, SOURCE, findings)
    return [str(problem).replace(f"{folder}/", "") for problem in findings.problems]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_what_was_just_rendered_does_not_differ(tmp_path: Path, made: Mapping[str, Page]) -> None:
    assert differences(made, tmp_path) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "told"),
    [
        pytest.param(
            USERS,
            "max_tokens: 4, tokens_per_fill: 4,",
            "max_tokens: 7, tokens_per_fill: 7,",
            "alpha, tier any, per user",
            "7/minute here, 4/minute in envoy/limits.yaml:5",
            id="a number",
        ),
        pytest.param(
            USERS,
            "fill_interval: 60s",
            "fill_interval: 3600s",
            "alpha, tier any, per user",
            "4/hour here, 4/minute in envoy/limits.yaml:5",
            id="a window",
        ),
        pytest.param(
            USERS,
            "fill_interval: 60s",
            "fill_interval: 7s",
            "alpha, tier any, per user",
            "4/7s here, 4/minute in envoy/limits.yaml:5",
            id="a window that nobody could write",
        ),
        pytest.param(
            USERS,
            "tokens_per_fill: 4,",
            "tokens_per_fill: 5,",
            "alpha, tier any, per user",
            "counts something else than 4/minute in envoy/limits.yaml:5 means",
            id="something beside the number",
        ),
        pytest.param(
            TIERS,
            "requests_per_unit: 300}",
            "requests_per_unit: 301}, shadow_mode: true",
            "alpha, tier small, in all",
            "301/minute in shadow here, 300/minute in envoy/limits.yaml:6",
            id="shadow, of the shared engine",
        ),
    ],
)
def test_the_number_that_was_changed_by_hand_is_told(
    tmp_path: Path, made: Mapping[str, Page], name: str, old: str, new: str, line: str, told: str
) -> None:
    edit(tmp_path / name, old, new)
    number = next(
        at for at, text in enumerate(made[name].text.splitlines(), 1) if text.partition("# ")[2].startswith(line)
    )
    assert differences(made, tmp_path) == [f"{name}:{number}: {line}: {told}{MEND}"]


def test_a_number_that_was_edited_in_the_source_is_told_for_both_engines(tmp_path: Path) -> None:
    placed(tmp_path)
    now = pages(tmp_path, ("user: 5/minute", "user: {limit: 8/hour, shadow: true}"))
    told = [each.split(": ", 1)[1] for each in differences(now, tmp_path) if "per user" in each]
    assert told == [f"alpha, tier small, per user: 5/minute here, 8/hour in shadow in envoy/limits.yaml:6{MEND}"] * 2


def test_every_number_is_told_at_once(tmp_path: Path) -> None:
    placed(tmp_path)
    now = pages(tmp_path, ("capacity: 1000/minute", "capacity: 2000/minute"))
    told = [each.split(": ", 1)[1] for each in differences(now, tmp_path)]
    assert told == [
        f"alpha, tier any, in all: 100/minute here, 200/minute in envoy/limits.yaml:5{MEND}",
        f"alpha, tier small, in all: 300/minute here, 600/minute in envoy/limits.yaml:6{MEND}",
        f"alpha, tier large, in all: 600/minute here, 1200/minute in envoy/limits.yaml:7{MEND}",
    ] * 2  # fmt: skip


def test_a_limit_that_is_new_or_gone_is_told(tmp_path: Path) -> None:
    with_exception = placed(tmp_path, EXCEPTION)
    without = pages(tmp_path)
    gone = [each for each in differences(without, tmp_path) if each.startswith("embedded/")]
    assert len(gone) == 3
    told = f"alpha, tier any, instance big: 90/minute here, nothing in envoy/limits.yaml{MEND}"
    assert gone[0].split(": ", 1)[1] == told
    placed(tmp_path)
    new = [each for each in differences(with_exception, tmp_path) if each.startswith("embedded/")]
    told = f"alpha, tier any, instance big: nothing here, 90/minute in envoy/limits.yaml:8{MEND}"
    assert (len(new), new[0]) == (3, f"embedded/instances.yaml: {told}")


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        pytest.param(
            "- authz ", "- other ", "- other", "'- other   # decides' here, '- authz   # decides' now", id="a line"
        ),
        pytest.param("- authz ", "- x\n- authz ", "- x", "'- x' here, '- authz   # decides' now", id="a line more"),
    ],
)
def test_any_other_difference_is_told_by_its_first_line(
    tmp_path: Path, made: Mapping[str, Page], old: str, new: str, line: str, told: str
) -> None:
    file = tmp_path / "shared/envoy.yaml"
    edit(file, old, new)
    number = next(at for at, text in enumerate(file.read_text().splitlines(), 1) if text.startswith(line))
    assert differences(made, tmp_path) == [f"shared/envoy.yaml:{number}: {told}{MEND}"]


def test_lines_that_are_missing_at_the_end_are_told(tmp_path: Path, made: Mapping[str, Page]) -> None:
    file = tmp_path / "shared/envoy.yaml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]) + "\n")
    told = f"nothing here, '{lines[-1].strip()}' now"
    assert differences(made, tmp_path) == [f"shared/envoy.yaml:{len(lines)}: {told}{MEND}"]
    file.write_text("\n".join([*lines, "more: 1", ""]))
    told = "'more: 1' here, no such line now"
    assert differences(made, tmp_path) == [f"shared/envoy.yaml:{len(lines) + 1}: {told}{MEND}"]


def test_a_version_is_told_where_nothing_else_differs(tmp_path: Path, made: Mapping[str, Page]) -> None:
    edit(tmp_path / USERS, "max_dynamic_descriptors: 40", "max_dynamic_descriptors: 4")
    edit(tmp_path / USERS, 'version_info: "', 'version_info: "0')
    (told,) = differences(made, tmp_path)
    assert told.endswith(f"'max_dynamic_descriptors: 4' here, 'max_dynamic_descriptors: 40' now{MEND}")
    edit(tmp_path / USERS, "max_dynamic_descriptors: 4", "max_dynamic_descriptors: 40")
    (told,) = differences(made, tmp_path)
    assert told.startswith(f"{USERS}:2: 'version_info: ")


def test_another_end_of_line_is_told(tmp_path: Path, made: Mapping[str, Page]) -> None:
    (tmp_path / USERS).write_bytes((tmp_path / USERS).read_bytes().rstrip(b"\n"))
    assert differences(made, tmp_path) == [f"{USERS}: is not as it was written{MEND}".replace("; run", ": run")]


def test_a_file_that_is_missing_or_cannot_be_read_is_told(tmp_path: Path, made: Mapping[str, Page]) -> None:
    (tmp_path / USERS).unlink()
    (tmp_path / TIERS).unlink()
    (tmp_path / TIERS).mkdir()
    assert differences(made, tmp_path) == [
        f"{USERS}: is missing: run authz limits render",
        f"{TIERS}: cannot be read: Is a directory",
    ]


def test_what_an_earlier_rendering_left_is_told_and_other_files_are_nobodys_business(
    tmp_path: Path, made: Mapping[str, Page]
) -> None:
    old = tmp_path / "embedded/unit_primitives.yaml"
    old.write_text(made[USERS].text)
    (tmp_path / "embedded/notes.yaml").write_text("mine: true\n")
    (tmp_path / "embedded/folder.yaml").mkdir()
    assert leftovers(made, tmp_path) == (old,)
    assert differences(made, tmp_path) == [
        "embedded/unit_primitives.yaml: is no longer rendered, but may still be read: run authz limits render, which "
        "removes it"
    ]
