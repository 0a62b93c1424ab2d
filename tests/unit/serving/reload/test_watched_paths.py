"""WatchedPaths: every change that can change what is read shows in one of them."""

from pathlib import Path

import pytest

from authz.serving.reload.watched_paths import MAX_LINKS, watched_paths
from tests.support.files import write


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A policy folder, by its real path."""
    made = tmp_path.resolve() / "mount" / "policy"
    write(made / "issuers.yml", "")
    write(made / "rules/a.yml", "")
    return made


def test_each_folder_is_watched_and_who_could_replace_the_first(top: Path) -> None:
    found = watched_paths(top)
    assert found.watched() == {top, top / "rules", top.parent}
    assert found.concerns(top / "issuers.yml")
    assert found.concerns(top / "rules/b.yml")
    assert found.concerns(top)
    assert not found.concerns(top.parent / "other")


def test_a_link_matters_where_it_lies_and_where_it_leads(top: Path, tmp_path: Path) -> None:
    link = tmp_path.resolve() / "current"
    link.symlink_to("mount/policy")
    found = watched_paths(link)
    assert found.watched() == {top, top / "rules", top.parent, link.parent}
    assert found.concerns(link)
    assert found.concerns(top / "issuers.yml")


def test_a_mounted_volume_shows_its_swap(top: Path) -> None:
    """policy -> ..data/policy, ..data -> ..1: only ..data is ever moved."""
    mount = top.parent
    (mount / "..1").mkdir()
    top.rename(mount / "..1/policy")
    (mount / "..data").symlink_to("..1")
    (mount / "policy").symlink_to("..data/policy")
    before = watched_paths(top)
    assert before.concerns(mount / "..data")
    assert before.concerns(mount / "policy")
    assert mount in before.watched()
    write(mount / "..2/policy/issuers.yml", "")
    (mount / "..new").symlink_to("..2")
    (mount / "..new").replace(mount / "..data")
    assert watched_paths(top) != before


def test_a_file_that_lies_elsewhere_is_seen_there(top: Path, tmp_path: Path) -> None:
    elsewhere = write(tmp_path.resolve() / "elsewhere/tiers.yml", "")
    (top / "tiers.yml").symlink_to(elsewhere)
    found = watched_paths(top)
    assert found.concerns(elsewhere)
    assert elsewhere.parent in found.watched()


def test_a_link_that_climbs_is_followed(top: Path) -> None:
    shared = write(top.parent / "shared/tiers.yml", "")
    (top / "rules/tiers.yml").symlink_to("../../shared/tiers.yml")
    assert watched_paths(top).concerns(shared)


def test_a_folder_that_took_the_name_of_another_is_another_place(top: Path) -> None:
    before = watched_paths(top)
    top.rename(top.with_name("old"))
    write(top / "issuers.yml", "")
    write(top / "rules/a.yml", "")
    assert watched_paths(top) != before
    assert watched_paths(top).watched() == before.watched()


def test_what_is_not_there_shows_where_it_would_appear(top: Path) -> None:
    missing = top.parent / "a/b/c"
    found = watched_paths(missing)
    assert found.watched() == {top.parent}
    assert found.concerns(top.parent / "a")


def test_links_in_a_circle_end(top: Path) -> None:
    for number in range(MAX_LINKS + 2):
        (top / f"{number}.yml").symlink_to(f"{number + 1}.yml")
    (top / f"{MAX_LINKS + 2}.yml").symlink_to("0.yml")
    assert top in watched_paths(top).watched()


def test_relative_paths_are_seen_by_their_real_ones(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(top.parent)
    assert watched_paths(Path("policy")) == watched_paths(top)
