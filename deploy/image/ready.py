"""The image's health check: does the service in this container say that it is ready? It prints what the service says.

Standard library alone, and no site packages: it runs every few seconds.
"""

import http.client
import os
import sys

DEFAULT = "127.0.0.1:9091"
SECONDS = 2.0


def main() -> int:
    """0 where /readyz says 200, 1 otherwise. Whatever address the admin port listens on, loopback is among them."""
    port = os.environ.get("AUTHZ_ADMIN", DEFAULT).rpartition(":")[2]
    try:
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        print(answer.read().decode("utf-8", "replace").strip())
    except (OSError, ValueError, http.client.HTTPException) as problem:
        print(f"the admin port {port} does not answer: {problem}")
        return 1
    return int(answer.status != http.client.OK)


if __name__ == "__main__":
    sys.exit(main())
