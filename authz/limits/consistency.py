"""The arithmetic of limits: shares fit into the capacity, larger customers keep the larger share, nothing is idle."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

from authz.documents.findings import Findings
from authz.limits.model import CUSTOMERS, BackendLimits, Ceiling, CustomerException, Scope, TierLimits
from authz.limits.rates import percent

_NESTED: Final = ((Scope.USER, Scope.INSTANCE), *((customer, Scope.TIER) for customer in CUSTOMERS))
"""Scopes, and what contains them. A user of gitlab.com may work in several root namespaces, so none contains users."""


def check_backend(backend: BackendLimits, tiers: Sequence[str], file: Path, findings: Findings) -> None:
    """Report what does not add up among the limits of one backend service; `tiers` are the policy's, in their order."""
    ceilings = [tier.ceiling for tier in backend.tiers if tier.ceiling is not None]
    total = sum((ceiling.share for ceiling in ceilings), start=Fraction(0))
    if total > backend.oversubscribe:
        bound = f"100 % times oversubscribe {float(backend.oversubscribe):g}"
        message = f"the shares of {backend.backend_service} add up to {percent(total)}, more than {bound}"
        findings.problem(file, backend.line, message)
    own = {tier.tier: tier for tier in backend.tiers}
    if backend.tiers:
        # A tier that is left out draws from the default tier, whose share must then not be the smaller one.
        _check_order([(name, own.get(name, backend.tiers[0]).ceiling) for name in tiers], file, findings)
    for tier in backend.tiers:
        _check_use(tier, file, findings)
    for unit, tiers_of_it in backend.unit_primitives.items():
        _check_order([(tier.tier, tier.ceiling) for tier in tiers_of_it if tier.ceiling], file, findings)
        for tier in tiers_of_it:
            _check_use(tier, file, findings)
            if tier.tier in own:
                _check_below(unit, tier, own[tier.tier], file, findings)


def _check_order(ceilings: Sequence[tuple[str, Ceiling | None]], file: Path, findings: Findings) -> None:
    for (smaller, below), (larger, above) in pairwise(ceilings):
        if below is not None and above is not None and above.share < below.share:
            message = f"tier '{larger}' has {percent(above.share)}, less than the {percent(below.share)} of '{smaller}'"
            findings.problem(file, above.line, f"{message}: larger customers keep the larger share")


def _check_use(tier: TierLimits, file: Path, findings: Findings) -> None:
    """Warn where an inner limit can never be reached, since an outer one is lower."""
    for inner, outer in _NESTED:
        lower, upper = tier.of(inner), tier.of(outer)
        if lower is not None and upper is not None and upper.rate.per_second < lower.rate.per_second:
            message = f"tier '{tier.tier}': {upper.rate} per {outer} is below {lower.rate} per {inner}"
            findings.warning(file, upper.line, f"{message}, which is never reached")


def _check_below(unit: str, tier: TierLimits, own: TierLimits, file: Path, findings: Findings) -> None:
    for scope in Scope:
        part, whole = tier.of(scope), own.of(scope)
        if part is not None and whole is not None and part.rate.per_second >= whole.rate.per_second:
            message = f"'{unit}', tier '{tier.tier}': {part.rate} per {scope} is never reached"
            findings.warning(file, part.line, f"{message}: the backend's own is {whole.rate}")


def check_exception(
    exception: CustomerException, backends: Mapping[str, BackendLimits], file: Path, findings: Findings
) -> None:
    """Warn of an exception that no tier's share leaves room for."""
    for name, limit in exception.backends.items():
        ceilings = [tier.ceiling for tier in backends[name].tiers if tier.ceiling] if name in backends else []
        largest = max((ceiling.rate for ceiling in ceilings), key=lambda rate: rate.per_second, default=limit.rate)
        if limit.rate.per_second > largest.per_second:
            message = f"{limit.rate} is never reached: no tier as a whole may send more than {largest} to {name}"
            findings.warning(file, limit.line, message)
