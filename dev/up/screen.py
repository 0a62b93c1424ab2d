"""What a development run prints: short lines, bold on a terminal only, no failure when nobody reads them any more."""

import os
import sys
from typing import TextIO

LABEL_WIDTH = 13


class Screen:
    """Writes to one stream; a terminal that has gone away is not an error, there is still everything to stop."""

    def __init__(self, stream: TextIO, *, styled: bool) -> None:
        self._stream = stream
        self._styled = styled

    def line(self, text: str = "") -> None:
        """One line, at once."""
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError:
            # Python flushes stdout once more when it ends, which must not fail either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def step(self, label: str, text: str) -> None:
        """One step that is done."""
        self.line(f"  {label:<{LABEL_WIDTH - 1}} {text}")

    def heading(self, text: str) -> None:
        """A line that stands out, with room above it."""
        self.line()
        self.line(f"\033[1m{text}\033[0m" if self._styled else text)


def screen() -> Screen:
    """The standard output, styled where it is a terminal that can show it (https://no-color.org is respected)."""
    can_style = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    return Screen(sys.stdout, styled=can_style)
