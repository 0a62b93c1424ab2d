"""A document is in its file whole or not at all, whatever happens while it is written."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from authz.documents.atomic import create, replace, replace_all

WRITER = """
import sys
from pathlib import Path
from authz.documents.atomic import replace
while True:
    for letter in "ab":
        replace(Path(sys.argv[1]), letter * 3_000_000)
"""


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_new_file_is_there_whole_and_alone(tmp_path: Path) -> None:
    create(tmp_path / "a.yml", "näme: a\n")
    assert (tmp_path / "a.yml").read_text(encoding="utf-8") == "näme: a\n"
    assert names(tmp_path) == ["a.yml"]


def test_a_new_file_never_replaces_another(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("old")
    with pytest.raises(FileExistsError):
        create(tmp_path / "a.yml", "new")
    assert (tmp_path / "a.yml").read_text() == "old"
    assert names(tmp_path) == ["a.yml"]


def test_a_new_file_has_the_permissions_that_the_user_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        create(tmp_path / "a.yml", "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.yml").stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("old")
    file.chmod(0o604)
    replace(file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o604)
    assert names(tmp_path) == ["a.yml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yml").write_text("old")
    (tmp_path / "link.yml").symlink_to("real.yml")
    replace(tmp_path / "link.yml", "new")
    assert (tmp_path / "link.yml").is_symlink()
    assert (tmp_path / "real.yml").read_text() == "new"


def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("a" * 3_000_000)
    wholes = {"a" * 3_000_000, "b" * 3_000_000}
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)])
        seen: set[str] = set()
        deadline = time.monotonic() + 30
        while len(seen) < 2 and time.monotonic() < deadline:
            seen.add(file.read_text())
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert seen == wholes, "nobody ever reads a half"
        assert file.read_text() in wholes
    assert not any(name.endswith((".yml", ".yaml")) for name in names(tmp_path) if name != "a.yml")


def test_several_files_are_written_in_new_folders_and_over_old_files(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("old")
    replace_all({tmp_path / "a.yml": "new", tmp_path / "below" / "b.yml": "b"})
    assert (tmp_path / "a.yml").read_text() == "new"
    assert (tmp_path / "below" / "b.yml").read_text() == "b"
    assert (names(tmp_path), names(tmp_path / "below")) == (["a.yml", "below"], ["b.yml"])


def test_none_of_several_files_changes_where_one_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("old")
    (tmp_path / "b.yml").mkdir()
    with pytest.raises(IsADirectoryError, match=r"b\.yml"):
        replace_all({tmp_path / "a.yml": "new", tmp_path / "b.yml": "b"})
    with pytest.raises(FileExistsError):
        replace_all({tmp_path / "a.yml": "new", tmp_path / "a.yml" / "b.yml": "b"})
    assert (tmp_path / "a.yml").read_text() == "old"
    assert names(tmp_path) == ["a.yml", "b.yml"]
