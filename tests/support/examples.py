"""The smallest valid value of each type; tests make others with `dataclasses.replace`."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from authz.model import Algorithm, AllOf, BackendService, Claims, Issuer, Request, TokenRule, TokenType, Trust
from authz.policy.catalog.model import Catalog, UnitPrimitive

BACKEND: Final = BackendService("alpha", "aud-alpha")
OTHER_BACKEND: Final = BackendService("beta", "aud-beta")

UNIT_PRIMITIVE: Final = UnitPrimitive(
    name="read",
    feature_category="c",
    license_types=(),
    backend_services=("alpha",),
    add_ons=(),
    operators=(),
    cut_off_date=None,
    min_gitlab_version=None,
    min_gitlab_version_for_free_access=None,
    is_deprecated=False,
)
CATALOG: Final = Catalog(
    unit_primitives=MappingProxyType({name: replace(UNIT_PRIMITIVE, name=name) for name in ("read", "write", "admin")}),
    backend_services=MappingProxyType({"alpha": BACKEND, "beta": OTHER_BACKEND}),
)

ISSUER: Final = Issuer(
    name="first",
    identifier="https://first.example",
    environment="production",
    token_type=TokenType.INSTANCE,
    realms=frozenset(),
    backend_services=None,
    algorithms=frozenset({Algorithm.RS256}),
    max_lifetime=3600.0,
    expiry_leeway=0.0,
    start_leeway=10.0,
    allow_missing_kid=False,
    trust=frozenset({Trust.PACKAGED_KEYS}),
    certificate_identity="https://first.example",
)
USER_ISSUER: Final = replace(
    ISSUER,
    name="second",
    identifier="https://second.example",
    token_type=TokenType.USER,
    allow_missing_kid=True,
    certificate_identity="https://second.example",
)

CLAIMS: Final = Claims(
    issuer=ISSUER,
    subject="instance-1",
    audiences=frozenset({"aud-alpha"}),
    scopes=frozenset({"read"}),
    expires=2_000.0,
    issued=1_000.0,
    not_before=None,
    realm="",
    instance_id="",
    token_id="",
    root_namespace_id="",
    seats=None,
    named={},
)

RULE: Final = TokenRule(BACKEND, ("POST",), AllOf(("read",)), frozenset(TokenType), ())


def asked(headers: Mapping[str, str] | None = None, label: str | None = "alpha") -> Request:
    """Return a request with these headers; a client's usual ones without."""
    usual = {"x-gitlab-instance-id": "instance-1"}
    return Request("POST", "/alpha/do", usual if headers is None else headers, label)
