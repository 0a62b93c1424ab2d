"""`authz serve` as operators meet it: where it listens, how it ends, and what it says when it cannot start."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import grpc
import pytest

from authz.deciding._proto.external_auth_pb2 import CheckResponse
from authz.server.health import SERVICE
from tests.support.files import edit
from tests.support.integration.service import COMMAND, SECONDS, refused, running
from tests.support.issuers import PRODUCTION, Profile
from tests.support.minting import Minter, request, write_keys
from tests.support.signing import key

CHECK: Final = f"/{SERVICE}/Check"
SOCKET: Final = ("--keys", "keys", "--listen", "unix:a.sock")
ANY_PORT: Final = ("--keys", "keys", "--listen", "127.0.0.1:0")


def ask(address: str, message: bytes, folder: Path) -> CheckResponse:
    """Return the answer of a service that runs in that folder."""
    path = address.removeprefix("unix:")
    target = f"unix:{folder / path}" if path != address else address
    with grpc.insecure_channel(target) as channel:
        return CheckResponse.FromString(channel.unary_unary(CHECK, bytes, bytes)(message, timeout=SECONDS))


def healthy() -> bytes:
    return request(token=Minter(now=time.time()).token())


def test_it_listens_on_tcp_and_answers(folder: Path) -> None:
    with running(folder, *ANY_PORT) as service:
        (address,) = service.addresses()
        assert ask(address, healthy(), folder).status.code == 0
        assert ask(address, request(), folder).status.code == 16


def test_it_listens_on_a_unix_socket_for_owner_and_group(folder: Path) -> None:
    with running(folder, *SOCKET):
        assert stat.S_IMODE((folder / "a.sock").stat().st_mode) == 0o660
        assert ask("unix:a.sock", healthy(), folder).status.code == 0


def test_it_listens_on_several_addresses(folder: Path) -> None:
    with running(folder, *SOCKET, "--listen", "127.0.0.1:0", "--listen", "unix:b.sock", listeners=3) as service:
        addresses = service.addresses()
        assert (addresses[0], addresses[2]) == ("unix:a.sock", "unix:b.sock")
        assert [ask(address, healthy(), folder).status.code for address in addresses] == [0, 0, 0]


def test_a_template_counts_from_0(folder: Path) -> None:
    listen = ("--listen", "unix:run/{worker}.sock", "--listen", "unix:{7+worker}")
    with running(folder, "--keys", "keys", "--workers", "1", *listen, listeners=2) as service:
        assert service.addresses() == ["unix:run/0.sock", "unix:7"]


def test_every_flag_has_a_variable(folder: Path) -> None:
    write_keys(folder / "staging", {"gitlab-com-staging": [key("st-1")]})
    variables = {
        "AUTHZ_POLICY": "policy",
        "AUTHZ_KEYS": "staging",
        "AUTHZ_ENVIRONMENT": "staging",
        "AUTHZ_LISTEN": "unix:a.sock,127.0.0.1:0",
        "AUTHZ_WORKERS": "1",
        "AUTHZ_MAX_IN_FLIGHT": "10",
        "AUTHZ_MAX_AGE": "1s",
        "AUTHZ_DRAIN": "100ms",
        "AUTHZ_ENDPOINTS_FILE": "endpoints.yaml",
        "AUTHZ_ADMIN": "localhost:0",
        "AUTHZ_LOG_ALLOW_SAMPLE": "0.5",
        "AUTHZ_LOG_LEVEL": "INFO",
        "AUTHZ_ALLOW_EMPTY_ISSUERS": "true",
        "AUTHZ_ALLOW_UNLABELLED_ROUTES": "1",
    }
    with running(folder, variables=variables, listeners=2) as service:
        (loaded,) = service.events("policy_loaded")
        assert (loaded["policy"], loaded["environment"]) == ("policy", "staging")
        assert loaded["issuers"][0] == "gitlab-com-staging"
        open_to_all = request("/ai/monitoring/healthz", method="GET", label=None)
        assert ask("unix:a.sock", open_to_all, folder).status.code == 0
        assert (folder / "endpoints.yaml").exists()


def test_a_flag_wins_over_its_variable(folder: Path) -> None:
    with running(folder, *SOCKET, variables={"AUTHZ_LISTEN": "unix:b.sock", "AUTHZ_KEYS": "nowhere"}) as service:
        assert service.addresses() == ["unix:a.sock"]


@pytest.mark.parametrize("flag", ["--allow-empty-issuers", "--allow-unlabelled-routes"])
def test_a_flag_that_weakens_a_check_is_logged(folder: Path, flag: str) -> None:
    with running(folder, *SOCKET, flag) as service:
        assert service.events("check_weakened", level="warning", flag=flag)
    with running(folder, *SOCKET) as service:
        assert not service.events("check_weakened")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_well(folder: Path, number: signal.Signals) -> None:
    with running(folder, *SOCKET, "--drain", "0s") as service:
        service.process.send_signal(number)
        assert service.ended() == 0
        assert service.events()[-1]["event"] == "service_stopped"
    assert not (folder / "a.sock").exists()


def test_requests_under_load_are_answered_or_refused_at_the_door_when_it_ends(folder: Path) -> None:
    """Refused is what gRPC itself did not hand over: Envoy asks again on either code (envoy.yaml, retry_on)."""
    message, going = healthy(), threading.Barrier(5)

    def load() -> grpc.StatusCode:
        answers = 0
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(CHECK, bytes, bytes)
            while True:
                try:
                    answer = CheckResponse.FromString(call(message, timeout=SECONDS))
                except grpc.RpcError as error:
                    return error.code()
                assert answer.WhichOneof("http_response") == "ok_response"
                answers += 1
                if answers == 50:
                    going.wait(SECONDS)

    with running(folder, *ANY_PORT, "--drain", "0s") as service, ThreadPoolExecutor(4) as callers:
        (address,) = service.addresses()
        loads = [callers.submit(load) for _ in range(4)]
        going.wait(SECONDS)
        service.process.terminate()
        codes = {finished.result(SECONDS) for finished in loads}
        assert codes <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert service.ended() == 0
        assert service.events()[-1]["event"] == "service_stopped"


def test_a_socket_that_a_killed_service_left_is_taken_over(folder: Path) -> None:
    with running(folder, *SOCKET) as service:
        worker = service.worker(0)
        os.kill(worker, signal.SIGSTOP)  # it would tidy up, once its supervisor is gone
        service.process.kill()
        os.kill(worker, signal.SIGKILL)
        service.ended()
    assert (folder / "a.sock").exists()
    with running(folder, *SOCKET):
        assert ask("unix:a.sock", healthy(), folder).status.code == 0


def test_the_copies_that_a_killed_service_left_go_with_the_next_start(folder: Path) -> None:
    copies = folder / "tmp"
    variables = {"TMPDIR": str(copies)}
    with running(folder, *SOCKET, variables=variables) as first:
        first.process.kill()
        first.ended()
    (left,) = copies.glob("authz-*")
    assert left.name.startswith(f"authz-{first.process.pid}-")
    with running(folder, *SOCKET, variables=variables) as second:
        (now,) = copies.glob("authz-*")
        assert now.name.startswith(f"authz-{second.process.pid}-")


def test_an_address_in_use_is_one_clear_line_and_the_first_service_goes_on(folder: Path) -> None:
    with running(folder, *SOCKET, "--listen", "127.0.0.1:0", listeners=2) as service:
        path, port = service.addresses()
        for address, message in (
            (path, "another process answers there: stop it or name another path"),
            (port, "another process listens there: stop it or name another port"),
        ):
            code, error = refused(folder, "--keys", "keys", "--listen", address)
            assert code == 1
            assert error.splitlines()[-1] == f"Error: cannot listen on {address}: {message}"
            assert ask(address, healthy(), folder).status.code == 0


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("unix:none/a.sock", "folder none does not exist: make it first"),
        ("unix:/proc/1/a.sock", "folder /proc/1 is not writable"),
        ("unix:keys", "a file that is not a socket is in the way: remove it or name another path"),
        ("192.0.2.1:9000", "Cannot assign requested address"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_one_clear_line(folder: Path, address: str, message: str) -> None:
    code, error = refused(folder, "--keys", "keys", "--listen", address, "--allow-plaintext-tcp")
    assert code == 1
    assert error.splitlines()[-1] == f"Error: cannot listen on {address}: {message}"


def test_nothing_is_served_where_one_of_several_addresses_is_refused(folder: Path) -> None:
    assert refused(folder, *SOCKET, "--listen", "unix:none/b.sock")[0] == 1
    assert not (folder / "a.sock").exists()


def test_every_problem_of_a_broken_policy_is_reported_and_nothing_listens(folder: Path) -> None:
    mistakes = (
        ("rules/ai_gateway.yml", "prefix: /ai", "prefix: ai"),
        ("rules/sast.yml", "[security_scans]", "[security_scan]"),
        ("tiers.yml", "default: any", "defualt: any"),
        ("issuers.yml", "max_lifetime: 1h", "max_lifetime: 60"),
    )
    for name, old, new in mistakes:
        edit(folder / "policy" / name, (old, new))
    code, error = refused(folder, "--policy", "policy", *SOCKET)
    lines = [line for line in error.splitlines() if not line.endswith("(a warning)")]
    assert code == 1
    assert lines[-1] == f"authz: {len(lines) - 1} problems to fix"
    found = {line.split(": ")[0].rpartition(":")[0]: line for line in lines[:-1]}
    assert set(found) == {
        f"policy/{name}" for name in ("rules/ai_gateway.yml", "rules/sast.yml", "tiers.yml", "issuers.yml")
    }
    for name in ("rules/ai_gateway.yml", "rules/sast.yml", "tiers.yml", "issuers.yml"):
        number = int(found[f"policy/{name}"].split(":")[1])
        assert number > 0
    assert not (folder / "a.sock").exists()


def lacking(profile: Profile) -> Iterator[str]:
    if profile.has_keys:
        yield f"no key in {profile.name}.jwks.json"
    if profile.has_anchors:
        yield f"no certificate in {profile.name}.ca.pem"


def test_missing_keys_are_reported_for_each_issuer(folder: Path) -> None:
    (folder / "empty").mkdir()
    code, error = refused(folder, "--keys", "empty", "--listen", "unix:a.sock")
    assert code == 1
    assert error.splitlines() == [
        *(
            f"empty: issuer '{name}' has {' and '.join(lacking(profile))}: put one there, "
            "or start with --allow-empty-issuers to refuse this issuer's tokens"
            for name, profile in sorted(PRODUCTION.items())
        ),
        f"authz: {len(PRODUCTION)} problems to fix",
    ]


def test_a_missing_folder_of_keys_is_reported_once(folder: Path) -> None:
    code, error = refused(folder, "--keys", "nowhere", "--listen", "unix:a.sock")
    assert code == 1
    assert error.splitlines() == [
        "nowhere: this folder of keys does not exist: name the right one with --keys, or make it",
        "authz: 1 problem to fix",
    ]


def test_a_private_key_in_a_key_set_stops_the_start_and_is_not_shown(folder: Path) -> None:
    file = folder / "keys/gitlab-com.jwks.json"
    file.write_text(file.read_text().replace('"kid":', '"d": "very-private", "kid":'))
    code, error = refused(folder, *SOCKET)
    assert code == 1
    assert error.splitlines() == [
        "keys/gitlab-com.jwks.json: key 'gitlab-com-1' has private members (d): ship the public key alone, "
        "and replace this pair",
        "authz: 1 problem to fix",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--policy", "nowhere"), "nowhere: is not a directory: name a policy directory with --policy"),
        (("--environment", "prod"), "environment 'prod' has no issuer; there are: production, staging"),
    ],
    ids=["policy", "environment"],
)
def test_what_does_not_exist_is_reported(folder: Path, flags: tuple[str, ...], message: str) -> None:
    code, error = refused(folder, *SOCKET, *flags)
    assert code == 1
    assert message in error.splitlines()[0]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--listen 9000", "'9000' is no address: write HOST:PORT or unix:PATH"),
        ("--listen unix:{name}.sock", "holds braces that are neither {worker} nor {9000+worker}"),
        ("--log-level loud", "'loud' is not one of"),
        ("--listen unix:a.sock --listen unix:a.sock", "--listen names one address twice"),
        ("--liste x", "No such option"),
        ("more", "unexpected extra argument"),
        ("--workers 2", "2 workers need an address each: write --listen 127.0.0.1:{9000+worker}"),
        ("--workers 0", "0 is not in the range"),
        ("--workers 257", "257 is not in the range"),
        ("--max-age 5", "'5' should be a number and a unit, such as 500ms"),
        ("--drain soon", "'soon' should be a number and a unit"),
        ("--max-in-flight 0", "0 is not in the range"),
        ("--log-allow-sample 1.1", "1.1 is not in the range"),
        ("--admin 9091", "'9091' is no address: write HOST:PORT"),
        ("--otlp-endpoint collector:4318", "'collector:4318' is no URL: write http://HOST:PORT"),
        ("--endpoints-file run/endpoints", "Envoy reads .json, .yaml, .yml"),
        ("--endpoints-file e.json --listen localhost:0", "'localhost' is no IP address"),
    ],
    ids=lambda value: value if value.startswith("--") else "",
)
def test_a_flag_that_makes_no_sense_is_a_usage_error(folder: Path, flags: str, message: str) -> None:
    code, error = refused(folder, "--keys", "keys", *flags.split())
    assert code == 2
    assert message in error


def test_no_token_is_ever_logged(folder: Path) -> None:
    minter = Minter(now=time.time())
    tokens = [
        minter.token(),
        minter.token(claims={"sub": ["very", "private"]}),
        minter.token(claims={"exp": 0}),
        minter.token(header={"kid": "very-private"}),
        "very.private.token",
        "very-private" * 1_000,
    ]
    with running(folder, *SOCKET, "--drain", "0s", "--log-level", "debug") as service:
        for token in tokens:
            ask("unix:a.sock", request(token=token), folder)
        ask("unix:a.sock", request(headers={"authorization": "very-private"}), folder)
        ask("unix:a.sock", b"very-private \xff", folder)
        service.process.terminate()
        assert service.ended() == 0
        log = service.file.read_text()
    assert "private" not in log
    assert not any(part in log for token in tokens for part in token.split(".") if len(part) > 8)


HOOK: Final = """
import os, sys
NETWORK = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.gethostbyname", "socket.getaddrinfo"}
def watch(event, arguments):
    to_a_file = event == "socket.connect" and isinstance(arguments[1], str)
    no_name = event == "socket.getaddrinfo" and arguments[0] == "127.0.0.1"
    if event in NETWORK and not to_a_file and not no_name:
        os.write(2, f"NETWORK {event}\\n".encode())
sys.addaudithook(watch)
"""
"""What every Python process runs first: it reports each use of the network."""


@pytest.fixture
def watched(folder: Path) -> tuple[str, ...]:
    """Return what starts the service so that supervisor and workers are watched."""
    (folder / "sitecustomize.py").write_text(HOOK)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return ("env", f"PYTHONPATH={path}", *COMMAND)


def without_network() -> tuple[str, ...]:
    """Return what starts a command where there is no network at all, if this machine can."""
    for prefix in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        if (
            shutil.which("unshare")
            and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
        ):
            return prefix
    return ()


def test_it_uses_no_network_to_start_or_to_answer(folder: Path, watched: tuple[str, ...]) -> None:
    """An audit hook reports Python's calls everywhere; where the system allows it, a namespace removes the network."""
    with running(folder, *SOCKET, command=(*without_network(), *watched)) as service:
        assert ask("unix:a.sock", healthy(), folder).status.code == 0
        assert ask("unix:a.sock", request(token="a.b.c"), folder).status.code == 16
        assert "NETWORK" not in service.log()


def test_the_watch_for_network_use_sees_supervisor_and_worker(folder: Path, watched: tuple[str, ...]) -> None:
    """The test above can fail."""
    with running(folder, "--keys", "keys", "--listen", "localhost:0", command=watched) as service:
        assert service.log().count("NETWORK socket.getaddrinfo") > 1


def test_the_command_is_the_package(folder: Path) -> None:
    """`authz` and `python -m authz` are one program."""
    script = Path(sys.executable).with_name("authz")
    with running(folder, *SOCKET, command=(str(script), COMMAND[-1])) as service:
        assert service.addresses() == ["unix:a.sock"]


def test_a_socket_is_not_left_open_to_others_by_a_wide_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        with running(folder, *SOCKET):
            assert stat.S_IMODE((folder / "a.sock").stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_a_connection_that_says_nothing_does_not_hold_it_up(folder: Path) -> None:
    with running(folder, *ANY_PORT) as service:
        host, _, port = service.addresses()[0].rpartition(":")
        with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))) as rude:
            rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert ask(f"{host}:{port}", healthy(), folder).status.code == 0
