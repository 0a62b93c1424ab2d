"""Prints the lines of a development run, bold on a terminal only; a closed output is not an error."""

import os
import sys
from typing import TextIO

LABEL_WIDTH = 13


class Screen:
    """Writes to one stream; a closed terminal is not an error, because everything must still be stopped."""

    def __init__(self, stream: TextIO, *, styled: bool) -> None:
        self._stream = stream
        self._styled = styled

    def line(self, text: str = "") -> None:
        """Print one line at once."""
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError:
            # Python flushes stdout once more when it ends, which must not fail either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def step(self, label: str, text: str) -> None:
        """Print one finished step."""
        self.line(f"  {label:<{LABEL_WIDTH - 1}} {text}")

    def heading(self, text: str) -> None:
        """Print a bold line after an empty one."""
        self.line()
        self.line(f"\033[1m{text}\033[0m" if self._styled else text)


def screen() -> Screen:
    """Return the standard output, styled if the terminal supports it (respects https://no-color.org)."""
    can_style = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    return Screen(sys.stdout, styled=can_style)
