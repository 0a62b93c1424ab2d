"""Writes docs/upstream.md: each fact of GitLab's public sources beside what the shipped policy does.

    python -m tests.support.upstream_page     (make upstream)

The column "ours" is computed from the shipped policy, never from the facts. For each difference,
tests/upstream/differences.yml must give a reason. A difference without a reason is an error, and so is a reason
without a difference.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from authz.deciding import facts
from authz.deciding.decision import Denied
from authz.deciding.policy_data import PolicyData
from authz.deciding.reasons import ANSWERS, Reason
from authz.documents.findings import Findings
from authz.model import AnyOf, Authenticated, ByHeader, Demand, GoneRule, Issuer, PublicRule, Rule, TokenRule, TokenType
from authz.policy.catalog.model import Catalog
from authz.policy.catalog.reader import read_catalog
from authz.policy.load import load_policy
from authz.tokens.claims import CLAIM_NAMES
from tests.support.repository import PACKAGED_POLICY, ROOT
from tests.support.upstream import USER_ISSUERS, Call, differences, fact, removed, upstream_calls

PAGE: Final = ROOT / "docs" / "upstream.md"
SAME: Final = "same"
FORBIDDEN: Final = 403
INTRODUCTION: Final = """\
# Upstream: GitLab's public facts, and what the shipped policy does

This page compares the shipped policy with GitLab's public sources. Each row has a fact (`upstream`), what the shipped
policy does (`ours`), and the reason where they differ. Facts are of August 2026 unless the row names another date;
tests/upstream/facts names their files and commits. Paths of endpoints are those of the AI gateway: clients write `/ai`
before them. `{name=**}` is one segment or more.

`make upstream` writes this page. The reasons are in tests/upstream/differences.yml. A test fails if the page is out of
date, or if a difference has no reason. tests/cases/test_upstream.py and tests/e2e/test_endpoints.py send every call of
this page.
"""


class UpstreamError(Exception):
    """A difference without a reason, or a reason without a difference."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fact, what is ours, and why it differs; an empty `why` means that it is the same."""

    fact: str
    upstream: str
    ours: str
    why: str = ""

    def line(self) -> str:
        """Return the row of the table."""
        ours = self.ours if self.why or self.ours != self.upstream else SAME
        return f"| {_cell(self.fact)} | {_cell(self.upstream)} | {_cell(ours)} | {_cell(self.why)} |"


class Page:
    """Collects rows, and the reasons that were used."""

    def __init__(self, data: PolicyData, catalog: Catalog, reasons: Mapping[str, str]) -> None:
        self._data = data
        self._catalog = catalog
        self._reasons = reasons
        self._used: set[str] = set()
        self._unexplained: list[str] = []

    def text(self) -> str:
        """Return the page. Raises UpstreamError."""
        sections = {
            "Endpoints of the AI gateway": self._endpoints(),
            "Prompts": self._prompts(),
            "Duo Workflow Service": self._workflow(),
            "Endpoints that are gone": self._gone(),
            "Refusals of the proxies": self._proxy_refusals(),
            "Headers": self._headers(),
            "Claims and tokens": self._claims(),
            "Catalog": self._services(),
        }
        tables = {title: list(rows) for title, rows in sections.items()}
        differing = [row for rows in tables.values() for row in rows if row.why]
        parts = [INTRODUCTION]
        for title, rows in {"Where we differ": differing, **tables}.items():
            lines = [row.line() for row in rows]
            parts.append(
                "\n".join(
                    (f"## {title}", "", "| fact | upstream | ours | why it differs |", "|---|---|---|---|", *lines)
                )
                + "\n"
            )
        unused = [f"{name}: has a reason, but does not differ" for name in sorted(self._reasons.keys() - self._used)]
        if self._unexplained or unused:
            raise UpstreamError("\n".join(("mend tests/upstream/differences.yml:", *self._unexplained, *unused)))
        return "\n".join(parts)

    def _row(self, name: str, upstream: str, ours: str, *, same: bool) -> Row:
        if same:
            return Row(name, upstream, ours)
        if name not in self._reasons:
            self._unexplained.append(f"{name}: upstream has {upstream}, ours is {ours}")
        self._used.add(name)
        return Row(name, upstream, ours, self._reasons.get(name, "?"))

    def _endpoints(self) -> Iterator[Row]:
        for name, calls in _by_fact(call for call in upstream_calls() if call.backend == "ai_gateway").items():
            if "/prompts/" in name:
                yield self._row(name, f"{len(calls)} prompts", f"{len(self._served(calls))} prompts", same=True)
            elif len(calls) == 1 or not calls[0].headers:
                yield from (self._call(name if len(calls) == 1 else str(call), call) for call in calls)
            else:
                served = self._served(calls)
                yield self._row(
                    name, f"{len(calls)} purposes", f"{len(served)} purposes", same=len(served) == len(calls)
                )

    def _served(self, calls: Iterable[Call]) -> list[Call]:
        return [call for call in calls if _described_call(call) == self._described(call)]

    def _prompts(self) -> Iterator[Row]:
        for call in upstream_calls():
            if "/v1/prompts/" in call.path:
                prompt = call.path.removeprefix("/ai/v1/prompts/")
                second = call.path.replace("/v1/", "/v2/")
                ours = self._described(call)
                same = _described_call(call) == ours == self._described(_at(call, second))
                yield self._row(prompt, _units(_described_call(call)), _units(ours), same=same)

    def _workflow(self) -> Iterator[Row]:
        for call in upstream_calls():
            if call.backend == "duo_workflow_service":
                yield self._call(call.fact, call)

    def _call(self, name: str, call: Call) -> Row:
        upstream, ours = _described_call(call), self._described(call)
        return self._row(name, upstream, ours, same=upstream == ours)

    def _described(self, call: Call) -> str:
        found = self._data.rules.match(call.method, call.path)
        if isinstance(found, Denied):
            return f"refused: {found.reason}"
        issuer, _ = USER_ISSUERS[call.backend]
        users = next(each for each in self._data.issuers if each.name == issuer)
        return _described_rule(found, call, users)

    def _gone(self) -> Iterator[Row]:
        for each in removed():
            rule = self._data.rules.match("POST", f"/ai{each.path}")
            ours = rule.gone.text if isinstance(rule, GoneRule) else "is there"
            yield self._row(each.path, f"removed on {each.since}", ours, same=ours.endswith(f"removed on {each.since}"))

    def _proxy_refusals(self) -> Iterator[Row]:
        answers = {
            "Missing x-gitlab-unit-primitive header": ANSWERS[Reason.UNIT_PRIMITIVE_HEADER_MISSING],
            "Unknown unit primitive header {value}": ANSWERS[Reason.UNIT_PRIMITIVE_NOT_SERVED],
            "Unauthorized to access {unit_primitive}": ANSWERS[Reason.MISSING_SCOPE],
        }
        mismatch = ANSWERS[Reason.HEADER_MISMATCH]
        for status, texts in fact("endpoints")["proxy_errors"].items():
            for text in texts:
                answer = answers.get(text, mismatch if text.endswith("mismatch") else None)
                if text == "This endpoint cannot be used for {unit_primitive} purpose":
                    yield self._row(text, str(status), f"400 {text}", same=True)
                elif answer is None:
                    yield self._row(text, str(status), "not answered here", same=False)
                else:
                    ours = answer.message.replace(
                        "{}", "{unit_primitive}" if answer.status == FORBIDDEN else "{header}"
                    )
                    same = (answer.status, ours) == (status, text)
                    yield self._row(text, str(status), f"{answer.status} {ours}", same=same)

    def _headers(self) -> Iterator[Row]:
        named = self._data.rules.headers | {each.header for issuer in self._data.issuers for each in issuer.bind}
        bound = {facts.REALM_HEADER, facts.INSTANCE_HEADER, facts.USER_HEADER}
        groups: Mapping[str, Any] = fact("headers_and_claims")["headers"]
        for group, headers in groups.items():
            for header in headers:
                if header in facts.SECRET_HEADERS and header != facts.AUTHORIZATION:
                    ours = "goes to the backend; authz does not see it"
                elif header in bound:
                    ours = "compared with its claim"
                elif header in named:
                    ours = "read by rules that name it"
                elif header in facts.READ_HEADERS:
                    ours = "read"
                else:
                    ours = "goes to the backend; authz does not see it"
                upstream = group.replace("_", " ") if group != "removed" else f"removed: {headers[header]}"
                yield self._row(header, upstream, ours, same=group != "removed")

    def _claims(self) -> Iterator[Row]:
        policy = self._data.named_claims()
        for claim, said in fact("headers_and_claims")["claims"].items():
            ours = "checked or counted" if claim in CLAIM_NAMES else "bound by rules" if claim in policy else "not read"
            upstream = "sent" if said is True else str(said)
            yield self._row(claim, upstream, ours, same=claim in CLAIM_NAMES or claim in policy)
        lifetimes = {each.identifier.removeprefix("https://"): each.max_lifetime for each in self._data.issuers}
        for issuer, life in fact("headers_and_claims")["lifetimes"].items():
            hours = int(lifetimes[issuer] // 3600)
            ours = f"at most {hours}h" if hours < 24 else f"at most {hours // 24} days"
            yield self._row(f"lifetime, {issuer}", life, ours, same=ours.removeprefix("at most ") in life)
        keys = fact("headers_and_claims")["keys"]
        algorithms = sorted({algorithm for each in self._data.issuers for algorithm in each.algorithms})
        yield self._row("algorithm", keys["algorithm"], ", ".join(algorithms), same=algorithms == [keys["algorithm"]])

    def _services(self) -> Iterator[Row]:
        catalog, said = self._catalog, fact("catalog")
        for name, service in said["services"].items():
            yield self._service(name, service)
        for kind, names, known in (
            ("unit primitive", said["newer"]["unit_primitives"], catalog.unit_primitives),
            ("add-on", said["newer"]["add_ons"], catalog.add_ons),
        ):
            for name in names:
                ours = "in the catalog" if name in known else "missing"
                yield self._row(f"{kind} {name}", "named", ours, same=name in known)

    def _service(self, name: str, said: Mapping[str, Any]) -> Row:
        catalog = self._catalog
        granted = {add_on: frozenset(units) for add_on, units in said["add_ons"].items() if add_on != "none"}
        members = dict.fromkeys(unit for units in said["add_ons"].values() for unit in units)
        units = [catalog.unit_primitives[unit] for unit in members if unit in catalog.unit_primitives]
        ours = {
            add_on: frozenset(unit.name for unit in units if add_on in unit.add_ons)
            for add_on in sorted({add_on for unit in units for add_on in unit.add_ons} | granted.keys())
        }
        basic = catalog.services[name].basic_unit_primitive if name in catalog.services else name
        speaking = catalog.unit_primitives.get(basic or "", units[0])
        ends = "none" if speaking.cut_off_date is None else str(speaking.cut_off_date.date())
        audience = catalog.backend_services[speaking.backend_services[0]].audience
        upstream = f"{said['jwt_aud']}, cut-off {said['cut_off']}, {_counted(granted)}"
        same = (audience, ends, ours) == (said["jwt_aud"], str(said["cut_off"]), granted) and len(units) == len(members)
        return self._row(f"service {name}", upstream, f"{audience}, cut-off {ends}, {_counted(ours)}", same=same)


_DIFFERENCES: Final = "tests/upstream/differences.yml"


def reasons() -> dict[str, str]:
    """Return why we differ, by the name of the fact."""
    found = differences()
    one_by_one = {each["fact"]: each["why"] for each in found["endpoints"]}
    return {**one_by_one, **{name: group["why"] for group in found["others"] for name in group["facts"]}}


def _by_fact(calls: Iterable[Call]) -> Mapping[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for call in calls:
        found.setdefault(call.fact, []).append(call)
    return found


def _at(call: Call, path: str) -> Call:
    return Call(call.fact, call.method, path, call.backend)


def _described_call(call: Call) -> str:
    """Return what upstream demands, in the words of `_described_rule`."""
    if call.public:
        return "public"
    if call.authenticated:
        return "any valid token"
    users = "" if call.by_user else "; no user tokens"
    return f"{_one_of(call.any_of)}{users}; 403: {call.text}"


def _described_rule(rule: Rule, call: Call, users: Issuer) -> str:
    match rule:
        case PublicRule():
            return "public"
        case GoneRule():
            return rule.gone.text
        case TokenRule():
            demanded: Demand | None
            if isinstance(rule.access, ByHeader):
                demanded = rule.access.demands.get(next(iter(call.headers.values()), ""))
            else:
                demanded = rule.access
            if demanded is None:
                return "refused: no such purpose"
            if isinstance(demanded, Authenticated):
                return "any valid token"
            names = demanded.unit_primitives
            by_user = TokenType.USER in rule.token_types and users.name not in rule.not_issuers
            scopes = _one_of(names) if isinstance(demanded, AnyOf) else " and ".join(names)
            denied = rule.denied or f"Unauthorized to access {names[0]}"
            return f"{scopes}{'' if by_user else '; no user tokens'}; 403: {denied}"


def _one_of(names: Iterable[str]) -> str:
    return " or ".join(names)


def _units(described: str) -> str:
    return described.partition(";")[0]


def _counted(by_add_on: Mapping[str, frozenset[str]]) -> str:
    return ", ".join(f"{add_on}: {len(units)}" for add_on, units in sorted(by_add_on.items()) if units) or "no add-on"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page(keys: Path, why: Mapping[str, str]) -> str:
    """Return the text of docs/upstream.md, with the reasons for differences. Raises UpstreamError.

    `keys` is a folder without keys.
    """
    policy = load_policy(PACKAGED_POLICY, keys, "production", allow_empty_issuers=True, allow_unlabelled_routes=False)
    return Page(policy.data, read_catalog(PACKAGED_POLICY, Findings()), why).text()


if __name__ == "__main__":
    PAGE.write_text(page(PACKAGED_POLICY / "keys", reasons()), "utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is written\n")
