"""The limits of `limits.yaml` as values; each has the line that it was written on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from authz.limits.rates import Rate


class Scope(StrEnum):
    """Whom a quota counts."""

    USER = "user"
    INSTANCE = "instance"
    NAMESPACE = "namespace"
    TIER = "tier"


CUSTOMERS: Final = (Scope.INSTANCE, Scope.NAMESPACE)
"""What one customer is: an instance of its own, or a root namespace of gitlab.com. Only these have exceptions."""


class OnFailure(StrEnum):
    """What happens to requests while the rate limit service does not answer."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate, whether it is only counted (`shadow`) or also enforced, and its line in `limits.yaml`."""

    rate: Rate
    shadow: bool
    line: int

    def __str__(self) -> str:
        return f"{self.rate} in shadow" if self.shadow else str(self.rate)


@dataclass(frozen=True, slots=True)
class Ceiling(Limit):
    """What a tier as a whole may send: the rate that its share of a backend's capacity comes to."""

    share: Fraction


@dataclass(frozen=True, slots=True)
class TierLimits:
    """The limits of one tier: on each of its `callers`, by what counts as one, and on the tier as a whole.

    A backend's own always limit users, instances and the tier; those of a unit primitive limit any of them.
    """

    tier: str
    callers: Mapping[Scope, Limit]
    ceiling: Ceiling | None

    def of(self, scope: Scope) -> Limit | None:
        """Return the limit on each user, instance or namespace, or on the tier as a whole."""
        return self.ceiling if scope is Scope.TIER else self.callers.get(scope)


@dataclass(frozen=True, slots=True)
class BackendLimits:
    """The limits of one backend service. `tiers` begin with the default tier; an absent one draws from that.

    `unit_primitives` count that one alone, beside the backend's own. Tiers that are absent there have none.
    """

    backend_service: str
    capacity: Rate
    oversubscribe: Fraction
    line: int
    tiers: tuple[TierLimits, ...]
    unit_primitives: Mapping[str, tuple[TierLimits, ...]]


@dataclass(frozen=True, slots=True)
class CustomerException:
    """One customer's own limits by backend service, in whatever tier it is; `customer` is an id of that scope."""

    scope: Scope
    customer: str
    reason: str
    backends: Mapping[str, Limit]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Limits by client address, which is all that is known before a token is checked."""

    attempts: Limit
    failed_authentications: Limit
    refusals: Limit
    ipv6_prefix: int
    exempt: tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class Callers:
    """How many distinct callers one Envoy of the embedded engine is expected to see while their buckets matter."""

    addresses: int
    users: int
    instances: int
    namespaces: int


@dataclass(frozen=True, slots=True)
class RateLimitService:
    """Where the shared engine's service is, how many seconds a request waits for it, and what follows if it fails."""

    host: str
    port: int
    timeout: float
    on_failure: OnFailure


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that `limits.yaml` says. `default_tier` is where unknown tiers draw from."""

    default_tier: str
    backends: tuple[BackendLimits, ...]
    exceptions: tuple[CustomerException, ...]
    addresses: Addresses
    callers: Callers
    service: RateLimitService

    def tiers(self) -> Iterator[tuple[BackendLimits, TierLimits, str | None]]:
        """Every backend's tiers with their limits; then those of its unit primitives, which are named."""
        for backend in self.backends:
            for tier in backend.tiers:
                yield backend, tier, None
            for unit, tiers in backend.unit_primitives.items():
                for tier in tiers:
                    yield backend, tier, unit
