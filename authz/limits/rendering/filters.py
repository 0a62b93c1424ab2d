"""What both engines put into the bootstrap: filters that Envoy reads from files, and one set of headers."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Final

from authz.limits.rendering.bootstrap import Marker
from authz.limits.rendering.descriptors import Data, Group, Quota
from authz.limits.rendering.rendered_file import Content

ADDRESSES: Final = "addresses"
SCOPE: Final = "x-ratelimit-scope"
_HEADERS: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_MUTATION: Final = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"


def _from_file(name: str, folder: PurePath, kind: str) -> Data:
    """Return a filter that Envoy reads from a file, and reads again when another is moved there."""
    path = {"path": f"{folder.as_posix()}/{name}.yaml", "watched_directory": {"path": folder.as_posix()}}
    source = {"resource_api_version": "V3", "path_config_source": path}
    return {"name": f"limits_{name}", "config_discovery": {"config_source": source, "type_urls": [kind]}}


def content(name: str, config: Data, quotas: Sequence[Quota] = ()) -> Content:
    """Return what a filter's file holds. Its version, a digest of the configuration, is what a running Envoy shows."""
    kind = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    data = {
        "version_info": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16],
        "resources": [{"@type": kind, "name": f"limits_{name}", "typed_config": config}],
    }
    return Content(data, quotas)


def _one_set_of_headers(retry_after: str) -> Data:
    """Return the filter that leaves clients one value of each header, out of those that every limit adds.

    It stands before all limits, so it sees an answer last; the first value is that of the limit that refused.
    """
    values = {**{name: f"%RESP({name})%" for name in _HEADERS}, "retry-after": retry_after}
    return {
        "name": "limits_headers",
        "typed_config": _response_mutations(
            {"append": set_header(name, value, "OVERWRITE_IF_EXISTS")} for name, value in values.items() if value
        ),
    }


def sections(
    groups: Iterable[Group], folder: PurePath, kind: str, retry_after: str
) -> dict[Marker, Sequence[Data] | Data]:
    """Return the filters before and behind authz; their files lie in `folder`."""
    first, *others = (_from_file(group, folder, kind) for group in groups)
    return {
        Marker.BEFORE_AUTHZ: [_one_set_of_headers(retry_after), _from_file(ADDRESSES, folder, kind)],
        Marker.BEHIND_AUTHZ: [first, _users_headers_only(), *others],
    }


def refusal_headers(scope: str, retry_after: str) -> list[Data]:
    """Return the headers of a refusal: whose limit refused, for clients and the access log, and when to come back."""
    return [set_header(SCOPE, scope), set_header("retry-after", retry_after)]


def set_header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Data:
    """Return a header that Envoy is to set."""
    return {"header": {"key": name, "value": value}, "append_action": action}


def _users_headers_only() -> Data:
    """Return the filter that removes what the limits behind it, and the backend, tell of themselves.

    It stands behind the users' limit, which is therefore what an answer shows. A refusal is left alone; it is known by
    its scope and not by its status, which is 200 for gRPC and may be a backend's own 429.
    """
    name = "limits_headers_of_users"
    kind = "type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput"
    skip = "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter"
    refused = {
        "input": {"name": "refused", "typed_config": {"@type": kind, "header_name": SCOPE}},
        "value_match": {"safe_regex": {"google_re2": {}, "regex": ".+"}},
    }
    matcher = {
        "predicate": {"single_predicate": refused},
        "on_match": {"action": {"name": "skip", "typed_config": {"@type": skip}}},
    }
    return {
        "name": name,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": {
                "name": name,
                "typed_config": _response_mutations({"remove": each} for each in _HEADERS),
            },
            "xds_matcher": {"matcher_list": {"matchers": [matcher]}},
        },
    }


def _response_mutations(mutations: Iterable[Data]) -> Data:
    return {"@type": _MUTATION, "mutations": {"response_mutations": list(mutations)}}
