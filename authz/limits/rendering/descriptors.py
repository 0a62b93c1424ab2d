"""Descriptors: how Envoy finds out, from what authz said about a request, which limits it counts against."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authz.deciding import facts
from authz.limits.model import Addresses, BackendLimits, Ceiling, Limit, Limits, Scope, TierLimits
from authz.limits.rates import percent
from authz.limits.rendering.text import Line

SHADOWED: Final = "shadowed"
_CEL: Final = "type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor"
_KEYS: Final = {
    Scope.USER: ("realm", "instance_id", "user_id"),
    Scope.INSTANCE: ("limited_instance_id",),
    Scope.TIER: (),
}
"""Whom a scope counts: the facts that tell its callers apart. authz gives `limited_instance_id` in one realm only."""


class Group(StrEnum):
    """Limits that one filter behind authz enforces, in the order of the filters; each has a file of that name.

    What one refuses does not count in those behind it: nobody's surplus is taken from others.
    """

    USERS = "users"
    INSTANCES = "instances"
    UNIT_PRIMITIVES = "unit_primitives"
    TIERS = "tiers"

    @property
    def scope(self) -> Scope:
        """Whom its limits count."""
        return {Group.USERS: Scope.USER, Group.INSTANCES: Scope.INSTANCE}.get(self, Scope.TIER)

    @property
    def marker(self) -> str:
        """What a refusal says of it."""
        return {Group.UNIT_PRIMITIVES: "unit-primitive"}.get(self, self.scope.value)

    def holds(self, unit: str | None) -> bool:
        """Whether its limits are those of a unit primitive, of a whole backend (None), or both."""
        return self.scope is not Scope.TIER or (unit is not None) == (self is Group.UNIT_PRIMITIVES)


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of a descriptor; without a value, every value has a bucket of its own."""

    key: str
    value: str = ""

    def __str__(self) -> str:
        return f"{{key: {self.key}, value: {_quoted(self.value)}}}" if self.value else f"{{key: {self.key}}}"


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit behind authz: the descriptor that counts for it, and whose it is in words."""

    entries: tuple[Entry, ...]
    limit: Limit
    label: str
    note: str

    @property
    def is_exception(self) -> bool:
        """Whether it is one instance's own, in place of what every instance has."""
        last = self.entries[-1]
        return last.key == "limited_instance_id" and bool(last.value)


def groups(limits: Limits) -> tuple[Group, ...]:
    """Return the groups that have limits, in the order of their filters."""
    return tuple(group for group in Group if any(quotas(limits, group)))


def quotas(limits: Limits, group: Group) -> Iterator[Quota]:
    """Every limit of a group; exceptions stand before the limit they replace."""
    scope = group.scope
    for backend, tier, unit in limits.tiers():
        limit = tier.of(scope)
        if limit is None or not group.holds(unit):
            continue
        whose = f"{backend.backend_service}, {f'{unit}, ' if unit else ''}tier {tier.tier}"
        if scope is Scope.INSTANCE and unit is None:
            yield from _exceptions(limits, backend, tier, limit, whose)
        entries = _entries(backend, tier, unit, *(Entry(key) for key in _KEYS[scope]), shadowed=limit.shadow)
        if isinstance(limit, Ceiling):
            yield Quota(entries, limit, f"{whose}, in all", f"{percent(limit.share)} of {backend.capacity}")
        else:
            yield Quota(entries, limit, f"{whose}, per {scope}", "")


def _exceptions(
    limits: Limits, backend: BackendLimits, tier: TierLimits, replaced: Limit, whose: str
) -> Iterator[Quota]:
    """An exact value beats the wildcard of the limit it replaces, if both are looked up together."""
    for exception in limits.exceptions:
        own = exception.backends.get(backend.backend_service)
        if own is not None:
            who = Entry("limited_instance_id", exception.instance)
            entries = _entries(backend, tier, None, who, shadowed=own.shadow and replaced.shadow)
            yield Quota(entries, own, f"{whose}, instance {exception.instance}", "an exception")


def _entries(
    backend: BackendLimits, tier: TierLimits, unit: str | None, *who: Entry, shadowed: bool
) -> tuple[Entry, ...]:
    """The steps in the order in which the actions make them."""
    return (
        *([Entry(SHADOWED, "true")] if shadowed else []),
        Entry("backend_service", backend.backend_service),
        *([Entry("unit_primitive", unit)] if unit else []),
        Entry("tier", tier.tier),
        *who,
    )


def quota_actions(limits: Limits, group: Group) -> Iterator[Line]:
    """The `rate_limits` that make the descriptors of a group, one for each kind of descriptor that has a limit."""
    kinds = dict.fromkeys(_kind(quota) for quota in quotas(limits, group))
    for unit, shadow in kinds:
        counted = f"requests for {unit}" if unit else "every request"
        yield Line(f"- actions:   # {counted}{', in shadow' if shadow else ''}")
        if shadow:
            yield Line(f'  - generic_key: {{descriptor_key: {SHADOWED}, descriptor_value: "true"}}')
        yield _fact("backend_service")
        if unit:
            yield from _unit_primitive(unit)
        yield from _tier(limits)
        for key in _KEYS[group.scope]:
            yield _fact(key)
        if shadow:
            yield Line('  x_ratelimit_option: "OFF"   # what refuses nobody is nobody\'s limit to see')


def _kind(quota: Quota) -> tuple[str, bool]:
    given = {entry.key: entry.value for entry in quota.entries}
    return given.get("unit_primitive", ""), SHADOWED in given


def _fact(key: str) -> Line:
    path = f"metadata_key: {{key: {facts.NAMESPACE}, path: [{{key: {key}}}]}}"
    return Line(f"  - metadata: {{descriptor_key: {key}, source: DYNAMIC, {path}}}")


def _tier(limits: Limits) -> Iterator[Line]:
    """The tier, or the default one for a tier that has no limits of its own: it must not be without any."""
    given = f"metadata.filter_metadata['{facts.NAMESPACE}']"
    by_tiers: dict[tuple[str, ...], list[str]] = {}
    for backend in limits.backends:
        by_tiers.setdefault(tuple(tier.tier for tier in backend.tiers), []).append(backend.backend_service)
    known = [
        f"{given}.backend_service in {_listed(backends)} && {given}.tier in {_listed(tiers)}"
        for tiers, backends in by_tiers.items()
    ]
    yield Line("  - extension:")
    yield Line("      name: envoy.rate_limit_descriptors.expr")
    yield Line("      typed_config:")
    yield Line(f'        "@type": {_CEL}')
    yield Line("        descriptor_key: tier")
    yield Line("        text: >-")
    for number, each in enumerate(known):
        yield Line(f"          {'|| ' if number else ''}{each}")
    yield Line(f"          ? {given}.tier : '{limits.default_tier}'")


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


def _unit_primitive(unit: str) -> Iterator[Line]:
    """A rule may answer with several, joined by commas; each of them counts, in the one bucket that it always has."""
    regex = _quoted(f"(.*,)?{re.escape(unit)}(,.*)?")
    yield Line("  - header_value_match:")
    yield Line("      descriptor_key: unit_primitive")
    yield Line(f"      descriptor_value: {_quoted(unit)}")
    yield Line("      expect_match: true")
    matcher = f"string_match: {{safe_regex: {{regex: {regex}}}}}"
    yield Line(f"      headers: [{{name: {facts.AUTHORIZED_UNIT_PRIMITIVE}, {matcher}}}]")


def address_actions(addresses: Addresses) -> Iterator[Line]:
    """The actions for the client's address, which make no descriptor at all for an exempt network."""
    if addresses.exempt:
        yield Line("  - remote_address_match:")
        yield Line("      descriptor_key: exempt")
        yield Line('      descriptor_value: "no"')
        yield Line("      address_matcher:")
        yield Line("        invert_match: true")
        yield Line("        ranges:")
        for network in addresses.exempt:
            prefix = f'{{address_prefix: "{network.network_address}", prefix_len: {network.prefixlen}}}'
            yield Line(f"        - {prefix}")
    mask = f"{{v4_prefix_mask_len: 32, v6_prefix_mask_len: {addresses.ipv6_prefix}}}"
    yield Line(f"  - masked_remote_address: {mask}")


def _quoted(text: str) -> str:
    """Return a text as YAML that every version of it reads as text."""
    plain = _PLAIN.fullmatch(text) and text not in _AMBIGUOUS
    return text if plain else "'" + text.replace("'", "''") + "'"


_PLAIN: Final = re.compile(r"[a-z][a-z0-9_-]*")
_AMBIGUOUS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
