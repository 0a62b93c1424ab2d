"""What Envoy would accept in routes.yaml and nobody can mean: no label, authz switched off, a timeout it ignores."""

from collections.abc import Iterator

from dev.envoy_yaml import Document, Problem, Tree

AUTHZ = "envoy.filters.http.ext_authz"
LABEL = "backend_service"
FILTERS = "typed_per_filter_config"
NO_TIMEOUT = frozenset({"0s", "0.0s"})

Place = tuple[str | int, ...]


def slips(routes: Document) -> Iterator[Problem]:
    """Each with its line."""
    for number, configuration in enumerate(routes.tree.get("resources") or ()):
        yield from _authz_is_on(routes, configuration, ("resources", number))
        for host_number, host in enumerate(configuration.get("virtual_hosts") or ()):
            place = ("resources", number, "virtual_hosts", host_number)
            yield from _authz_is_on(routes, host, place)
            for route_number, route in enumerate(host.get("routes") or ()):
                if "route" in route:
                    yield from _forwarding(routes, route, (*place, "routes", route_number))


def _forwarding(routes: Document, route: Tree, place: Place) -> Iterator[Problem]:
    yield from _authz_is_on(routes, route, place)
    settings = _authz(route).get("check_settings") or {}
    if not (settings.get("context_extensions") or {}).get(LABEL):
        message = f"route {route.get('name')} lacks context_extensions.{LABEL}, so authz would refuse all of it"
        yield Problem(routes.file, routes.line(*place), message)
    action = route["route"]
    if "max_stream_duration" in action and action.get("timeout", "15s") not in NO_TIMEOUT:
        message = f"route {route.get('name')}: Envoy ignores timeout beside max_stream_duration; keep one (timeout: 0s)"
        yield Problem(routes.file, routes.line(*place, "route"), message)


def _authz_is_on(routes: Document, holder: Tree, place: Place) -> Iterator[Problem]:
    if _authz(holder).get("disabled"):
        message = f"{holder.get('name')} switches ext_authz off: anyone could reach the backend"
        yield Problem(routes.file, routes.line(*place, FILTERS), message)


def _authz(holder: Tree) -> Tree:
    return (holder.get(FILTERS) or {}).get(AUTHZ) or {}
