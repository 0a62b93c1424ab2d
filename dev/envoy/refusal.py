"""What Envoy says when it refuses a configuration: the reason, the field it is about, and where that stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dev.envoy.yaml_lines import Place

LENGTH = 300
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why Envoy refuses, in its own words.

    `path` leads from `root` (Bootstrap, or the message that Envoy had unpacked) to the field, `kind` is its type, and
    `word` stands somewhere without Envoy saying where; all of them may be empty.
    """

    reason: str
    root: str = "Bootstrap"
    path: Place = ()
    kind: str = ""
    word: str = ""

    def words(self) -> tuple[str, ...]:
        """What may stand in the file just as the reason has it: in quotes, or behind a colon."""
        behind = self.reason.rpartition(": ")[2]
        return tuple(filter(None, (self.word, *_QUOTED.findall(self.reason), behind, behind.partition(". ")[0])))


def told(stderr: str) -> Refusal:
    """What a reader needs out of pages."""
    said = " ".join(_INTRODUCTION.split(stderr)[-1].split())
    failed, _, constraints = said.rpartition("Proto constraint validation failed ")
    if failed:
        steps = constraints.strip("()").split(" | caused by ")
        root = steps[0].partition("ValidationError")[0]
        return Refusal(steps[-1].partition(": ")[2], root, tuple(_constrained(steps)))
    if field := _FIELD.search(said):
        path = tuple(_fields(field["path"] or ""))
        return Refusal(field["reason"], path=path, kind=(field["type"] or "").rpartition(".")[2])
    if word := _WORD.search(said):
        return Refusal(word["reason"], word=word["word"])
    return Refusal(_CONFIGURATION.sub("", said)[:LENGTH] or "Envoy refuses it without saying why")


def _constrained(steps: list[str]) -> Iterator[str | int]:
    for step in steps:
        if found := _STEP.match(step):
            yield _HUMP.sub("_", found[1]).lower()
            if found[2]:
                yield int(found[2])


def _fields(path: str) -> Iterator[str | int]:
    """The keys and indices of `a.b[0].<any>.c`; what was unpacked on the way is no level of its own."""
    for name, index in _INDEXED.findall(path):
        if index:
            yield int(index)
        elif name != "<any>":
            yield name
