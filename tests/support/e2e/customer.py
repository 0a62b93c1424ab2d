"""Customers whom no limit has seen before: an instance of GitLab and one of its users."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from tests.support.e2e.http_client import Answer, HttpClient
from tests.support.tiers import SEATS

MOST: Final = 60


@dataclass(frozen=True, slots=True)
class Feature:
    """An endpoint and the unit primitive that it asks for."""

    path: str
    unit_primitive: str


COMPLETIONS: Final = Feature("/ai/v2/code/completions", "complete_code")
CHAT: Final = Feature("/ai/v2/chat/agent", "duo_chat")
WORKFLOWS: Final = Feature("/duo-workflow/v1/workflows", "duo_workflow_execute_workflow")
WORKFLOW_TOKEN: Final = Feature("/duo-workflow/v1/token", "duo_workflow_generate_token")
TRACES: Final = Feature("/observability/v1/traces", "observability_all")
SCAN: Final = Feature("/sast/scan", "security_scans")


def _fresh() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Customer:
    """One user of one instance; `user` None: the header that names users is left out."""

    client: HttpClient
    tier: str = "any"
    issuer: str = "customers-dot"
    instance: str = field(default_factory=_fresh)
    user: str | None = field(default_factory=_fresh)

    def colleague(self) -> Customer:
        """Another user of the same instance."""
        return replace(self, user=_fresh())

    @property
    def claims(self) -> dict[str, object]:
        """What the token says."""
        seats = str(SEATS.get(self.tier, 0))
        return {"sub": self.instance, "gitlab_instance_id": self.instance, "duo_seat_count": seats}

    def headers(self, more: dict[str, str | None] | None = None) -> dict[str, str | None]:
        """What the request says of itself."""
        own = {"x-gitlab-instance-id": self.instance, "x-gitlab-global-user-id": self.user}
        return {**own, **(more or {})}

    def ask(self, feature: Feature, headers: dict[str, str | None] | None = None, source: str = "") -> Answer:
        """Ask for a feature, which the token is good for."""
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
        """Ask until a limit refuses; how many were let in, and whose limit it was."""
        return until_refused(lambda: self.ask(feature))


def until_refused(ask: Callable[[], Answer], most: int = MOST) -> tuple[int, str]:
    """Ask until a limit refuses; how many were let in, and whose limit it was; `no limit` after `most`."""
    for number in range(most):
        answer = ask()
        if answer.status == 429:
            return number, answer.headers["x-ratelimit-scope"]
        assert answer.status == 200, answer.body
    return most, "no limit"
