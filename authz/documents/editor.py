"""Writes YAML: new documents in one style, and changes that keep the comments and the order of a document."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

_WIDE: Final = 1_000_000
_ONE_LINE: Final = 80
_NO_CONTENT: Final = re.compile(r"\s*(#.*)?")


class UnchangeableError(Exception):
    """A document is written in a way that cannot be changed line by line, only by hand."""


class _Dumper(yaml.SafeDumper):
    """Indents the items of lists, as the catalogs do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


class _CompactDumper(yaml.SafeDumper):
    """Puts the innermost collections on one line each if they are short, and writes out what occurs twice."""

    def represent(self, data: object) -> None:
        node = self.represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = False
        self.serialize(node)
        self.represented_objects = {}

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        if node.flow_style and sum(len(each.value) for pair in node.value for each in pair) > _ONE_LINE:
            node.flow_style = False
        return node

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True

    def choose_scalar_style(self) -> str:
        style = super().choose_scalar_style()
        has_quotes = isinstance(self.event, yaml.ScalarEvent) and "'" in self.event.value
        return '"' if style == "'" and has_quotes else style


_CompactDumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"(?:[yYnN]|[-+]?[0-9][0-9_]*(\.[0-9]*)?([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F]+)$"),
    [*"yYnN+-0123456789"],
)


def dumped(data: Mapping[str, Any]) -> str:  # Any: whatever YAML can hold
    """Return a mapping as YAML: its keys in their order, one item a line, text on one line however long."""
    return yaml.dump(
        dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=_WIDE
    )


def compact(data: Mapping[str, Any] | Sequence[Any]) -> str:  # Any: whatever YAML can hold
    """Return data as YAML for other programs: keys in their order, the innermost mappings and lists on a line each.

    Text that any version of YAML would read as a number or a boolean stands in quotes.
    """
    return yaml.dump(
        data, Dumper=_CompactDumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_WIDE
    )


def changed(text: str, changes: Mapping[str, str | list[str] | None], order: Sequence[str]) -> str:
    """Return a document with some of its top-level keys changed; None takes a key out.

    Every other line stays as it is, and so do comments beside a changed value and beside the items that a list keeps. A
    new key goes behind the nearest one that `order` has before it. Raises UnchangeableError if `text` does not have one
    key a line, as in `{a: 1, b: 2}`.
    """
    before = yaml.safe_load(text)
    wanted = {key: value for key, value in {**before, **changes}.items() if value is not None or key not in changes}
    try:
        for key, value in changes.items():
            text = _with(text if text.endswith("\n") else f"{text}\n", key, value, order)
        if yaml.safe_load(text) == wanted:
            return text
    except yaml.YAMLError:
        pass
    raise UnchangeableError


def _with(text: str, key: str, value: str | list[str] | None, order: Sequence[str]) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise UnchangeableError
    nodes = {name.value: node for name, node in root.value}
    lines = text.splitlines(keepends=True)
    starts = {name.value: name.start_mark.line for name, _ in root.value}
    end = root.end_mark.line
    if key not in nodes:
        before = [name for name in order[: order.index(key)] if name in nodes] or list(nodes)
        at = _end(lines, starts, before[-1], end)
        return "".join([*lines[:at], *_lines(key, value, lines), *lines[at:]]) if value is not None else text
    node = nodes[key]
    if isinstance(value, str) and isinstance(node, yaml.ScalarNode) and node.style not in {"|", ">"}:
        return _spliced(text, node, _one_line(value))
    if isinstance(value, list) and isinstance(node, yaml.SequenceNode) and node.flow_style:
        flow = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=_WIDE)
        return _spliced(text, node, flow.rstrip("\n"))
    new = [] if value is None else _lines(key, value, lines)
    if isinstance(value, list) and value and isinstance(node, yaml.SequenceNode):
        new = [lines[starts[key]], *_items(lines, node, value, starts[key] + 1)]
    return "".join([*lines[: starts[key]], *new, *lines[_end(lines, starts, key, end) :]])


def _end(lines: Sequence[str], starts: Mapping[str, int], key: str, end: int) -> int:
    """Return the line behind a key's last; blank lines and comments between two keys are about the second."""
    at = min((line for line in starts.values() if line > starts[key]), default=end)
    while _NO_CONTENT.fullmatch(lines[at - 1].rstrip("\r\n")):
        at -= 1
    return at


def _items(lines: Sequence[str], node: yaml.SequenceNode, wanted: Sequence[str], at: int) -> list[str]:
    """Return the lines of a list, those of the items that it keeps as they were, comments above and beside included."""
    kept: dict[str, list[str]] = {}
    for item in node.value:
        kept[item.value] = list(lines[at : item.end_mark.line + 1])
        at = item.end_mark.line + 1
    indent = " " * node.start_mark.column
    break_ = _break(lines)
    return [line for name in wanted for line in kept.get(name, [f"{indent}- {_one_line(name)}{break_}"])]


def _lines(key: str, value: str | list[str] | None, lines: Sequence[str]) -> list[str]:
    return [line + _break(lines) for line in dumped({key: value}).splitlines()]


def _break(lines: Sequence[str]) -> str:
    return "\r\n" if lines[0].endswith("\r\n") else "\n"


def _spliced(text: str, node: yaml.Node, new: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    space = " " if text[start - 1] == ":" else ""
    return f"{text[:start]}{space}{new}{text[end:]}"


def _one_line(value: str) -> str:
    return dumped({"k": value}).removeprefix("k: ").rstrip("\n")
