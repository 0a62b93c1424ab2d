"""What both engines put into the bootstrap: places for the filters of limits, and one set of headers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from authz.limits.page import Line, Page, indented, lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import PurePath

__all__ = ["ADDRESSES", "HEADER", "HEADERS", "SCOPES", "file_page", "forget_headers", "one_set_of_headers", "slot"]

ADDRESSES: Final = "addresses"
SCOPES: Final = ("users", "instances", "tiers")
"""The filters behind authz in their order: what a user or an instance is refused never counts against the others."""

HEADER: Final = "x-gitlab-limited-by"
"""Names the filter that refused; for the access log, and for clients that want to know."""

HEADERS: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
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


def one_set_of_headers(retry_after: str) -> tuple[Line, ...]:
    """Return the filter that leaves clients one value of each header, out of those that every limit adds.

    It stands before all limits, so it sees an answer last; the first value is that of the limit that refused.
    """
    mutations = [(name, f"%RESP({name})%") for name in HEADERS]
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
        *(_overwrite(name, value) for name, value in [*mutations, ("retry-after", retry_after)] if value),
    )


def _overwrite(name: str, value: str) -> Line:
    header = f'{{key: {name}, value: "{value}"}}'
    return Line(f"      - append: {{header: {header}, append_action: OVERWRITE_IF_EXISTS}}")


def forget_headers() -> tuple[Line, ...]:
    """Return the filter that takes away what the limits behind it, and the backend, have said of themselves.

    It stands behind the users' limit, which is therefore what an answer tells; a refusal (429) it leaves alone.
    """
    removed = "".join(f"          - remove: {name}\n" for name in HEADERS)
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
                name: status
                typed_config:
                  "@type": type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput
                  header_name: ":status"
              value_match: {{exact: "429"}}
          on_match:
            action:
              name: skip
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter
"""
    )
