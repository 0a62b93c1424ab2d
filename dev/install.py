"""Install what a make target needs: `python3 -I dev/install.py up` (run by the Makefile, the image and the tests).

The locks in requirements/ are complete, so no resolver runs. pip installs one hashed wheel, uv, into `.uv`; uv makes
the environment and installs the lock, hashes checked, wheels only. `up` and `dev` share `.venv`; `mutation` has
`.venv-mutation`; `--into FOLDER` takes any lock. `.venv` never shrinks: `make up` after `make check` leaves the tools
in place. Nothing happens where the environment is as its lock says.

A file `.installed` in the environment says what it holds, and is written last. An environment without it (an
interrupted run), of another folder (a moved checkout) or of a Python that is gone is made again; what was downloaded
stays in uv's cache. A lock file lets one process install at a time, and children hold it too.

uv checks hashes when it downloads, not when it copies from its cache: who may write to the cache decides what runs.

The user's settings for pip, uv, Python, virtual environments and conda decide nothing here: not what is installed, nor
where. A few say how a registry is reached, and are honoured from the environment and from pip.conf: `HONOURED`. Hashes
keep that safe. pip's setting counts for uv too, so that one setting is enough behind a mirror or a company's proxy.

Only the standard library is used. The file parses with Python 3.6, so that an old one gets a clear message.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # make asks whichever python3 comes first in PATH
    message = "make: {} is Python {}.{}, older than 3.11: name a newer one, as in make PYTHON=python3.12 up"
    sys.exit(message.format(sys.executable, *sys.version_info[:2]))

import argparse
import configparser
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sysconfig
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".uv"
LOG = ROOT / "run" / "install.log"
ENVIRONMENTS = {"up": ".venv", "dev": ".venv", "mutation": ".venv-mutation"}
GROWING = ("up", "dev")  # each holds all of the one before
WITH_PROJECT = ".venv"
STAMP = ".installed"
INTERRUPTED = 130

# How a registry is reached: pip's name of a setting, and the variable that says the same to uv.
HONOURED = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
    "keyring-provider": "UV_KEYRING_PROVIDER",
}
FEWER_RETRIES = "2"  # an answer within seconds where there is no network
KEPT = ("PIP_CACHE_DIR", "UV_CACHE_DIR")
DROPPED = ("PIP_", "UV_", "PYTHON", "CONDA", "VIRTUAL_ENV")


class InstallError(Exception):
    """Something cannot be installed; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What pip and uv write when something is wrong, and what it means to the reader."""

    written: str
    meaning: str


CAUSES = (
    Cause(
        r"No space left on device|os error 28|Disk quota exceeded|os error 122|File too large|os error 27",
        "the disk is full: make room (df -h . shows how much there is)",
    ),
    Cause(
        r"Read-only file system|os error 30",
        "a folder is read-only: use a checkout and a home that can be written",
    ),
    Cause(
        r"DO NOT MATCH THE HASHES|[Hh]ash mismatch",
        "{index} serves a file that is not the locked one, and it was not installed: "
        "name another index with PIP_INDEX_URL",
    ),
    Cause(
        r"\b407 Proxy",
        "the proxy answered 407, it wants a login: give it, as in HTTPS_PROXY=http://user:password@host:port",
    ),
    Cause(
        r"\b(?P<code>401|403) (?:Client Error|Forbidden|Unauthorized)",
        "{index} answered {code}, it refuses this machine or wants a login: name one that lets you in, "
        "as in PIP_INDEX_URL=https://user:token@mirror/simple",
    ),
    Cause(
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer|CaUsedAsEndEntity",
        "the certificate of {index} is not trusted: name the authority of your company, as in PIP_CERT=/path/ca.pem",
    ),
    Cause(
        r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|ConnectionReset|Connection refused|dns error"
        r"|timed out|error sending request|tcp connect error|Network is unreachable|name resolution",
        "{index} cannot be reached: look at the network, name a proxy with HTTPS_PROXY or a mirror with PIP_INDEX_URL",
    ),
    Cause(
        r"No matching distribution|no version of|not found in the|no usable wheels|has no wheels|no matching Python",
        "{index} has no wheel for this machine that the lock allows: use CPython on Linux (x86-64 or arm64), "
        "or name a complete index with PIP_INDEX_URL",
    ),
)


def main() -> int:
    """0 where all is in place, 1 with one line that says what to do, 130 where it was interrupted."""
    parser = argparse.ArgumentParser(prog="python3 -I dev/install.py", description="install a lock of requirements/")
    parser.add_argument("lock", choices=("uv", *sorted(each.stem for each in locks())), help="which lock; uv: only uv")
    parser.add_argument("--into", type=Path, help="the environment's folder (default: the one of the lock)")
    parser.add_argument("--check", action="store_true", help="install nothing; 1 where there is something to install")
    asked = parser.parse_args()
    folder = (asked.into or ROOT / ENVIRONMENTS.get(asked.lock, f".venv-{asked.lock}")).absolute()
    if asked.check:
        return int(_wanted(asked.lock, folder) is not None)
    try:
        if asked.lock == "uv":
            with only_one():
                uv()
            return 0
        install(asked.lock, folder)
    except KeyboardInterrupt:
        say("interrupted; the next run goes on from here")
        return INTERRUPTED
    except InstallError as problem:
        say(str(problem))
        return 1
    except OSError as problem:
        say(meaning_of(problem))
        return 1
    return 0


def locks() -> Sequence[Path]:
    """Every lock but the one of uv itself."""
    return tuple(each for each in (ROOT / "requirements").glob("*.txt") if each.stem != "uv")


def install(lock: str, folder: Path) -> None:
    """Bring an environment to the state of its lock, or of a larger one that it holds already.

    Raises InstallError or OSError.
    """
    if _wanted(lock, folder) is None:
        return
    with only_one():
        wanted = _wanted(lock, folder)  # another process may have done it meanwhile
        if wanted is None:
            return
        program = uv()
        if _held(folder) is None:
            _make(program, folder)
        stamp = folder / STAMP
        stamp.unlink(missing_ok=True)
        _sync(program, wanted, folder)
        if folder == ROOT / WITH_PROJECT:
            place_project(folder)
        draft = folder / f"{STAMP}.draft"
        draft.write_text(json.dumps(_state(wanted, folder)), "utf-8")
        draft.replace(stamp)


def _wanted(lock: str, folder: Path) -> str | None:
    """The lock to install; None where the environment is as it should be."""
    held = _held(folder)
    larger = held is not None and lock in GROWING and held.get("lock") in GROWING[GROWING.index(lock) :]
    wanted = held["lock"] if held is not None and larger else lock
    return None if held == _state(wanted, folder) else wanted


def _held(folder: Path) -> dict[str, str] | None:
    """What a complete environment holds; None where it has to be made again."""
    try:
        held = json.loads((folder / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(held, dict) and {"lock", "folder", "python"} <= held.keys()
    python = folder / "bin" / "python"
    if not fits or held["folder"] != str(folder) or held["python"] != os.path.realpath(python):
        return None
    lock_is_there = (ROOT / "requirements" / f"{held['lock']}.txt").is_file()
    return held if python.is_file() and lock_is_there else None


def _state(lock: str, folder: Path) -> dict[str, str]:
    """What is written down of an environment."""
    digest = hashlib.sha256()
    for file in (ROOT / "requirements" / f"{lock}.txt", ROOT / "pyproject.toml", Path(__file__)):
        if file.is_file():  # an image is built before the project is there
            digest.update(file.read_bytes())
    python = os.path.realpath(folder / "bin" / "python")
    return {"lock": lock, "made_of": digest.hexdigest(), "folder": str(folder), "python": python}


@contextmanager
def only_one() -> Iterator[None]:
    """One process installs in this checkout, others wait. The children hold the lock too: an orphan still writes."""
    with (ROOT / ".installing").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another make installs here: waiting for it to finish")
            fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)
        yield


def uv() -> Path:
    """The locked uv, installed by pip unless it is there. It is moved into place when it is complete."""
    lock, program = ROOT / "requirements" / "uv.txt", UV / "bin" / "uv"
    with suppress(OSError):
        if (UV / lock.name).read_bytes() == lock.read_bytes() and os.access(program, os.X_OK):
            return program
    begun = time.monotonic()
    part = UV.with_name(".uv.part")
    shutil.rmtree(part, ignore_errors=True)
    options = ("--no-input", "--disable-pip-version-check", "--no-color", "-vv")  # at less pip hides a 403
    exact = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile", "--no-warn-script-location")
    _run(
        "pip", (*pip(), *options, "install", *exact, "--target", str(part), "--requirement", str(lock)), pip_settings()
    )
    shutil.copy(lock, part)
    shutil.rmtree(UV, ignore_errors=True)
    part.rename(UV)
    say(f"installed uv in {time.monotonic() - begun:.1f} s")
    return program


def pip() -> tuple[str, ...]:
    """This Python's pip, or the wheel of it that comes with Python. Raises InstallError where there is neither."""
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-I", "-m", "pip")
    bundled = importlib.util.find_spec("ensurepip")
    if bundled is not None and bundled.origin:
        folders = (sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(bundled.origin).parent / "_bundled")
        wheels = [wheel for folder in folders if folder for wheel in Path(folder).glob("pip-*.whl")]
        if wheels:
            return (sys.executable, "-I", str(wheels[0] / "pip"))
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    raise InstallError(
        f"{sys.executable} has no pip and no ensurepip, which Debian and Ubuntu ship apart: "
        f"run apt-get install {package} as root, then make again"
    )


def _make(program: Path, folder: Path) -> None:
    """Make an empty environment in place of another one. Raises InstallError where something else is in the folder."""
    ours = folder.parent == ROOT or (folder / "pyvenv.cfg").exists() or not folder.exists() or not any(folder.iterdir())
    if not ours:
        raise InstallError(f"{folder} holds something that is not an environment: name a new folder")
    shutil.rmtree(folder, ignore_errors=True)
    make = ("venv", "--no-project", "--no-python-downloads", "--python", sys.executable, str(folder))
    _run("uv", (str(program), *make), uv_settings())


def _sync(program: Path, lock: str, folder: Path) -> None:
    """Exactly what the lock says is installed, and nothing else."""
    begun = time.monotonic()
    file = ROOT / "requirements" / f"{lock}.txt"
    exact = ("--require-hashes", "--no-build", "--compile-bytecode", "--python", str(folder / "bin" / "python"))
    settings = uv_settings()
    offline = ("--no-index",) if settings.get("UV_NO_INDEX") else ()
    said = _run("uv", (str(program), "pip", "sync", *exact, *offline, str(file)), settings)
    installed = re.search(r"Installed (\d+) package", said)
    where = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    done = f"installed {installed[1]} packages into {where}" if installed else f"{where} needs no other packages"
    say(f"{done}, by requirements/{lock}.txt, in {time.monotonic() - begun:.1f} s")


def place_project(folder: Path) -> None:
    """Make this checkout an installed package, with its commands and version, used in place and without a build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (site,) = (folder / "lib").glob("python3.*/site-packages")
    name = project["name"].replace("-", "_")
    for stale in site.glob(f"{name}-*.dist-info"):
        shutil.rmtree(stale)
    info = site / f"{name}-{project['version']}.dist-info"
    info.mkdir()
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {each}" for each in project["dependencies"]),
    ]
    scripts = project["scripts"]
    files = {
        site / f"{name}.pth": f"{os.path.relpath(ROOT, site)}\n",
        info / "METADATA": "".join(f"{line}\n" for line in metadata),
        info / "WHEEL": "Wheel-Version: 1.0\nGenerator: make\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info / "INSTALLER": "make\n",
        info / "entry_points.txt": "[console_scripts]\n" + "".join(f"{s} = {scripts[s]}\n" for s in scripts),
        info / "direct_url.json": json.dumps({"url": ROOT.as_uri(), "dir_info": {"editable": True}}),
        **{folder / "bin" / script: _script(folder, target) for script, target in scripts.items()},
    }
    for file, text in files.items():
        file.write_text(text, "utf-8")
    for script in scripts:
        (folder / "bin" / script).chmod(0o755)
    recorded = (*files, info / "RECORD")
    (info / "RECORD").write_text("".join(f"{os.path.relpath(file, site)},,\n" for file in recorded), "utf-8")


def _script(folder: Path, target: str) -> str:
    """A command. A shell starts it: the first line of a Python script cannot name a path with spaces.

    The import stands below the guard, so that processes which multiprocessing spawns do not import the command line.
    """
    module, _, function = target.partition(":")
    python = shlex.quote(str(folder / "bin" / "python"))
    return (
        f"#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n"
        f'import sys\n\nif __name__ == "__main__":\n    from {module} import {function}\n\n    sys.exit({function}())\n'
    )


def _run(name: str, line: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a command writes. Raises InstallError with what it means, where it fails."""
    try:
        process = subprocess.Popen(
            line,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            close_fds=False,
        )
    except PermissionError as problem:
        raise InstallError(f"{line[0]} cannot be run: use a checkout on a disk that is not mounted noexec") from problem
    with process:
        try:
            said, _ = process.communicate()
        except KeyboardInterrupt:
            process.terminate()
            raise
    if process.returncode:
        raise InstallError(_explained(name, said))
    return said


def _explained(name: str, said: str) -> str:
    """One line for all that a command wrote; the rest goes to a log."""
    with suppress(OSError):
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_text(without_passwords(said), "utf-8")
    asked = re.search(r"https?://(?:[^\s/@]*@)?([^\s/@'\"`)]+)", said)
    index = f"the package index {asked[1]}" if asked else "the package index"
    for cause in CAUSES:
        found = re.search(cause.written, said)
        if found:
            return cause.meaning.format(index=index, **found.groupdict())
    last = [line for line in said.splitlines() if line.strip()][-1:] or ["it wrote nothing"]
    return f"{name} failed: {without_passwords(last[0].strip())} (all it wrote: {LOG.relative_to(ROOT)})"


def without_passwords(text: str) -> str:
    """The same without what stands before the `@` of a URL."""
    return re.sub(r"(?<=://)[^\s/@]+@", "", text)


def meaning_of(problem: OSError) -> str:
    """One line for what the file system refused."""
    if problem.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        why = os.strerror(problem.errno)
        return f"{problem.filename or ROOT} cannot be written ({why}): use a checkout in a folder of your own"
    if problem.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return CAUSES[0].meaning
    return str(problem)


def pip_settings() -> dict[str, str]:
    """The environment in which pip runs: no settings of the user but those that say how a registry is reached."""
    variables = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings().items()}
    return {**_bare(), "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": FEWER_RETRIES, **variables}


def uv_settings() -> dict[str, str]:
    """The same for uv, which reads no settings of pip."""
    asked = settings()
    asked["find-links"] = ",".join(asked.get("find-links", "").split())
    asked["extra-index-url"] = " ".join(asked.get("extra-index-url", "").split())
    if asked.get("no-index", "").lower() not in {"1", "true", "yes", "on"}:
        asked.pop("no-index", None)
    if asked.get("keyring-provider") != "subprocess":
        asked.pop("keyring-provider", None)
    variables = {HONOURED[name]: value for name, value in asked.items() if value}
    if "proxy" in asked:
        variables |= {"HTTP_PROXY": asked["proxy"], "HTTPS_PROXY": asked["proxy"]}
    bundles = (os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    bundle = variables.get("SSL_CERT_FILE") or next(filter(None, bundles), None)
    if bundle:
        variables["SSL_CERT_FILE"] = bundle
    elif any(ssl.get_default_verify_paths()[:2]):  # this machine's own certificates, as newer versions of pip do
        variables["UV_SYSTEM_CERTS"] = "true"
    if "UV_INDEX" in variables:  # a file from any index, as pip has it; hashes say which one it must be
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    # A copy: with links, an edit in one environment would change uv's cache, and so what the next one gets.
    fixed = {"UV_NO_CONFIG": "1", "UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_LINK_MODE": "copy"}
    return {**_bare(), "UV_HTTP_RETRIES": FEWER_RETRIES, **fixed, **variables}


def settings() -> dict[str, str]:
    """What pip.conf and the environment say about reaching a registry; later places win, as pip's documentation has it.

    https://pip.pypa.io/en/stable/topics/configuration/
    """
    found: dict[str, str] = {}
    for section in ("global", "install"):
        for file in _pip_files():
            found |= _section(file, section)
    for name in HONOURED:
        variable = f"PIP_{name.upper().replace('-', '_')}"
        if os.environ.get(variable):
            found[name] = os.environ[variable]
    if os.environ.get("PIP_DEFAULT_TIMEOUT"):
        found.setdefault("timeout", os.environ["PIP_DEFAULT_TIMEOUT"])
    return found


def _pip_files() -> Iterator[Path]:
    if os.environ.get("PIP_CONFIG_FILE") == os.devnull:
        return
    home = Path("~").expanduser()
    for folder in (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)[::-1]:
        yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    yield Path(sys.prefix, "pip.conf")
    if os.environ.get("PIP_CONFIG_FILE"):
        yield Path(os.environ["PIP_CONFIG_FILE"])


def _section(file: Path, section: str) -> dict[str, str]:
    """The honoured settings in one section of a pip.conf; a file that cannot be read has none."""
    parser = configparser.RawConfigParser()
    with suppress(OSError, UnicodeDecodeError, configparser.Error):
        parser.read(file, "utf-8")
    pairs = parser.items(section) if parser.has_section(section) else []
    names = {name.removeprefix("--").replace("_", "-"): value for name, value in pairs}
    names["timeout"] = names.get("timeout") or names.get("default-timeout", "")
    return {name: value for name, value in names.items() if name in HONOURED and value}


def _bare() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if os.environ.get(name)}
    return {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)} | kept


def say(text: str) -> None:
    """One line to the reader."""
    print(f"make: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
