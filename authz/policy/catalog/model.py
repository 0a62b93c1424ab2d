"""The catalog: unit primitives, what is sold, who runs it and which backend services serve it."""

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
    feature_category: str
    license_types: tuple[str, ...]
    backend_services: tuple[str, ...]
    add_ons: tuple[str, ...]
    operators: tuple[str, ...]
    cut_off_date: datetime | None
    min_gitlab_version: Version | None
    min_gitlab_version_for_free_access: Version | None
    is_deprecated: bool

    def is_free(self, now: datetime) -> bool:
        """Whether no add-on is needed at `now` (aware): the cut-off date lies ahead, or there is none."""
        return self.cut_off_date is None or now < self.cut_off_date

    def least_version(self, now: datetime) -> Version | None:
        """Return the GitLab version that is needed at `now`, if any."""
        return self.min_gitlab_version_for_free_access if self.is_free(now) else self.min_gitlab_version


@dataclass(frozen=True, slots=True)
class Service:
    """A legacy grouping of unit primitives, kept for old GitLab versions.

    `realms` are `gitlab-com` and `self-managed`; None: offered in both.
    """

    name: str
    basic_unit_primitive: str | None
    realms: tuple[str, ...] | None
    unit_primitives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs features, and the add-ons (for free features too) and license types that its customers need.

    An empty list restricts nothing.
    """

    name: str
    add_ons: tuple[str, ...]
    license_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every entry by its name; of add-ons and license types only the names. A folder that is not there is empty."""

    unit_primitives: Mapping[str, UnitPrimitive]
    backend_services: Mapping[str, BackendService]
    add_ons: frozenset[str] = frozenset()
    license_types: frozenset[str] = frozenset()
    services: Mapping[str, Service] = field(default_factory=dict)
    operators: Mapping[str, Operator] = field(default_factory=dict)
