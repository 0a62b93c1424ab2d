"""What both engines put into the bootstrap: places for the filters of limits, and one set of headers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final

from authz.limits.rendering.descriptors import Group
from authz.limits.rendering.text import Line, Page, indented, lines

ADDRESSES: Final = "addresses"
_HEADERS: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_MUTATION: Final = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"


def slot(name: str, folder: PurePath, kind: str) -> tuple[Line, ...]:
    """Return the place of a filter that Envoy reads from a file, and reads again when that is moved there."""
    return lines(
        f"""\
- name: limits_{name}
  config_discovery:
    config_source:
      resource_api_version: V3
      path_config_source:
        path: {folder.as_posix()}/{name}.yaml
        watched_directory: {{path: {folder.as_posix()}}}
    type_urls: [{kind}]
"""
    )


def file_page(name: str, header: Line, typed_config: Iterable[Line]) -> Page:
    """Return the file of one filter. Its version, a digest, is what a running Envoy shows of it."""
    inner = indented(4, typed_config)
    digest = hashlib.sha256("\n".join(line.text for line in inner).encode()).hexdigest()[:16]
    return Page(
        (
            header,
            Line(f'version_info: "{digest}"'),
            Line("resources:"),
            Line('- "@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig'),
            Line(f"  name: limits_{name}"),
            Line("  typed_config:"),
            *inner,
        )
    )


def one_set_of_headers(retry: str) -> tuple[Line, ...]:
    """Return the filter that leaves clients one value of each header, out of those that every limit adds.

    It stands before all limits, so it sees an answer last; the first value is that of the limit that refused.
    """
    mutations = [(name, f"%RESP({name})%") for name in _HEADERS]
    return (
        *lines(
            f"""\
# Every limit adds x-ratelimit-* of its own to an answer. The first set is that of the limit that refused, and it stays.
- name: limits_headers
  typed_config:
    "@type": {_MUTATION}
    mutations:
      response_mutations:
"""
        ),
        *(_overwrite(name, value) for name, value in [*mutations, ("retry-after", retry)] if value),
    )


def _overwrite(name: str, value: str) -> Line:
    header = f'{{key: {name}, value: "{value}"}}'
    return Line(f"      - append: {{header: {header}, append_action: OVERWRITE_IF_EXISTS}}")


def behind_authz(groups: Iterable[Group], folder: PurePath, kind: str) -> tuple[Line, ...]:
    """Return the places of all filters behind authz."""
    first, *others = (slot(group, folder, kind) for group in groups)
    return (*first, *_forget_headers(), *(line for other in others for line in other))


def marker(value: str) -> Line:
    """Return the header by which the access log, and a client that wants to know, tell whose limit refused."""
    header = f"{{key: x-ratelimit-scope, value: {value}}}"
    return Line(f"- {{header: {header}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}")


def retry_after(value: str) -> Line:
    """Return the header that says in how many seconds to come back; the quotes are part of `value`."""
    return Line(f"- {{header: {{key: retry-after, value: {value}}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}")


def _forget_headers() -> tuple[Line, ...]:
    """Return the filter that takes away what the limits behind it, and the backend, have said of themselves.

    It stands behind the users' limit, which is therefore what an answer tells. A refusal is left alone; it is known by
    its marker and not by its status, which is 200 for gRPC and may be a backend's own 429.
    """
    removed = "".join(f"          - remove: {name}\n" for name in _HEADERS)
    return lines(
        f"""\
# An answer that no limit refused tells what is left to its user, and nothing of instances, tiers or the backend's own.
- name: limits_headers_of_users
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher
    extension_config:
      name: limits_headers_of_users
      typed_config:
        "@type": {_MUTATION}
        mutations:
          response_mutations:
{removed}    xds_matcher:
      matcher_list:
        matchers:
        - predicate:
            single_predicate:
              input:
                name: refused
                typed_config:
                  "@type": type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput
                  header_name: x-ratelimit-scope
              value_match: {{safe_regex: {{google_re2: {{}}, regex: ".+"}}}}
          on_match:
            action:
              name: skip
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter
"""
    )
