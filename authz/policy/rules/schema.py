"""The schema of a rule file: which keys it may have, before any name in it is looked up."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from authz.documents.hints import did_you_mean
from authz.documents.reader import Where
from authz.documents.schema import Moment, Schema
from authz.policy.claims import ClaimName, Header

_FORMS: Final = ("any_of", "by_path", "by_header")
_OF_TOKENS: Final = (
    "unit_primitives",
    "authenticated",
    "token_types",
    "not_issuers",
    "required_headers",
    "authentication_type",
    "claims",
    "bind",
    "denied",
    "deadline",
    "unknown",
)

_BESIDE_ACCESS: Final = tuple(key for key in _OF_TOKENS if key not in {"unit_primitives", "authenticated"})

Names = Annotated[list[str], Field(min_length=1)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _printable(text: str) -> str:
    if re.fullmatch("[ -$&-~]{1,200}", text) is None:
        raise ValueError("should be 1 to 200 printable ASCII characters without %")
    return text


def _placeholders(*known: str) -> AfterValidator:
    def check(text: str) -> str:
        rest = text
        for name in known:
            rest = rest.replace(f"{{{name}}}", "")
        if "{" in rest or "}" in rest:
            raise ValueError(f"should have no braces except {' and '.join(f'{{{name}}}' for name in known)}")
        return text

    return AfterValidator(check)


# Clients read these in a header too (grpc-message), where % begins an escape.
Text = Annotated[str, AfterValidator(_printable), Field(json_schema_extra={"pattern": "^[ -$&-~]{1,200}$"})]
DeniedText = Annotated[Text, _placeholders("unit_primitive", "value")]
UnknownText = Annotated[Text, _placeholders("value")]


class AnyOfEntry(Schema):
    """`{any_of: [a, b]}`: one of them is enough."""

    any_of: Names


def _shape(value: object) -> str:
    """Return which form is meant, in brackets so that problems do not name it as a key of the file."""
    keys = value.keys() if isinstance(value, dict) else ()
    return next((f"<{key}>" for key in _FORMS if key in keys), "<list>")


def _form(*forms: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, dict) and value.keys().isdisjoint(forms):
            hint = next((hint for key in value if (hint := did_you_mean(str(key), forms))), "")
            raise ValueError(f"should be a list, or have one of {', '.join(forms)}{hint}")
        return value

    return BeforeValidator(check)


Demands = Annotated[
    Annotated[Names, Tag("<list>")] | Annotated[AnyOfEntry, Tag("<any_of>")], Discriminator(_shape), _form("any_of")
]
"""All of the listed unit primitives, or one of them."""


class ByPathEntry(Schema):
    """`{by_path: name, values: {...}}`: a part of the path decides."""

    by_path: str
    values: Annotated[dict[str, Demands], Field(min_length=1)]


class ByHeaderEntry(Schema):
    """`{by_header: name, allowed: [...]}`: a header decides. `values` instead says what each value requires."""

    by_header: Header
    allowed: Names | None = None
    values: Annotated[dict[str, Demands], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "ByHeaderEntry":
        if (self.allowed is None) == (self.values is None):
            raise ValueError("should have either 'allowed' (unit primitives) or 'values' (what each value requires)")
        return self

    def demands(self) -> dict[str, Demands]:
        """Return what each value of the header requires."""
        return self.values if self.values is not None else {name: [name] for name in self.allowed or ()}


UnitPrimitives = Annotated[
    Annotated[Names, Tag("<list>")]
    | Annotated[AnyOfEntry, Tag("<any_of>")]
    | Annotated[ByPathEntry, Tag("<by_path>")]
    | Annotated[ByHeaderEntry, Tag("<by_header>")],
    Discriminator(_shape),
    _form(*_FORMS),
]


class AccessEntry(Schema):
    """Who may use an endpoint, and the texts of its refusals."""

    unit_primitives: UnitPrimitives | None = Field(None, description="What the token's scopes must contain.")
    authenticated: Literal[True] | None = Field(None, description="A valid token is enough, whatever its scopes.")
    public: Literal[True] | None = Field(None, description="No token is needed; one that is sent is ignored.")
    token_types: Annotated[list[Literal["instance", "user"]], Field(min_length=1)] | None = Field(
        None, description="The token types that may use it; left out: all."
    )
    not_issuers: Names | None = Field(None, description="Names of issuers whose tokens may not use it.")
    required_headers: Annotated[list[Header], Field(min_length=1)] | None = Field(
        None, description="Headers that must be present and not empty. Their values are not compared."
    )
    authentication_type: Literal["optional"] | None = Field(
        None, description="Allows a client to leave the header X-Gitlab-Authentication-Type out."
    )
    claims: Annotated[dict[ClaimName, Names], Field(min_length=1)] | None = Field(
        None, description="Claims that the token must have, and the values that each may have."
    )
    bind: Annotated[dict[Header, ClaimName], Field(min_length=1)] | None = Field(
        None, description="Headers, and the claim that each must equal if the token has it."
    )
    denied: DeniedText | None = Field(
        None,
        description="The text of every 403. {unit_primitive} is the one that the token lacks, {value} that of by_path.",
    )
    deadline: Literal["token"] | None = Field(None, description="Envoy ends a stream when its token expires.")
    unknown: UnknownText | None = Field(
        None, description="The text of the 404 for a value that by_path does not list; {value} in it is the value."
    )

    @model_validator(mode="after")
    def _check_access(self) -> "AccessEntry":
        if self.public:
            others = [name for name in _OF_TOKENS if getattr(self, name) is not None]
            if others:
                raise ValueError(f"a public rule does not read the token: remove {', '.join(others)}")
        if self.authenticated and self.unit_primitives:
            raise ValueError("has both 'authenticated' (no scope is needed) and 'unit_primitives': remove one")
        by_path = isinstance(self.unit_primitives, ByPathEntry)
        if not by_path and (self.unknown or "{value}" in (self.denied or "")):
            raise ValueError("'unknown' and {value} are for rules with by_path: remove them")
        if not self.unit_primitives and "{unit_primitive}" in (self.denied or ""):
            raise ValueError("this rule requires no unit primitive: remove {unit_primitive} from 'denied'")
        return self

    @property
    def says_who(self) -> bool:
        """Whether it has one of the keys that say who may use the endpoint."""
        return bool(self.unit_primitives or self.authenticated or self.public)

    def named_unit_primitives(self) -> Iterator[tuple[Where, list[str]]]:
        """Yield each list of unit primitives that the rule names, with the way to it from the rule."""
        match self.unit_primitives:
            case None:
                pass
            case ByHeaderEntry(allowed=list() as names):
                yield ("unit_primitives", "allowed"), names
            case ByPathEntry(values=values) | ByHeaderEntry(values=dict() as values):
                for value, demands in values.items():
                    yield _listed(demands, ("unit_primitives", "values", value))
            case list() | AnyOfEntry() as demands:
                yield _listed(demands, ("unit_primitives",))


class RuleEntry(AccessEntry):
    """One rule of a file. `instead_of` may name unit primitives of its own: see `accesses`."""

    path: str
    methods: Annotated[list[Method], Field(min_length=1)]
    gone: Moment | None = Field(
        None, description="The endpoint answers 410 from this date on; a rule without other conditions, before it too."
    )
    shadow: Literal[True] | None = Field(
        None, description="Tries the rule: it is decided and logged, but clients get the answer of 'instead_of'."
    )
    instead_of: AccessEntry | None = Field(None, description="The rule that answers while this one is tried.")

    def accesses(self) -> Iterator[tuple[Where, AccessEntry]]:
        """Yield the rule, and the one that answers while this one is tried, with the way to each."""
        yield (), self
        if self.instead_of is not None:
            yield ("instead_of",), self.instead_of

    def dropped(self) -> list[str]:
        """Return the keys that do not apply while this rule is tried, because `instead_of` lacks them."""
        if self.instead_of is None:
            return []
        ours, theirs = self.model_fields_set, self.instead_of.model_fields_set
        return [key for key in _BESIDE_ACCESS if key in ours and key not in theirs]

    @model_validator(mode="after")
    def _check_rule(self) -> "RuleEntry":
        if not self.says_who and not self.gone:
            raise ValueError(
                "key 'unit_primitives' is missing; to accept every valid token write 'authenticated: true', "
                "to require no token 'public: true'"
            )
        if not self.says_who and self.model_fields_set - {"path", "methods", "gone"}:
            raise ValueError(
                "a rule that does not say who may use the endpoint can have only path, methods and gone: "
                "remove the other keys, or add unit_primitives, authenticated or public"
            )
        if bool(self.shadow) != bool(self.instead_of):
            raise ValueError("'shadow: true' and 'instead_of' need each other: this rule is tried, that one answers")
        if self.instead_of and not self.instead_of.says_who:
            raise ValueError("instead_of should say who may use it: unit_primitives, authenticated or public")
        if self.instead_of and _values(self.instead_of) != _values(self):
            raise ValueError("the rule and its instead_of should list the same values under by_path, or have none")
        return self


class RulesFile(Schema):
    """The contents of one file of `rules/`."""

    backend_service: str
    prefix: str
    rules: Annotated[list[RuleEntry], Field(min_length=1)]


def _listed(demands: Demands, where: Where) -> tuple[Where, list[str]]:
    return ((*where, "any_of"), demands.any_of) if isinstance(demands, AnyOfEntry) else (where, demands)


def _values(entry: AccessEntry) -> tuple[str, frozenset[str]] | None:
    access = entry.unit_primitives
    return (access.by_path, frozenset(access.values)) if isinstance(access, ByPathEntry) else None
