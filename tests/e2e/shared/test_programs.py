"""The rate limit service is built once; what is missing on a machine is an error that says what to do."""

from pathlib import Path
from typing import Final

import pytest

from dev.ratelimit import go_program
from dev.ratelimit import program as ratelimit_program
from dev.ratelimit.program import VERSION, BuildError, programs
from dev.ratelimit.redis_server import MissingRedisError, RedisServer
from tests.support.repository import ROOT

pytestmark = pytest.mark.shared

BUILDS: Final = 'mkdir -p "$GOBIN" && echo built > "$GOBIN/service_cmd" && echo built > "$GOBIN/config_check_cmd"'


def unheard(_: str) -> None:
    """Nobody reads what it says meanwhile."""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH beside the system's shell tools, and a cache of its own."""
    folder = tmp_path / "path"
    folder.mkdir()
    for tool in ("mkdir", "cat"):
        (folder / tool).symlink_to(f"/bin/{tool}")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def install(path: Path, version: str, build: str) -> None:
    """A `go` that says it is of that version."""
    go = path / "go"
    go.write_text(f'#!/bin/sh\nif [ "$1" = env ]; then echo {version}; else {build}; fi\n', "utf-8")
    go.chmod(0o755)


@pytest.mark.parametrize("version", ["go1.25.6", "go1.26.0", "go2.0"])
def test_a_new_enough_go_is_used(path: Path, version: str) -> None:
    install(path, version, BUILDS)
    go = go_program.installed()
    assert go is not None
    assert (go.program, go.version) == (path / "go", version)


@pytest.mark.parametrize("version", ["go1.25.5", "go1.21", "devel +abcdef"])
def test_an_older_go_is_not(path: Path, version: str) -> None:
    install(path, version, BUILDS)
    assert go_program.installed() is None


def test_a_go_that_fails_is_not(path: Path) -> None:
    install(path, "go1.26.0 && exit 1", BUILDS)
    assert go_program.installed() is None


def test_without_go_there_is_none(path: Path) -> None:
    assert not (path / "go").exists()
    assert go_program.installed() is None


def test_it_is_built_once_for_a_version_and_kept_in_the_cache(path: Path, tmp_path: Path) -> None:
    install(path, "go1.26.0", BUILDS)
    steps: list[str] = []
    built = programs(steps.append)
    assert built.service == tmp_path / "cache" / "cloud-connector-authz" / f"ratelimit-{VERSION}" / "service_cmd"
    assert built.exist()
    assert len(steps) == 1
    (path / "go").unlink()
    assert programs(steps.append) == built
    assert len(steps) == 1
    assert list(built.service.parent.parent.iterdir()) == [built.service.parent]


@pytest.mark.parametrize(
    ("build", "message"),
    [("echo no such module >&2; exit 1", "no such module"), ("true", "unset GOOS and GOARCH")],
    ids=["refused", "for another machine"],
)
def test_a_build_that_fails_says_why_and_leaves_nothing(path: Path, tmp_path: Path, build: str, message: str) -> None:
    install(path, "go1.26.0", build)
    with pytest.raises(BuildError, match=message):
        programs(unheard)
    assert not list((tmp_path / "cache" / "cloud-connector-authz").iterdir())


def test_a_cache_that_cannot_be_written_is_told(path: Path, tmp_path: Path) -> None:
    install(path, "go1.26.0", BUILDS)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(BuildError, match="cannot be kept in"):
        programs(unheard)


@pytest.mark.usefixtures("path")
def test_a_machine_without_redis_is_told_how_to_get_it() -> None:
    with pytest.raises(MissingRedisError, match="apt-get install redis-server"):
        RedisServer(1).command()


def test_the_pinned_version_stands_in_one_place() -> None:
    """The images of the service, elsewhere, are called after the commit; the whole version is written once."""
    holders = [file for file in (*ROOT.glob("*"), *ROOT.glob("[a-z.]*/**/*")) if _holds(file)]
    assert holders == [ROOT / "dev" / "ratelimit" / "program.py"]
    assert ratelimit_program.VERSION.startswith("v1.")


def _holds(file: Path) -> bool:
    kept = not {".git", ".venv", ".venv-mutation", "run", "mutants"} & set(file.relative_to(ROOT).parts)
    return kept and file.is_file() and file.suffix != ".pyc" and VERSION.encode() in file.read_bytes()
