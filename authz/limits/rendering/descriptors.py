"""Descriptors: how Envoy finds, from the facts that authz gives, the limits that a request counts against."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from authz.deciding import facts
from authz.limits.model import CUSTOMERS, Addresses, BackendLimits, Ceiling, Limit, Limits, Scope, TierLimits
from authz.limits.rates import percent

Data = dict[str, Any]  # Any: a message of Envoy's or of the rate limit service's, as YAML has it

_SHADOWED: Final = "shadowed"
_EXEMPT: Final = "exempt"
_ADDRESS: Final = "masked_remote_address"
_CEL: Final = "type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor"
_KEYS: Final = {
    Scope.USER: (facts.REALM, facts.INSTANCE_ID, facts.USER_ID),
    Scope.INSTANCE: (facts.LIMITED_INSTANCE_ID,),
    Scope.NAMESPACE: (facts.LIMITED_NAMESPACE_ID,),
    Scope.TIER: (),
}
"""Whom a scope counts: the facts that tell its callers apart. authz gives each `limited_` one in one realm only."""
_CUSTOMERS: Final = {_KEYS[scope][0]: scope for scope in CUSTOMERS}
"""The facts that name a customer."""


class Group(StrEnum):
    """Limits that one filter behind authz enforces, in the order of the filters; each has a file of that name.

    What one refuses does not count in those behind it: a caller who sends too much takes nothing from others.
    """

    USERS = "users"
    INSTANCES = "instances"
    NAMESPACES = "namespaces"
    UNIT_PRIMITIVES = "unit_primitives"
    TIERS = "tiers"

    @property
    def scope(self) -> Scope:
        """Whom its limits count."""
        return _SCOPES.get(self, Scope.TIER)

    @property
    def refused_as(self) -> str:
        """What a refusal says of it, in `x-ratelimit-scope`."""
        return {Group.UNIT_PRIMITIVES: "unit-primitive"}.get(self, self.scope.value)

    def holds(self, unit: str | None) -> bool:
        """Whether its limits are those of a unit primitive, of a whole backend (None), or both."""
        return self.scope is not Scope.TIER or (unit is not None) == (self is Group.UNIT_PRIMITIVES)


_SCOPES: Final = {
    Group.USERS: Scope.USER,
    Group.INSTANCES: Scope.INSTANCE,
    Group.NAMESPACES: Scope.NAMESPACE,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of a descriptor; without a value, every value has a bucket of its own."""

    key: str
    value: str = ""

    @property
    def data(self) -> Data:
        """The entry as both engines read it."""
        return {"key": self.key, "value": self.value} if self.value else {"key": self.key}


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit, and the descriptor that counts for it. `note` says how its number came about."""

    entries: tuple[Entry, ...]
    limit: Limit
    note: str = ""

    @property
    def label(self) -> str:
        """Whose limit it is, in words."""
        return label(self.entries)

    @property
    def comment(self) -> str:
        """What a rendered file says of it."""
        return f"{self.label} ({self.note})" if self.note else self.label

    @property
    def is_exception(self) -> bool:
        """Whether it is one customer's own, in place of what every customer has."""
        last = self.entries[-1]
        return last.key in _CUSTOMERS and bool(last.value)


def label(entries: Sequence[Entry]) -> str:
    """Say in words whose limit a descriptor leads to, such as `ai_gateway, tier small, per user`."""
    steps = {entry.key: entry.value for entry in entries}
    if _ADDRESS in steps:
        counted = {facts.AUTH_OUTCOME: "failed authentications", facts.OUTCOME: "refusals"}
        return f"{next((counted[key] for key in steps if key in counted), 'attempts')}, per address"
    customer = next((key for key in _CUSTOMERS if key in steps), None)
    if facts.USER_ID in steps:
        whom = "per user"
    elif customer is not None:
        whom = f"{_CUSTOMERS[customer]} {steps[customer]}" if steps[customer] else f"per {_CUSTOMERS[customer]}"
    else:
        whom = "in all"
    unit = steps.get(facts.UNIT_PRIMITIVE)
    parts = (steps.get(facts.BACKEND_SERVICE, ""), *([unit] if unit else []), f"tier {steps.get(facts.TIER, '')}", whom)
    return ", ".join(parts)


def groups(limits: Limits) -> tuple[Group, ...]:
    """Return the groups that have limits, in the order of their filters."""
    return tuple(group for group in Group if any(quotas(limits, group)))


def quotas(limits: Limits, group: Group) -> Iterator[Quota]:
    """Yield every limit of a group; exceptions stand before the limit they replace."""
    scope = group.scope
    for backend, tier, unit in limits.tiers():
        limit = tier.of(scope)
        if unit is None:
            yield from _exceptions(limits, scope, backend, tier)
        if limit is None or not group.holds(unit):
            continue
        entries = _entries(backend, tier, unit, *(Entry(key) for key in _KEYS[scope]), shadowed=limit.shadow)
        note = f"{percent(limit.share)} of {backend.capacity}" if isinstance(limit, Ceiling) else ""
        yield Quota(entries, limit, note)


def _exceptions(limits: Limits, scope: Scope, backend: BackendLimits, tier: TierLimits) -> Iterator[Quota]:
    """An exact value beats the wildcard of the limit it replaces, if both are looked up together.

    A tier without such a limit has the exception all the same: customers keep it when they change their tier.
    """
    replaced = tier.of(scope)
    for exception in limits.exceptions:
        own = exception.backends.get(backend.backend_service)
        if own is not None and exception.scope is scope:
            who = (Entry(key, exception.customer) for key in _KEYS[scope])
            shadowed = own.shadow and (replaced is None or replaced.shadow)
            yield Quota(_entries(backend, tier, None, *who, shadowed=shadowed), own, "an exception")


def _entries(
    backend: BackendLimits, tier: TierLimits, unit: str | None, *who: Entry, shadowed: bool
) -> tuple[Entry, ...]:
    """Return the steps in the order in which the actions make them."""
    return (
        *([Entry(_SHADOWED, "true")] if shadowed else []),
        Entry(facts.BACKEND_SERVICE, backend.backend_service),
        *([Entry(facts.UNIT_PRIMITIVE, unit)] if unit else []),
        Entry(facts.TIER, tier.tier),
        *who,
    )


def address_entries(addresses: Addresses) -> tuple[Entry, ...]:
    """Return the steps that `address_actions` make."""
    return (*([Entry(_EXEMPT, "no")] if addresses.exempt else []), Entry(_ADDRESS))


def rate_limits(limits: Limits, group: Group) -> list[Data]:
    """Return the `rate_limits` that make a group's descriptors, one for each kind of descriptor that has a limit."""
    kinds = dict.fromkeys(_kind(quota) for quota in quotas(limits, group))
    return [_rate_limit(limits, group, unit, shadow) for unit, shadow in kinds]


def _kind(quota: Quota) -> tuple[str, bool]:
    steps = {entry.key: entry.value for entry in quota.entries}
    return steps.get(facts.UNIT_PRIMITIVE, ""), _SHADOWED in steps


def _rate_limit(limits: Limits, group: Group, unit: str, shadow: bool) -> Data:
    actions = [
        *([{"generic_key": {"descriptor_key": _SHADOWED, "descriptor_value": "true"}}] if shadow else []),
        fact_action(facts.BACKEND_SERVICE),
        *([_unit_primitive_action(unit)] if unit else []),
        _tier_action(limits),
        *(fact_action(key) for key in _KEYS[group.scope]),
    ]
    # Clients see the limits that can refuse them, and no others.
    return {"actions": actions, **({"x_ratelimit_option": "OFF"} if shadow else {})}


def fact_action(key: str) -> Data:
    """Return the action that makes a step of a fact; a request without that fact makes no descriptor at all."""
    metadata_key = {"key": facts.NAMESPACE, "path": [{"key": key}]}
    return {"metadata": {"descriptor_key": key, "source": "DYNAMIC", "metadata_key": metadata_key}}


def _tier_action(limits: Limits) -> Data:
    """Return the action for the tier: the default one for a tier without limits, so that it has the default's."""
    given = f"metadata.filter_metadata['{facts.NAMESPACE}']"
    tier = f"{given}.{facts.TIER}"
    by_tiers: dict[tuple[str, ...], list[str]] = {}
    for backend in limits.backends:
        by_tiers.setdefault(tuple(each.tier for each in backend.tiers), []).append(backend.backend_service)
    known = " || ".join(
        f"{given}.{facts.BACKEND_SERVICE} in {backends} && {tier} in {list(tiers)}"
        for tiers, backends in by_tiers.items()
    )
    config = {"@type": _CEL, "descriptor_key": facts.TIER, "text": f"{known} ? {tier} : '{limits.default_tier}'"}
    return {"extension": {"name": "envoy.rate_limit_descriptors.expr", "typed_config": config}}


def _unit_primitive_action(unit: str) -> Data:
    """A rule may answer with several, joined by commas; each of them counts, in the one bucket that it always has."""
    matches = {"safe_regex": {"regex": f"(.*,)?{re.escape(unit)}(,.*)?"}}
    return {
        "header_value_match": {
            "descriptor_key": facts.UNIT_PRIMITIVE,
            "descriptor_value": unit,
            "expect_match": True,
            "headers": [{"name": facts.AUTHORIZED_UNIT_PRIMITIVE, "string_match": matches}],
        }
    }


def address_actions(addresses: Addresses) -> list[Data]:
    """Return the actions for the client's address, which make no descriptor at all for an exempt network."""
    masked = {_ADDRESS: {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": addresses.ipv6_prefix}}
    if not addresses.exempt:
        return [masked]
    ranges = [
        {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
        for network in addresses.exempt
    ]
    matcher = {"invert_match": True, "ranges": ranges}
    outside = {"descriptor_key": _EXEMPT, "descriptor_value": "no", "address_matcher": matcher}
    return [{"remote_address_match": outside}, masked]
