"""Returns the problems that `check` finds in edited files, without line numbers."""

import re

from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles


def problems(files: EnvoyFiles) -> list[str]:
    """Return each problem with the file's name; its line number must exist and is left out."""
    found = [re.fullmatch(r".*/([a-z]+\.yaml):[1-9]\d*: (.*)", str(problem)) for problem in check(files)]
    return [f"{each[1]} {each[2]}" if each else "a problem without file or line" for each in found]
