"""Sends the sample requests of `make up-compose`, and prints them as curl commands."""

import http.client
import shlex
import ssl
from dataclasses import dataclass
from pathlib import Path

from dev.up.requests import PATH, TIMEOUT_SECONDS, Answer, SampleRequest

TOO_MANY_REQUESTS = "429"


@dataclass(frozen=True, slots=True)
class TlsRequest:
    """A POST to the TLS door with the headers that a GitLab instance sends."""

    port: int
    authority: Path
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers, without those that every HTTP client adds itself."""
        return SampleRequest(self.port, self.token).headers

    def curl(self, *options: str) -> str:
        """Return the request as a command to paste into a shell."""
        asked = f"curl {shlex.join(options or ('-i',))} --cacert {shlex.quote(str(self.authority))}"
        lines = [f"{asked} -X POST https://localhost:{self.port}{PATH}"]
        lines += [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in self.headers.items()]
        return " \\\n".join(lines)

    def curl_until_limited(self) -> str:
        """Return a shell loop that repeats the request until the answer is 429, and prints that answer."""
        status = self.curl("-s", "-o", "/dev/null", "-w", "%{http_code}")
        return f'until [ "$({status})" = {TOO_MANY_REQUESTS} ]; do :; done; \\\n{self.curl()}'

    def send(self) -> Answer:
        """Send the request. Raises OSError or HTTPException without an answer."""
        trust = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=TIMEOUT_SECONDS, context=trust)
        try:
            connection.request("POST", PATH, headers=self.headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode("utf-8", "replace"))
        finally:
            connection.close()
