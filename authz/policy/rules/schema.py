"""The schema of a rule file: which keys it may have, before any name in it is looked up."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from authz.documents.hints import did_you_mean
from authz.documents.schema import Schema

_FORMS: Final = ("any_of", "by_path", "by_header")

Names = Annotated[list[str], Field(min_length=1)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,128}$")]


class AnyOfEntry(Schema):
    """`{any_of: [a, b]}`: one of them is enough."""

    any_of: Names


class ByPathEntry(Schema):
    """`{by_path: name, values: {...}}`: a part of the path decides."""

    by_path: str
    values: Annotated[dict[str, Names], Field(min_length=1)]


class ByHeaderEntry(Schema):
    """`{by_header: name, allowed: [...]}`: the client names its purpose."""

    by_header: Header
    allowed: Names


def _shape(value: object) -> str:
    """Return which form is meant, in brackets so that problems do not name it as a key of the file."""
    keys = value.keys() if isinstance(value, dict) else ()
    return next((f"<{key}>" for key in _FORMS if key in keys), "<list>")


def _form(value: object) -> object:
    if isinstance(value, dict) and value.keys().isdisjoint(_FORMS):
        hint = next((hint for key in value if (hint := did_you_mean(str(key), _FORMS))), "")
        raise ValueError(f"should be a list, or have one of {', '.join(_FORMS)}{hint}")
    return value


UnitPrimitives = Annotated[
    Annotated[Names, Tag("<list>")]
    | Annotated[AnyOfEntry, Tag("<any_of>")]
    | Annotated[ByPathEntry, Tag("<by_path>")]
    | Annotated[ByHeaderEntry, Tag("<by_header>")],
    Discriminator(_shape),
    BeforeValidator(_form),
]


class RuleEntry(Schema):
    """One rule of a file."""

    path: str
    methods: Annotated[list[Method], Field(min_length=1)]
    unit_primitives: UnitPrimitives | None = None
    token_types: Annotated[list[Literal["instance", "user"]], Field(min_length=1)] | None = None
    required_headers: Annotated[list[Header], Field(min_length=1)] | None = None
    public: Literal[True] | None = None

    @model_validator(mode="after")
    def _check_access(self) -> "RuleEntry":
        if self.public and (self.unit_primitives or self.token_types or self.required_headers):
            raise ValueError(
                "a public rule looks at no token: remove its unit_primitives, token_types, required_headers"
            )
        if not self.public and not self.unit_primitives:
            raise ValueError("key 'unit_primitives' is missing; an endpoint that anyone may use has 'public: true'")
        return self

    def named_unit_primitives(self) -> Iterator[tuple[tuple[str | int, ...], list[str]]]:
        """Yield each list of unit primitives that the rule names, with the way to it from the rule."""
        match self.unit_primitives:
            case list() as names:
                yield ("unit_primitives",), names
            case AnyOfEntry(any_of=names):
                yield ("unit_primitives", "any_of"), names
            case ByHeaderEntry(allowed=names):
                yield ("unit_primitives", "allowed"), names
            case ByPathEntry(values=values):
                for value, names in values.items():
                    yield ("unit_primitives", "values", value), names
            case None:
                pass


class RulesFile(Schema):
    """The contents of one file of `rules/`."""

    backend_service: str
    prefix: str
    rules: Annotated[list[RuleEntry], Field(min_length=1)]
