"""Reads the rule files, and checks them against the catalog and against each other."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

from authz.deciding.rules import SHOWN_VALUE, Choice, Endpoint, Rules, Span
from authz.documents.findings import Findings
from authz.documents.hints import did_you_mean
from authz.documents.reader import Document, Where, read_folder
from authz.model import (
    Access,
    AllOf,
    AnyOf,
    Authenticated,
    BackendService,
    ByHeader,
    Gone,
    GoneRule,
    Issuer,
    PublicRule,
    Rule,
    TokenRule,
    TokenType,
)
from authz.policy.catalog.model import Catalog, UnitPrimitive
from authz.policy.claims import bound
from authz.policy.rules.schema import AccessEntry, AnyOfEntry, ByHeaderEntry, ByPathEntry, RuleEntry, RulesFile
from authz.policy.rules.templates import Template, parse_prefix, parse_template
from authz.policy.rules.tree import build_rules

_NEVER_SEGMENTS: Final = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class _PlacedRule:
    """A rule with its path, and the file and line that it comes from."""

    template: Template
    rule: Rule | Choice
    file: Path
    line: int


def read_rules(folder: Path, catalog: Catalog, findings: Findings, issuers: Collection[Issuer] | None = None) -> Rules:
    """Read every file of `rules/` into one tree; problems go to `findings`.

    `issuers` are those of every environment: rules may name only these. None skips that check.
    """
    before = len(findings.problems)
    placed = [
        placed_rule
        for document in read_folder(folder, RulesFile, findings)
        for placed_rule in _RuleReader(document, catalog, issuers, findings).rules()
    ]
    if not placed and len(findings.problems) == before:
        findings.problem(folder, 0, "has no rules: every request would be refused")
    rules = [rule for each in placed for rule in _every(each.rule) if isinstance(rule, TokenRule)]
    return build_rules(
        _endpoints(placed, findings),
        claims=frozenset(name for rule in rules for name in _named_claims(rule)),
        headers=frozenset(name for rule in rules for name in _read_headers(rule)),
    )


class _RuleReader:
    """Turns one document into rules, and reports names that do not exist."""

    def __init__(
        self,
        document: Document[RulesFile],
        catalog: Catalog,
        issuers: Collection[Issuer] | None,
        findings: Findings,
    ) -> None:
        self._document = document
        self._catalog = catalog
        self._issuers = issuers
        self._findings = findings
        self._known_names = frozenset(catalog.unit_primitives)

    def rules(self) -> Iterator[_PlacedRule]:
        content = self._document.content
        backend = self._catalog.backend_services.get(content.backend_service)
        if backend is None:
            message = f"backend service '{content.backend_service}' is not in the catalog"
            self._report(("backend_service",), message)
        try:
            prefix = parse_prefix(content.prefix)
        except ValueError as error:
            self._report(("prefix",), f"prefix '{content.prefix}': {error}")
            prefix = ()
        for position, entry in enumerate(content.rules):
            where: Where = ("rules", position)
            self._once(entry.methods, (*where, "methods"))
            try:
                template, spans = parse_template(prefix, entry.path)
            except ValueError as error:
                self._report((*where, "path"), f"path '{entry.path}': {error}")
                template, spans = None, {}
            endpoint = _Endpoint(backend or BackendService(content.backend_service, ""), entry, spans)
            rule = self._built(entry, endpoint, where)
            if template is not None:
                yield _PlacedRule(template, rule, self._document.file, self._document.line(where))

    def _built(self, entry: RuleEntry, endpoint: "_Endpoint", where: Where) -> Rule | Choice:
        """Return the rule that answers, with the one that is tried in its shadow."""
        rule = self._access(entry, endpoint, where)
        if entry.instead_of is None:
            return rule
        answering = self._access(entry.instead_of, endpoint, (*where, "instead_of"))
        if dropped := entry.dropped():
            message = f"instead_of has no {', '.join(dropped)}: while the rule is tried they do not apply"
            self._document.warning((*where, "instead_of"), message, self._findings)
        if not isinstance(rule, Choice):
            return answering if isinstance(answering, Choice) else replace(answering, shadow=rule)
        if not isinstance(answering, Choice):
            return answering
        shadowed = {value: replace(each, shadow=rule.rules[value]) for value, each in answering.rules.items()}
        return replace(answering, rules=shadowed)

    def _access(self, entry: AccessEntry, endpoint: "_Endpoint", where: Where) -> Rule | Choice:
        self._check_names(entry, where)
        match entry.unit_primitives:
            case None if entry.public:
                return PublicRule(endpoint.backend, endpoint.methods, endpoint.gone)
            case None if entry.authenticated:
                return _token_rule(entry, endpoint, Authenticated())
            case None:
                return GoneRule(endpoint.backend, endpoint.methods, endpoint.gone or Gone(0.0, ""))
            case list() | AnyOfEntry() as demands:
                return _token_rule(entry, endpoint, _demand(demands))
            case ByHeaderEntry(by_header=header) as by_header:
                demanded = {value: _demand(demands) for value, demands in by_header.demands().items()}
                return _token_rule(entry, endpoint, ByHeader(header.lower(), demanded, self._known_names))
            case ByPathEntry(by_path=name, values=values):
                span = self._span(name, values, endpoint.spans, (*where, "unit_primitives"))
                self._check_shown(entry, values, (*where, "unit_primitives", "values"))
                rules = {value: _token_rule(entry, endpoint, _demand(names), value) for value, names in values.items()}
                return Choice(endpoint.backend, endpoint.methods, span, rules, entry.unknown or "")

    def _check_names(self, entry: AccessEntry, where: Where) -> None:
        self._once(entry.required_headers or [], (*where, "required_headers"))
        self._once(entry.bind or {}, (*where, "bind"))
        for inside, names in entry.named_unit_primitives():
            self._known(names, (*where, *inside))
        self._check_issuers(entry.not_issuers or [], (*where, "not_issuers"))

    def _check_issuers(self, names: list[str], where: Where) -> None:
        """Report unknown issuers, and missing ones that have a listed issuer's `iss` in another environment."""
        self._once(names, where)
        if self._issuers is None:
            return
        identifiers = {issuer.name: issuer.identifier for issuer in self._issuers}
        for position, name in enumerate(names):
            if name not in identifiers:
                message = f"issuer '{name}' is not in issuers.yml{did_you_mean(name, identifiers)}"
                self._report((*where, position), message)
        listed = {identifiers[name] for name in names if name in identifiers}
        for name, identifier in identifiers.items():
            if identifier in listed and name not in names:
                self._report(where, f"'{name}' is the same issuer in another environment: list it too")

    def _span(self, name: str, values: Iterable[str], spans: Mapping[str, Span], where: Where) -> Span:
        span = spans.get(name)
        if span is None:
            self._report((*where, "by_path"), f"by_path '{name}' is not a {{{name}}} of the path")
            return (0, None)
        for value in values:
            parts = value.split("/")
            if not _NEVER_SEGMENTS.isdisjoint(parts) or (len(parts) > 1 and span[1] is not None):
                self._report((*where, "values", value), f"value '{value}' can never match {{{name}}}")
        return span

    def _check_shown(self, entry: AccessEntry, values: Iterable[str], where: Where) -> None:
        """Report values that the text of a refusal cannot contain."""
        for value in values if "{value}" in (entry.denied or "") else ():
            if SHOWN_VALUE.fullmatch(value) is None:
                message = f"'denied' can show at most 128 of A-Za-z0-9_/.-, not '{value}': remove {{value}} from it"
                self._report((*where, value), message)

    def _known(self, names: list[str], where: Where) -> None:
        self._once(names, where)
        for position, name in enumerate(names):
            unit = self._catalog.unit_primitives.get(name)
            if unit is None:
                self._report((*where, position), f"unit primitive '{name}' is not in the catalog")
            elif not self._grants(unit):
                served = ", ".join(unit.backend_services)
                message = f"no token for this backend can carry '{name}': its backend_services are {served}"
                self._report((*where, position), message)

    def _grants(self, unit: UnitPrimitive) -> bool:
        """Whether tokens for this backend can carry a unit primitive; an unknown backend is reported elsewhere."""
        backend, backends = self._document.content.backend_service, unit.backend_services
        return not backends or backend in backends or backend not in self._catalog.backend_services

    def _once(self, names: Sequence[str] | Mapping[str, str], where: Where) -> None:
        """Report names that appear twice in a list or among keys; capitals make no difference."""
        known: set[str] = set()
        for position, name in enumerate(names):
            if name.lower() in known:
                self._report((*where, name if isinstance(names, Mapping) else position), f"'{name}' appears twice")
            known.add(name.lower())

    def _report(self, where: Where, message: str) -> None:
        self._document.problem(where, message, self._findings)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """What the rules of one entry have in common."""

    backend: BackendService
    entry: RuleEntry
    spans: Mapping[str, Span]

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.entry.methods)

    @property
    def gone(self) -> Gone | None:
        day = self.entry.gone
        return None if day is None else Gone(day.timestamp(), f"This endpoint was removed on {day:%Y-%m-%d}")


def _every(rule: Rule | Choice) -> Iterator[Rule]:
    """Yield a rule, or those of a choice, and the ones in their shadow."""
    if isinstance(rule, Choice):
        for each in rule.rules.values():
            yield from _every(each)
        return
    yield rule
    if rule.shadow is not None:
        yield from _every(rule.shadow)


def _named_claims(rule: TokenRule) -> Iterator[str]:
    yield from (name for name, _ in rule.claims)
    yield from (bound.claim for bound in rule.bind)


def _read_headers(rule: TokenRule) -> Iterator[str]:
    yield from (bound.header for bound in rule.bind)
    yield from map(str.lower, rule.required_headers)
    if isinstance(rule.access, ByHeader):
        yield rule.access.header


def _token_rule(entry: AccessEntry, endpoint: _Endpoint, access: Access, value: str = "") -> TokenRule:
    return TokenRule(
        endpoint.backend,
        endpoint.methods,
        access,
        token_types=frozenset(map(TokenType, entry.token_types or TokenType)),
        required_headers=tuple(entry.required_headers or ()),
        not_issuers=frozenset(entry.not_issuers or ()),
        needs_authentication_type=entry.authentication_type is None,
        claims=tuple((name, frozenset(texts)) for name, texts in (entry.claims or {}).items()),
        bind=bound(entry.bind or {}),
        denied=(entry.denied or "").replace("{value}", value),
        ends_with_token=entry.deadline == "token",
        gone=endpoint.gone,
    )


def _demand(demands: list[str] | AnyOfEntry) -> AllOf | AnyOf:
    return AnyOf(tuple(demands.any_of)) if isinstance(demands, AnyOfEntry) else AllOf(tuple(demands))


def _endpoints(placed: list[_PlacedRule], findings: Findings) -> Iterator[tuple[Template, Endpoint]]:
    """Join the rules of each template; report those that apply to the same request."""
    by_template: dict[Template, list[_PlacedRule]] = {}
    for each in placed:
        by_template.setdefault(each.template, []).append(each)
    for template, same in by_template.items():
        taken: dict[str, _PlacedRule] = {}
        for each in same:
            if each.rule.backend != same[0].rule.backend:
                _report_clash(each, same[0], "two backend services would share this path", findings)
            for method in each.rule.methods:
                other = taken.setdefault(method, each)
                if other is not each:
                    _report_clash(
                        each, other, f"{method} on this path has two rules that are equally specific", findings
                    )
        rules = [each.rule for each in same if not isinstance(each.rule, Choice)]
        choices = tuple(each.rule for each in same if isinstance(each.rule, Choice))
        by_method = dict(chain.from_iterable(((method, rule) for method in rule.methods) for rule in rules))
        yield template, Endpoint(same[0].rule.backend, by_method, choices)


def _report_clash(rule: _PlacedRule, other: _PlacedRule, message: str, findings: Findings) -> None:
    findings.problem(rule.file, rule.line, f"{message}; the other is {other.file.name}:{other.line}")
