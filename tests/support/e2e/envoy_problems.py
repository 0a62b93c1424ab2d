"""What `check` says of edited files, in a form that does not change with the lines."""

from __future__ import annotations

import re

from dev.envoy.check import check
from dev.envoy.files import EnvoyFiles


def problems(files: EnvoyFiles) -> list[str]:
    """Each with its file's name alone; a line must be there, and is left out."""
    said = [re.fullmatch(r".*/([a-z]+\.yaml):[1-9]\d*: (.*)", str(problem)) for problem in check(files)]
    return [f"{each[1]} {each[2]}" if each else "a problem without file or line" for each in said]
