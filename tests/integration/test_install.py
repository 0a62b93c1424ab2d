"""Installing: whatever newer versions an index has, and whatever a machine lacks, with pips of several years."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from packaging.markers import Marker

from dev import install
from tests.support.package_index import NEWER, SECONDS, PackageIndex, pins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


ROOT: Final = Path(__file__).parents[2]
LOCKS: Final = tuple(sorted(each.stem for each in (ROOT / "requirements").glob("*.txt")))
PARTS: Final = (("run", "up"), ("samples", "up"), ("up", "dev"), ("build", "dev"))
"""Each lock that is all in another one."""
OLD_PIP: Final = Path(__file__).with_name("old_pip.txt")
PROJECT: Final = "cloud-connector-authz"
COMMAND: Final = 'from importlib.metadata import version\ndef main(): print("runs", version("cloud-connector-authz"))\n'

USERS: Final = ("PIP_", "UV_", "PYTHON", "XDG_", "MAKE", "MFLAGS")
"""Variables that must not reach the installer: a user's settings, and those of the make that runs the tests."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """What installing needs of a checkout, with locks of stand-ins, and the variables of the one who calls make."""

    folder: Path
    variables: Mapping[str, str]
    python: Path = Path(sys.executable)

    def install(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with self.installing(*words, **variables) as process:
            said, errors = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, said, errors)

    def installing(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        return self.start(str(self.python), "-I", "dev/install.py", *words, **variables)

    def make(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with self.start("make", f"PYTHON={self.python}", *words, **variables) as process:
            said, errors = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, said, errors)

    def start(self, *line: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            line,
            cwd=self.folder,
            env={**self.variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def installed(self, environment: str = ".venv") -> dict[str, str]:
        (site,) = (self.folder / environment).glob("lib/python3.*/site-packages")
        return {each.metadata["Name"]: each.version for each in distributions(path=[str(site)])}

    def locked(self, lock: str) -> dict[str, str]:
        text = (self.folder / "requirements" / f"{lock}.txt").read_text()
        pinned = re.findall(r"^(\S+)==(\S+)(?: ; (.*))? --hash", text, re.MULTILINE)
        return {name: version for name, version, marker in pinned if not marker or Marker(marker).evaluate()}

    def authz(self) -> str:
        command = (self.folder / ".venv" / "bin" / "authz",)
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", env=self.variables).stdout


@pytest.fixture(scope="module")
def uv() -> Path:
    with install.only_one():
        return install.uv()


@pytest.fixture(scope="module")
def offered(uv: Path) -> Iterator[tuple[PackageIndex, Mapping[str, str]]]:
    """An index that has all that is locked and something newer of each, and the locks with its hashes."""
    with PackageIndex(uv) as index:
        yield index, {lock: index.offer(ROOT / "requirements" / f"{lock}.txt") for lock in LOCKS}


@pytest.fixture
def index(offered: tuple[PackageIndex, Mapping[str, str]]) -> Iterator[PackageIndex]:
    found = offered[0]
    found.asked.clear()
    found.held.clear()
    found.release.clear()
    yield found
    found.release.set()
    found.refuses, found.holds = False, ""


def checkout_in(folder: Path, index: PackageIndex, locks: Mapping[str, str]) -> Checkout:
    for part in ("Makefile", "pyproject.toml", "dev/install.py"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, folder / part)
    for part, text in {"authz/cli.py": COMMAND, **{f"requirements/{lock}.txt": locks[lock] for lock in locks}}.items():
        (folder / part).parent.mkdir(exist_ok=True)
        (folder / part).write_text(text)
    home = folder / "home"
    home.mkdir()
    others = {name: value for name, value in os.environ.items() if not name.startswith(USERS)}
    own = {"HOME": str(home), "PIP_INDEX_URL": index.url, "NO_PROXY": "127.0.0.1"}
    return Checkout(folder, others | own)


@pytest.fixture
def whole_checkout(tmp_path: Path, offered: tuple[PackageIndex, Mapping[str, str]], index: PackageIndex) -> Checkout:
    """With every package of every lock."""
    return checkout_in(tmp_path, index, offered[1])


@pytest.fixture
def bare_checkout(tmp_path: Path, offered: tuple[PackageIndex, Mapping[str, str]], index: PackageIndex) -> Checkout:
    """With a few packages in each lock, which is enough to see what happens to an environment."""
    return checkout_in(tmp_path, index, shortened(offered[1]))


@pytest.fixture(scope="module")
def installed_uv(tmp_path_factory: pytest.TempPathFactory, offered: tuple[PackageIndex, Mapping[str, str]]) -> Path:
    """The stand-in of uv, as pip installs it."""
    made = checkout_in(tmp_path_factory.mktemp("uv"), offered[0], shortened(offered[1]))
    assert made.install("uv").returncode == 0
    return made.folder / ".uv"


@pytest.fixture
def checkout(bare_checkout: Checkout, installed_uv: Path) -> Checkout:
    """The same with uv in place already: pip takes a second."""
    shutil.copytree(installed_uv, bare_checkout.folder / ".uv")
    return bare_checkout


def shortened(locks: Mapping[str, str]) -> Mapping[str, str]:
    few = re.compile(r"^(?:uv|yarl|multidict|pytest|mutmut)==.*\n", re.MULTILINE)
    return {lock: "".join(few.findall(text)) for lock, text in locks.items()}


@pytest.fixture(scope="module")
def old_python(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the pip of Debian 12."""
    folder = tmp_path_factory.mktemp("old") / "python"
    python = folder / "bin" / "python"
    line = (str(uv), "pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(OLD_PIP))
    for each in ((str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)), line):
        subprocess.run(each, env=install.uv_settings(), check=True, timeout=SECONDS)
    return python


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that says what is wrong, and none of what pip, uv or Python write."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("make: installed ", "make: ***"))]
    (line,) = lines
    assert line.startswith("make: ")
    return line.removeprefix("make: ")


def test_a_package_has_one_version_in_all_locks() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for pin in pins(ROOT / "requirements" / f"{lock}.txt"):
            versions.setdefault(pin.name, set()).add(f"{pin.version}{pin.marker}")
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize(("part", "whole"), PARTS)
def test_a_lock_that_is_part_of_another_adds_nothing_to_it(part: str, whole: str) -> None:
    small, large = (pins(ROOT / "requirements" / f"{lock}.txt") for lock in (part, whole))
    assert small
    assert {each.name for each in small} <= {each.name for each in large}


def test_every_requirement_of_a_lock_is_pinned_and_hashed() -> None:
    for lock in LOCKS:
        text = (ROOT / "requirements" / f"{lock}.txt").read_text()
        named = re.findall(r"^[a-z0-9].*$", text, re.MULTILINE)
        assert len(named) == len(pins(ROOT / "requirements" / f"{lock}.txt")) > 0


@pytest.mark.parametrize("age", ["pip 23.0.1", "the newest pip"])
def test_every_lock_is_installed_as_it_is_although_the_index_has_newer_versions(
    whole_checkout: Checkout, old_python: Path, index: PackageIndex, age: str
) -> None:
    with_that_pip = Checkout(
        whole_checkout.folder, whole_checkout.variables, old_python if "23" in age else whole_checkout.python
    )
    for lock in LOCKS:
        if lock == "uv":
            continue
        done = with_that_pip.install(lock, "--into", f"environments/{lock}")
        assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
        assert whole_checkout.installed(f"environments/{lock}") == whole_checkout.locked(lock)
    assert "/files/uv-" in " ".join(index.asked)
    assert NEWER not in " ".join(index.asked)


def test_pip_alone_would_fail_on_that_index(whole_checkout: Checkout, old_python: Path) -> None:
    """What the tests above are worth: in hash mode pip asks for `coverage[toml]` again, and takes the newer one."""
    line = ("-m", "pip", "install", "--require-hashes", "--target", "into", "--requirement", "requirements/dev.txt")
    with whole_checkout.start(str(old_python), *line) as process:
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "all requirements must have their versions pinned" in errors


def test_the_project_is_a_package_with_its_command_and_version(checkout: Checkout) -> None:
    assert checkout.make("install-up").returncode == 0
    assert checkout.installed()[PROJECT] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert checkout.authz() == f"runs {checkout.installed()[PROJECT]}\n"


def test_a_second_run_asks_for_nothing(checkout: Checkout, index: PackageIndex) -> None:
    assert checkout.make("install-up").returncode == 0
    index.asked.clear()
    again = checkout.make("install-up")
    assert (again.returncode, again.stdout, again.stderr, index.asked) == (0, "", "", [])


def test_each_step_says_what_it_took(bare_checkout: Checkout) -> None:
    uv, packages = bare_checkout.install("up").stderr.splitlines()
    count = len(bare_checkout.locked("up"))
    assert re.fullmatch(r"make: installed uv in \d+\.\d s", uv)
    assert re.fullmatch(
        rf"make: installed {count} packages into \.venv, by requirements/up\.txt, in \d+\.\d s", packages
    )


def test_tools_are_added_to_what_serves_and_stay(checkout: Checkout) -> None:
    assert checkout.install("up").returncode == 0
    assert "pytest" not in checkout.installed()
    assert checkout.install("dev").returncode == 0
    assert checkout.installed() == {**checkout.locked("dev"), PROJECT: checkout.installed()[PROJECT]}
    assert checkout.install("up").stderr == ""
    assert "pytest" in checkout.installed()


def test_a_changed_lock_is_installed(checkout: Checkout) -> None:
    assert checkout.install("up").returncode == 0
    lock = checkout.folder / "requirements" / "up.txt"
    lock.write_text(
        "".join(line for line in lock.read_text().splitlines(keepends=True) if not line.startswith("yarl=="))
    )
    assert checkout.make("install-up").returncode == 0
    assert checkout.installed().keys() == {*checkout.locked("up"), PROJECT} - {"yarl"}


def test_an_environment_of_a_moved_checkout_is_made_again(checkout: Checkout, tmp_path: Path) -> None:
    assert checkout.install("up").returncode == 0
    moved = tmp_path.with_name(f"{tmp_path.name} moved")
    tmp_path.rename(moved)
    there = Checkout(moved, checkout.variables)
    assert there.make("install-up").returncode == 0
    assert there.authz().startswith("runs")


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Checkout) -> None:
    assert checkout.install("up").returncode == 0
    python = checkout.folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    assert checkout.make("install-up").returncode == 0
    assert subprocess.run((python, "-c", ""), check=False).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
@pytest.mark.parametrize("at", ["/files/uv-", "/files/yarl-"])
def test_a_run_that_was_cut_short_is_taken_up_by_the_next(
    bare_checkout: Checkout, index: PackageIndex, at: str, number: signal.Signals
) -> None:
    index.holds = at
    with bare_checkout.installing("up") as cut:
        assert index.held.wait(SECONDS)
        os.killpg(cut.pid, number)
        _, errors = cut.communicate(timeout=SECONDS)
    assert cut.returncode == (130 if number is signal.SIGINT else -9)
    assert "Traceback" not in errors
    index.holds = ""
    index.release.set()
    index.asked.clear()
    assert bare_checkout.install("up").returncode == 0
    assert bare_checkout.installed().keys() == {*bare_checkout.locked("up"), PROJECT}
    assert ("/simple/uv/" in index.asked) == ("uv" in at), "what is complete is not fetched again"


def test_half_an_environment_is_made_again(checkout: Checkout) -> None:
    assert checkout.install("up").returncode == 0
    (checkout.folder / ".venv" / install.STAMP).unlink()  # it is taken away before anything changes
    for metadata in (checkout.folder / ".venv").glob("lib/*/site-packages/*/METADATA"):
        metadata.unlink()
    assert checkout.install("up").returncode == 0
    assert checkout.installed().keys() == {*checkout.locked("up"), PROJECT}


def test_two_at_once_install_once(bare_checkout: Checkout, index: PackageIndex) -> None:
    index.holds = "/files/uv-"
    with bare_checkout.installing("up") as first:
        assert index.held.wait(SECONDS)
        with bare_checkout.installing("up") as second:
            assert second.stderr
            assert second.stderr.readline() == "make: another make installs here: waiting for it to finish\n"
            index.release.set()
            assert (first.wait(SECONDS), second.wait(SECONDS)) == (0, 0)
            assert second.stderr.read() == ""
    assert sum(path.startswith("/files/uv-") for path in index.asked) == 1


def test_the_users_own_settings_decide_nothing(bare_checkout: Checkout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "json.py").write_text("raise SystemExit('imported from PYTHONPATH')")
    (elsewhere / "uv.toml").write_text("offline = true\n")
    config = elsewhere / "pip.conf"
    config.write_text(
        f"[global]\nuser = true\nno-binary = :all:\nrequire-virtualenv = true\n[install]\nprefix = {elsewhere}\n"
    )
    done = bare_checkout.make(
        "install-up",
        PIP_CONFIG_FILE=str(config),
        PIP_USER="1",
        PIP_TARGET=str(elsewhere),
        PIP_REQUIRE_VIRTUALENV="1",
        PIP_CONSTRAINT=str(elsewhere / "none"),
        UV_CONFIG_FILE=str(elsewhere / "uv.toml"),
        UV_OFFLINE="1",
        UV_SYSTEM_PYTHON="1",
        UV_DEFAULT_INDEX="http://127.0.0.1:1/simple",
        UV_PYTHON="3.6",
        UV_PROJECT_ENVIRONMENT=str(elsewhere),
        VIRTUAL_ENV=str(elsewhere),
        CONDA_PREFIX=str(elsewhere),
        PYTHONPATH=str(elsewhere),
        PYTHONHOME=str(elsewhere),
    )
    assert done.returncode == 0, done.stderr
    assert bare_checkout.installed().keys() == {*bare_checkout.locked("up"), PROJECT}
    assert {each.name for each in elsewhere.iterdir()} == {"json.py", "uv.toml", "pip.conf"}


@pytest.mark.parametrize("place", ["home/.config/pip/pip.conf", "home/.pip/pip.conf"])
def test_a_mirror_in_pip_conf_is_asked_by_pip_and_by_uv(
    bare_checkout: Checkout, index: PackageIndex, place: str
) -> None:
    config = bare_checkout.folder / place
    config.parent.mkdir(parents=True)
    config.write_text(f"[global]\nindex-url = {index.url}\n")
    done = bare_checkout.install("up", PIP_INDEX_URL="")
    assert done.returncode == 0, done.stderr
    assert {"/simple/uv/", "/simple/yarl/"} <= set(index.asked)


def test_one_setting_of_pip_reaches_uv_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "CERT": "/ca.pem",
        "TRUSTED_HOST": "mirror",
        "PROXY": "http://proxy:3128",
        "FIND_LINKS": "/a /b",
        "NO_INDEX": "0",
    }
    for name, value in said.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    passed = install.uv_settings()
    assert passed["SSL_CERT_FILE"] == "/ca.pem"
    assert passed["UV_INSECURE_HOST"] == "mirror"
    assert passed["HTTPS_PROXY"] == passed["HTTP_PROXY"] == "http://proxy:3128"
    assert passed["UV_FIND_LINKS"] == "/a,/b"
    assert "UV_NO_INDEX" not in passed
    assert not [name for name in passed if name.startswith("PIP_") and name not in install.KEPT]


@pytest.mark.parametrize("refused", ["uv", "packages"])
def test_a_registry_that_answers_403_is_one_line(
    bare_checkout: Checkout, installed_uv: Path, index: PackageIndex, refused: str
) -> None:
    if refused == "packages":
        shutil.copytree(installed_uv, bare_checkout.folder / ".uv")
    index.refuses = True
    host = index.url.split("/")[2]
    assert refusal(bare_checkout.make("install-up")) == (
        f"the package index {host} answered 403, it refuses this machine or wants a login: "
        "name one that lets you in, as in PIP_INDEX_URL=https://user:token@mirror/simple"
    )


def test_the_oldest_pip_says_403_as_well(bare_checkout: Checkout, old_python: Path, index: PackageIndex) -> None:
    index.refuses = True
    assert "answered 403" in refusal(Checkout(bare_checkout.folder, bare_checkout.variables, old_python).install("up"))


@pytest.mark.parametrize("missing", ["uv", "packages"])
def test_no_network_is_one_line(bare_checkout: Checkout, installed_uv: Path, missing: str) -> None:
    if missing == "packages":
        shutil.copytree(installed_uv, bare_checkout.folder / ".uv")
    line = refusal(bare_checkout.make("install-up", PIP_INDEX_URL="http://name:secret@127.0.0.1:1/simple/"))
    assert line == (
        "the package index 127.0.0.1:1 cannot be reached: look at the network, "
        "name a proxy with HTTPS_PROXY or a mirror with PIP_INDEX_URL"
    )
    assert "secret" not in (bare_checkout.folder / "run" / "install.log").read_text()


def test_a_file_that_is_not_the_locked_one_is_one_line(bare_checkout: Checkout) -> None:
    for lock in ("uv", "up"):
        file = bare_checkout.folder / "requirements" / f"{lock}.txt"
        right = file.read_text()
        file.write_text(re.sub(r"sha256:\w{4}", "sha256:0000", right))
        line = refusal(bare_checkout.install("up"))
        assert "serves a file that is not the locked one, and it was not installed" in line
        file.write_text(right)
    assert bare_checkout.install("up").returncode == 0


def test_a_python_that_is_not_there_is_one_line(checkout: Checkout) -> None:
    assert refusal(checkout.make("install-up", "PYTHON=nonexist")) == (
        "'nonexist' is not a Python that runs; name a Python 3.11 or newer: make PYTHON=python3.12 install-up"
    )


def test_an_old_python_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "dev" / "install.py"), run_name="__main__")
    assert ended.value.code == (
        f"make: {sys.executable} is Python 3.10, older than 3.11: name a newer one, as in make PYTHON=python3.12 up"
    )


def test_an_old_python_can_read_it_that_far() -> None:
    source = (ROOT / "dev" / "install.py").read_text()
    tree = ast.parse(source, feature_version=(3, 6))
    before = tree.body[: next(n for n, each in enumerate(tree.body) if isinstance(each, ast.If))]
    assert [ast.unparse(each) for each in before[1:]] == ["import sys"]
    assert not [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module == "__future__"]


def bare_python(uv: Path, folder: Path, start: str = "") -> Path:
    """A Python without pip, which runs `start` first."""
    line = (str(uv), "venv", "--quiet", "--python", sys.executable, str(folder))
    subprocess.run(line, env=install.uv_settings(), check=True, timeout=SECONDS)
    (site,) = folder.glob("lib/python3.*/site-packages")
    (site / "sitecustomize.py").write_text(start)
    return folder / "bin" / "python"


def test_a_python_without_pip_and_ensurepip_is_one_line(bare_checkout: Checkout, uv: Path, tmp_path: Path) -> None:
    python = bare_python(uv, tmp_path / "bare", "import sys\nsys.modules['ensurepip'] = None\n")
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    assert refusal(Checkout(bare_checkout.folder, bare_checkout.variables, python).install("up")) == (
        f"{python} has no pip and no ensurepip, which Debian and Ubuntu ship apart: "
        f"run apt-get install {package} as root, then make again"
    )


def test_a_python_without_pip_takes_the_one_of_ensurepip(bare_checkout: Checkout, uv: Path, tmp_path: Path) -> None:
    python = bare_python(uv, tmp_path / "bare")
    done = Checkout(bare_checkout.folder, bare_checkout.variables, python).install("up")
    assert done.returncode == 0, done.stderr


def test_a_folder_that_cannot_be_written_is_one_line(checkout: Checkout) -> None:
    """Also for root, who has to give up the right to write everywhere first."""
    powerless = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
    checkout.folder.chmod(0o555)
    try:
        with checkout.start(*powerless, str(checkout.python), "-I", "dev/install.py", "up") as process:
            said, errors = process.communicate(timeout=SECONDS)
    finally:
        checkout.folder.chmod(0o755)
    line = refusal(subprocess.CompletedProcess(process.args, process.returncode, said, errors))
    assert line == (
        f"{checkout.folder}/.installing cannot be written (Permission denied): use a checkout in a folder of your own"
    )


SMALL: Final = 'mount -t tmpfs -o size=64k small "$0" && exec "$@"'
SHORT: Final = 'ulimit -f 16 && exec "$@"'  # in blocks of 512 bytes


def small_disk(folder: Path) -> tuple[str, ...]:
    """What starts a command with a disk of 64 KiB at `folder`; where none can be mounted, with files that end."""
    for prefix in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        tried = (*prefix, "mount", "-t", "tmpfs", "tried", str(folder))
        if shutil.which("unshare") and subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return (*prefix, "/bin/sh", "-c", SMALL, str(folder))
    return ("/bin/sh", "-c", SHORT, str(folder))


def test_a_full_disk_is_one_line(checkout: Checkout) -> None:
    disk = checkout.folder / "home"
    line = (*small_disk(disk), str(checkout.python), "-I", "dev/install.py", "dev")
    with checkout.start(*line, TMPDIR=str(disk), UV_CACHE_DIR=str(disk / "cache")) as process:
        said, errors = process.communicate(timeout=SECONDS)
    line_told = refusal(subprocess.CompletedProcess(process.args, process.returncode, said, errors))
    assert line_told == "the disk is full: make room (df -h . shows how much there is)"


def test_anything_else_is_the_last_word_of_the_program_and_where_the_rest_is(checkout: Checkout) -> None:
    (checkout.folder / "requirements" / "up.txt").write_text("yarl @ nowhere\n")
    line = refusal(checkout.install("up"))
    assert re.fullmatch(r"uv failed: .+ \(all it wrote: run/install\.log\)", line)
    assert (checkout.folder / "run" / "install.log").read_text()


def test_a_folder_with_spaces_will_do(
    tmp_path: Path, offered: tuple[PackageIndex, Mapping[str, str]], index: PackageIndex
) -> None:
    folder = tmp_path / "a folder with spaces and a 'quote'"
    folder.mkdir()
    there = checkout_in(folder, index, shortened(offered[1]))
    for target in ("install-up", "install-dev", "install-mutation"):
        done = there.make(target)
        assert done.returncode == 0, done.stderr
    assert there.authz().startswith("runs")
    assert json.loads((folder / ".venv" / install.STAMP).read_text())["folder"] == str(folder / ".venv")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    """2026-11-29: `--into` removed whatever the folder held."""
    notes = tmp_path / "notes"
    notes.touch()
    with pytest.raises(install.InstallError, match="holds something that is not an environment"):
        install._make(Path("uv"), tmp_path)
    assert notes.exists()
