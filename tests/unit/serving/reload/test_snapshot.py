"""A snapshot is one moment of policy and keys, and what cannot be loaded is none."""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from authz.documents.findings import ConfigurationError
from authz.policy.files import revision
from authz.serving.messages import Load
from authz.serving.reload.snapshot import Snapshot, Sources, take
from tests.support.cases.case_file import POLICY
from tests.support.issuers import PRODUCTION
from tests.support.minting import write_keys


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


def test_the_copy_is_the_original(sources: Sources, tmp_path: Path) -> None:
    snapshot = take(sources, tmp_path / "copy", None)
    copy = sources.within(snapshot.folder)
    assert revision(copy.policy, copy.keys) == snapshot.revision == sources.load().revision
    assert copy.load().judge.rules == sources.load().judge.rules
    assert snapshot.keyed == set(PRODUCTION)
    assert snapshot.order() == Load(snapshot.folder, snapshot.revision)


def test_it_stays_when_the_original_changes_and_goes_when_it_is_removed(sources: Sources, tmp_path: Path) -> None:
    snapshot = take(sources, tmp_path / "copy", None)
    shutil.rmtree(sources.policy)
    assert sources.within(snapshot.folder).load().revision == snapshot.revision
    snapshot.remove()
    assert not snapshot.folder.exists()
    snapshot.remove()


def test_problems_are_told_with_the_names_of_the_originals(sources: Sources, tmp_path: Path) -> None:
    (sources.policy / "tiers.yml").write_text("defualt: any\n")
    (sources.keys / "gitlab-com.jwks.json").write_text("{")
    told = problems(sources, tmp_path / "copy")
    assert {line.split(":")[0] for line in told} == {
        str(sources.policy / "tiers.yml"),
        str(sources.keys / "gitlab-com.jwks.json"),
    }
    assert not (tmp_path / "copy").exists()


def test_warnings_are_told_with_the_names_of_the_originals(sources: Sources, tmp_path: Path) -> None:
    unit = min((sources.policy / "catalog" / "unit_primitives").iterdir())
    unit.write_text(f"{unit.read_text()}novelty: 1\n")
    (warning,) = take(sources, tmp_path / "copy", None).policy.warnings
    assert str(warning).startswith(f"{unit}:")


def test_a_folder_that_is_none_is_told(sources: Sources, tmp_path: Path) -> None:
    missing = replace(sources, policy=tmp_path / "none")
    assert problems(missing, tmp_path / "copy") == [
        f"{tmp_path / 'none'}: is not a directory: name a policy directory with --policy"
    ]


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
    taken = []
    try:
        for number in range(8):
            with suppress(ConfigurationError):
                taken.append(take(replace(sources, policy=mounted), tmp_path / f"copy-{number}", None))
    finally:
        ended.set()
        publisher.join()
    for snapshot in taken:
        copy = sources.within(snapshot.folder)
        assert len({(copy.policy / name).read_text().splitlines()[-1] for name in names}) == 1


def test_what_does_not_hold_still_is_refused(sources: Sources, tmp_path: Path) -> None:
    """Whoever writes while a snapshot is taken is asked to come again; here, another file at each look."""

    class Restless(Sources):
        __slots__ = ()
        looks = iter(range(1_000))

        def load(self):  # type: ignore[no-untyped-def]  # the same
            loaded = super().load()
            if self.policy == sources.policy:
                (sources.policy / "tiers.yml").write_text(f"{text}# {next(self.looks)}\n")
            return loaded

    text = (sources.policy / "tiers.yml").read_text()
    restless = Restless(sources.policy, sources.keys, "production", False, False)
    told = f"{sources.policy}: changes while it is read, and so may the keys: try again"
    assert problems(restless, tmp_path / "copy") == [told]
    assert not (tmp_path / "copy").exists()


def test_what_breaks_between_two_looks_is_refused_as_it_stands(sources: Sources, tmp_path: Path) -> None:
    class Breaking(Sources):
        __slots__ = ()

        def load(self):  # type: ignore[no-untyped-def]  # the same
            loaded = super().load()
            (sources.policy / "tiers.yml").write_text("defualt: any\n")
            return loaded

    breaking = Breaking(sources.policy, sources.keys, "production", False, False)
    assert problems(breaking, tmp_path / "copy")[0].startswith(f"{sources.policy / 'tiers.yml'}:1: ")
    assert not (tmp_path / "copy").exists()


# ---- keys that are in force


def test_an_issuer_does_not_lose_the_keys_that_are_in_force(sources: Sources, tmp_path: Path) -> None:
    """A folder that was emptied is a slip, whatever the flag said when it started."""
    lenient = replace(sources, allow_empty_issuers=True)
    running = take(lenient, tmp_path / "a", None)
    (sources.keys / "customers-dot.jwks.json").unlink()
    mend = "put one back, or start anew with --allow-empty-issuers"
    assert problems(lenient, tmp_path / "b", running) == [
        f"{sources.keys}: issuer 'customers-dot' has keys in force and none here: {mend}"
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


def test_no_room_for_the_copy_is_told_as_the_system_does(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("a file stands there")
    with pytest.raises(OSError, match="Not a directory"):
        take(sources, tmp_path / "copy" / "0", None)
