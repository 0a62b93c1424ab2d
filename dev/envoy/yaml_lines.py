"""Envoy's YAML files with positions: syntax, keys told twice or in another spelling, words that have two readings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

# YAML 1.1 takes these for booleans, Envoy's parser for strings.
AMBIGUOUS = frozenset({"y", "n", "yes", "no", "on", "off"})
# Envoy takes virtualHosts for virtual_hosts, too, and whoever looks for the one would not see the other. A name with a
# dot is a filter's or an extension's.
_KEY = re.compile(r"[@a-z0-9_-]+|.*\..*")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STANDARD = "tag:yaml.org,2002:"
_TAGS = {
    _STANDARD + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq", "merge", "timestamp", "value")
}

Tree: TypeAlias = Any  # YAML that only Envoy knows the schema of
Place: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and where; `line` is 0 where no line is known."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its content, and the line each of its resources starts on."""

    file: Path
    tree: Tree
    root: yaml.Node

    def line(self, *path: str | int) -> int:
        """The line of the key or the item that keys and indices lead to; of the last one that is there."""
        node = at = self.root
        for step in path:
            below = _child(node, step)
            if below is None:
                break
            at, node = below
        return int(at.start_mark.line) + 1

    def line_of(self, word: str, *path: str | int) -> int | None:
        """The line of the first key or value below a place that is this very word."""
        node = self.root
        for step in path:
            below = _child(node, step)
            if below is None:
                break
            node = below[1]
        return next((line for text, line in _words(node) if text == word), None)

    def words(self) -> set[str]:
        """Every key and every plain value, for those who look for the one that a misspelt word was meant to be."""
        return {text for text, _ in _words(self.root)}


def read(file: Path) -> tuple[Document | None, tuple[Problem, ...]]:
    """The document, or None with the reasons. A document may have problems, too."""
    try:
        text = file.read_text("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as problem:
        return None, (Problem(file, 0, f"cannot be read: {problem}"),)
    except RecursionError:
        return None, (Problem(file, 0, "is nested too deeply to be read; write it flatter"),)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 0
        return None, (Problem(file, line, f"is not YAML: {problem.problem}"),)
    except yaml.YAMLError as problem:
        return None, (Problem(file, 0, f"is not YAML: {problem}"),)
    if not isinstance(root, yaml.MappingNode):
        return None, (Problem(file, 1, "is not a mapping of keys to values"),)
    problems = tuple(_unreadable(file, root, ())) or tuple(_slips(file, root, set()))
    try:
        return Document(file, _Loader.tree(root), root), problems
    except yaml.YAMLError:
        return None, problems


class _Loader(yaml.SafeLoader):
    """YAML as Envoy reads it: what looks like a date is text."""

    @classmethod
    def tree(cls, root: yaml.Node) -> Tree:
        """The content of a composed document. Raises YAMLError."""
        loader = cls("")
        try:
            return loader.construct_document(root)
        finally:
            loader.dispose()


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def mappings(tree: Tree, place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every mapping at any depth, the outer before the inner, with the keys and indices that lead to it."""
    if isinstance(tree, dict):
        yield place, tree
        for key, value in tree.items():
            yield from mappings(value, (*place, key))
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from mappings(item, (*place, index))


def _slips(file: Path, node: yaml.Node, seen: set[int]) -> Iterator[Problem]:
    """Problems of keys and ambiguous words below a node; a piece that is repeated by its name is told once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        if node.style is None and node.value.lower() in AMBIGUOUS:
            yield Problem(file, line, f'write "{node.value}" in quotes: YAML versions disagree on what it means')
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _slips(file, item, seen)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if key.value in keys:
                yield Problem(file, key.start_mark.line + 1, f"key {key.value} stands here for the second time")
            keys.add(key.value)
            if not _KEY.fullmatch(key.value):
                yield Problem(file, key.start_mark.line + 1, _spelling(key.value))
            yield from _slips(file, key, seen)
            yield from _slips(file, value, seen)


def _spelling(key: str) -> str:
    spelt = _HUMP.sub("_", key).lower()
    mend = f"write {spelt}" if _KEY.fullmatch(spelt) else "write out what it stands for"
    return f"key {key} is not snake_case, and hides what is below it from these checks; {mend}"


def _unreadable(file: Path, node: yaml.Node, around: tuple[yaml.Node, ...]) -> Iterator[Problem]:
    """What no tree can be made of, or none that is also JSON, which is what Envoy makes of a file."""
    line = node.start_mark.line + 1
    if any(node is each for each in around):
        yield Problem(file, line, "a piece that contains itself; write it out once without its name")
    elif node.tag not in _TAGS:
        yield Problem(file, line, f"tag {node.tag.replace(_STANDARD, '!!')} means nothing to Envoy; take it out")
    elif node.tag == f"{_STANDARD}float" and node.value.lower().lstrip("+-") in {".inf", ".nan"}:
        yield Problem(file, line, f"{node.value} is no number to Envoy; write one that ends")
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _unreadable(file, item, (*around, node))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                kind = "list" if isinstance(key, yaml.SequenceNode) else "mapping"
                yield Problem(file, key.start_mark.line + 1, f"a {kind} stands where a key should; write a name")
            else:
                yield from _unreadable(file, value, (*around, node))


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Where a step leads: what to point at, and what is there. Envoy numbers the entries of a mapping, too."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    if isinstance(node, yaml.MappingNode):
        if isinstance(step, int):
            return node.value[step] if step < len(node.value) else None
        return next(((key, value) for key, value in node.value if key.value == step), None)
    return None


def _words(node: yaml.Node) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.ScalarNode):
        yield node.value, node.start_mark.line + 1
    else:
        for each in node.value:
            for part in each if isinstance(each, tuple) else (each,):
                yield from _words(part)
