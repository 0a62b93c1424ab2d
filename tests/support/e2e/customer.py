"""Makes customers that no limit has counted yet: a GitLab instance and one of its users."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from tests.support.e2e.http_client import Answer, HttpClient
from tests.support.tiers import SEATS

MOST: Final = 60
NO_LIMIT: Final = "none"


@dataclass(frozen=True, slots=True)
class Feature:
    """An endpoint and the unit primitive that it needs."""

    path: str
    unit_primitive: str


COMPLETIONS: Final = Feature("/ai/v2/code/completions", "complete_code")
CHAT: Final = Feature("/ai/v2/chat/agent", "duo_chat")
WORKFLOWS: Final = Feature("/duo-workflow/v1/workflows", "duo_workflow_execute_workflow")
WORKFLOW_TOKEN: Final = Feature("/duo-workflow/v1/token", "duo_workflow_generate_token")
TRACES: Final = Feature("/observability/v1/traces", "observability_all")
SCAN: Final = Feature("/sast/scan", "security_scans")


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Customer:
    """One user of one instance; without a `user` the header that names it is left out.

    A `namespace` is a root namespace of gitlab.com, as the token names it.
    """

    client: HttpClient
    tier: str = "any"
    issuer: str = "customers-dot"
    instance: str = field(default_factory=_new_id)
    user: str | None = field(default_factory=_new_id)
    namespace: str = ""

    def colleague(self) -> "Customer":
        """Return another user of the same instance and namespace."""
        return replace(self, user=_new_id())

    def neighbour(self) -> "Customer":
        """Return a user of another namespace of the same instance."""
        return replace(self.colleague(), namespace=_new_id())

    @property
    def claims(self) -> dict[str, object]:
        """The claims of the token."""
        seats = str(SEATS.get(self.tier, 0))
        own = {"gitlab_root_namespace_id": self.namespace} if self.namespace else {}
        return {"sub": self.instance, "gitlab_instance_id": self.instance, "duo_seat_count": seats, **own}

    def headers(self, more: dict[str, str | None] | None = None) -> dict[str, str | None]:
        """Return the headers that name instance and user."""
        own = {"x-gitlab-instance-id": self.instance, "x-gitlab-global-user-id": self.user}
        return {**own, **(more or {})}

    def ask(self, feature: Feature, headers: dict[str, str | None] | None = None, source: str = "") -> Answer:
        """Ask for a feature with a token for it."""
        return self.client.ask(
            "POST",
            feature.path,
            [feature.unit_primitive],
            issuer=self.issuer,
            claims=self.claims,
            headers=self.headers(headers),
            source=source,
        )

    def until_refused(self, feature: Feature) -> tuple[int, str]:
        """Ask until a limit refuses; return how many requests were allowed, and which limit it was."""
        return until_refused(lambda: self.ask(feature))


def until_refused(ask: Callable[[], Answer], most: int = MOST) -> tuple[int, str]:
    """Ask until a limit refuses; return how many requests were allowed, and which limit refused (NO_LIMIT: none)."""
    for number in range(most):
        answer = ask()
        if answer.status == 429:
            return number, answer.headers["x-ratelimit-scope"]
        assert answer.status == 200, answer.body
    return most, NO_LIMIT
