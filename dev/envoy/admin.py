"""Asks Envoy's admin interface for its state and counters, and lets Envoy drain."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 5.0
NO_DOOR = "no door runs; start it with make up (or make up-shared), which reads the edited files"


class AdminError(Exception):
    """The admin interface does not answer, or answers with an error."""


@dataclass(frozen=True, slots=True)
class Admin:
    """One Envoy's admin interface, on loopback."""

    port: int

    def is_live(self) -> bool:
        """Whether it serves: listeners are open and every backend's health was checked."""
        try:
            return self._ask("GET", "/ready").strip() == "LIVE"
        except AdminError:
            return False

    def bootstrap(self) -> Path:
        """Return the file that this Envoy was started with, also while it warms up or drains. Raises AdminError."""
        return Path(json.loads(self._ask("GET", "/server_info"))["command_line_options"]["config_path"])

    def counters(self, pattern: str) -> Mapping[str, int]:
        """Return counters and gauges whose name matches the regular expression. Raises AdminError."""
        answer = json.loads(self._ask("GET", f"/stats?format=json&filter={pattern}"))
        return {stat["name"]: int(stat["value"]) for stat in answer["stats"] if "value" in stat}

    def healthy_endpoints(self) -> Mapping[str, int]:
        """Return how many endpoints of each cluster may get requests. Raises AdminError."""
        found = self.counters(r"^cluster\..*\.membership_healthy$")
        return {name.split(".")[1]: count for name, count in found.items()}

    def drain(self) -> None:
        """Fail the health check and close listeners; requests in progress continue. Raises AdminError."""
        self._ask("POST", "/healthcheck/fail")
        self._ask("POST", "/drain_listeners?graceful")

    def active_requests(self) -> int:
        """Return the number of requests in progress. Raises AdminError."""
        return sum(self.counters(r"^http\.door\.downstream_rq_active$").values())

    def _ask(self, method: str, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except ConnectionRefusedError as problem:
            raise AdminError(f"{NO_DOOR} (nothing listens on its admin port {self.port})") from problem
        except (OSError, http.client.HTTPException) as problem:
            raise AdminError(f"Envoy's admin interface on port {self.port} does not answer: {problem}") from problem
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise AdminError(f"Envoy's admin interface answered {answer.status} to {method} {path}: {text.strip()}")
        return text
