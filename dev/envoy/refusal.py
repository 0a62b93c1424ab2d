"""Turns a refusal of Envoy's into a problem with file and line, the reason, and what to write instead."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from authz.documents.hints import nearest
from dev.envoy.documents import MANAGER, TYPE, Document, KeyPath, Problem, Tree, mappings
from dev.envoy.routes import named

HOSTS, ROUTES, CLUSTERS, SECRETS = "virtual_hosts", "routes", "clusters", "secrets"
MAX_LENGTH = 300
SIMILARITY = 0.75
CORRECT = "correct it or remove it"
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_INTRODUCTION = re.compile(r"error initializing [^']*'[^']*': ")
_STEP = re.compile(r"\w+ValidationError\.(\w+)(?:\[(\d+)\])?")
_FIELD = re.compile(
    r"invalid JSON in \S+?(?: @ (?P<path>\S+): (?:message |enum )?(?P<type>\S+))?, near \d+:\d+ \(offset \d+\): "
    r"(?P<reason>.*?)\)(?:: \{| has unknown fields|$)"
)
_WORD = re.compile(r"INVALID_ARGUMENT: (?P<reason>could not find @type|unknown enum value):? '(?P<word>[^']*)'")
_INDEXED = re.compile(r"([^.\[]+)|\[(\d+)\]")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUOTED = re.compile(r"'([^']*)'")
_CONFIGURATION = re.compile(r":? ?(\{\"node\"|goo\.gle/debug).*")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?")
_UNKNOWN_FIELD = re.compile(r"no such field: '(.*)'")
_WHOLE = {"uint32", "int32", "uint64", "int64", "UInt32Value", "UInt64Value", "Int32Value", "Int64Value"}
_FRACTION = {"double", "float", "DoubleValue", "FloatValue"}
_SHAPES = (("expected '{'", "a mapping of keys to values"), ("expected '['", "a list"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why Envoy refuses, in its own words.

    `path` leads from `root` (Bootstrap, or the message that Envoy had unpacked) to the field, `kind` is the field's
    type. `word` is a word of the file for which Envoy names no field. All of them may be empty.
    """

    reason: str
    root: str = "Bootstrap"
    path: KeyPath = ()
    kind: str = ""
    word: str = ""

    def words(self) -> tuple[str, ...]:
        """Return the words of the reason that may stand in the file: those in quotes, or behind a colon."""
        behind = self.reason.rpartition(": ")[2]
        return tuple(filter(None, (self.word, *_QUOTED.findall(self.reason), behind, behind.partition(". ")[0])))


def parse(stderr: str) -> Refusal:
    """Find reason and field in what Envoy wrote."""
    text = " ".join(_INTRODUCTION.split(stderr)[-1].split())
    failed, _, constraints = text.rpartition("Proto constraint validation failed ")
    if failed:
        steps = constraints.strip("()").split(" | caused by ")
        root = steps[0].partition("ValidationError")[0]
        return Refusal(steps[-1].partition(": ")[2], root, tuple(_constrained(steps)))
    if field := _FIELD.search(text):
        path = tuple(_fields(field["path"] or ""))
        return Refusal(field["reason"], path=path, kind=(field["type"] or "").rpartition(".")[2])
    if word := _WORD.search(text):
        return Refusal(word["reason"], word=word["word"])
    return Refusal(_CONFIGURATION.sub("", text)[:MAX_LENGTH] or "Envoy refuses it without a reason")


def _constrained(steps: list[str]) -> Iterator[str | int]:
    for step in steps:
        if found := _STEP.match(step):
            yield _HUMP.sub("_", found[1]).lower()
            if found[2]:
                yield int(found[2])


def _fields(path: str) -> Iterator[str | int]:
    """Yield the keys and indices of `a.b[0].<any>.c`; `<any>` is not a key of the file."""
    for name, index in _INDEXED.findall(path):
        if index:
            yield int(index)
        elif name != "<any>":
            yield name


def in_cluster(clusters: Document, number: int, refusal: Refusal, known: set[str]) -> Problem:
    """Locate the refusal of a configuration that holds this cluster alone."""
    at: KeyPath = ("resources", number)
    below = _after(refusal.path, CLUSTERS, 2) if refusal.path[:2] == ("static_resources", CLUSTERS) else ()
    name = f"cluster {clusters.tree['resources'][number].get('name')}"
    return _problem(clusters, at, (*at, *below), refusal, known, name)


def in_route(routes: Document, at: KeyPath, refusal: Refusal, known: set[str]) -> Problem:
    """Locate the refusal of a configuration that holds this route alone, with its host and their configuration."""
    full = at
    if "route_config" in refusal.path:
        below = _after(refusal.path, "route_config", 1)
        at = at[: 6 if ROUTES in below else 4 if HOSTS in below else 2]
        full = (*at, *below[len(at) - 2 :])
    return _problem(routes, at, full, refusal, known, named(routes.tree, at))


def in_tls_or_bootstrap(tls: Document, bootstrap: Document, refusal: Refusal, known: set[str]) -> Problem:
    """Locate the refusal of a configuration without the clusters and routes of the dynamic files."""
    if SECRETS in refusal.path[:2]:
        return _problem(tls, (), ("resources", *_after(refusal.path, SECRETS, 1)), refusal, known)
    if "secret" in refusal.reason:
        name = refusal.reason.rpartition(": ")[2]
        asked = f"{bootstrap.file.name} asks for it, line {bootstrap.line_of(name)}"
        return Problem(tls.file, tls.line("resources", 0, "name"), f"{refusal.reason}; {asked}: write one name in both")
    start = next((path for path, each in mappings(bootstrap.tree) if _is(refusal.root, each)), ())
    return _problem(bootstrap, start, (*start, *refusal.path), refusal, known)


def _problem(
    document: Document, at: KeyPath, full: KeyPath, refusal: Refusal, known: set[str], name: str = ""
) -> Problem:
    """Point at the field that Envoy names, else at the word that it does not know, else at `at`."""
    misspelt = refusal.reason.partition("no such field: ")[2].strip("'")
    line = document.line(*full, *([misspelt] if misspelt else [])) if misspelt or full else 0
    if full == at:
        line = next((found for word in refusal.words() if (found := document.line_of(word, *at))), line)
    text = worded(refusal, _value(document.tree, full), known)
    return Problem(document.file, line, f"{name}: {text}" if name else text)


def _is(root: str, mapping: dict[str, Any]) -> bool:
    return root == MANAGER and str(mapping.get(TYPE, "")).endswith(f".{root}")


def _after(path: KeyPath, key: str, further: int) -> KeyPath:
    return path[path.index(key) + further :]


def _value(tree: Tree, path: KeyPath) -> Any:
    for step in path:
        if isinstance(tree, dict):
            tree = list(tree.values())[step] if isinstance(step, int) and step < len(tree) else tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def worded(refusal: Refusal, value: Any, known: Iterable[str]) -> str:
    """Return what is wrong and what to write, in one sentence.

    `value` is what the field holds. A misspelt word is looked for among the `known` ones.
    """
    name = next((str(step) for step in reversed(refusal.path) if isinstance(step, str)), "")
    if "@type" in refusal.reason:
        types = {_last(word): word for word in known if word.startswith("type.")}
        near = nearest(_last(refusal.word), types.keys() - {_last(refusal.word)}, SIMILARITY)
        return f"Envoy knows no type {refusal.word}; {f'write {types[near]}' if near else CORRECT}"
    if refusal.word:
        return f"Envoy knows no value '{refusal.word}'; {_instead(refusal.word, known)}"
    if misspelt := _UNKNOWN_FIELD.fullmatch(refusal.reason):
        return f"no such field: '{misspelt[1]}'; {_instead(misspelt[1], known)}"
    if refusal.reason == "value is required":
        return f"{name} is missing; add it"
    correction = _correction(refusal, value)
    if correction:
        return f"{name}: {value} is not valid; {correction}"
    return f"{name}: {refusal.reason}" if name else refusal.reason


def _correction(refusal: Refusal, value: Any) -> str:
    """Say what to write, if the field's type or Envoy's reason shows it; else nothing."""
    if refusal.kind == "Duration":
        return f"write {_duration(value)}"
    if refusal.kind in _WHOLE:
        return "write a whole number" + (" from 0 on" if refusal.kind.lower().startswith("u") else "")
    if refusal.kind in _FRACTION:
        return "write a number"
    if refusal.kind in {"bool", "BoolValue"}:
        return "write true or false"
    if "already been set" in refusal.reason:
        return "keep only one of the keys here that exclude each other"
    if refusal.kind in {"string", "StringValue"} and "unexpected character" in refusal.reason:
        return "write text" if isinstance(value, list | dict) else f'write "{value}", in quotes'
    return next((f"write {shape}" for sign, shape in _SHAPES if sign in refusal.reason), "")


def _duration(value: Any) -> str:
    found = _DURATION.fullmatch(str(value))
    return (
        f"{float(found[1]) * SECONDS[found[2] or 's']:.9g}s" if found else "a number of seconds and an s, such as 60s"
    )


def _instead(word: str, known: Iterable[str]) -> str:
    near = nearest(word, {*known} - {word}, SIMILARITY)
    return f"write {near}" if near else CORRECT


def _last(name: str) -> str:
    return name.rpartition(".")[2]
