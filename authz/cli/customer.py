"""The flags that describe a customer, for the commands that need to know what it is entitled to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import click

from authz.cli.options import Parsed, all_of
from authz.policy.catalog.entitlement import Customer
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.versions import Version

DEFAULT_OPERATOR: Final = "gitlab_cloud_operator"

customer_options: Final = all_of(
    click.option("--license-type", help="The customer's license: free, premium or ultimate."),
    click.option("--add-on", "add_ons", multiple=True, help="An add-on that the customer bought; repeatable."),
    click.option("--operator", help=f"Who runs the feature for the customer.  [default: {DEFAULT_OPERATOR}]"),
    click.option(
        "--gitlab-version",
        type=Parsed("version", Version.parse),
        help="The customer's GitLab, such as 17.8; unknown if left out.",
    ),
)
"""The flags that describe a customer."""


@dataclass(frozen=True, slots=True)
class CustomerFlags:
    """A customer as the flags describe it."""

    license_type: str | None
    add_ons: tuple[str, ...]
    operator: str | None
    gitlab_version: Version | None

    @property
    def are_given(self) -> bool:
        """Whether any of them was given."""
        return any((self.license_type, self.add_ons, self.operator, self.gitlab_version))

    def customer(self, catalog: Catalog) -> Customer:
        """Return the customer. Raises UsageError for a name that the catalog does not know."""
        if self.license_type is None:
            raise click.UsageError("say which license the customer has: --license-type")
        operator = self.operator or DEFAULT_OPERATOR
        units = catalog.unit_primitives.values()
        # If the catalog does not have one of these folders, the names in its unit primitives are known.
        license_types = {*catalog.license_types, *(name for unit in units for name in unit.license_types)}
        add_ons = {*catalog.add_ons, *(name for unit in units for name in unit.add_ons)}
        check_known("license_types", (self.license_type,), license_types)
        check_known("add_ons", self.add_ons, add_ons)
        if catalog.operators:
            check_known("operators", (operator,), catalog.operators)
        return Customer(self.license_type, frozenset(self.add_ons), operator, self.gitlab_version)


def check_known(key: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise UsageError for the first unknown name, and list the known ones. `key` is their key in catalog files."""
    sorted_known = sorted(known)
    for name in names:
        if name not in sorted_known:
            kind = key.removesuffix("s").replace("_", " ").replace("add on", "add-on")
            raise click.UsageError(
                f"{kind} '{name}' is not in the catalog; there are: {', '.join(sorted_known) or 'none'}"
            )
