"""What is rendered: the same limits for both engines, for every caller that a request can have."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Final

import pytest
import yaml

from authz.limits.rendering.files import rendered
from authz.limits.rendering.rendered_file import RenderedFile
from tests.support.limits import limits
from tests.support.limits_engines import Asked, Counted, embedded, shared
from tests.support.tables import row

BOOTSTRAP: Final = """\
# The door.
filters:
- name: first
# limits: before authz
- name: authz   # decides
  headers:
  # limits: headers for authz
# limits: behind authz
log:
  tier: "-"
  # limits: access log
clusters:
- name: backend
# limits: clusters
"""
UNITS: Final = (
    "addresses:\n",
    "    unit_primitives: {read: {tiers: {any: {share: 5%, instance: 3/hour, user: 2/minute}}}}\naddresses:\n",
)
NAMESPACES: Final = ("instance: 60/minute", "instance: 60/minute, namespace: 70/minute")
"""An edit that limits each root namespace, in tier large alone."""


def exceptional(customer: str, rate: str, scope: str = "instance") -> tuple[str, str]:
    """An edit that gives one customer a limit of its own."""
    entry = f"{{limited_{scope}_id: {customer}, reason: r, backend_services: {{alpha: {{{scope}: {rate}}}}}}}"
    return "addresses:\n", f"exceptions: [{entry}]\naddresses:\n"


EXCEPTION: Final = exceptional("big", "90/minute")
NAMESPACE_EXCEPTION: Final = exceptional("'9970'", "90/minute", "namespace")
EXEMPT: Final = ("  refusals: 30/hour", "  refusals: 30/hour\n  exempt: [192.0.2.0/24, '2001:db8:1::/48']")
ENGINES: Final = pytest.mark.parametrize("engine", [embedded, shared], ids=["embedded", "shared"])


def render(folder: Path, *edits: tuple[str, str]) -> Mapping[str, RenderedFile]:
    source = PurePath("envoy/limits.yaml")
    read = limits(folder, *edits)
    headers = ("authorization", "x-purpose")
    return rendered(read, headers, source, BOOTSTRAP, PurePath("envoy/envoy.yaml"), PurePath("envoy/rendered"))


def content(file: RenderedFile) -> Any:  # Any: YAML
    return yaml.load(file.text, yaml.CSafeLoader)


def rates(counted: Counted) -> list[str]:
    return sorted(counted.values())


@ENGINES
def test_a_request_counts_for_its_user_its_instance_and_its_tier(tmp_path: Path, engine: Any) -> None:
    files = render(tmp_path)
    asked = Asked(tier="small")
    assert engine(files, "users", asked) == {
        (("backend_service", "alpha"), ("tier", "small"), ("realm", "self-managed"), ("instance_id", "i"),
         ("user_id", "u")): "5/60s"
    }  # fmt: skip
    assert engine(files, "instances", asked) == {
        (("backend_service", "alpha"), ("tier", "small"), ("limited_instance_id", "i")): "50/60s"
    }
    assert engine(files, "tiers", asked) == {(("backend_service", "alpha"), ("tier", "small")): "300/60s"}


@ENGINES
def test_an_unknown_tier_draws_from_the_default_tier(tmp_path: Path, engine: Any) -> None:
    files = render(tmp_path)
    for name in ("users", "instances", "tiers"):
        assert engine(files, name, Asked(tier="gold")) == engine(files, name, Asked(tier="any")) != {}


@ENGINES
def test_a_tier_that_is_left_out_at_one_backend_draws_from_the_default_tier_there(tmp_path: Path, engine: Any) -> None:
    beta = "  beta:\n    capacity: 10/second\n    tiers: {any: {share: 10%, instance: 1/second, user: 1/second}}\n"
    files = render(tmp_path, ("addresses:\n", f"{beta}addresses:\n"), EXCEPTION)
    assert rates(engine(files, "tiers", Asked(tier="large"))) == ["600/60s"]
    assert engine(files, "tiers", Asked(tier="large", backend_service="beta")) == {
        (("backend_service", "beta"), ("tier", "any")): "1/1s"
    }
    big = Asked(tier="large", backend_service="beta", limited_instance_id="big")
    assert rates(engine(files, "instances", big)) == ["1/1s"], "excepted at the other backend only"


@ENGINES
def test_who_has_no_instance_to_be_limited_by_still_counts_for_user_and_tier(tmp_path: Path, engine: Any) -> None:
    files = render(tmp_path)
    saas = Asked(realm="saas", limited_instance_id="")
    assert engine(files, "instances", saas) == {}
    assert rates(engine(files, "users", saas)) == ["4/60s"]
    assert rates(engine(files, "tiers", saas)) == ["100/60s"]


def of_gitlab_com(tier: str = "large", namespace: str = "24", unit_primitive: str = "read") -> Asked:
    """A request of one of gitlab.com's customers."""
    return Asked(unit_primitive, tier=tier, realm="saas", limited_instance_id="", limited_namespace_id=namespace)


@ENGINES
def test_a_request_of_gitlab_com_counts_for_its_user_its_root_namespace_and_its_tier(
    tmp_path: Path, engine: Any
) -> None:
    files = render(tmp_path, NAMESPACES)
    assert rates(engine(files, "users", of_gitlab_com())) == ["6/60s"]
    assert engine(files, "instances", of_gitlab_com()) == {}
    assert engine(files, "namespaces", of_gitlab_com()) == {
        (("backend_service", "alpha"), ("tier", "large"), ("limited_namespace_id", "24")): "70/60s"
    }
    assert rates(engine(files, "tiers", of_gitlab_com())) == ["600/60s"]


@ENGINES
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(Asked(tier="large"), id="an instance of its own"),
        pytest.param(of_gitlab_com(namespace=""), id="no namespace in the token"),
        pytest.param(of_gitlab_com(tier="small"), id="a tier without such a limit"),
    ],
)
def test_no_namespace_limit_counts_who_has_none(tmp_path: Path, engine: Any, asked: Asked) -> None:
    assert engine(render(tmp_path, NAMESPACES), "namespaces", asked) == {}


@ENGINES
def test_a_unit_primitive_may_limit_namespaces_alone(tmp_path: Path, engine: Any) -> None:
    unit = "    unit_primitives: {read: {tiers: {large: {namespace: 3/hour}}}}\naddresses:\n"
    files = render(tmp_path, ("addresses:\n", unit))
    assert engine(files, "namespaces", of_gitlab_com()) == {
        (("backend_service", "alpha"), ("unit_primitive", "read"), ("tier", "large"),
         ("limited_namespace_id", "24")): "3/3600s"
    }  # fmt: skip
    assert engine(files, "namespaces", of_gitlab_com(unit_primitive="write")) == {}
    assert rates(engine(files, "users", of_gitlab_com())) == ["6/60s"]


@ENGINES
def test_an_exception_replaces_one_namespaces_limit_and_holds_in_tiers_that_have_none(
    tmp_path: Path, engine: Any
) -> None:
    files = render(tmp_path, NAMESPACES, NAMESPACE_EXCEPTION)
    for tier, others in (("large", ["70/60s"]), ("small", []), ("gold", [])):
        assert rates(engine(files, "namespaces", of_gitlab_com(tier, "9970"))) == ["90/60s"]
        assert rates(engine(files, "namespaces", of_gitlab_com(tier))) == others


@ENGINES
@pytest.mark.parametrize("tier", ["large", "small"], ids=["beside a limit", "in a tier without one"])
def test_an_exception_of_a_namespace_may_be_in_shadow(tmp_path: Path, engine: Any, tier: str) -> None:
    shadow = ("namespace: 90/minute", "namespace: {limit: 90/minute, shadow: true}")
    files = render(tmp_path, NAMESPACES, NAMESPACE_EXCEPTION, shadow)
    assert rates(engine(files, "namespaces", of_gitlab_com(tier, "9970"))) == ["90/60s in shadow"]


@ENGINES
def test_an_exception_of_a_namespace_is_none_of_an_instance_with_that_id(tmp_path: Path, engine: Any) -> None:
    files = render(tmp_path, NAMESPACES, NAMESPACE_EXCEPTION)
    assert rates(engine(files, "instances", Asked(tier="large", limited_instance_id="9970"))) == ["60/60s"]
    files = render(tmp_path, NAMESPACES, exceptional("'24'", "90/minute"))
    assert rates(engine(files, "namespaces", of_gitlab_com())) == ["70/60s"]


@ENGINES
def test_an_exception_replaces_one_instances_limit_in_every_tier(tmp_path: Path, engine: Any) -> None:
    files = render(tmp_path, EXCEPTION)
    for tier, others in (("any", "40/60s"), ("large", "60/60s"), ("gold", "40/60s")):
        assert rates(engine(files, "instances", Asked(tier=tier, limited_instance_id="big"))) == ["90/60s"]
        assert rates(engine(files, "instances", Asked(tier=tier))) == [others]


@ENGINES
@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ("read", True),
        ("read,write", True),
        ("write,read", True),
        ("a,read,b", True),
        ("reader", False),
        ("b,thread", False),
    ],
)
def test_a_unit_primitive_counts_wherever_it_is_answered_with(
    tmp_path: Path, engine: Any, answer: str, counts: bool
) -> None:
    files = render(tmp_path, UNITS)
    alone, asked = Asked("read"), Asked(answer)
    for name in ("users", "instances", "unit_primitives"):
        of_unit = {each for each in engine(files, name, asked) if ("unit_primitive", "read") in each}
        assert of_unit == (
            {each for each in engine(files, name, alone) if ("unit_primitive", "read") in each} if counts else set()
        )
    assert rates(engine(files, "users", asked)) == (["2/60s", "4/60s"] if counts else ["4/60s"])
    assert rates(engine(files, "instances", asked)) == (["3/3600s", "40/60s"] if counts else ["40/60s"])
    assert rates(engine(files, "unit_primitives", asked)) == (["50/60s"] if counts else [])
    assert rates(engine(files, "tiers", asked)) == ["100/60s"]


@ENGINES
def test_another_tier_has_no_limit_on_a_unit_primitive_that_does_not_name_it(tmp_path: Path, engine: Any) -> None:
    files = render(tmp_path, UNITS)
    assert rates(engine(files, "users", Asked(tier="large"))) == ["6/60s"]
    assert engine(files, "unit_primitives", Asked(tier="large")) == {}


@ENGINES
def test_a_public_endpoint_has_no_quota(tmp_path: Path, engine: Any) -> None:
    files = render(tmp_path, UNITS)
    public = Asked("", tier="", realm="", instance_id="", user_id="", limited_instance_id="")
    public.facts = {"backend_service": "alpha", "outcome": "allowed"}
    for name in ("users", "instances", "unit_primitives", "tiers"):
        assert engine(files, name, public) == {}


SHADOWED: Final = (
    ("user: 4/minute", "user: {limit: 4/minute, shadow: true}"),
    ("share: 10%", "share: {share: 10%, shadow: true}"),
)


@ENGINES
def test_shadow_is_a_matter_of_one_limit(tmp_path: Path, engine: Any) -> None:
    files = render(tmp_path, *SHADOWED)
    assert rates(engine(files, "users", Asked())) == ["4/60s in shadow"]
    assert rates(engine(files, "users", Asked(tier="small"))) == ["5/60s"]
    assert rates(engine(files, "tiers", Asked())) == ["100/60s in shadow"]
    assert rates(engine(files, "instances", Asked())) == ["40/60s"]


@pytest.mark.parametrize("folder", ["embedded", "shared"])
def test_what_is_in_shadow_is_not_shown_to_clients(tmp_path: Path, folder: str) -> None:
    (resource,) = content(render(tmp_path, *SHADOWED)[f"{folder}/users.yaml"])["resources"]
    shown = [
        (each.get("x_ratelimit_option"), "generic_key" in each["actions"][0])
        for each in resource["typed_config"]["rate_limits"]
    ]
    assert shown == [("OFF", True), (None, False)]


@ENGINES
@pytest.mark.parametrize(
    ("tier", "own", "counted"),
    [
        pytest.param(False, False, ["90/60s"], id="both enforced"),
        pytest.param(False, True, ["90/60s in shadow"], id="the exception counts alone and refuses no request"),
        pytest.param(
            True, False, ["40/60s in shadow", "90/60s"], id="the exception refuses although its tier does not"
        ),
        pytest.param(True, True, ["90/60s in shadow"], id="both in shadow"),
    ],
)
def test_an_exception_is_in_shadow_by_itself(
    tmp_path: Path, engine: Any, tier: bool, own: bool, counted: list[str]
) -> None:
    shadow = [
        *([("instance: 40/minute", "instance: {limit: 40/minute, shadow: true}")] if tier else []),
        *([("instance: 90/minute", "instance: {limit: 90/minute, shadow: true}")] if own else []),
    ]
    files = render(tmp_path, EXCEPTION, *shadow)
    assert rates(engine(files, "instances", Asked(limited_instance_id="big"))) == counted


def test_attempts_count_by_address_in_the_embedded_engine(tmp_path: Path) -> None:
    files = render(tmp_path)
    assert embedded(files, "addresses", Asked(address="198.51.100.7")) == {
        (("masked_remote_address", "198.51.100.7/32"),): "100/1s"
    }
    assert embedded(files, "addresses", Asked(address="2001:db8::1:2:3:4")) == {
        (("masked_remote_address", "2001:db8::/64"),): "100/1s"
    }


def test_refusals_count_by_address_in_the_shared_engine(tmp_path: Path) -> None:
    files = render(tmp_path)
    failed = Asked(outcome="denied", auth_outcome="failed")
    assert rates(shared(files, "addresses", failed)) == ["20/60s", "30/3600s"]
    assert rates(shared(files, "addresses", Asked(outcome="denied"))) == ["30/3600s"]
    assert shared(files, "addresses", Asked(outcome="allowed")) == {}


def test_before_the_answer_is_known_both_counters_are_asked_and_nothing_is_added(tmp_path: Path) -> None:
    (resource,) = content(render(tmp_path, EXEMPT)["shared/addresses.yaml"])["resources"]
    config = resource["typed_config"]
    asked = [each for each in config["rate_limits"] if each.get("hits_addend") == {"number": 0}]
    charged = [each for each in config["rate_limits"] if each.get("apply_on_stream_done") is True]
    assert len(asked) == len(charged) == 2
    assert len(config["rate_limits"]) == 4
    caller = Asked(outcome="denied", auth_outcome="failed")
    assert [caller.descriptor(each["actions"]) for each in asked] == [
        caller.descriptor(each["actions"]) for each in charged
    ]
    assert config["enable_x_ratelimit_headers"] == "OFF"
    assert {"key": "retry-after", "value": "3600"} in [each["header"] for each in config["response_headers_to_add"]]


@ENGINES
@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8:1::9"])
def test_exempt_networks_are_not_counted(tmp_path: Path, engine: Any, address: str) -> None:
    files = render(tmp_path, EXEMPT)
    denied = {"outcome": "denied", "auth_outcome": "failed"}
    assert engine(files, "addresses", Asked(address=address, **denied)) == {}
    assert engine(files, "addresses", Asked(**denied)) != {}


@pytest.mark.parametrize("engine", ["embedded", "shared"])
def test_attempts_or_refusals_in_shadow_are_not_enforced(tmp_path: Path, engine: str) -> None:
    files = render(
        tmp_path,
        ("attempts: 100/second", "attempts: {limit: 100/second, shadow: true}"),
        ("refusals: 30/hour", "refusals: {limit: 30/hour, shadow: true}"),
    )
    if engine == "embedded":
        assert rates(embedded(files, "addresses", Asked())) == ["100/1s in shadow"]
        (resource,) = content(files["embedded/addresses.yaml"])["resources"]
        assert resource["typed_config"]["rate_limits"][0]["x_ratelimit_option"] == "OFF"
    else:
        assert rates(shared(files, "addresses", Asked(outcome="denied"))) == ["30/3600s in shadow"]


@pytest.mark.parametrize(
    ("edits", "namespaces"),
    [
        row("as many namespaces as users, if nothing else is said", (), 40),
        row("a number of their own", (("instances: 3}", "instances: 3, namespaces: 7}"),), 14),
    ],
)
def test_buckets_are_twice_as_many_as_callers_are_expected(
    tmp_path: Path, edits: tuple[tuple[str, str], ...], namespaces: int
) -> None:
    files = render(tmp_path, UNITS, NAMESPACES, *edits)
    sizes = {
        name: content(file)["resources"][0]["typed_config"].get("max_dynamic_descriptors")
        for name, file in files.items()
        if name.startswith("embedded/") and name != "embedded/envoy.yaml"
    }
    assert sizes == {
        "embedded/addresses.yaml": 2,
        "embedded/users.yaml": 40,
        "embedded/instances.yaml": 6,
        "embedded/namespaces.yaml": namespaces,
        "embedded/unit_primitives.yaml": None,
        "embedded/tiers.yaml": None,
    }


@pytest.mark.parametrize(("on_failure", "deny"), [("allow", False), ("deny", True)])
def test_what_follows_when_the_service_fails_is_a_setting(tmp_path: Path, on_failure: str, deny: bool) -> None:
    files = render(tmp_path, ("on_failure: allow", f"on_failure: {on_failure}"))
    for name in ("addresses", "users", "instances", "tiers"):
        (resource,) = content(files[f"shared/{name}.yaml"])["resources"]
        config = resource["typed_config"]
        assert config["failure_mode_deny"] is deny
        assert config["status_on_error"] == {"code": "ServiceUnavailable"}
        assert config["timeout"] == "0.05s"
        assert config["metadata_namespace"] == f"limits.{name}"


def test_the_bootstrap_keeps_its_text_and_gets_the_filters_in_their_order(tmp_path: Path) -> None:
    for engine in ("embedded", "shared"):
        text = render(tmp_path, UNITS, NAMESPACES)[f"{engine}/envoy.yaml"].text
        assert text.startswith(
            "# rendered from envoy/envoy.yaml and envoy/limits.yaml by `authz limits render`: edit that\n"
        )
        assert "# The door.\n" in text
        assert "- name: authz   # decides\n" in text
        assert "# limits:" not in text
        document = yaml.load(text, yaml.CSafeLoader)
        assert [each["name"] for each in document["filters"]] == [
            "first", "limits_headers", "limits_addresses", "authz", "limits_users", "limits_headers_of_users",
            "limits_instances", "limits_namespaces", "limits_unit_primitives", "limits_tiers",
        ]  # fmt: skip
        assert document["filters"][3]["headers"] == [
            {"exact": "authorization", "ignore_case": True}, {"exact": "x-purpose", "ignore_case": True},
        ]  # fmt: skip
        for name in ("addresses", "users", "instances", "namespaces", "unit_primitives", "tiers"):
            assert f"path: envoy/rendered/{engine}/{name}.yaml\n" in text
        assert set(document["log"]) == {"tier", *(["limits_failed"] if engine == "shared" else [])}
        names = [each["name"] for each in document["clusters"]]
        assert names == ["backend", *(["ratelimit"] if engine == "shared" else [])]


@pytest.mark.parametrize(
    ("edits", "more"),
    [
        row("without anything optional", (), ()),
        row("namespaces", (NAMESPACES,), ("namespaces",)),
        row("an exception alone", (NAMESPACE_EXCEPTION,), ("namespaces",)),
        row("a unit primitive", (UNITS,), ("unit_primitives",)),
    ],
)
def test_the_files_are_those_that_have_limits(
    tmp_path: Path, edits: tuple[tuple[str, str], ...], more: tuple[str, ...]
) -> None:
    names = ("addresses", "users", "instances", "tiers", *more)
    assert set(render(tmp_path, *edits)) == {
        "embedded/envoy.yaml", "shared/envoy.yaml",
        *(f"{folder}/{name}.yaml" for folder in ("embedded", "shared", "shared/ratelimit") for name in names),
    }  # fmt: skip


def test_a_files_version_changes_with_its_limits_alone(tmp_path: Path) -> None:
    before = render(tmp_path)
    after = render(tmp_path, ("user: 4/minute", "user: 3/minute"))
    changed = {name for name, file in after.items() if file.text != before[name].text}
    assert changed == {"embedded/users.yaml", "shared/ratelimit/users.yaml"}
    assert (
        content(before["embedded/users.yaml"])["version_info"] != content(after["embedded/users.yaml"])["version_info"]
    )


@ENGINES
@pytest.mark.parametrize(
    "instance", ["12", "no", "y", "null", "0x1f", "1e3", "08", "a:b", "6b1e6a52-4d3c-4f0e-9b7d-2f4c8a1d9e33"]
)
def test_ids_that_yaml_would_read_as_something_else_stay_what_they_are(
    tmp_path: Path, engine: Any, instance: str
) -> None:
    files = render(tmp_path, exceptional(f"'{instance}'", "9/minute"))
    assert rates(engine(files, "instances", Asked(limited_instance_id=instance))) == ["9/60s"]
