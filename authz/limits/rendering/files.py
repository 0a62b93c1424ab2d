"""All files that the two engines read, rendered from one source."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final

from authz.limits.model import Limits
from authz.limits.rendering.bootstrap import Marker, header_patterns, with_sections
from authz.limits.rendering.embedded import embedded_files, embedded_sections
from authz.limits.rendering.rendered_file import RenderedFile, rendered_file
from authz.limits.rendering.shared import service_files, shared_files, shared_sections

ORIGIN: Final = "# rendered from "
"""How every rendered file begins."""


def rendered(
    limits: Limits, headers: Sequence[str], source: PurePath, bootstrap: str, origin: PurePath, into: PurePath
) -> Mapping[str, RenderedFile]:
    """Return every file by its name below `into`, in the order in which they may be written.

    `headers` are those that authz is to see. `source` is where the limits stand and `origin` where the text of
    `bootstrap` does; the first lines name both.
    """
    command = "by `authz limits render`: edit that"
    first_line = f"{ORIGIN}{_named(source)} {command}"
    of_both = f"{ORIGIN}{_named(origin)} and {_named(source)} {command}"
    folders = {
        "embedded": embedded_files(limits),
        "shared": shared_files(limits),
        "shared/ratelimit": service_files(limits),
    }
    sections = {
        "embedded": embedded_sections(limits, into / "embedded"),
        "shared": shared_sections(limits, into / "shared"),
    }
    files = {
        f"{folder}/{name}.yaml": rendered_file(first_line, content)
        for folder, contents in folders.items()
        for name, content in contents.items()
    }
    # A bootstrap comes last: it waits for files that must be there.
    bootstraps = {
        f"{engine}/envoy.yaml": RenderedFile(
            f"{of_both}\n{with_sections(bootstrap, {Marker.HEADERS: header_patterns(headers), **own})}", {}
        )
        for engine, own in sections.items()
    }
    return {**files, **bootstraps}


def _named(file: PurePath) -> str:
    """Return what tells a file from others, in every clone and every copy the same."""
    return "/".join(file.parts[-2:])
