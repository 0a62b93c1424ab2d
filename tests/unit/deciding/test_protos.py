"""The generated code in `authz/deciding/_proto` is what `protos/` makes."""

import subprocess
import sys

from authz.deciding._proto import external_auth_pb2
from dev import protos


def test_generated_code_is_up_to_date() -> None:
    assert protos.outdated() == [], "run `make protos` and commit authz/deciding/_proto"


def test_the_service_has_the_name_that_envoy_calls() -> None:
    method = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"].methods_by_name["Check"]
    assert method.full_name == "envoy.service.auth.v3.Authorization.Check"


def test_generated_code_lives_with_the_published_status_messages() -> None:
    """A trimmed copy of google.rpc.Status would clash with grpcio-health-checking and grpcio-status."""
    script = "import grpc_health.v1.health, google.rpc.status_pb2, authz.deciding._proto.external_auth_pb2"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)
