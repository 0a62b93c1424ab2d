"""A snapshot is one moment of policy and keys, and what cannot be loaded is none."""

import os
import pickle
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from authz.deciding.policy_data import PolicyData
from authz.documents.findings import ConfigurationError
from authz.policy.files import folders
from authz.policy.rules.templates import MAX_SEGMENTS
from authz.serving.messages import Load
from authz.serving.reload import snapshot as snapshot_module
from authz.serving.reload.snapshot import Snapshot, Sources, take
from tests.support.cases.case_file import POLICY
from tests.support.issuers import PRODUCTION
from tests.support.minting import write_keys

NOBODY: Final = 65_534


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """A copy of the shipped policy, with keys."""
    shutil.copytree(POLICY, tmp_path / "policy", ignore=shutil.ignore_patterns("schema"))
    write_keys(tmp_path / "keys")
    return Sources(tmp_path / "policy", tmp_path / "keys", "production", False, False)


def problems(sources: Sources, folder: Path, running: Snapshot | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        take(sources, folder, running)
    return [str(problem) for problem in caught.value.problems]


def data(snapshot: Snapshot) -> PolicyData:
    """What a worker starts from."""
    loaded = pickle.loads((snapshot.folder / "policy.pickle").read_bytes())
    assert isinstance(loaded, PolicyData)
    return loaded


def test_workers_get_what_the_originals_say(sources: Sources, tmp_path: Path) -> None:
    snapshot = take(sources, tmp_path / "copy", None)
    original = sources.load()
    assert data(snapshot) == original.data
    assert (snapshot.revision, snapshot.trusted) == (original.revision, original.trusted)
    assert snapshot.issuers == tuple(issuer.name for issuer in original.issuers)
    assert snapshot.keyed == set(PRODUCTION)
    assert snapshot.order() == Load(snapshot.folder / "policy.pickle", snapshot.revision)


def test_the_longest_path_that_a_rule_may_have_reaches_workers(sources: Sources, tmp_path: Path) -> None:
    """A tree is pickled by recursion."""
    rules = sources.policy / "rules" / "sast.yml"
    path = "/".join("x" * (MAX_SEGMENTS - 2))
    rules.write_text(re.sub("path: .*", f"path: /{path}", rules.read_text(), count=1))
    assert data(take(sources, tmp_path / "copy", None)) == sources.load().data


def test_only_the_data_of_workers_is_kept_and_goes_when_it_is_removed(sources: Sources, tmp_path: Path) -> None:
    snapshot = take(sources, tmp_path / "copy", None)
    shutil.rmtree(sources.policy)
    assert [file.name for file in snapshot.folder.iterdir()] == ["policy.pickle"]
    assert data(snapshot).revision == snapshot.revision
    snapshot.remove()
    assert not snapshot.folder.exists()
    snapshot.remove()


def test_problems_are_reported_with_the_names_of_the_originals(sources: Sources, tmp_path: Path) -> None:
    (sources.policy / "tiers.yml").write_text("defualt: any\n")
    (sources.keys / "gitlab-com.jwks.json").write_text("{")
    found = problems(sources, tmp_path / "copy")
    assert {line.split(":")[0] for line in found} == {
        str(sources.policy / "tiers.yml"),
        str(sources.keys / "gitlab-com.jwks.json"),
    }
    assert not (tmp_path / "copy").exists()


def test_warnings_are_reported_with_the_names_of_the_originals(sources: Sources, tmp_path: Path) -> None:
    unit = min((sources.policy / "catalog" / "unit_primitives").iterdir())
    unit.write_text(f"{unit.read_text()}novelty: 1\n")
    (warning,) = take(sources, tmp_path / "copy", None).warnings
    assert str(warning).startswith(f"{unit}:")


def test_a_folder_that_is_none_is_reported(sources: Sources, tmp_path: Path) -> None:
    missing = replace(sources, policy=tmp_path / "none")
    assert problems(missing, tmp_path / "copy") == [
        f"{tmp_path / 'none'}: is not a directory: name a policy directory with --policy"
    ]


@pytest.mark.parametrize("obstacle", ["a link that leads nowhere", "a folder", "a link to itself"])
def test_a_file_that_cannot_be_read_is_a_problem_and_never_missing_from_the_copy(
    obstacle: str, sources: Sources, tmp_path: Path
) -> None:
    """Without its revocations a policy would allow what is revoked."""
    file = sources.policy / "revocations.yml"
    file.unlink(missing_ok=True)
    match obstacle:
        case "a folder":
            file.mkdir()
        case "a link to itself":
            file.symlink_to(file)
        case _:
            file.symlink_to("nowhere")
    found = problems(sources, tmp_path / "copy")
    assert any(problem.startswith(f"{file}: cannot be read: ") for problem in found)


@contextmanager
def without_rights() -> Iterator[None]:
    """Give up root's right to read everything, where the tests run as root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize("locked", ["keys", "policy/rules", "policy/catalog/services"])
def test_a_folder_that_cannot_be_read_is_a_problem_and_never_empty_in_the_copy(locked: str, sources: Sources) -> None:
    """2026-11-29: it was an empty folder in the copy, so that a service could start without any key."""
    with TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o777)
        shutil.copytree(sources.policy, top / "policy")
        shutil.copytree(sources.keys, top / "keys")
        moved = replace(sources, policy=top / "policy", keys=top / "keys", allow_empty_issuers=True)
        (top / locked).chmod(0)
        with without_rights():
            found = problems(moved, top / "copy")
        (top / locked).chmod(0o700)
    assert any(problem.startswith(f"{top / locked}") and "ermission denied" in problem for problem in found)


@pytest.mark.parametrize("unlocked", ["keys", "policy", "policy/rules"])
def test_a_folder_that_is_unlocked_while_it_is_read_is_never_written_to(
    unlocked: str, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2026-11-29: the copy of a locked folder is a link, through which originals could be deleted and written again."""
    before = {file: file.stat() for file in tmp_path.rglob("*") if file.is_file()}
    locked = tmp_path / unlocked
    monkeypatch.setattr(snapshot_module, "_is_locked", lambda folder: folder == locked)
    monkeypatch.setattr(
        snapshot_module, "folders", lambda top: [each for each in folders(top) if not each.is_relative_to(locked)]
    )
    assert "changes while it is read" in problems(sources, tmp_path / "copy")[0]
    after = {file: file.stat() for file in tmp_path.rglob("*") if file.is_file()}
    assert {file: (stat.st_ino, stat.st_mtime_ns) for file, stat in after.items()} == {
        file: (stat.st_ino, stat.st_mtime_ns) for file, stat in before.items()
    }


@pytest.mark.parametrize("name", ["isuers.yml", "tiers.yaml", "revocations.YML", "rulez/"])
def test_a_misspelt_name_is_reported_as_in_the_original(name: str, sources: Sources, tmp_path: Path) -> None:
    entry = sources.policy / name
    if name.endswith("/"):
        entry.mkdir()
    else:
        entry.write_text("")
    with pytest.raises(ConfigurationError) as caught:
        sources.load()
    (problem,) = map(str, caught.value.problems)
    assert problem.startswith(f"{entry}: is not read")
    assert problems(sources, tmp_path / "copy") == [problem]


def test_a_snapshot_is_never_a_mixture(sources: Sources, tmp_path: Path) -> None:
    """Versions follow each other as Kubernetes has it, by a link that is moved; two files of each name it."""
    names = ("tiers.yml", "rules/sast.yml")
    plain = {name: (sources.policy / name).read_text() for name in names}
    mounted = tmp_path / "mounted"
    ended = threading.Event()

    def publish(number: int) -> None:
        version = mounted / f"..{number}"
        shutil.copytree(sources.policy, version)
        for name in names:
            (version / name).write_text(f"{plain[name]}# {number}\n")
        (mounted / "..next").symlink_to(version.name)
        (mounted / "..next").replace(mounted / "..data")

    def publish_on() -> None:
        number = 1
        while not ended.is_set():
            number += 1
            publish(number)

    mounted.mkdir()
    publish(1)
    for entry in sources.policy.iterdir():
        (mounted / entry.name).symlink_to(f"..data/{entry.name}")
    publisher = threading.Thread(target=publish_on)
    publisher.start()
    seen = []

    class Copied(Sources):
        __slots__ = ()

        def load(self):  # type: ignore[no-untyped-def]  # the same
            seen.append([(self.policy / name).read_text().splitlines()[-1] for name in names])
            return super().load()

    changing = Copied(mounted, sources.keys, "production", False, False)
    try:
        for number in range(8):
            with suppress(ConfigurationError):
                take(changing, tmp_path / f"copy-{number}", None)
    finally:
        ended.set()
        publisher.join()
    assert all(len(set(versions)) == 1 for versions in seen)


def test_files_that_change_all_the_time_are_refused(sources: Sources, tmp_path: Path) -> None:
    """Here another file is there after each look."""

    class Restless(Sources):
        __slots__ = ()
        looks = iter(range(1_000))

        def revision(self) -> str:
            found = super().revision()
            if self.policy == sources.policy:
                (sources.policy / "tiers.yml").write_text(f"{text}# {next(self.looks)}\n")
            return found

    text = (sources.policy / "tiers.yml").read_text()
    restless = Restless(sources.policy, sources.keys, "production", False, False)
    message = f"{sources.policy}: changes while it is read, and so may the keys: try again"
    assert problems(restless, tmp_path / "copy") == [message]
    assert not (tmp_path / "copy").exists()


def test_what_changes_once_while_it_is_read_is_read_again(sources: Sources, tmp_path: Path) -> None:
    class Changing(Sources):
        __slots__ = ()
        texts = iter(["defualt: any\n"])

        def revision(self) -> str:
            found = super().revision()
            for broken in self.texts if self.policy == sources.policy else ():
                (sources.policy / "tiers.yml").write_text(broken)
            return found

    changing = Changing(sources.policy, sources.keys, "production", False, False)
    assert problems(changing, tmp_path / "copy")[0].startswith(f"{sources.policy / 'tiers.yml'}:1: ")
    assert not (tmp_path / "copy").exists()


# ---- keys that are in force


def test_an_issuer_does_not_lose_the_keys_that_are_in_force(sources: Sources, tmp_path: Path) -> None:
    """An emptied folder is a mistake, whatever the flag said at the start."""
    lenient = replace(sources, allow_empty_issuers=True)
    running = take(lenient, tmp_path / "a", None)
    (sources.keys / "customers-dot.jwks.json").unlink()
    remedy = "put one back, or restart with --allow-empty-issuers"
    assert problems(lenient, tmp_path / "b", running) == [
        f"{sources.keys}: issuer 'customers-dot' has keys in force and none here: {remedy}"
    ]
    assert not (tmp_path / "b").exists()
    started_anew = take(lenient, tmp_path / "c", None)
    assert started_anew.keyed == set(PRODUCTION) - {"customers-dot"}
    assert take(lenient, tmp_path / "d", started_anew).keyed == started_anew.keyed


def test_an_issuer_that_is_no_more_may_take_its_keys_along(sources: Sources, tmp_path: Path) -> None:
    lenient = replace(sources, allow_empty_issuers=True)
    running = take(lenient, tmp_path / "a", None)
    issuers = sources.policy / "issuers.yml"
    text = issuers.read_text()
    start = text.index("- name: customers-dot")
    end = text.find("- name: ", start + 1)
    issuers.write_text(text[:start] + (text[end:] if end > 0 else ""))
    (sources.keys / "customers-dot.jwks.json").unlink()
    assert take(lenient, tmp_path / "b", running).keyed == running.keyed - {"customers-dot"}


def test_no_room_for_the_copy_is_an_error_of_the_system(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("a file stands there")
    with pytest.raises(OSError, match="Not a directory"):
        take(sources, tmp_path / "copy" / "0", None)
