"""`authz token`: tokens for development, signed with the pairs that `authz keys generate` made."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import jwt

from authz.cli.customer import CustomerFlags, check_known, customer_options
from authz.cli.options import DURATION, POLICY, variable
from authz.documents.findings import Findings
from authz.documents.hints import did_you_mean
from authz.issuing.authority import read_chain
from authz.issuing.key_pairs import read_pair
from authz.model import BackendService, Issuer, TokenType, Trust
from authz.policy.catalog.entitlement import entitled_scopes
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import read_catalog
from authz.policy.issuers import read_issuers
from authz.tokens.claims import parse_claims, standing_error
from authz.tokens.proof import TokenError

DEVELOPMENT_INSTANCE: Final = "00000000-0000-4000-8000-000000000001"


_MENDS: Final = {
    TokenError.WRONG_REALM: ": --realm of issuer '{issuer}' is {realms}",
    TokenError.WRONG_AUDIENCE: ": --backend-service of issuer '{issuer}' is {backends}",
    TokenError.INVALID_CLAIM: ": --user, --instance-id and --realm have 1 to 256 characters, of A-Za-z0-9+/=_.:-",
    TokenError.EXPIRED: ": --expires-in is at least 1s",
    TokenError.LIFETIME_TOO_LONG: ": --expires-in is at most the max_lifetime of issuer '{issuer}', {lifetime}",
}


@dataclass(frozen=True, slots=True)
class Order:
    """What token was asked for; `expires_in` is seconds."""

    policy: Path
    keys: Path
    issuer_name: str
    scopes: tuple[str, ...]
    all_scopes: bool
    customer: CustomerFlags
    backend_service: str
    instance_id: str
    user: str | None
    realm: str | None
    seats: int | None
    expires_in: float
    chain: str | None


@click.group()
def token() -> None:
    """Sign tokens for development."""


@token.command()
@POLICY
@click.option(
    "--keys",
    envvar=variable("--keys"),
    type=click.Path(path_type=Path),
    required=True,
    show_envvar=True,
    help="The folder that 'authz keys generate' filled.",
)
@click.option("--issuer", "issuer_name", required=True, help="Who signs: a name of issuers.yml.")
@click.option("--scope", "scopes", multiple=True, help="A unit primitive that the token grants; repeatable.")
@click.option("--all-scopes", is_flag=True, help="Grant every unit primitive of the backend service.")
@customer_options
@click.option("--backend-service", default="ai_gateway", show_default=True, help="Whose audience the token carries.")
@click.option("--instance-id", default=DEVELOPMENT_INSTANCE, show_default=True, help="The GitLab instance.")
@click.option("--user", help="The global user id that a user token speaks for.")
@click.option("--realm", help="saas or self-managed; the issuer's first realm where left out.")
@click.option("--seats", type=click.IntRange(min=0), help="Purchased seats, which decide the tier.")
@click.option("--expires-in", type=DURATION, default="1h", show_default=True, help="How long it is valid.")
@click.option(
    "--chain",
    type=click.Choice(["header", "claims"]),
    is_flag=False,
    flag_value="header",
    help="Sign with a certificate in place of a packaged key, and carry its chain there; in the header where left out.",
)
def issue(**options: Any) -> None:  # Any: click hands over what the options above have made
    """Print a signed token.

    It grants what --scope names, or everything (--all-scopes), or what a customer is entitled to, whom --license-type,
    --add-on, --operator and --gitlab-version describe.

    Its bearer also sends X-Gitlab-Authentication-Type: oidc, and the headers bound to its claims: X-Gitlab-Realm,
    X-Gitlab-Instance-Id, and X-Gitlab-Global-User-Id with a user token.
    """
    customer = CustomerFlags(**{field.name: options.pop(field.name) for field in fields(CustomerFlags)})
    order = Order(**options, customer=customer)
    catalog, issuer = _find(order.policy, order.issuer_name)
    _check_person(order, issuer)
    if order.chain is not None and Trust.CERTIFICATE_CHAIN not in issuer.trust:
        raise click.UsageError(
            f"issuer '{issuer.name}' takes no --chain: it does not list certificate_chain under trust"
        )
    scopes = _scopes(order, catalog)
    backend, now = catalog.backend_services[order.backend_service], int(time.time())
    claims = _claims(order, issuer, backend.audience, scopes, now)
    _check_acceptable(claims, issuer, backend, now)
    try:
        click.echo(_sign(claims, order.keys, issuer) if order.chain is None else _sign_by_chain(claims, order, issuer))
    except FileNotFoundError as error:
        mend = f"'authz keys generate {order.keys}' makes it"
        raise click.ClickException(f"{error.filename} does not exist: {mend}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(f"{error}, and 'authz keys generate {order.keys}' makes it anew") from None


def _find(policy: Path, name: str) -> tuple[Catalog, Issuer]:
    findings = Findings()
    catalog = read_catalog(policy, findings)
    issuers = {issuer.name: issuer for issuer in read_issuers(policy / "issuers.yml", catalog, findings)}
    findings.conclude()
    if name not in issuers:
        raise click.UsageError(f"issuer '{name}' is not in {policy / 'issuers.yml'}; there are: {', '.join(issuers)}")
    return catalog, issuers[name]


def _check_person(order: Order, issuer: Issuer) -> None:
    if issuer.token_type is TokenType.USER and order.user is None:
        raise click.UsageError(f"issuer '{issuer.name}' needs --user: its tokens speak for a user")
    if issuer.token_type is TokenType.INSTANCE and order.user is not None:
        raise click.UsageError(f"issuer '{issuer.name}' takes no --user: its tokens speak for an instance")


def _check_acceptable(claims: dict[str, object], issuer: Issuer, backend: BackendService, now: int) -> None:
    """Refuse to sign what the service would refuse, by the service's own checks."""
    parsed = parse_claims(claims, issuer)
    error = parsed if isinstance(parsed, TokenError) else standing_error(parsed, backend, now)
    if error is not None:
        mend = _MENDS.get(error, "").format(
            issuer=issuer.name,
            realms=" or ".join(sorted(issuer.realms)),
            backends=", ".join(sorted(issuer.backend_services or ())),
            lifetime=f"{issuer.max_lifetime / 3600:g}h",
        )
        raise click.UsageError(f"the service would refuse this token ({error}){mend}")


def _scopes(order: Order, catalog: Catalog) -> list[str]:
    check_known("backend_services", (order.backend_service,), catalog.backend_services)
    if order.all_scopes + bool(order.scopes) + order.customer.are_given != 1:
        raise click.UsageError(
            "say what the token grants: either --scope, once or more, or --all-scopes, "
            "or what a customer is entitled to, who has a --license-type"
        )
    if order.customer.are_given:
        return _entitled(order, catalog)
    for scope in order.scopes:
        if scope not in catalog.unit_primitives:
            hint = did_you_mean(scope, catalog.unit_primitives)
            raise click.UsageError(f"unit primitive '{scope}' is not in the catalog{hint}")
    every = (name for name, unit in catalog.unit_primitives.items() if order.backend_service in unit.backend_services)
    return list(every if order.all_scopes else order.scopes)


def _entitled(order: Order, catalog: Catalog) -> list[str]:
    customer = order.customer.customer(catalog)
    scopes = entitled_scopes(catalog, order.backend_service, customer, datetime.now(UTC))
    if not scopes:
        tells = "'authz catalog entitlements' with the same flags tells what it lacks"
        raise click.ClickException(f"this customer is entitled to nothing of {order.backend_service}: {tells}")
    return list(scopes)


def _claims(order: Order, issuer: Issuer, audience: str, scopes: list[str], now: int) -> dict[str, object]:
    """Return the claims that the real issuers put into tokens of this kind."""
    speaks_for_user = issuer.token_type is TokenType.USER
    return {
        "iss": issuer.identifier,
        "sub": order.user if speaks_for_user else order.instance_id,
        "aud": audience,
        "iat": now,
        "nbf": now if speaks_for_user else now - 5,
        "exp": now + int(order.expires_in),
        "jti": str(uuid.uuid4()),
        "gitlab_realm": order.realm or min(issuer.realms, default="self-managed"),
        "gitlab_instance_id": order.instance_id,
        "scopes": scopes,
        **({} if order.seats is None else {"duo_seat_count": order.seats}),
    }


def _sign(claims: dict[str, object], keys: Path, issuer: Issuer) -> str:
    pair = read_pair(keys, issuer)
    headers = {} if issuer.allow_missing_kid else {"kid": pair.kid}
    return jwt.encode(claims, pair.private_pem, algorithm=pair.algorithm.value, headers=headers)


def _sign_by_chain(claims: dict[str, object], order: Order, issuer: Issuer) -> str:
    chain = read_chain(order.keys, issuer)
    carried: dict[str, object] = {"x5c": list(chain.x5c)}
    headers = carried if order.chain == "header" else {}
    stated = {**claims, **({} if order.chain == "header" else carried)}
    return jwt.encode(stated, chain.private_pem, algorithm=chain.algorithm.value, headers=headers)
