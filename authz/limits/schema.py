"""What `limits.yaml` may hold."""

from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, PlainValidator, Tag, model_validator

from authz.documents.schema import Duration, Schema
from authz.limits.rates import RATE_PATTERN, SHARE_PATTERN, Rate, parse_rate, parse_share

MAX_CALLERS: Final = 10_000_000
MAX_OVERSUBSCRIBE: Final = 100
MAX_TIMEOUT: Final = 1.0
MAX_PREFIX: Final = 128
MAX_PORT: Final = 65_535
_PORT: Final = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?:[0-9]{1,5}$"


def _shape(value: object) -> str:
    """Return the form of a limit; in brackets, so that no problem takes it for a key of the file."""
    return "<entry>" if isinstance(value, dict) else "<text>"


def _network(value: object) -> IPv4Network | IPv6Network:
    if not isinstance(value, str):
        raise ValueError("should be a network, such as 192.0.2.0/24 or 2001:db8::/32")  # noqa: TRY004  it becomes a finding
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        whole = ip_network(value, strict=False)
    except ValueError:
        raise ValueError("should be a network, such as 192.0.2.0/24 or 2001:db8::/32") from None
    raise ValueError(f"should be a network, such as {whole}")


def _patient(seconds: float) -> float:
    if not 0 < seconds <= MAX_TIMEOUT:
        raise ValueError(
            "should be more than 0ms and at most 1s: while the service hangs, every request waits that long"
        )
    return seconds


def _reachable(address: str) -> str:
    if not 0 < int(address.rpartition(":")[2]) <= MAX_PORT:
        raise ValueError("should end in a port between 1 and 65535")
    return address


RateText = Annotated[
    Rate, PlainValidator(parse_rate, json_schema_input_type=Annotated[str, Field(pattern=RATE_PATTERN)])
]
ShareText = Annotated[
    Fraction, PlainValidator(parse_share, json_schema_input_type=Annotated[str, Field(pattern=SHARE_PATTERN)])
]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network, json_schema_input_type=str)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/=_.:-]{1,256}$")]
Reason = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1, le=MAX_CALLERS)]


class LimitEntry(Schema):
    """`{limit: 60/minute, shadow: true}`; without shadow, the rate alone says the same."""

    limit: RateText
    shadow: bool = False


class ShareEntry(Schema):
    """`{share: 10%, shadow: true}`."""

    share: ShareText
    shadow: bool = False


LimitForm = Annotated[Annotated[RateText, Tag("<text>")] | Annotated[LimitEntry, Tag("<entry>")], Discriminator(_shape)]
ShareForm = Annotated[
    Annotated[ShareText, Tag("<text>")] | Annotated[ShareEntry, Tag("<entry>")], Discriminator(_shape)
]


class TierEntry(Schema):
    """A tier's share of a backend's capacity, and what one instance, one root namespace and one user of it may send."""

    share: ShareForm
    instance: LimitForm
    namespace: LimitForm | None = Field(None, description="What one root namespace of gitlab.com may send.")
    user: LimitForm


class PartialTierEntry(Schema):
    """The same for one unit primitive; at least one of them."""

    share: ShareForm | None = None
    instance: LimitForm | None = None
    namespace: LimitForm | None = Field(None, description="What one root namespace of gitlab.com may send.")
    user: LimitForm | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> "PartialTierEntry":
        if not self.model_fields_set:
            raise ValueError("limits nothing: give it a share, an instance, namespace or user limit, or remove it")
        return self


class UnitPrimitiveEntry(Schema):
    """Limits that count one unit primitive only."""

    tiers: Annotated[dict[str, PartialTierEntry], Field(min_length=1)]


class BackendEntry(Schema):
    """The limits of one backend service."""

    capacity: RateText
    oversubscribe: Annotated[float, Field(ge=1, le=MAX_OVERSUBSCRIBE, allow_inf_nan=False)] = 1.0
    tiers: Annotated[dict[str, TierEntry], Field(min_length=1)]
    unit_primitives: Annotated[dict[str, UnitPrimitiveEntry], Field(min_length=1)] | None = None


class InstanceLimitEntry(Schema):
    """What replaces the instance limit of its tier."""

    instance: LimitForm


class InstanceExceptionEntry(Schema):
    """One instance's own limits."""

    limited_instance_id: Identifier
    reason: Reason
    backend_services: Annotated[dict[str, InstanceLimitEntry], Field(min_length=1)]


class NamespaceLimitEntry(Schema):
    """What replaces the namespace limit of its tier."""

    namespace: LimitForm


class NamespaceExceptionEntry(Schema):
    """The own limits of one root namespace of gitlab.com."""

    limited_namespace_id: Identifier
    reason: Reason
    backend_services: Annotated[dict[str, NamespaceLimitEntry], Field(min_length=1)]


_WHOSE: Final = ("limited_instance_id", "limited_namespace_id")


def _whose(value: object) -> str | None:
    """Return the one key that says whose exception it is, in brackets as in `_shape`."""
    found = [f"<{key}>" for key in _WHOSE if isinstance(value, dict) and key in value]
    return found[0] if len(found) == 1 else None


ExceptionEntry = Annotated[
    Annotated[InstanceExceptionEntry, Tag("<limited_instance_id>")]
    | Annotated[NamespaceExceptionEntry, Tag("<limited_namespace_id>")],
    Discriminator(
        _whose,
        custom_error_type="whose",
        custom_error_message=f"should have one of {' and '.join(_WHOSE)}, and not both",
    ),
]


class AddressesEntry(Schema):
    """Limits by client address."""

    attempts: LimitForm
    failed_authentications: LimitForm
    refusals: LimitForm
    ipv6_prefix: Annotated[int, Field(ge=1, le=MAX_PREFIX)] = 64
    exempt: list[Network] = Field(default_factory=list)


class CallersEntry(Schema):
    """How many distinct callers to hold buckets for."""

    addresses: Count
    users: Count
    instances: Count
    namespaces: Count | None = Field(None, description="Left out: as many as users.")


class EmbeddedEntry(Schema):
    """What only the embedded engine needs to know."""

    expected_callers: CallersEntry


class SharedEntry(Schema):
    """What only the shared engine needs to know."""

    service: Annotated[str, Field(pattern=_PORT), AfterValidator(_reachable)]
    timeout: Annotated[Duration, AfterValidator(_patient)]
    on_failure: Literal["allow", "deny"]


class LimitsFile(Schema):
    """The contents of `limits.yaml`."""

    backend_services: Annotated[dict[str, BackendEntry], Field(min_length=1)]
    exceptions: list[ExceptionEntry] = Field(default_factory=list)
    addresses: AddressesEntry
    embedded: EmbeddedEntry
    shared: SharedEntry
