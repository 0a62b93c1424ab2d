"""The catalog: the one source of truth for unit primitives, and for what is sold, run and served around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from authz.model import BackendService
from authz.policy.catalog.versions import Version


@dataclass(frozen=True, slots=True)
class UnitPrimitive:
    """The smallest feature a permission can govern. Lists name catalog entries; an empty one restricts nothing.

    `cut_off_date` (aware, UTC) ends free access; without one it never ends.
    """

    name: str
    description: str
    group: str
    feature_category: str
    documentation_url: str
    license_types: tuple[str, ...]
    backend_services: tuple[str, ...]
    add_ons: tuple[str, ...]
    operators: tuple[str, ...]
    cut_off_date: datetime | None
    min_gitlab_version: Version | None
    min_gitlab_version_for_free_access: Version | None
    deprecation_message: str | None
    deprecated_by_url: str | None

    @property
    def is_deprecated(self) -> bool:
        """Whether the catalog says that it will go."""
        return self.deprecation_message is not None or self.deprecated_by_url is not None

    def is_free(self, now: datetime) -> bool:
        """Whether no add-on is needed at `now` (aware): the cut-off date lies ahead, or there is none."""
        return self.cut_off_date is None or now < self.cut_off_date

    def least_version(self, now: datetime) -> Version | None:
        """Return the GitLab version that is needed at `now`, if any."""
        return self.min_gitlab_version_for_free_access if self.is_free(now) else self.min_gitlab_version


@dataclass(frozen=True, slots=True)
class Bundle:
    """Something that is sold: an add-on or a license type."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Service:
    """A legacy grouping of unit primitives, kept for old GitLab versions.

    `realms` are `gitlab-com` and `self-managed`; None: offered in both.
    """

    name: str
    description: str
    basic_unit_primitive: str | None
    realms: tuple[str, ...] | None
    unit_primitives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs features, and for customers with which add-ons (free access counts too) and license types.

    An empty list restricts nothing.
    """

    name: str
    add_ons: tuple[str, ...]
    license_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything, by name. What rules need comes first; folders that a policy does not have are empty."""

    unit_primitives: Mapping[str, UnitPrimitive]
    backend_services: Mapping[str, BackendService]
    add_ons: Mapping[str, Bundle] = field(default_factory=dict)
    license_types: Mapping[str, Bundle] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    operators: Mapping[str, Operator] = field(default_factory=dict)
