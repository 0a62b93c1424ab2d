"""`authz token`: tokens for development, signed with the pairs that `authz keys generate` made."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from authz.cli.customer import CustomerFlags, check_known, customer_options
from authz.cli.options import DURATION, POLICY, setting
from authz.documents.findings import Findings
from authz.documents.hints import did_you_mean
from authz.issuing.tokens import ChainPlace, NewToken, sign, sign_with_chain
from authz.model import Issuer, TokenType, Trust
from authz.policy.catalog.entitlement import entitled_scopes
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import read_catalog
from authz.policy.issuers import read_issuers
from authz.tokens.proof import TokenError

DEVELOPMENT_INSTANCE: Final = "00000000-0000-4000-8000-000000000001"
_CORRECTIONS: Final = {
    TokenError.WRONG_REALM: ": --realm of issuer '{issuer}' is {realms}",
    TokenError.WRONG_AUDIENCE: ": --backend-service of issuer '{issuer}' is {backends}",
    TokenError.INVALID_CLAIM: ": --user, --instance-id and --realm have 1 to 256 characters, of A-Za-z0-9+/=_.:-",
    TokenError.EXPIRED: ": --expires-in is at least 1s",
    TokenError.LIFETIME_TOO_LONG: ": --expires-in is at most the max_lifetime of issuer '{issuer}', {lifetime}",
}


@click.group()
def token() -> None:
    """Sign tokens for development."""


@token.command()
@POLICY
@setting(
    "--keys",
    type=click.Path(path_type=Path),
    required=True,
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
    type=click.Choice([place.value for place in ChainPlace]),
    is_flag=False,
    flag_value="header",
    help="Sign with a certificate, not with a packaged key, and put its chain into the header or the claims.",
)
def issue(
    policy: Path,
    keys: Path,
    issuer_name: str,
    scopes: tuple[str, ...],
    all_scopes: bool,
    backend_service: str,
    instance_id: str,
    user: str | None,
    realm: str | None,
    seats: int | None,
    expires_in: float,
    chain: str | None,
    **customer_flags: Any,
) -> None:  # Any: click hands over what the options above have made
    """Print a signed token.

    The token grants the scopes of --scope, or all of them (--all-scopes), or those that a customer is entitled to.
    Describe the customer with --license-type, --add-on, --operator and --gitlab-version.

    Send these headers with it: X-Gitlab-Authentication-Type: oidc, and those that must agree with its claims:
    X-Gitlab-Realm, X-Gitlab-Instance-Id, and X-Gitlab-Global-User-Id with a user token.
    """
    catalog, issuer = _find(policy, issuer_name)
    _check_flags(issuer, user, chain)
    check_known("backend_services", (backend_service,), catalog.backend_services)
    granted = _scopes(catalog, backend_service, scopes, all_scopes, CustomerFlags(**customer_flags))
    backend = catalog.backend_services[backend_service]
    new, now = NewToken(issuer, backend, granted, instance_id, user, realm, seats, expires_in), int(time.time())
    claims = new.claims(now)
    error = new.error(claims, now)
    if error is not None:
        raise click.UsageError(f"the service would refuse this token ({error}){_correction(error, issuer)}")
    try:
        signed = (
            sign(claims, keys, issuer) if chain is None else sign_with_chain(claims, keys, issuer, ChainPlace(chain))
        )
    except FileNotFoundError as missing:
        raise click.ClickException(
            f"{missing.filename} does not exist: 'authz keys generate {keys}' makes it"
        ) from None
    except OSError as failure:
        raise click.ClickException(f"{failure.filename}: {failure.strerror}") from None
    except ValueError as unreadable:
        raise click.ClickException(f"{unreadable}, and 'authz keys generate {keys}' makes a new one") from None
    click.echo(signed)


def _find(policy: Path, name: str) -> tuple[Catalog, Issuer]:
    findings = Findings()
    catalog = read_catalog(policy, findings)
    issuers = {issuer.name: issuer for issuer in read_issuers(policy / "issuers.yml", catalog, findings)}
    findings.conclude()
    if name not in issuers:
        raise click.UsageError(f"issuer '{name}' is not in {policy / 'issuers.yml'}; there are: {', '.join(issuers)}")
    return catalog, issuers[name]


def _check_flags(issuer: Issuer, user: str | None, chain: str | None) -> None:
    """Raise UsageError for flags that do not go with the issuer."""
    if issuer.token_type is TokenType.USER and user is None:
        raise click.UsageError(f"issuer '{issuer.name}' needs --user: its tokens speak for a user")
    if issuer.token_type is TokenType.INSTANCE and user is not None:
        raise click.UsageError(f"issuer '{issuer.name}' takes no --user: its tokens speak for an instance")
    if chain is not None and Trust.CERTIFICATE_CHAIN not in issuer.trust:
        raise click.UsageError(
            f"issuer '{issuer.name}' takes no --chain: it does not list certificate_chain under trust"
        )


def _correction(error: TokenError, issuer: Issuer) -> str:
    """Return which flag to correct, and how; nothing if no flag is the cause."""
    return _CORRECTIONS.get(error, "").format(
        issuer=issuer.name,
        realms=" or ".join(sorted(issuer.realms)),
        backends=", ".join(sorted(issuer.backend_services or ())),
        lifetime=f"{issuer.max_lifetime / 3600:g}h",
    )


def _scopes(
    catalog: Catalog, backend_service: str, scopes: tuple[str, ...], all_scopes: bool, customer: CustomerFlags
) -> tuple[str, ...]:
    if all_scopes + bool(scopes) + customer.are_given != 1:
        raise click.UsageError(
            "say what the token grants: either --scope, once or more, or --all-scopes, "
            "or what a customer is entitled to, who has a --license-type"
        )
    if customer.are_given:
        return _entitled(catalog, backend_service, customer)
    for scope in scopes:
        if scope not in catalog.unit_primitives:
            hint = did_you_mean(scope, catalog.unit_primitives)
            raise click.UsageError(f"unit primitive '{scope}' is not in the catalog{hint}")
    units = catalog.unit_primitives.items()
    return tuple(name for name, unit in units if backend_service in unit.backend_services) if all_scopes else scopes


def _entitled(catalog: Catalog, backend_service: str, flags: CustomerFlags) -> tuple[str, ...]:
    scopes = entitled_scopes(catalog, backend_service, flags.customer(catalog), datetime.now(UTC))
    if not scopes:
        hint = "'authz catalog entitlements' with the same flags shows what it lacks"
        raise click.ClickException(f"this customer is entitled to no unit primitive of {backend_service}: {hint}")
    return scopes
