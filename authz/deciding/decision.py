"""The decision: allowed or denied, and what Envoy and the client learn about it."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from authz.deciding.reasons import ANSWERS, Answer, Reason
from authz.model import Claims
from authz.tokens.proof import TokenError

UNKNOWN: Final = "unknown"


class Mismatch(NamedTuple):
    """The values of a header and of the claim that it must equal. For logs only: no answer contains them."""

    said: str
    claimed: str


@dataclass(frozen=True, slots=True)
class Denied:
    """A refusal. `named` fills the message and comes from the rule, never from the client.

    `text` is the rule's own message, empty for the usual one of the reason. `methods` are those that a 405 offers;
    `signature_valid` says that a known issuer signed the token; `mismatch` is set for a `header_mismatch`.
    """

    reason: Reason
    named: str = ""
    backend_service: str | None = None
    methods: tuple[str, ...] = ()
    token_error: TokenError | None = None
    signature_valid: bool = False
    text: str = ""
    mismatch: Mismatch | None = None

    @property
    def answer(self) -> Answer:
        """Status, code and message for this reason."""
        return ANSWERS[self.reason]

    @property
    def message(self) -> str:
        """The text that the client reads."""
        return self.text or self.answer.message.format(self.named)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token proves the caller to be, and which limits count for it; values from the token alone.

    `unit_primitive` is empty where the endpoint demands none. The one exception is `user_id` under an instance token:
    it is the header's value, which is not verified.
    """

    unit_primitive: str
    issuer: str
    tier: str
    instance_id: str
    user_id: str
    claims: Claims


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may pass; `identity` is None on a public endpoint.

    After `stream_seconds` Envoy ends a stream; None: authz sets no end.
    """

    backend_service: str
    identity: Identity | None
    stream_seconds: float | None = None

    @property
    def reason(self) -> Reason:
        """`public` on a public endpoint, else `allowed`."""
        return Reason.PUBLIC if self.identity is None else Reason.ALLOWED


Decision = Allowed | Denied
