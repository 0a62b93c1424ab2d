"""The revision covers every file that policy or keys may come from, however they are mounted."""

import os
from pathlib import Path

import pytest

from authz.policy.files import MAX_DEPTH, files, folders, revision
from tests.support.files import write


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with a file of each kind, and some that are of none."""
    made = tmp_path / "policy"
    for name in ("issuers.yml", "rules/a.yml", "rules/b.yaml", "k.jwks.json", "k.ca.pem"):
        write(made / name, name)
    for name in ("notes.md", "schema/rules.json", "rules/k.jwks.json", "rules/k.ca.pem", ".hidden/a.yml"):
        write(made / name, name)
    return made


def names(top: Path) -> list[str]:
    return [name.as_posix() for name, _ in files(top)]


def test_only_what_may_be_read_counts(top: Path) -> None:
    assert names(top) == ["issuers.yml", "k.ca.pem", "k.jwks.json", "rules/a.yml", "rules/b.yaml"]


def test_a_folder_that_is_a_link_counts(top: Path) -> None:
    """Kubernetes mounts the items of a ConfigMap so."""
    before = revision(top)
    (top / "..2026").mkdir()
    (top / "rules").rename(top / "..2026/rules")
    (top / "..data").symlink_to("..2026")
    (top / "rules").symlink_to("..data/rules")
    assert revision(top) == before
    write(top / "..2026/rules/a.yml", "changed")
    assert revision(top) != before


def test_links_in_a_circle_end(top: Path) -> None:
    before = names(top)
    (top / "rules/again").symlink_to("..")
    assert names(top) == before


def test_two_links_to_one_folder_are_two_folders(top: Path) -> None:
    """2026-11-22: the second was not read, and what named it was told that there is no such thing."""
    write(top / "..shared/c.yml", "c")
    for name in ("first", "second"):
        (top / name).symlink_to("..shared")
    (top / "..shared/again").symlink_to("../..shared")
    assert [name for name in names(top) if name.endswith("c.yml")] == ["first/c.yml", "second/c.yml"]
    assert [each.name for each in folders(top)] == [top.name, "first", "rules", "schema", "second"]


def test_a_file_that_moves_from_one_folder_to_the_next_changes_the_revision(tmp_path: Path) -> None:
    """2026-11-22: policy and keys were digested as if they were one folder."""
    write(tmp_path / "a/one.yml", "same")
    (tmp_path / "b").mkdir()
    before = revision(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a/one.yml").rename(tmp_path / "b/one.yml")
    assert revision(tmp_path / "a", tmp_path / "b") != before


def test_it_goes_down_only_so_far(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(MAX_DEPTH + 3):
        deep /= "d"
    deep.mkdir(parents=True)
    assert len(list(folders(tmp_path))) == MAX_DEPTH + 1


def test_what_is_no_file_or_cannot_be_read_is_left_out(top: Path) -> None:
    before = revision(top)
    os.mkfifo(top / "pipe.yml")
    (top / "folder.yml").mkdir()
    (top / "gone.yml").symlink_to("nowhere")
    assert revision(top) == before


def test_no_folder_has_no_files(tmp_path: Path) -> None:
    assert names(tmp_path / "none") == []
    (tmp_path / "empty").mkdir()
    assert revision(tmp_path / "none") == revision(tmp_path / "empty")


def test_a_folder_that_goes_meanwhile_has_no_files(top: Path) -> None:
    found = files(top)
    next(found)
    for name in ("a.yml", "b.yaml", "k.jwks.json", "k.ca.pem"):
        (top / "rules" / name).unlink()
    (top / "rules").rmdir()
    assert {name.parent for name, _ in found} == {Path()}
