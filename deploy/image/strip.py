"""Removes everything from a base image that can install a package, so that it needs no security updates."""

import importlib.util
import shutil
from pathlib import Path

NAMES = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "ensurepip")
PROGRAMS = ("/usr/local/bin", "/usr/bin")

for name in NAMES:
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        for folder in (package, *package.parent.glob(f"{name}-*.*-info")):
            shutil.rmtree(folder)
for folder in map(Path, PROGRAMS):
    for program in folder.glob("pip*"):
        program.unlink()
