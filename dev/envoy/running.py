"""Remembers what a running Envoy was started with: the files it reads once, its engine, its shift of ports."""

from collections.abc import Iterator, Mapping
from dataclasses import replace as with_
from pathlib import Path

from dev.envoy.documents import Tree, read
from dev.envoy.files import Engine, EnvoyFiles, replace
from dev.up import shared as up_shared
from dev.up.plan import sample_ports

_ADDRESS_KEYS = {"port_value", "address", "path"}
_LATER = "edited, but Envoy reads it only at its start: stop this Envoy and start it again"


def note(source: EnvoyFiles, running: EnvoyFiles, offset: int) -> None:
    """Write what a later `apply` needs to know beside what Envoy reads."""
    kept = _kept(running)
    kept.mkdir(parents=True, exist_ok=True)
    for file in (source.started, source.tls):
        replace(kept / file.name, file.read_text("utf-8"))
    replace(_offset(running), f"{offset}\n")
    replace(_engine(running), f"{running.engine}\n")


def engine_of(running: EnvoyFiles) -> EnvoyFiles:
    """Return the same folder with the engine that it was started with."""
    try:
        return with_(running, engine=Engine(_engine(running).read_text("utf-8").strip()))
    except (OSError, ValueError):
        return running


def needs_a_restart(source: EnvoyFiles, running: EnvoyFiles) -> Iterator[str]:
    """Yield a line for each edited file that Envoy does not read again; edits of layout and comments do not count."""
    for origin, target in ((source.started, running.started), (source.tls, running.tls)):
        kept = _kept(running) / origin.name
        there = kept.is_file()
        ours, theirs = read(origin)[0], read(kept if there else target)[0]
        if ours and theirs and _compared(ours.tree, exact=there) != _compared(theirs.tree, exact=there):
            yield f"{origin}: {_LATER}"


def moved_ports(source: EnvoyFiles, running: EnvoyFiles) -> Mapping[int, int]:
    """Return the ports of this run by the shipped ones: sample backends and rate limit service. Raises PlanError."""
    try:
        offset = int(_offset(running).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    sampled = {port: port + offset for port in sample_ports(source.clusters)}
    return {**up_shared.moved(offset), **sampled} if offset else {}


def _kept(running: EnvoyFiles) -> Path:
    return running.folder / "started"


def _offset(running: EnvoyFiles) -> Path:
    return _kept(running) / "port_offset"


def _engine(running: EnvoyFiles) -> Path:
    return _kept(running) / "engine"


def _compared(tree: Tree, *, exact: bool) -> Tree:
    """Leave ports and folders out unless `exact`, because a rendered copy has others than its source."""
    if isinstance(tree, dict):
        keys = tree if exact else [key for key in tree if key not in _ADDRESS_KEYS]
        return {key: _compared(tree[key], exact=exact) for key in keys}
    return [_compared(item, exact=exact) for item in tree] if isinstance(tree, list) else tree
