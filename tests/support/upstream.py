"""The endpoints of GitLab's public sources (tests/upstream/facts), as requests that can be sent."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import yaml

from tests.support.repository import ROOT

FACTS: Final = ROOT / "tests" / "upstream" / "facts"
DIFFERENCES: Final = ROOT / "tests" / "upstream" / "differences.yml"
SAMPLES: Final = {"path": "v1/messages"}
"""A value for the variables of paths that no other fact lists."""
USER_ISSUERS: Final = {
    "ai_gateway": ("ai-gateway", "gitlab-ai-gateway"),
    "duo_workflow_service": ("duo-workflow-service", "gitlab-duo-workflow-service"),
}
"""The issuer of user tokens for a backend: its name here, and its `iss`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that a client of 2026 makes, and who may make it.

    `fact` is method and path as upstream has them. One unit primitive of `any_of` suffices; none are needed where
    `public` or `authenticated`. `denied` is the text of a 403, empty for the usual one; `{unit_primitive}` in it is
    the first of `any_of`.
    """

    fact: str
    method: str
    path: str
    backend: str
    any_of: tuple[str, ...] = ()
    public: bool = False
    authenticated: bool = False
    by_user: bool = True
    denied: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        named = self.headers.get("x-gitlab-unit-primitive")
        return f"{self.method} {self.path}" + (f" for {named}" if named else "")

    @property
    def is_grpc(self) -> bool:
        """Whether it is a method of a gRPC service."""
        return self.path.startswith(("/DuoWorkflow", "/grpc."))

    @property
    def prefix(self) -> str:
        """The prefix that Envoy removes from the path before the backend sees it."""
        return "" if self.is_grpc else "/" + self.path.split("/")[1]

    @property
    def text(self) -> str:
        """The text of the refusal."""
        return self.denied or f"Unauthorized to access {self.any_of[0]}"


@dataclass(frozen=True, slots=True)
class Removed:
    """An endpoint that upstream has removed, and when."""

    path: str
    since: str


def fact(name: str) -> dict[str, Any]:  # Any: YAML as it is written
    """Return the contents of one file of facts."""
    found: dict[str, Any] = yaml.safe_load((FACTS / f"{name}.yml").read_text("utf-8"))
    return found


def differences() -> dict[str, Any]:  # Any: YAML as it is written
    """Return where we differ."""
    found: dict[str, Any] = yaml.safe_load(DIFFERENCES.read_text("utf-8"))
    return found


def upstream_calls() -> list[Call]:
    """Return every call as upstream answers it."""
    return [*_of_the_ai_gateway(), *_of_the_workflow_service()]


def calls() -> list[Call]:
    """Return every call as we answer it."""
    ours = {each["fact"]: each for each in differences()["endpoints"]}
    return [_changed(call, ours.get(call.fact, {})) for call in upstream_calls()]


def removed() -> list[Removed]:
    """Return the endpoints that are gone."""
    return [Removed(path, str(since).split(" ", 1)[0]) for path, since in fact("endpoints")["removed"].items()]


def _changed(call: Call, ours: Mapping[str, Any]) -> Call:  # Any: YAML as it is written
    return replace(call, any_of=tuple(ours.get("any_of", call.any_of)), denied=ours.get("denied", call.denied))


def _of_the_ai_gateway() -> Iterator[Call]:
    endpoints = fact("endpoints")["endpoints"]
    by_path = {each["path"]: each for each in endpoints}
    texts = {"by_prompt": by_path["/v1/prompts/{prompt_id=**}"]["denied_403"]}
    for each in endpoints:
        path, method = each["path"], each["method"]
        said = by_path[each["same_as"]] if "same_as" in each else each
        denied = said.get("denied_403", texts["by_prompt"] if "by_prompt" in said else "")
        basis = Call(
            f"{method} {path}",
            method,
            "",
            "ai_gateway",
            public=said.get("public", False),
            by_user="not_issuer" not in said,
            denied=denied if isinstance(denied, str) else denied[0],
        )
        for prefix in ("/ai", *filter(None, [each.get("public_prefix")])):
            yield from _filled(replace(basis, path=prefix + path), said)


def _filled(call: Call, said: Mapping[str, Any]) -> Iterator[Call]:  # Any: YAML as it is written
    """Yield a call for each value of its path, or for each purpose that its header may name."""
    variable = re.compile(r"\{\w+(=\*\*)?\}")
    if "by_path" in said:
        for value, unit in said["by_path"].items():
            yield replace(call, path=variable.sub(value, call.path), any_of=(unit,))
    elif "by_prompt" in said:
        for prompt, families in fact("prompts")["prompts"].items():
            denied = call.denied.replace("{prompt_id}", prompt)
            yield replace(call, path=variable.sub(prompt, call.path), any_of=_union(families), denied=denied)
    elif "by_header" in said:
        for unit in fact("proxied")["proxied"]:
            path = variable.sub(SAMPLES["path"], call.path)
            yield replace(call, path=path, any_of=(unit,), headers={said["by_header"].lower(): unit})
    else:
        yield replace(call, any_of=tuple(said.get("any_of", ())))


def _union(families: list[dict[str, Any]]) -> tuple[str, ...]:  # Any: YAML as it is written
    """Return the unit primitives of every model family: those of the base family come first."""
    ordered = sorted(families, key=lambda each: "base" not in each["families"])
    return tuple(dict.fromkeys(unit for each in ordered for unit in each["unit_primitives"]))


def _of_the_workflow_service() -> Iterator[Call]:
    for path, said in fact("duo_workflow_service")["grpc"].items():
        method = path.replace("*", "Check")
        yield Call(
            f"gRPC {path}",
            "POST",
            method,
            "duo_workflow_service",
            any_of=tuple(said.get("any_of", ())),
            public=said.get("public", False),
            authenticated=said.get("authenticated", False),
            by_user="not_issuer" not in said,
        )
