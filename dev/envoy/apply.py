"""Gives edited routes, backends and limits to a running Envoy and waits until it uses them."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.envoy.admin import NO_DOOR, Admin
from dev.envoy.documents import Tree, read
from dev.envoy.files import Engine, EnvoyFiles, rendered, replace
from dev.envoy.routes import forwarding, targets
from dev.envoy.running import needs_a_restart
from dev.ratelimit import apply as ratelimit_apply
from dev.up import shared as up_shared

ACCEPT_SECONDS = 10.0
POLL_SECONDS = 0.05
_WARMING = r"^cluster_manager\.warming_clusters$"
_NO_PORTS: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class Subscription:
    """The counters of one subscription: how often Envoy accepted its file, and how often not."""

    prefix: str
    accepted: str = "update_success"
    refused: tuple[str, ...] = ("update_rejected", "update_failure")

    def counters(self, admin: Admin) -> Mapping[str, int]:
        """Return the counts so far by the last part of their names. Raises AdminError."""
        found = admin.counters(rf"^{re.escape(self.prefix)}\.({'|'.join((self.accepted, *self.refused))})$")
        return {name.rpartition(".")[2]: count for name, count in found.items()}


CLUSTERS = Subscription("cluster_manager.cds")
ROUTES = Subscription("http.door.rds.door")


def _limits(file: Path) -> Subscription:
    document, _ = read(file)
    names = [str(each["name"]) for each in document.tree["resources"]] if document else []
    prefix = f"extension_config_discovery.http_filter.{names[0] if names else ''}"
    return Subscription(prefix, "config_reload", ("config_fail", "update_rejected", "update_failure"))


class ApplyError(Exception):
    """Nothing, or not everything, was applied; the message says what is still in force."""


def apply(source: EnvoyFiles, running: EnvoyFiles, ports: Mapping[int, int] = _NO_PORTS) -> Iterator[str]:
    """Replace edited files that a running Envoy or its rate limit service watches; yield a line for each.

    `source` has been checked. A new cluster is added before its route, a route is removed before its cluster. A file
    that Envoy refuses is put back as it was. Raises ApplyError, AdminError, BuildError and LimitsRefusedError.
    """
    if not running.started.is_file():
        raise ApplyError(f"no Envoy reads {running.folder}; start one with make up, or name its folder with --to")
    admin = Admin(_admin_port(running.started))
    _require_envoy(admin, running)
    edits = _edits(source, running, ((source.clusters, running.clusters), (source.routes, running.routes)), ports)
    limits = _edited_limits(source, running)
    yield from needs_a_restart(source, running)
    for target in _in_order(source, running, edits):
        _move(admin, target, edits[target], CLUSTERS if target == running.clusters else ROUTES)
        yield f"{target}: Envoy uses it now{_unready(admin)}"
    applied = tuple(ratelimit_apply.apply(source, running, up_shared.service_at(ports)))
    yield from applied
    reset = "; these limits count from zero again" if running.engine is Engine.EMBEDDED else ""
    for target, text in limits.items():
        _move(admin, target, text, _limits(target))
        yield f"{target}: Envoy uses it now{reset}"
    if not edits and not limits and not applied:
        yield f"{running.folder}: nothing to apply"


def _require_envoy(admin: Admin, running: EnvoyFiles) -> None:
    """Raise if the folder's Envoy has ended: its files are still there, and another one may listen on its port."""
    other = admin.bootstrap()
    if other.is_absolute() and not (other.exists() and other.samefile(running.started)):
        raise ApplyError(f"{NO_DOOR}; the Envoy on admin port {admin.port} is another one, it reads {other}")


def _edits(
    source: EnvoyFiles, running: EnvoyFiles, pairs: Iterable[tuple[Path, Path]], ports: Mapping[int, int]
) -> Mapping[Path, str]:
    return {
        target: text
        for origin, target in pairs
        if (
            (text := rendered(origin.read_text("utf-8"), source, running, ports)) != target.read_text("utf-8")
            or target.samefile(origin)  # edited in place, which Envoy does not notice
        )
    }


def _edited_limits(source: EnvoyFiles, running: EnvoyFiles) -> Mapping[Path, str]:
    """Return the limits whose content differs: Envoy ignores a file that differs only in a comment.

    Rendering replaces files by a move, so Envoy has noticed those that were rendered where it reads them.
    """
    return {
        target: origin.read_text("utf-8")
        for origin, target in ((file, running.rendered / file.name) for file in source.limits)
        if target.is_file()  # adding or removing a filter edits the bootstrap and needs a restart
        and _resources(origin) != _resources(target)
    }


def _resources(file: Path) -> Tree:
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
        raise ApplyError(f"apply in two steps: first add cluster {new} and its routes, then remove cluster {old}")
    order = (running.routes, running.clusters) if missing_after else (running.clusters, running.routes)
    yield from (file for file in order if file in edits)


def _move(admin: Admin, target: Path, text: str, subscription: Subscription) -> None:
    before = subscription.counters(admin)
    old = target.read_text("utf-8")
    replace(target, text)
    deadline = time.monotonic() + ACCEPT_SECONDS
    while True:
        added = {name: count - before.get(name, 0) for name, count in subscription.counters(admin).items()}
        if any(added.get(name) for name in subscription.refused):
            replace(target, old)
            raise ApplyError(f"{target}: Envoy refuses it and keeps the old one; its log says why")
        if added.get(subscription.accepted):
            return
        if time.monotonic() > deadline:
            replace(target, old)
            raise ApplyError(f"{target}: Envoy did not read it within {ACCEPT_SECONDS:g} seconds; the old one is back")
        time.sleep(POLL_SECONDS)


def _unready(admin: Admin) -> str:
    """Wait until Envoy has checked the health of changed backends; until then it uses the old ones."""
    deadline = time.monotonic() + ACCEPT_SECONDS
    while sum(admin.counters(_WARMING).values()):
        if time.monotonic() > deadline:
            return "; a backend has not answered its health check yet, and its old endpoints serve until it does"
        time.sleep(POLL_SECONDS)
    return ""


def _admin_port(bootstrap: Path) -> int:
    document, problems = read(bootstrap)
    if document is None:
        raise ApplyError(str(problems[0]))
    try:
        return int(document.tree["admin"]["address"]["socket_address"]["port_value"])
    except (KeyError, TypeError, ValueError) as problem:
        raise ApplyError(f"{bootstrap}: has no admin port, which is needed to ask Envoy") from problem


def _defined(clusters: Path) -> set[str]:
    document, _ = read(clusters)
    return {str(each.get("name")) for each in document.tree.get("resources") or ()} if document else set()


def _named(routes: Path) -> set[str]:
    document, _ = read(routes)
    found = forwarding(document) if document else ()
    return {cluster for _, route in found for _, cluster, _ in targets(route["route"])}
