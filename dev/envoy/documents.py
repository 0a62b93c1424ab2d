"""Reads Envoy's YAML files with line numbers, and finds YAML that Envoy would read differently from a person."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

# YAML 1.1 reads these as booleans, Envoy's parser reads them as strings.
AMBIGUOUS = frozenset({"y", "n", "yes", "no", "on", "off"})
# Envoy accepts virtualHosts for virtual_hosts, but these checks look only for the second. A name with a dot is the name
# of a filter or an extension.
_KEY = re.compile(r"[@a-z0-9_-]+|.*\..*")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STANDARD = "tag:yaml.org,2002:"
_TAGS = {
    _STANDARD + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq", "merge", "timestamp", "value")
}

Tree: TypeAlias = Any  # YAML whose schema only Envoy knows
KeyPath: TypeAlias = tuple[str | int, ...]

TYPE = "@type"
MANAGER = "HttpConnectionManager"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where; `line` is 0 if it is not known."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed file; it knows the line of each key and value."""

    file: Path
    tree: Tree
    root: yaml.Node

    def line(self, *path: str | int) -> int:
        """Return the line of the key or item at this path, or of the last step of the path that exists."""
        node = at = self.root
        for step in path:
            below = _child(node, step)
            if below is None:
                break
            at, node = below
        return int(at.start_mark.line) + 1

    def line_of(self, word: str, *path: str | int) -> int | None:
        """Return the line of the first key or value below this path that equals `word`."""
        node = self.root
        for step in path:
            below = _child(node, step)
            if below is None:
                break
            node = below[1]
        return next((line for text, line in _words(node) if text == word), None)

    def words(self) -> set[str]:
        """Return every key and every plain value: candidates for the correct spelling of a word."""
        return {text for text, _ in _words(self.root)}


def read(file: Path) -> tuple[Document | None, tuple[Problem, ...]]:
    """Return the document, or None if it cannot be parsed, and its problems."""
    try:
        text = file.read_text("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as problem:
        return None, (Problem(file, 0, f"cannot be read: {problem}"),)
    except RecursionError:
        return None, (Problem(file, 0, "is nested too deeply to be read; use fewer levels"),)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 0
        return None, (Problem(file, line, f"is not YAML: {problem.problem}"),)
    except yaml.YAMLError as problem:
        return None, (Problem(file, 0, f"is not YAML: {problem}"),)
    if not isinstance(root, yaml.MappingNode):
        return None, (Problem(file, 1, "is not a mapping of keys to values"),)
    problems = tuple(_unreadable(file, root, ())) or tuple(_misleading(file, root, set()))
    try:
        return Document(file, _Loader.tree(root), root), problems
    except yaml.YAMLError:
        return None, problems


class _Loader(yaml.SafeLoader):
    """Reads YAML as Envoy does: a date is text."""

    @classmethod
    def tree(cls, root: yaml.Node) -> Tree:
        """Return the content of a composed document. Raises YAMLError."""
        loader = cls("")
        try:
            return loader.construct_document(root)
        finally:
            loader.dispose()


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def mappings(tree: Tree, path: KeyPath = ()) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Yield every mapping at any depth with its path, the outer before the inner."""
    if isinstance(tree, dict):
        yield path, tree
        for key, value in tree.items():
            yield from mappings(value, (*path, key))
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from mappings(item, (*path, index))


def _misleading(file: Path, node: yaml.Node, seen: set[int]) -> Iterator[Problem]:
    """Yield repeated keys, keys that are not snake_case and ambiguous words; a node used by several aliases once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        if node.style is None and node.value.lower() in AMBIGUOUS:
            yield Problem(file, line, f'write "{node.value}" in quotes: YAML versions disagree on what it means')
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _misleading(file, item, seen)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if key.value in keys:
                yield Problem(file, key.start_mark.line + 1, f"key {key.value} is repeated; keep one")
            keys.add(key.value)
            if not _KEY.fullmatch(key.value):
                yield Problem(file, key.start_mark.line + 1, _spelling(key.value))
            yield from _misleading(file, key, seen)
            yield from _misleading(file, value, seen)


def _spelling(key: str) -> str:
    spelt = _HUMP.sub("_", key).lower()
    correction = f"write {spelt}" if _KEY.fullmatch(spelt) else "write out what it stands for"
    return f"key {key} is not snake_case, so these checks would miss what is below it; {correction}"


def _unreadable(file: Path, node: yaml.Node, around: tuple[yaml.Node, ...]) -> Iterator[Problem]:
    """Yield what cannot be loaded, or has no form in JSON, into which Envoy converts the file."""
    line = node.start_mark.line + 1
    if any(node is each for each in around):
        yield Problem(file, line, "this value contains itself; write the text in place of the alias")
    elif node.tag not in _TAGS:
        yield Problem(file, line, f"Envoy does not know the tag {node.tag.replace(_STANDARD, '!!')}; remove it")
    elif node.tag == f"{_STANDARD}float" and node.value.lower().lstrip("+-") in {".inf", ".nan"}:
        yield Problem(file, line, f"Envoy does not accept the number {node.value}; write a finite one")
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _unreadable(file, item, (*around, node))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                kind = "list" if isinstance(key, yaml.SequenceNode) else "mapping"
                yield Problem(file, key.start_mark.line + 1, f"this key is a {kind}; write a name")
            else:
                yield from _unreadable(file, value, (*around, node))


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the node to point at and the node of the value. Envoy counts the entries of a mapping, too."""
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
