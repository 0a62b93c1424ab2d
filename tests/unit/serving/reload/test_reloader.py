"""Reload: what was read when somebody requested or a file changed, reports once, and never an end to it."""

import os
import queue
import resource
import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from authz.observing import events
from authz.observing.events import Event
from authz.serving.reload.reloader import Refused, Reloader, Report, Taken, Watch
from authz.serving.reload.snapshot import Snapshot, Sources, take
from tests.support.cases.case_file import POLICY
from tests.support.minting import write_keys

SECONDS = 30.0


class Counted(tuple["Path", ...]):
    """Folders that tell each time somebody goes through them."""

    def __new__(cls, tops: Iterable[Path], tries: queue.SimpleQueue[None]) -> "Counted":
        made = super().__new__(cls, tops)
        made.tries = tries
        return made

    tries: queue.SimpleQueue[None]

    def __iter__(self) -> Iterator[Path]:
        self.tries.put(None)
        return super().__iter__()


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """A copy of the shipped policy, with keys."""
    shutil.copytree(POLICY, tmp_path / "policy", ignore=shutil.ignore_patterns("schema"))
    write_keys(tmp_path / "keys")
    return Sources(tmp_path / "policy", tmp_path / "keys", "production", False, False)


@pytest.fixture
def running(sources: Sources, tmp_path: Path) -> Snapshot:
    return take(sources, tmp_path / "running", None)


def started(sources: Sources, folder: Path, running: Snapshot) -> tuple[Reloader, queue.SimpleQueue[Report]]:
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    reloader = Reloader(sources, folder, lambda: running, reports.put)
    reloader.start()
    return reloader, reports


def test_a_request_and_a_change_are_reported_apart(sources: Sources, running: Snapshot, tmp_path: Path) -> None:
    reloader, reports = started(sources, tmp_path / "copies", running)
    reloader.request()
    first = reports.get(timeout=SECONDS)
    reloader.changed()
    second = reports.get(timeout=SECONDS)
    assert isinstance(first, Taken)
    assert isinstance(second, Taken)
    assert (first.requested, second.requested) == (True, False)
    assert first.snapshot.revision == second.snapshot.revision == running.revision
    assert first.snapshot.folder != second.snapshot.folder


def test_what_is_broken_is_reported_and_the_next_request_is_served(
    sources: Sources, running: Snapshot, tmp_path: Path
) -> None:
    reloader, reports = started(sources, tmp_path / "copies", running)
    tiers = sources.policy / "tiers.yml"
    text = tiers.read_text()
    tiers.write_text("defualt: any\n")
    reloader.request()
    refused = reports.get(timeout=SECONDS)
    assert isinstance(refused, Refused)
    assert {problem.file for problem in refused.problems} == {tiers}
    tiers.write_text(text)
    reloader.request()
    assert isinstance(reports.get(timeout=SECONDS), Taken)


def test_no_room_for_the_copy_is_reported(sources: Sources, running: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("a file stands there")
    reloader, reports = started(sources, tmp_path / "copies", running)
    reloader.request()
    refused = reports.get(timeout=SECONDS)
    assert isinstance(refused, Refused)
    (problem,) = refused.problems
    assert (problem.file, problem.message) == (
        sources.policy,
        f"cannot be copied to {tmp_path / 'copies' / '1'}: Not a directory",
    )


def test_a_bug_is_reported_without_its_text_and_the_next_request_is_served(
    sources: Sources, running: Snapshot, tmp_path: Path
) -> None:
    bugs = iter([KeyError("a secret")])

    def struck() -> Snapshot:
        for bug in bugs:
            raise bug
        return running

    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    reloader = Reloader(sources, tmp_path / "copies", struck, reports.put)
    reloader.start()
    reloader.request()
    refused = reports.get(timeout=SECONDS)
    assert isinstance(refused, Refused)
    (problem,) = refused.problems
    assert problem.message.startswith("internal_error: KeyError at test_reloader.py:")
    reloader.request()
    assert isinstance(reports.get(timeout=SECONDS), Taken)


# ---- the watch


@pytest.fixture
def changes(sources: Sources) -> Iterator[queue.SimpleQueue[Report | None]]:
    """What the watch of policy and keys reports: None for a change; the first is that it has begun."""
    reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
    watch = Watch((sources.policy, sources.keys), lambda: reports.put(None), reports.put)
    watch.start()
    reports.get(timeout=SECONDS)
    yield reports
    watch.stop()


def test_changes_of_both_folders_are_reported(sources: Sources, changes: queue.SimpleQueue[Report | None]) -> None:
    (sources.policy / "rules/new.yml").write_text("")
    assert changes.get(timeout=SECONDS) is None
    (sources.keys / "new.jwks.json").write_text("")
    assert changes.get(timeout=SECONDS) is None


def test_a_folder_that_comes_back_is_watched_again(sources: Sources, changes: queue.SimpleQueue[Report | None]) -> None:
    sources.keys.rename(sources.keys.with_name("former"))
    assert changes.get(timeout=SECONDS) is None
    write_keys(sources.keys)
    assert changes.get(timeout=SECONDS) is None
    while not changes.empty():  # the watch begins again, and reports that
        changes.get()
    replacing = sources.keys / "customers-dot.jwks.json"
    replacing.write_text("{}")
    assert changes.get(timeout=SECONDS) is None


def test_what_cannot_be_watched_is_reported_once_and_tried_again(sources: Sources) -> None:
    """As where the system grants no more watches; here, it grants no more handles.

    2026-11-22: the watch ended for good, and nothing that was revoked since came into force.
    """
    reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
    tries: queue.SimpleQueue[None] = queue.SimpleQueue()
    for former in (each for each in threading.enumerate() if each.name == "watch"):
        former.join(SECONDS)  # the handles that it gives back would let this one see
    watch = Watch(Counted((sources.policy,), tries), lambda: reports.put(None), reports.put)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        watch.start()
        for _ in range(3):
            tries.get(timeout=SECONDS)
        failed = reports.get(timeout=SECONDS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(failed, Event)
    assert failed.name == events.watch_failed.name
    assert "Too many open files" in str(failed.fields["cause"])
    assert reports.get(timeout=SECONDS) == events.watch_restored()
    assert reports.get(timeout=SECONDS) is None
    (sources.policy / "rules/new.yml").write_text("")
    assert reports.get(timeout=SECONDS) is None
    watch.stop()
