"""Generates `authz/deciding/_proto` from `protos/`: `python -m dev.protos`."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ROOT / "protos"
GENERATED: Final = Path("authz/deciding/_proto")
WELL_KNOWN: Final = files("grpc_tools") / "_proto"
GOOGLEAPIS: Final = Path(str(files("google.rpc") / "status.proto")).parents[2]
INCLUDES: Final = (SOURCES, WELL_KNOWN, GOOGLEAPIS)


def generate(root: Path) -> None:
    """Write modules and type stubs to `GENERATED` below `root`. Raises CalledProcessError if protoc fails."""
    protos = sorted(path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.proto"))
    arguments = [*(f"--proto_path={folder}" for folder in INCLUDES), f"--python_out={root}", f"--pyi_out={root}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments, *protos], check=True)


def outdated() -> list[str]:
    """Return the files of `GENERATED` that differ from `protos/`, are missing, or have no source any more."""
    with TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = _contents(Path(folder))
    kept = _contents(ROOT)
    return sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))


def _contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.joinpath(GENERATED).glob("*_pb2*")}


def main() -> int:
    """Generate all files, and delete generated ones that no longer have a source."""
    generate(ROOT)
    for name in outdated():
        ROOT.joinpath(GENERATED, name).unlink()
    print(f"{GENERATED}: {len(_contents(ROOT))} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
