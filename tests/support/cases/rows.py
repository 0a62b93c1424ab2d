"""The schema of a decision table's rows. An unknown key is an error, so that a typo cannot empty a case."""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from authz.documents.schema import Schema

Texts = dict[str, str | None]
RequestLine = Annotated[str, Field(pattern=r"(?s)^[^ ]* .*$")]
"""A method, one space and a path of any form."""
Algorithm = Literal["RS256", "ES256", "EdDSA"]
Signature = Literal[
    "genuine",
    "flipped",  # one bit differs
    "truncated",
    "zeros",
    "of_other_claims",
    "der",  # ES256 in the encoding that JWS does not use
    "hmac_of_nothing",
    "hmac_of_public_pem",
    "hmac_of_modulus",
]


Claim = Literal[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "scopes",
    "gitlab_realm",
    "gitlab_instance_id",
    "duo_seat_count",
]


KeyKind = Literal["RSA-1024", "RSA-2048", "RSA-3072", "ES256", "EdDSA", "P-384", "P-521", "secp256k1"]
Sent = Literal["leaf", "intermediate", "root", "stranger", "junk"]


class CertificateRow(Schema):
    """The differences of a certificate from a valid one."""

    name: str | None = None
    identity: str | None = None
    """Its URI; empty: none. Default: the URI that the token's issuer requires of its leaves."""
    key: KeyKind | None = None
    starts: int = -86_400
    ends: int = 86_400
    """Seconds after the clock of the tables."""
    authority: bool | None = None
    may: Literal["sign", "certify", "encipher"] | None = None
    signed_by: Literal["root", "intermediate", "stranger", "itself"] | None = None


class ChainRow(Schema):
    """The certificates of a token: a leaf signed by an intermediate, which the issuer's root signed."""

    placed: Literal["header", "claims", "both"] = "header"
    sent: list[Sent] = Field(default=["leaf", "intermediate"])
    leaf: CertificateRow = CertificateRow()
    intermediate: CertificateRow = CertificateRow()


class TokenRow(Schema):
    """The differences of a token from a valid one of its issuer."""

    issuer: str = "customers-dot"
    scopes: list[str] = Field(default=["complete_code"])
    claims: dict[str, JsonValue] = Field(default={})
    without: list[Claim] = Field(default=[])
    times: dict[Literal["exp", "nbf", "iat"], int | float] = Field(default={})
    """Dates, in seconds after the clock of the tables."""
    header: dict[str, JsonValue] = Field(default={})
    without_header: list[Literal["typ", "alg", "kid"]] = Field(default=[])
    append_claims: str = ""
    append_header: str = ""
    """JSON text of members to append unchanged."""
    nested_claim: int = 0
    nested_header: int = 0
    """The depth of nested lists in a further member."""
    claims_text: str | None = None
    header_text: str | None = None
    claims_hex: str | None = None
    header_hex: str | None = None
    """The whole part of the token, in place of the JSON object."""
    chain: ChainRow | None = None
    """Its certificates; then the leaf's key signs the token, and it has no `kid`."""
    signed_by: str | None = None
    algorithm: Algorithm | None = None
    """The algorithm of the key and, unless `header` has another, of `alg`."""
    signature: Signature = "genuine"
    text: str = "{header}.{claims}.{signature}"
    length: int | None = None
    """Characters of the whole token, reached with spaces in its JSON."""


class Row(Schema):
    """One request and its answer. Absent keys come from the file's defaults, then from a valid request."""

    id: Annotated[str, Field(pattern=r"^\S.*$")] = "defaults"
    policy: Literal["shipped", "unlabelled", "lab"] = "shipped"
    request: RequestLine = "POST /ai/v2/code/completions"
    label: str | None = ""
    """The label of Envoy's route; empty: the backend of the path; null: no label."""
    headers: Texts = Field(default={})
    """`{token}` in a value is replaced by the token; null leaves a header out."""
    header_count: int = 0
    header_bytes: int = 0
    """Headers are added up to this number, or to this number of bytes."""
    grpc: bool = False
    token: TokenRow = TokenRow()

    allow: str | None = None
    """The unit primitive that was granted, `public`, or `authenticated` where the endpoint demands none."""
    deny: str | None = None
    """The reason."""
    names: str | None = None
    """The value for <name> in the reason's message."""
    text: str | None = None
    """The message, if the rule has its own."""
    ends_after: int | Literal["never"] | None = None
    """Milliseconds until Envoy ends the stream, or `never` if authz sets no end; None: not compared."""
    shadow: str | None = None
    """The reason of the rule that is tried."""
    token_error: str | None = None
    metadata: Texts = Field(default={})
    request_headers: Texts = Field(default={})
    reply: Texts = Field(default={})
    """Differences from reasons.yaml and callers.yaml; null: the member is absent."""
    request_id: str | None = "01J5ZC3W9Q4T8V2N7K6M1B0XYZ"
    """The request id in the body of a refusal; null: none."""

    def over(self, defaults: "Row") -> "Row":
        """Return this row with absent keys taken from the defaults; mappings are merged."""
        inherited = defaults.model_dump(exclude_unset=True)
        if self.allow or self.deny:
            for answer in (
                "allow",
                "deny",
                "names",
                "text",
                "ends_after",
                "shadow",
                "token_error",
                "metadata",
                "request_headers",
                "reply",
            ):
                inherited.pop(answer, None)
        return Row.model_validate(_merged(inherited, self.model_dump(exclude_unset=True)))

    @model_validator(mode="after")
    def _is_decisive(self) -> Self:
        if self.allow is not None and self.deny is not None:
            raise ValueError("a case says 'allow' or 'deny', not both")
        return self


def _merged(under: dict[str, object], over: dict[str, object]) -> dict[str, object]:
    merged = {**under, **over}
    for name, below in under.items():
        above = over.get(name)
        if isinstance(below, dict) and isinstance(above, dict):
            merged[name] = _merged(below, above)
    return merged
