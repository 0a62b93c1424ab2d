"""Chooses the images of the compose stack: the public ones, else stand-ins that a script makes on this machine.

`eval "$(python -m dev.compose.images)"`: the variables go to stdout, progress goes to stderr. It fails if neither can
be had.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dev.compose.command import ComposeError, check_engine
from dev.envoy.program import MissingBinaryError, binary
from dev.ratelimit.program import BuildError, programs

COMPOSE_FILE = Path("docker-compose.yml")
# Without the images of profiles, which have no stand-ins.
NEEDED = ("PYTHON_IMAGE", "ENVOY_IMAGE", "REDIS_IMAGE", "RATELIMIT_IMAGE")
STANDINS = "../shared/standins/build"


def main() -> int:
    """Return 0, or 1 with what was tried on stderr."""
    wanted = images(COMPOSE_FILE.read_text("utf-8"))
    try:
        print(_public(wanted) or _stand_ins(Path(os.environ.get("STANDINS", STANDINS))))
    except (ComposeError, MissingBinaryError, BuildError) as problem:
        print(f"images: {problem}", file=sys.stderr)
        return 1
    return 0


def images(compose_file: str) -> Mapping[str, str]:
    """Return the image of each variable: from the environment, else the compose file's default."""
    defaults = dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", compose_file))
    return {name: os.environ.get(name) or defaults[name] for name in NEEDED}


def _public(wanted: Mapping[str, str]) -> str:
    """Return the variables if every image is here or can be pulled, else an empty text."""
    try:
        check_engine()
    except ComposeError as problem:
        _report(str(problem))
        return ""
    for image in wanted.values():
        if not _runs("docker", "image", "inspect", image) and not _runs("docker", "pull", "--quiet", image):
            _report(f"{image} is not here and cannot be pulled")
            return ""
    return "export " + shlex.join(f"{name}={image}" for name, image in wanted.items())


def _stand_ins(script: Path) -> str:
    """Return the variables that the script prints. Raises ComposeError, MissingBinaryError or BuildError."""
    if not script.is_file():
        raise ComposeError(
            f"the public images cannot be had, and there is no script STANDINS ({script}) to make stand-ins"
        )
    _report(f"{script} makes stand-ins")
    line = [str(script), "--envoy", str(binary()), "--ratelimit", str(programs(_report).service)]
    made = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise ComposeError(f"{shlex.join(line)} ended with exit code {made.returncode}")
    # A build on top of stand-ins reaches package registries through this machine's network.
    return f"{made.stdout.strip()} BUILD_NETWORK=host"


def _runs(*line: str) -> bool:
    return subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _report(text: str) -> None:
    print(f"images: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
