"""Finds the metrics and labels that a PromQL query uses."""

import re
from dataclasses import dataclass
from typing import Final

FUNCTIONS: Final = frozenset(
    {"changes", "histogram_quantile", "increase", "max_over_time", "rate", "time"}
    | {"count", "max", "min", "sum", "topk"}
)
KEYWORDS: Final = frozenset({"and", "or", "unless"})
MACROS: Final = {"$__rate_interval": "5m", "$instance": ".*", "$backend": ".*", "$envoy": ".*"}

_STRING: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_GROUPING: Final = re.compile(r"\b(?:by|on|group_left|without|ignoring|group_right)\s*\(([^)]*)\)")
_TIME: Final = re.compile(r"\[[^\]]*\]|\boffset\s+\d+[smhd]\b")
_NAME: Final = re.compile(r"(?<![\w.])([A-Za-z_:][\w:]*)\s*(\(|\{[^}]*\})?")
_MATCHED: Final = re.compile(r"([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)")


@dataclass(frozen=True, slots=True)
class Query:
    """Each metric with the labels of its selectors, and all labels of groupings."""

    metrics: dict[str, frozenset[str]]
    grouped_by: frozenset[str]


def without_macros(text: str) -> str:
    """Replace Grafana's variables. Raises ValueError for one that is not listed here."""
    for macro, value in MACROS.items():
        text = text.replace(macro, value)
    if "$" in text:
        raise ValueError(f"'{text}' holds a variable that the dashboard does not have")
    return text


def parse(text: str) -> Query:
    """Parse a query. Raises ValueError for a function that is not listed here."""
    bare = _STRING.sub('""', without_macros(text))
    grouped = {label.strip() for labels in _GROUPING.findall(bare) for label in labels.split(",")}
    metrics: dict[str, frozenset[str]] = {}
    for name, rest in _NAME.findall(_TIME.sub("", _GROUPING.sub("", bare))):
        if rest == "(" and name not in KEYWORDS:
            if name not in FUNCTIONS:
                raise ValueError(f"'{name}' in '{text}' is no function known here")
        elif name not in KEYWORDS:
            metrics[name] = metrics.get(name, frozenset()) | frozenset(_MATCHED.findall(rest))
    return Query(metrics, frozenset(grouped - {""}))
