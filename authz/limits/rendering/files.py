"""The rendering: every file that the two engines need, out of one source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from authz.limits.model import Limits
from authz.limits.rendering.bootstrap import with_slots
from authz.limits.rendering.embedded import embedded_files, embedded_slots
from authz.limits.rendering.shared import service_files, shared_files, shared_slots
from authz.limits.rendering.text import Line, Page


def rendered(limits: Limits, source: PurePath, bootstrap: str, origin: PurePath, into: PurePath) -> Mapping[str, Page]:
    """Return every file by its name below `into`, in the order in which they may be written.

    `source` is where the limits stand and `origin` where the text of `bootstrap` does; both are named in the headers.
    """
    command = "by `authz limits render`: edit that"
    header = Line(f"# rendered from {_named(source)} {command}")
    above = Line(f"# rendered from {_named(origin)} and {_named(source)} {command}")
    slots = {
        "embedded": embedded_slots(limits, into / "embedded"),
        "shared": shared_slots(limits, into / "shared"),
    }
    files: dict[str, Page] = {}
    for folder, pages in (
        ("embedded", embedded_files(limits, header)),
        ("shared", shared_files(limits, header)),
        ("shared/ratelimit", service_files(limits, header)),
    ):
        files.update({f"{folder}/{name}.yaml": page for name, page in pages.items()})
    # A bootstrap comes last: it waits for files that must be there.
    for engine, each in slots.items():
        files[f"{engine}/envoy.yaml"] = Page((above, *with_slots(bootstrap, each)))
    return files


def _named(file: PurePath) -> str:
    """Return what tells a file from others, in every clone and every copy the same."""
    return "/".join(file.parts[-2:])
