"""Reads the rule files, and checks them against the catalog and against each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from authz.deciding.rules import Choice, Endpoint, Rules, Span
from authz.documents.findings import Findings
from authz.documents.reader import Document, Where, read_folder
from authz.model import Access, AllOf, AnyOf, BackendService, ByHeader, PublicRule, Rule, TokenRule, TokenType
from authz.policy.catalog.model import Catalog, UnitPrimitive
from authz.policy.rules.schema import AnyOfEntry, ByHeaderEntry, ByPathEntry, RuleEntry, RulesFile
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


def read_rules(folder: Path, catalog: Catalog, findings: Findings) -> Rules:
    """Read every file of `rules/` into one tree; problems go to `findings`."""
    before = len(findings.problems)
    placed = [
        placed_rule
        for document in read_folder(folder, RulesFile, findings)
        for placed_rule in _RuleReader(document, catalog, findings).rules()
    ]
    if not placed and len(findings.problems) == before:
        findings.problem(folder, 0, "has no rules: every request would be refused")
    return build_rules(_endpoints(placed, findings))


class _RuleReader:
    """Turns one document into rules, and reports names that do not exist."""

    def __init__(self, document: Document[RulesFile], catalog: Catalog, findings: Findings) -> None:
        self._document = document
        self._catalog = catalog
        self._findings = findings

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
            self._check_names(entry, where)
            try:
                template, spans = parse_template(prefix, entry.path)
            except ValueError as error:
                self._report((*where, "path"), f"path '{entry.path}': {error}")
                continue
            rule = self._built(entry, backend or BackendService(content.backend_service, ""), spans, where)
            yield _PlacedRule(template, rule, self._document.file, self._document.line(where))

    def _check_names(self, entry: RuleEntry, where: Where) -> None:
        self._once(entry.methods, (*where, "methods"))
        self._once(entry.required_headers or [], (*where, "required_headers"))
        for inside, names in entry.named_unit_primitives():
            self._known(names, (*where, *inside))

    def _built(
        self, entry: RuleEntry, backend: BackendService, spans: Mapping[str, Span], where: Where
    ) -> Rule | Choice:
        methods = tuple(entry.methods)
        token_types = frozenset(map(TokenType, entry.token_types or TokenType))
        headers = tuple(entry.required_headers or ())

        def token_rule(access: Access) -> TokenRule:
            return TokenRule(backend, methods, access, token_types, headers)

        match entry.unit_primitives:
            case None:
                return PublicRule(backend, methods)
            case list() as names:
                return token_rule(AllOf(tuple(names)))
            case AnyOfEntry(any_of=names):
                return token_rule(AnyOf(tuple(names)))
            case ByHeaderEntry(by_header=header, allowed=names):
                return token_rule(ByHeader(header.lower(), frozenset(names)))
            case ByPathEntry(by_path=name, values=values):
                span = self._span(name, values, spans, (*where, "unit_primitives"))
                rules = {value: token_rule(AllOf(tuple(names))) for value, names in values.items()}
                return Choice(backend, methods, span, rules)

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

    def _once(self, names: Sequence[str], where: Where) -> None:
        for position, name in enumerate(names):
            if name.lower() in (earlier.lower() for earlier in names[:position]):
                self._report((*where, position), f"'{name}' appears twice")

    def _report(self, where: Where, message: str) -> None:
        self._document.problem(where, message, self._findings)


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
