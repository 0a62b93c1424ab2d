"""The schema of catalog files, which is that of `gitlab-cloud-connector`'s `config/`."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from authz.documents.schema import Moment, OpenSchema
from authz.model import BackendService
from authz.policy.catalog.model import Operator, Service, UnitPrimitive
from authz.policy.catalog.versions import Version


def _matching(pattern: str, message: str) -> Callable[[str], str]:
    """Return a check whose message says what to write; pydantic would show the pattern."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.search(value):
            raise ValueError(message)
        return value

    return check


def _version(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("put it in quotes, as in '17.8': YAML reads 17.10 as 17.1")  # noqa: TRY004  pydantic collects ValueErrors
    Version.parse(value)
    return value


Name = Annotated[
    str,
    AfterValidator(
        _matching(r"^[a-z][a-z0-9_]{0,63}\Z", "should be lower-case letters, digits and underscores, such as duo_chat")
    ),
    Field(json_schema_extra={"pattern": "^[a-z][a-z0-9_]{0,63}$"}),
]
Text = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Name], Field(default_factory=list)]
VersionText = Annotated[
    str, BeforeValidator(_version, json_schema_input_type=Annotated[str, Field(pattern=r"^v?[0-9]+\.[0-9]+")])
]


class NamedFile(OpenSchema):
    """The key that every catalog file has."""

    name: Annotated[Name, Field(description="The file's name without its ending.")]


class UnitPrimitiveFile(NamedFile):
    """One file of `unit_primitives/`: the smallest feature a permission can govern."""

    description: Annotated[Text, Field(description="What it does for its users.")]
    group: Annotated[
        str,
        AfterValidator(_matching("^group::.", "should be the group that owns it, such as group::duo chat")),
        Field(description="The group that owns it: group::…", json_schema_extra={"pattern": "^group::."}),
    ]
    feature_category: Text
    documentation_url: Text
    milestone: str | float | None = Field(None, description="The GitLab release that introduced it.")
    introduced_by_url: str | None = None
    unit_primitive_issue_url: str | None = None
    deprecated_by_url: str | None = Field(None, description="Where its removal was decided.")
    deprecation_message: str | None = Field(None, description="Why it will be removed, and what replaces it.")
    cut_off_date: Moment | None = Field(
        None, description="When free access ends, as in 2024-10-17 00:00:00 UTC; without a date it stays free."
    )
    min_gitlab_version: VersionText | None = Field(
        None, description="The oldest GitLab version for paying customers, as in '17.8'."
    )
    min_gitlab_version_for_free_access: VersionText | None = Field(
        None, description="The oldest GitLab version while it is free."
    )
    alias_names: list[str] = Field(
        default_factory=list, description="Other names under which services may list it; tokens never carry them."
    )
    license_types: Annotated[
        Names, Field(description="The customer needs one of these; an empty list restricts nothing.")
    ]
    backend_services: Annotated[
        Names, Field(description="Which backend services serve it; tokens for others never carry it.")
    ]
    add_ons: Annotated[
        Names,
        Field(description="The customer needs one of these once it is not free; an empty list restricts nothing."),
    ]
    operators: Annotated[Names, Field(description="Who may run it; an empty list restricts nothing.")]

    def built(self) -> UnitPrimitive:
        """Return the value."""
        free = self.min_gitlab_version_for_free_access
        return UnitPrimitive(
            name=self.name,
            feature_category=self.feature_category,
            license_types=tuple(self.license_types),
            backend_services=tuple(self.backend_services),
            add_ons=tuple(self.add_ons),
            operators=tuple(self.operators),
            cut_off_date=self.cut_off_date,
            min_gitlab_version=Version.parse(self.min_gitlab_version) if self.min_gitlab_version else None,
            min_gitlab_version_for_free_access=Version.parse(free) if free else None,
            is_deprecated=self.deprecation_message is not None or self.deprecated_by_url is not None,
        )


class BackendServiceFile(NamedFile):
    """One file of `backend_services/`: a service behind the door."""

    description: str = ""
    project_url: str = ""
    group: str = ""
    jwt_aud: Annotated[Text, Field(description="The audience of its tokens.")]

    def built(self) -> BackendService:
        """Return the value."""
        return BackendService(self.name, self.jwt_aud)


class BundleFile(NamedFile):
    """One file of `add_ons/` or `license_types/`: something that is sold."""

    description: str = ""


class ServiceFile(NamedFile):
    """One file of `services/`: a legacy grouping of unit primitives."""

    description: str = ""
    basic_unit_primitive: Name | None = Field(
        None, description="The unit primitive whose dates and versions stand for the service; left out: the first."
    )
    gitlab_realm: list[Literal["gitlab-com", "self-managed"]] | None = Field(
        None, description="Where it is offered; left out: everywhere."
    )
    unit_primitives: Annotated[list[Name], Field(min_length=1)]

    def built(self) -> Service:
        """Return the value."""
        realms = None if self.gitlab_realm is None else tuple(self.gitlab_realm)
        return Service(self.name, self.basic_unit_primitive, realms, tuple(self.unit_primitives))


class OperatorFile(NamedFile):
    """One file of `operators/`: who runs features, and for which customers."""

    name: Annotated[
        Name,
        AfterValidator(_matching(r"_operator\Z", "should end in _operator")),
        Field(json_schema_extra={"pattern": "^[a-z][a-z0-9_]*_operator$"}),
    ]
    add_ons: Annotated[
        Names,
        Field(description="The customer needs one of these, free or not; an empty list restricts nothing."),
    ]
    license_types: Annotated[
        Names, Field(description="The customer needs one of these; an empty list restricts nothing.")
    ]

    def built(self) -> Operator:
        """Return the value."""
        return Operator(self.name, tuple(self.add_ons), tuple(self.license_types))


SCHEMAS: Final[Mapping[str, type[NamedFile]]] = MappingProxyType(
    {
        "unit_primitives": UnitPrimitiveFile,
        "backend_services": BackendServiceFile,
        "add_ons": BundleFile,
        "license_types": BundleFile,
        "services": ServiceFile,
        "operators": OperatorFile,
    }
)
"""The schema of the files in each folder of a catalog."""
