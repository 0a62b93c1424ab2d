"""Draws the plot of the experiment with limits as SVG: one panel for each run and figure."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.limits_traffic import PATIENCE, Outcome

# Most people with a colour vision deficiency can distinguish these (Okabe and Ito).
COLOURS: Final = {"any": "#d55e00", "small": "#e69f00", "medium": "#009e73", "large": "#0072b2"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 380, 200, 56, 50, 56
BIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class Panel:
    """One run."""

    name: str
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class _Figure:
    """The plotted values of the requests of one bin."""

    name: str
    top: float
    of: Callable[[Sequence[Outcome]], float]


def _served(found: Sequence[Outcome]) -> float:
    return sum(each.served for each in found) / BIN


def _slow(found: Sequence[Outcome]) -> float:
    """Return the 99th percentile; of so few requests it is nearly the slowest."""
    times = [(each.seconds if each.served else PATIENCE) * 1000 for each in found if not each.refused]
    return statistics.quantiles(times, n=100, method="inclusive")[98] if len(times) > 1 else 0.0


FIGURES: Final = (_Figure("served a second", 60, _served), _Figure("p99, ms (2,000: gave up)", 2000, _slow))


def draw(panels: Sequence[Panel], seconds: float, flood: tuple[float, float]) -> str:
    """Return the SVG: a column for each run, a row for each figure, the flood shaded."""
    width, height = LEFT + len(panels) * (WIDTH + GAP), TOP + len(FIGURES) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for column, panel in enumerate(panels):
        for row, figure in enumerate(FIGURES):
            left, top = LEFT + column * (WIDTH + GAP), TOP + row * (HEIGHT + GAP)
            parts.append(f'<g transform="translate({left} {top})">')
            parts.extend(_panel(panel, figure, seconds, flood, titled=row == 0))
            parts.append("</g>")
    parts.extend(_legend())
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, figure: _Figure, seconds: float, flood: tuple[float, float], *, titled: bool) -> Iterator[str]:
    def x(second: float) -> float:
        return second / seconds * WIDTH

    def y(value: float) -> float:
        return HEIGHT - min(value, figure.top * 1.05) / (figure.top * 1.05) * HEIGHT

    if titled:
        yield f'<text x="0" y="-10" font-size="14" font-weight="bold">{escape(panel.name)}</text>'
    yield f'<rect x="{x(flood[0]):.1f}" width="{x(flood[1] - flood[0]):.1f}" height="{HEIGHT}" fill="#eeeeee"/>'
    for step in range(5):
        value = figure.top * step / 4
        yield f'<path d="M0 {y(value):.1f}H{WIDTH}" stroke="#cccccc" stroke-width="0.5"/>'
        yield f'<text x="-6" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
    for second in range(0, int(seconds) + 1, 5):
        yield f'<text x="{x(second):.1f}" y="{HEIGHT + 16}" text-anchor="middle">{second} s</text>'
    yield f'<text x="4" y="14" fill="#555555">{escape(figure.name)}</text>'
    for tier, colour in COLOURS.items():
        points = " ".join(f"{x(at + BIN / 2):.1f},{y(value):.1f}" for at, value in _line(panel, tier, figure, seconds))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _line(panel: Panel, tier: str, figure: _Figure, seconds: float) -> Iterator[tuple[float, float]]:
    own = [each for each in panel.outcomes if each.tier == tier]
    for number in range(int(seconds / BIN)):
        begins = number * BIN
        yield begins, figure.of([each for each in own if begins <= each.sent < begins + BIN])


def _legend() -> Iterator[str]:
    for number, (tier, colour) in enumerate(COLOURS.items()):
        left = LEFT + number * 80
        yield f'<path d="M{left} 14h18" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{left + 24}" y="18">{tier}</text>'
    left = LEFT + len(COLOURS) * 80
    yield f'<rect x="{left}" y="8" width="18" height="12" fill="#eeeeee"/>'
    yield f'<text x="{left + 24}" y="18">ten times as much from any</text>'
