"""Give edited routes, backends and limits to a running Envoy, and see whether it takes them."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.envoy.admin import Admin
from dev.envoy.files import Engine, EnvoyFiles, rendered, replace
from dev.envoy.labels import targets
from dev.envoy.routes import forwarding
from dev.envoy.started import needs_a_restart
from dev.envoy.yaml_lines import Tree, read
from dev.ratelimit import apply as ratelimit_apply
from dev.up import shared as up_shared

TAKE_SECONDS = 10.0
POLL_SECONDS = 0.05
_WARMING = r"^cluster_manager\.warming_clusters$"
_NO_PORTS: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class Subscription:
    """How Envoy counts that it took a file, or did not."""

    prefix: str
    taken: str = "update_success"
    refused: tuple[str, ...] = ("update_rejected", "update_failure")

    def counters(self, admin: Admin) -> Mapping[str, int]:
        """What was counted so far, by the last part of its name. Raises AdminError."""
        found = admin.counters(rf"^{re.escape(self.prefix)}\.({'|'.join((self.taken, *self.refused))})$")
        return {name.rpartition(".")[2]: count for name, count in found.items()}


CLUSTERS = Subscription("cluster_manager.cds")
ROUTES = Subscription("http.door.rds.door")


def _limits(file: Path) -> Subscription:
    document, _ = read(file)
    names = [str(each["name"]) for each in document.tree["resources"]] if document else []
    prefix = f"extension_config_discovery.http_filter.{names[0] if names else ''}"
    return Subscription(prefix, "config_reload", ("config_fail", "update_rejected", "update_failure"))


class ApplyError(Exception):
    """Nothing, or not everything, was applied; the message says what still holds."""


def apply(source: EnvoyFiles, running: EnvoyFiles, ports: Mapping[int, int] = _NO_PORTS) -> Iterator[str]:
    """Move edited files to where a running Envoy, and its rate limit service, watch them, and yield a line for each.

    `source` has been checked. A new cluster goes in before the route that needs it, a route goes before its cluster. A
    file that Envoy refuses is put back as it was. Raises ApplyError and AdminError; of the service, BuildError and
    LimitsRefusedError.
    """
    if not running.started.is_file():
        raise ApplyError(f"no Envoy reads {running.folder}; start one with make up, or name its folder with --to")
    admin = Admin(_admin_port(running.started))
    admin.require()  # the files of a door outlive it
    edits = _edits(source, running, ((source.clusters, running.clusters), (source.routes, running.routes)), ports)
    limits = _edited_limits(source, running)
    yield from needs_a_restart(source, running)
    for target in _in_order(source, running, edits):
        _move(admin, target, edits[target], CLUSTERS if target == running.clusters else ROUTES)
        yield f"{target}: Envoy has taken it{_unready(admin)}"
    counting = tuple(ratelimit_apply.apply(source, running, up_shared.service_at(ports)))
    yield from counting
    anew = "; what these limits had counted begins anew" if running.engine is Engine.EMBEDDED else ""
    for target, text in limits.items():
        _move(admin, target, text, _limits(target))
        yield f"{target}: Envoy has taken it{anew}"
    if not edits and not limits and not counting:
        yield f"{running.folder}: nothing to apply"


def _edits(
    source: EnvoyFiles, running: EnvoyFiles, pairs: Iterable[tuple[Path, Path]], ports: Mapping[int, int]
) -> Mapping[Path, str]:
    return {
        target: text
        for origin, target in pairs
        if (
            (text := rendered(origin.read_text("utf-8"), source, running, ports)) != target.read_text("utf-8")
            or target.samefile(origin)  # edited in place, where Envoy has not noticed
        )
    }


def _edited_limits(source: EnvoyFiles, running: EnvoyFiles) -> Mapping[Path, str]:
    """Limits that count otherwise: Envoy does not load again what differs in a comment, nor does it forget its counts.

    They are rendered by a move, so the ones that lie where they are read have been noticed.
    """
    return {
        target: origin.read_text("utf-8")
        for origin, target in ((file, running.rendered / file.name) for file in source.limits)
        if target.is_file()  # a filter more or less is an edit of the bootstrap, and needs a restart
        and _said(origin) != _said(target)
    }


def _said(file: Path) -> Tree:
    document, _ = read(file)
    return document.tree.get("resources") if document else None


def _in_order(source: EnvoyFiles, running: EnvoyFiles, edits: Mapping[Path, str]) -> Iterator[Path]:
    if len(edits) == 1:
        yield from edits
        return
    missing_before = _named(source.routes) - _defined(running.clusters)
    missing_after = _named(running.routes) - _defined(source.clusters)
    if missing_before and missing_after:
        new, old = ", ".join(sorted(missing_before)), ", ".join(sorted(missing_after))
        raise ApplyError(f"apply in two steps: add cluster {new} and its routes first, remove cluster {old} afterwards")
    order = (running.routes, running.clusters) if missing_after else (running.clusters, running.routes)
    yield from (file for file in order if file in edits)


def _move(admin: Admin, target: Path, text: str, subscription: Subscription) -> None:
    before = subscription.counters(admin)
    old = target.read_text("utf-8")
    replace(target, text)
    deadline = time.monotonic() + TAKE_SECONDS
    while True:
        grown = {name: count - before.get(name, 0) for name, count in subscription.counters(admin).items()}
        if any(grown.get(name) for name in subscription.refused):
            replace(target, old)
            raise ApplyError(f"{target}: Envoy refuses it and goes on with the old one; its log says why")
        if grown.get(subscription.taken):
            return
        if time.monotonic() > deadline:
            replace(target, old)
            raise ApplyError(f"{target}: Envoy did not look at it within {TAKE_SECONDS:g} seconds; the old one is back")
        time.sleep(POLL_SECONDS)


def _unready(admin: Admin) -> str:
    """Wait until changed backends have been asked for their health: until then the old ones serve."""
    deadline = time.monotonic() + TAKE_SECONDS
    while sum(admin.counters(_WARMING).values()):
        if time.monotonic() > deadline:
            return "; a backend has not answered for its health yet, and its old endpoints go on serving until then"
        time.sleep(POLL_SECONDS)
    return ""


def _admin_port(bootstrap: Path) -> int:
    document, problems = read(bootstrap)
    if document is None:
        raise ApplyError(str(problems[0]))
    try:
        return int(document.tree["admin"]["address"]["socket_address"]["port_value"])
    except (KeyError, TypeError, ValueError) as problem:
        raise ApplyError(f"{bootstrap}: names no admin port on which to ask Envoy") from problem


def _defined(clusters: Path) -> set[str]:
    document, _ = read(clusters)
    return {str(each.get("name")) for each in document.tree.get("resources") or ()} if document else set()


def _named(routes: Path) -> set[str]:
    document, _ = read(routes)
    leading = forwarding(document) if document else ()
    return {cluster for _, route in leading for _, cluster, _ in targets(route["route"])}
