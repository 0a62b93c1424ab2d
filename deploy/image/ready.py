"""The image's health check: asks the service in this container whether it is ready, and prints the answer.

It uses only the standard library and no site packages, because it runs every few seconds.
"""

import http.client
import os
import sys

DEFAULT = "127.0.0.1:9091"
SECONDS = 2.0


def main() -> int:
    """Return 0 if /readyz answers 200, else 1. It asks on loopback, which the admin port's address includes."""
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
