"""Does every route tell authz which backend service it leads to?"""

from collections.abc import Iterator

from dev.envoy_yaml import Document, Problem, Tree

AUTHZ = "envoy.filters.http.ext_authz"
LABEL = "backend_service"
FILTERS = "typed_per_filter_config"


def unlabelled(routes: Document) -> Iterator[Problem]:
    """Routes to a backend without a label (authz would refuse everything), and anything that switches authz off."""
    for number, configuration in enumerate(routes.tree.get("resources") or ()):
        yield from _authz_is_on(routes, configuration, ("resources", number))
        for host_number, host in enumerate(configuration.get("virtual_hosts") or ()):
            place = ("resources", number, "virtual_hosts", host_number)
            yield from _authz_is_on(routes, host, place)
            for route_number, route in enumerate(host.get("routes") or ()):
                yield from _route(routes, route, (*place, "routes", route_number))


def _route(routes: Document, route: Tree, place: tuple[str | int, ...]) -> Iterator[Problem]:
    if "route" not in route:
        return
    yield from _authz_is_on(routes, route, place)
    settings = _authz(route).get("check_settings") or {}
    if not (settings.get("context_extensions") or {}).get(LABEL):
        message = f"route {route.get('name')} lacks context_extensions.{LABEL}, so authz would refuse all of it"
        yield Problem(routes.file, routes.line(*place), message)


def _authz_is_on(routes: Document, holder: Tree, place: tuple[str | int, ...]) -> Iterator[Problem]:
    if _authz(holder).get("disabled") or (holder.get(FILTERS) or {}).get(AUTHZ, {}).get("is_optional"):
        message = f"{holder.get('name')} switches ext_authz off: anyone could reach the backend"
        yield Problem(routes.file, routes.line(*place, FILTERS), message)


def _authz(holder: Tree) -> Tree:
    return (holder.get(FILTERS) or {}).get(AUTHZ) or {}
