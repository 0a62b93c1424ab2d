"""The reader of `limits.yaml`: checked against the policy whose callers it limits."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from authz.documents.findings import Findings
from authz.documents.hints import did_you_mean
from authz.documents.reader import Document, Where, read
from authz.limits.consistency import check_backend, check_exception
from authz.limits.model import (
    Addresses,
    BackendLimits,
    Callers,
    Ceiling,
    CustomerException,
    Limit,
    Limits,
    OnFailure,
    RateLimitService,
    Scope,
    TierLimits,
)
from authz.limits.rates import Rate, percent
from authz.limits.schema import (
    AddressesEntry,
    BackendEntry,
    InstanceExceptionEntry,
    LimitEntry,
    LimitsFile,
    NamespaceExceptionEntry,
    PartialTierEntry,
    ShareEntry,
    TierEntry,
    UnitPrimitiveEntry,
)
from authz.limits.vocabulary import Vocabulary


def read_limits(file: Path, vocabulary: Vocabulary, findings: Findings) -> Limits | None:
    """Read `limits.yaml`; problems and warnings go to `findings`. None: it cannot be read at all."""
    document = read(file, LimitsFile, findings)
    return None if document is None else _Reader(document, vocabulary, findings).limits()


class _Reader:
    """Turns the document into limits, reporting what it names that does not exist and numbers that do not add up."""

    def __init__(self, document: Document[LimitsFile], vocabulary: Vocabulary, findings: Findings) -> None:
        self._document = document
        self._vocabulary = vocabulary
        self._findings = findings

    def limits(self) -> Limits:
        content = self._document.content
        names = content.backend_services
        self._known("backend service", names, self._vocabulary.catalog.backend_services, ("backend_services",))
        for name in sorted(self._vocabulary.answers.keys() - names.keys()):
            message = f"backend service '{name}' has rules but no limits: write some, or no caller is limited there"
            self._report(("backend_services",), message)
        backends = tuple(self._backend(name, entry) for name, entry in names.items())
        exceptions = tuple(self._exceptions())
        for backend in backends:
            check_backend(backend, self._vocabulary.tier_names, self._document.file, self._findings)
        by_name = {backend.backend_service: backend for backend in backends}
        for exception in exceptions:
            check_exception(exception, by_name, self._document.file, self._findings)
        callers, shared = content.embedded.expected_callers, content.shared
        host, _, port = shared.service.rpartition(":")
        return Limits(
            default_tier=self._vocabulary.tiers.default,
            backends=backends,
            exceptions=exceptions,
            addresses=self._addresses(content.addresses),
            callers=Callers(callers.addresses, callers.users, callers.instances, callers.namespaces or callers.users),
            service=RateLimitService(host, int(port), shared.timeout, OnFailure(shared.on_failure)),
        )

    def _backend(self, name: str, entry: BackendEntry) -> BackendLimits:
        where: Where = ("backend_services", name)
        default = self._vocabulary.tiers.default
        if default not in entry.tiers:
            self._report(
                (*where, "tiers"),
                f"tier '{default}' is missing: it is the default tier, which stands in for tiers without a share",
            )
        self._known("tier", entry.tiers, self._vocabulary.tier_names, (*where, "tiers"))
        units = entry.unit_primitives or {}
        for unit, unit_entry in units.items():
            self._check_unit_primitive(name, unit, unit_entry, entry)
        return BackendLimits(
            backend_service=name,
            capacity=entry.capacity,
            oversubscribe=Fraction(str(entry.oversubscribe)),
            line=self._document.line(where),
            tiers=self._tiers(entry.tiers, entry.capacity, (*where, "tiers")),
            unit_primitives=MappingProxyType(
                {
                    unit: self._tiers(each.tiers, entry.capacity, (*where, "unit_primitives", unit, "tiers"))
                    for unit, each in units.items()
                }
            ),
        )

    def _check_unit_primitive(self, backend: str, unit: str, entry: UnitPrimitiveEntry, beside: BackendEntry) -> None:
        where: Where = ("backend_services", backend, "unit_primitives", unit)
        served = self._vocabulary.answers.get(backend, frozenset())
        if unit not in self._vocabulary.catalog.unit_primitives:
            near = did_you_mean(unit, self._vocabulary.catalog.unit_primitives)
            self._report(where, f"unit primitive '{unit}' is not in the catalog{near}")
        elif unit not in served:
            self._report(where, f"no rule of {backend} can answer with '{unit}'{did_you_mean(unit, served)}")
        self._known("tier", entry.tiers, self._vocabulary.tier_names, (*where, "tiers"))
        for tier in entry.tiers:
            if tier in self._vocabulary.tier_names and tier not in beside.tiers:
                message = f"tier '{tier}' has no limits of its own at {backend}, so it is counted as the default tier"
                self._report((*where, "tiers", tier), message)

    def _tiers(
        self, entries: Mapping[str, TierEntry | PartialTierEntry], capacity: Rate, where: Where
    ) -> tuple[TierLimits, ...]:
        """Return the tiers that the policy has too, smallest customers first."""
        return tuple(
            TierLimits(
                tier=name,
                callers=self._callers(entries[name], (*where, name)),
                ceiling=self._ceiling(entries[name].share, capacity, (*where, name, "share")),
            )
            for name in self._vocabulary.tier_names
            if name in entries
        )

    def _callers(self, entry: TierEntry | PartialTierEntry, where: Where) -> Mapping[Scope, Limit]:
        forms = {Scope.USER: entry.user, Scope.INSTANCE: entry.instance, Scope.NAMESPACE: entry.namespace}
        return MappingProxyType(
            {scope: self._stated(form, (*where, scope)) for scope, form in forms.items() if form is not None}
        )

    def _stated(self, form: Rate | LimitEntry, where: Where) -> Limit:
        line = self._document.line(where)
        return Limit(form, shadow=False, line=line) if isinstance(form, Rate) else Limit(form.limit, form.shadow, line)

    def _ceiling(self, form: Fraction | ShareEntry | None, capacity: Rate, where: Where) -> Ceiling | None:
        if form is None:
            return None
        share, shadow = (form.share, form.shadow) if isinstance(form, ShareEntry) else (form, False)
        requests = capacity.part(share)
        if requests < 1:
            self._report(where, f"{percent(share)} of {capacity} is less than one request: use a longer window")
        return Ceiling(Rate(max(requests, 1), capacity.unit), shadow, self._document.line(where), share)

    def _exceptions(self) -> Iterator[CustomerException]:
        seen: dict[tuple[Scope, str], int] = {}
        for position, entry in enumerate(self._document.content.exceptions):
            where: Where = ("exceptions", position)
            scope, customer, forms = _exception(entry)
            whose, line = (*where, f"limited_{scope}_id"), self._document.line(where)
            first = seen.setdefault((scope, customer.lower()), line)
            if first != line:
                self._report(whose, f"'{customer}' is here twice, first on line {first}")
            if scope is Scope.INSTANCE and customer == "unknown":
                self._report(whose, "'unknown' is not an instance's id and has no instance limit")
            limited = self._document.content.backend_services
            inside: Where = (*where, "backend_services")
            self._known("backend service", forms, limited, inside, "has no limits to except from")
            limits = {name: self._stated(form, (*inside, name, scope)) for name, form in forms.items()}
            yield CustomerException(scope, customer, entry.reason, MappingProxyType(limits))

    def _addresses(self, entry: AddressesEntry) -> Addresses:
        for position, network in enumerate(entry.exempt):
            for number, other in enumerate(entry.exempt[:position]):
                if network.version == other.version and network.overlaps(other):
                    line = self._document.line(("addresses", "exempt", number))
                    self._report(("addresses", "exempt", position), f"{network} overlaps {other} on line {line}")
        return Addresses(
            attempts=self._stated(entry.attempts, ("addresses", "attempts")),
            failed_authentications=self._stated(entry.failed_authentications, ("addresses", "failed_authentications")),
            refusals=self._stated(entry.refusals, ("addresses", "refusals")),
            ipv6_prefix=entry.ipv6_prefix,
            exempt=tuple(entry.exempt),
        )

    def _known(
        self,
        kind: str,
        names: Iterable[str],
        known: Collection[str],
        where: Where,
        otherwise: str = "is not in the policy",
    ) -> None:
        for name in names:
            if name not in known:
                self._report((*where, name), f"{kind} '{name}' {otherwise}{did_you_mean(name, known)}")

    def _report(self, where: Where, message: str) -> None:
        self._document.problem(where, message, self._findings)


def _exception(
    entry: InstanceExceptionEntry | NamespaceExceptionEntry,
) -> tuple[Scope, str, Mapping[str, Rate | LimitEntry]]:
    """Return what kind of customer an exception is for, the customer's id, and its limits by backend service."""
    if isinstance(entry, InstanceExceptionEntry):
        of_instance = {name: each.instance for name, each in entry.backend_services.items()}
        return Scope.INSTANCE, entry.limited_instance_id, of_instance
    return (
        Scope.NAMESPACE,
        entry.limited_namespace_id,
        {name: each.namespace for name, each in entry.backend_services.items()},
    )
