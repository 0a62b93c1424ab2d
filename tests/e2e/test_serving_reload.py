"""After a reload that ends a trust, the door refuses tokens that all workers have cached."""

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import pytest

from tests.support.cases.case_file import POLICY
from tests.support.certificates import Certificate, pem
from tests.support.e2e.chains import LEAF, SISTER, STARTED, chain_token, write_keys_and_anchors
from tests.support.e2e.door import Door, open_door
from tests.support.e2e.http_client import Answer, HttpClient
from tests.support.e2e.processes import Service
from tests.support.issuers import PRODUCTION
from tests.support.minting import INSTANCE, USER, Minter
from tests.support.signing import key

WORKERS: Final = 2
ASKED: Final = 6 * WORKERS
COMPLETIONS: Final = "/ai/v2/code/completions"
TOKEN_ID: Final = "0f8fad5b-d9cb-469f-a165-70867728950e"
KEY: Final = PRODUCTION["customers-dot"].key
"""The issuer of the tokens below, except the user's and those with certificates."""


REVOCATIONS: Final = "policy/revocations.yml"
NOTHING: Final = "instances: []\n"
LEAF_REVOKED: Final = f"certificates: [{{value: {LEAF.thumbprint}, reason: its key was in a backup}}]"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door with two workers and a policy to edit."""
    folder = tmp_path_factory.mktemp("reload")
    policy = shutil.copytree(POLICY, folder / "policy", ignore=shutil.ignore_patterns("schema", "keys"))
    (folder / REVOCATIONS).write_text(NOTHING)
    serve = partial(Service, policy=policy, workers=WORKERS)
    with open_door(folder, write_keys_and_anchors, serve) as opened:
        opened.wait_until(lambda: opened.envoy.healthy("authz") == WORKERS, "every worker, as Envoy sees it")
        yield opened


def reloads(door: Door, outcome: str) -> int:
    return door.authz.counted(f'authz_policy_reloads_total{{outcome="{outcome}"}}')


def reload(door: Door, file: str, text: str) -> None:
    """Replace a file by a move, and wait until it is in force, without a restart."""
    before, pids = reloads(door, "success"), door.authz.pids()
    prepared = (door.folder / file).with_name(".new")
    prepared.write_text(text, "utf-8")
    prepared.replace(door.folder / file)
    door.wait_until(lambda: reloads(door, "success") > before, "a reload")
    assert (reloads(door, "failure"), door.authz.pids()) == (0, pids)


def cached(door: Door) -> int:
    """Return the number of tokens in all workers' caches."""
    return door.authz.counted('authz_cache_entries{cache="tokens"}')


def of_instance(client: HttpClient) -> Answer:
    return client.ask("POST", COMPLETIONS, ["complete_code"])


def of_user(client: HttpClient) -> Answer:
    return client.ask("POST", COMPLETIONS, ["complete_code"], issuer="ai-gateway")


def with_certificates(client: HttpClient) -> Answer:
    return client.ask("POST", COMPLETIONS, headers={"authorization": f"Bearer {chain_token(client.mint)}"})


def revoked(text: str) -> tuple[str, str]:
    return REVOCATIONS, f"{text}\n"


# The request, the change that ends the trust, and whether limits count it as a failed authentication, which they do not
# for a known customer.
ENDS: Final[dict[str, tuple[Callable[[HttpClient], Answer], tuple[str, str], str | None]]] = {
    "a revoked instance": (of_instance, revoked(f"instances: [{{value: {INSTANCE}, reason: stolen}}]"), None),
    "a revoked user": (of_user, revoked(f'users: [{{value: "{USER}", reason: laptop stolen}}]'), None),
    "a revoked token": (of_instance, revoked(f"token_ids: [{{value: {TOKEN_ID}, reason: in a log}}]"), None),
    "a revoked key": (
        of_instance,
        revoked(f"key_ids: [{{value: {{issuer: customers-dot, kid: {KEY.kid}}}, reason: leaked}}]"),
        None,
    ),
    "a revoked certificate": (with_certificates, revoked(LEAF_REVOKED), None),
    "a removed key": (
        of_instance,
        ("run/keys/customers-dot.jwks.json", json.dumps({"keys": [key("another").jwk()]})),
        "failed",
    ),
    "a removed anchor": (
        with_certificates,
        ("run/keys/customers-dot.ca.pem", pem([Certificate("Another root", ca=True, now=STARTED)])),
        "failed",
    ),
}


@pytest.mark.parametrize(("ask", "end", "auth_outcome"), ENDS.values(), ids=ENDS.keys())
def test_a_cached_token_is_refused_after_the_reload(
    door: Door, mint: Minter, ask: Callable[[HttpClient], Answer], end: tuple[str, str], auth_outcome: str | None
) -> None:
    client, (file, text) = HttpClient(door.plain, mint), end
    before = (door.folder / file).read_text("utf-8")
    door.wait_until(lambda: cached(door) == 0, "caches that are empty")

    def all_have_cached_it() -> bool:
        assert ask(client).status == 200
        return cached(door) == WORKERS

    door.wait_until(all_have_cached_it, "every worker's memory of the token")
    reload(door, file, text)
    with door.no_request_at_backends():
        answers = [ask(client) for _ in range(ASKED)]
    refusals = {(answer.status, answer.json()["reason"], answer.json()["error"]) for answer in answers}
    assert refusals == {(401, "invalid_token", "Forbidden by auth provider")}
    line = door.log_line(answers[0].request_id)
    assert (line["outcome"], line["auth_outcome"]) == ("denied", auth_outcome)
    reload(door, file, before)
    assert {ask(client).status for _ in range(ASKED)} == {200}
    reload(door, REVOCATIONS, f"{NOTHING}# {uuid.uuid4()}: another policy, with an empty cache\n")


def test_others_pass(door: Door, mint: Minter) -> None:
    client, before = HttpClient(door.plain, mint), (door.folder / REVOCATIONS).read_text("utf-8")
    other = str(uuid.uuid4())
    reload(door, REVOCATIONS, f"instances: [{{value: {other}, reason: stolen}}]\n{LEAF_REVOKED}\n")
    sister = chain_token(mint, SISTER, issuer="gitlab-com")
    headers = {"authorization": f"Bearer {sister}"}
    for _ in range(ASKED):
        assert with_certificates(client).status == 401
        assert of_instance(client).status == 200
        assert client.ask("POST", COMPLETIONS, issuer="gitlab-com", headers=headers).status == 200
    reload(door, REVOCATIONS, before)
