"""Sends the two sample requests: one is allowed, one is refused."""

import http.client
import json
import shlex
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

AUTHZ = Path(sys.executable).with_name("authz")
ISSUER = "customers-dot"
REALM = "self-managed"
INSTANCE = "00000000-0000-4000-8000-000000000001"
NEEDED_SCOPE = "complete_code"
OTHER_SCOPE = "duo_chat"
PATH = "/ai/v2/code/completions"
TIMEOUT_SECONDS = 5.0


class CommandError(Exception):
    """A command failed; the message is its output."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer."""

    status: int
    body: str

    def member(self, name: str) -> str:
        """Return one member of a JSON body; an empty text if it is absent."""
        try:
            return str(json.loads(self.body)[name])
        except (ValueError, KeyError, TypeError):
            return ""


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """A POST to the plain door with the headers that a GitLab instance sends."""

    port: int
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers, without those that every HTTP client adds itself."""
        return {
            "X-Gitlab-Authentication-Type": "oidc",
            "X-Gitlab-Realm": REALM,
            "X-Gitlab-Instance-Id": INSTANCE,
            "Authorization": f"Bearer {self.token}",
        }

    def curl(self) -> str:
        """Return the request as a command to paste into a shell."""
        lines = [f"curl -i -X POST http://127.0.0.1:{self.port}{PATH}"]
        lines += [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in self.headers.items()]
        return " \\\n".join(lines)

    def send(self) -> Answer:
        """Send the request. Raises OSError or HTTPException without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", PATH, headers=self.headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode("utf-8", "replace"))
        finally:
            connection.close()


def ask_health_over_tls(port: int, authority: Path) -> int:
    """Return the status of `GET /-/health` over TLS. Raises OSError if the certificate or the connection fails."""
    context = ssl.create_default_context(cafile=str(authority))
    connection = http.client.HTTPSConnection("localhost", port, timeout=TIMEOUT_SECONDS, context=context)
    try:
        connection.request("GET", "/-/health")
        return connection.getresponse().status
    finally:
        connection.close()


def make_keys(directory: Path) -> int:
    """Make keys and certificates for every issuer without any; return the number of public files made."""
    return len(_authz("keys", "generate", str(directory)).splitlines())


def issue_token(keys: Path, scope: str) -> str:
    """Return a token of a self-managed instance with one scope, valid for a day."""
    who = ("--keys", str(keys), "--issuer", ISSUER, "--instance-id", INSTANCE)
    return _authz("token", "issue", *who, "--scope", scope, "--expires-in", "1d").strip()


def _authz(*arguments: str) -> str:
    return run_command((str(AUTHZ), *arguments))


def run_command(command: Sequence[str]) -> str:
    """Run a command and return its stdout. Raises CommandError with its stderr if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as problem:
        raise CommandError(f"{command[0]}: {problem.strerror}; make installs it: rm -r .venv && make up") from problem
    if done.returncode != 0:
        raise CommandError(done.stderr.strip() or f"{shlex.join(command)} ended with exit code {done.returncode}")
    return done.stdout
