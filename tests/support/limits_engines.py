"""Models of both engines: which of the rendered limits count for a request. tests/limits asks the real ones."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final

import yaml

from authz.limits.rendering.rendered_file import RenderedFile

SECONDS: Final = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
Descriptor = tuple[tuple[str, str], ...]
Counted = dict[Descriptor, str]
"""The buckets that a request draws from: the values they are kept by, and the rate."""


class Asked:
    """A request behind authz, with the facts that authz gave Envoy about it."""

    def __init__(self, unit_primitive: str = "read", address: str = "198.51.100.7", **facts: str) -> None:
        usual = {"backend_service": "alpha", "tier": "any", "realm": "self-managed", "instance_id": "i", "user_id": "u"}
        self.facts: Mapping[str, str] = {**usual, "limited_instance_id": "i", **facts}
        self.unit_primitive = unit_primitive
        self.address = ip_address(address)

    def descriptor(self, actions: Sequence[Mapping[str, Any]]) -> Descriptor | None:
        """What one list of actions makes of it; one that fails makes nothing at all."""
        steps = [self._step(kind, each) for action in actions for kind, each in action.items()]
        return None if None in steps else tuple(step for step in steps if step is not None)

    def _step(self, kind: str, action: Mapping[str, Any]) -> tuple[str, str] | None:
        match kind:
            case "metadata":
                (path,) = action["metadata_key"]["path"]
                value = self.facts.get(path["key"], "")
                return (action["descriptor_key"], value) if value else None
            case "generic_key":
                return action["descriptor_key"], action["descriptor_value"]
            case "header_value_match":
                (header,) = action["headers"]
                assert header["name"] == "x-gitlab-authorized-unit-primitive"
                matches = re.fullmatch(header["string_match"]["safe_regex"]["regex"], self.unit_primitive)
                return (action["descriptor_key"], action["descriptor_value"]) if matches else None
            case "extension":
                return self._tier(action["typed_config"])
            case "remote_address_match":
                ranges = action["address_matcher"]["ranges"]
                networks = [ip_network(f"{each['address_prefix']}/{each['prefix_len']}") for each in ranges]
                inside = any(self.address in network for network in networks)
                assert action["address_matcher"]["invert_match"]
                return None if inside else (action["descriptor_key"], action["descriptor_value"])
            case "masked_remote_address":
                length = action[f"v{self.address.version}_prefix_mask_len"]
                return "masked_remote_address", str(ip_network(f"{self.address}/{length}", strict=False))
        raise AssertionError(f"an action that we never render: {kind}")

    def _tier(self, config: Mapping[str, str]) -> tuple[str, str] | None:
        facts = r"metadata\.filter_metadata\['envoy\.filters\.http\.ext_authz'\]"
        known, _, default = config["text"].rpartition(f" ? {facts.replace(chr(92), '')}.tier : ")
        pairs = re.findall(rf"{facts}\.backend_service in (\[.*?\]) && {facts}\.tier in (\[.*?\])", known)
        assert re.sub(r"\[.*?\]", "", known).count("in ") == 2 * len(pairs)
        tier = self.facts.get("tier")
        if tier is None:
            return None
        asked = (f"'{self.facts['backend_service']}'", f"'{tier}'")
        good = any(all(name in names for name, names in zip(asked, pair, strict=True)) for pair in pairs)
        return config["descriptor_key"], tier if good else default.strip("'")


def embedded(files: Mapping[str, RenderedFile], name: str, asked: Asked) -> Counted:
    """Which buckets of an embedded filter a request draws from."""
    (resource,) = yaml.load(files[f"embedded/{name}.yaml"].text, yaml.CSafeLoader)["resources"]
    config = resource["typed_config"]
    counted: Counted = {}
    for made in (asked.descriptor(each["actions"]) for each in config["rate_limits"]):
        fitting = [each for each in config["descriptors"] if made is not None and _fits(made, each["entries"])]
        exact = [each for each in fitting if all("value" in entry for entry in each["entries"])] or fitting
        assert len(exact) <= 1, "overlapping wildcards: a random one would win"
        for each in exact:
            bucket = each["token_bucket"]
            assert bucket["max_tokens"] == bucket["tokens_per_fill"]
            shadow = " in shadow" if each.get("shadow_mode") else ""
            counted[made or ()] = f"{bucket['max_tokens']}/{bucket['fill_interval']}{shadow}"
    return counted


def _fits(made: Descriptor, entries: Sequence[Mapping[str, str]]) -> bool:
    return [key for key, _ in made] == [entry["key"] for entry in entries] and all(
        entry.get("value", value) == value for (_, value), entry in zip(made, entries, strict=True)
    )


def shared(files: Mapping[str, RenderedFile], name: str, asked: Asked) -> Counted:
    """Which counters of the rate limit service a request's answer or arrival adds to."""
    (resource,) = yaml.load(files[f"shared/{name}.yaml"].text, yaml.CSafeLoader)["resources"]
    domain = yaml.load(files[f"shared/ratelimit/{name}.yaml"].text, yaml.CSafeLoader)
    assert resource["typed_config"]["domain"] == domain["domain"]
    counted: Counted = {}
    for rate_limit in resource["typed_config"]["rate_limits"]:
        made = asked.descriptor(rate_limit["actions"])
        if made is None or "hits_addend" in rate_limit:
            continue
        node: Mapping[str, Any] = domain
        for key, value in made:
            below = node.get("descriptors", ())
            exact = [each for each in below if each["key"] == key and each.get("value") == value]
            found = exact or [each for each in below if each["key"] == key and "value" not in each]
            assert len(found) <= 1, "the service refuses what stands twice"
            node = found[0] if found else {}
        if "rate_limit" in node:
            rate = node["rate_limit"]
            shadow = " in shadow" if node.get("shadow_mode") else ""
            counted[made] = f"{rate['requests_per_unit']}/{SECONDS[rate['unit']]}s{shadow}"
    return counted
