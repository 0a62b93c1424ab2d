"""A scratch folder goes with its service, or, if that was killed, at the start of the next one."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

from authz.serving.reload.scratch import Scratch, remove_leftovers

HOLDING: Final = """
import pathlib, sys
from authz.serving.reload.scratch import Scratch
with Scratch(pathlib.Path(sys.argv[1])) as folder:
    (folder / "0").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_it_is_named_by_its_process_and_goes_after_its_block(tmp_path: Path) -> None:
    with Scratch(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(f"authz-{os.getpid()}-")
        (folder / "0").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_enter_it(tmp_path: Path) -> None:
    with Scratch(tmp_path) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_a_killed_process_left_is_swept_and_not_before(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = process.stdout.readline().strip()
        try:
            remove_leftovers(tmp_path, os.getuid())
            assert [str(each) for each in tmp_path.iterdir()] == [folder]
        finally:
            process.kill()
            process.wait()
        remove_leftovers(tmp_path, os.getuid() + 1)
        assert [str(each) for each in tmp_path.iterdir()] == [folder]
        remove_leftovers(tmp_path, os.getuid())
        assert list(tmp_path.iterdir()) == []


def test_what_is_in_doubt_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "lock").touch()
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / "authz-1-link").symlink_to(mine)
    (parent / "authz-1-unlocked").mkdir()
    (parent / "authz-1-file").touch()
    for folder in ("authz-1-linked", "authz-notes", "other"):
        (parent / folder).mkdir()
    (parent / "authz-1-linked" / "lock").symlink_to(mine / "lock")
    (parent / "authz-notes" / "lock").touch()
    before = sorted(tmp_path.rglob("*"))
    remove_leftovers(parent, os.getuid())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_listed_is_no_obstacle(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "none", os.getuid())
