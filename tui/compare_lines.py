"""Two runs side by side, as lines: ratios, the intervals that they lie in, and what else was not the same. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from tui import format as fmt
from tui import runs
from tui.archive import Comparison, Figure, RunRow, Verdict
from tui.widgets.columns import Column, table, wrapped
from tui.widgets.lines import Line, Piece

_SAME: Final = "both were begun with the same: command, settings, machine, version"

_VERDICTS: Final[dict[Verdict, Piece]] = {
    "better": ("▲ better", "good"),
    "worse": ("▼ worse", "error"),
    "same": ("≈ not told apart", "quiet"),
    "unknown": ("", "quiet"),
}
_SPANS: Final = (1.1, 1.25, 1.5, 2.0, 4.0, 10.0, 100.0, 1000.0)
"""Ratios that the plot of intervals may reach to, and as far to the other side."""
_NOTE: Final = (
    "The interval holds the true ratio with a probability of {:.0%}: of task times and failures as if each task were "
    "drawn by itself, of the throughput by how it swings within each of these runs. Another run may lie outside."
)
_FIGURE: Final = Column("figure", "", 13, 100, grow=1, most=16)
_LEFT: Final = Column("left", "A", 8, 97, right=True)
_RIGHT: Final = Column("right", "B", 8, 97, right=True)
_RATIO: Final = Column("ratio", "B / A", 8, 98, right=True)
_INTERVAL: Final = Column("interval", "interval", 13, 90)
_VERDICT: Final = Column("verdict", "", 16, 80)
_PLOT: Final = Column("plot", "", 21, 60, grow=1, most=61)


def ratio(value: float) -> str:
    """``1.28×``, ``0.953×``, ``12.4×``."""
    if math.isinf(value):
        return "∞"
    if value >= 1000:
        return f"{fmt.si(value)}×"
    return f"{value:.0f}×" if value >= 100 else f"{value:.3g}×"


def interval(figure: Figure) -> str:
    """``1.21–1.34×``; open where one end is."""
    if figure.low is None or figure.high is None:
        return ""
    if math.isinf(figure.high):
        return f"above {ratio(figure.low)}"
    if not figure.low:
        return f"below {ratio(figure.high)}"
    return f"{ratio(figure.low)[:-1]}–{ratio(figure.high)}"


def span_of(figures: Sequence[Figure]) -> float:
    """How far a plot has to reach to show all intervals whose ends are known."""
    ends = [
        max(end, 1 / end)
        for figure in figures
        for end in (figure.low, figure.high)
        if end is not None and 0 < end < math.inf
    ]
    most = max(ends, default=_SPANS[0])
    return next((span for span in _SPANS if span >= most), _SPANS[-1])


def plot(figure: Figure, span: float, width: int) -> str:
    """An interval on a logarithmic axis from 1 / `span` to `span`, with 1 in the middle."""
    if figure.low is None or figure.high is None or width < 5:
        return ""
    last = width - 1

    def at(value: float) -> int:
        if value <= 0:
            return 0
        share = 0.5 if math.isinf(value) else math.log(value) / math.log(span) / 2
        return round((min(max(share, -0.5), 0.5) + 0.5) * last)

    cells = ["─"] * width
    cells[last // 2] = "┼"
    low, high = at(figure.low), at(figure.high)
    cells[low : high + 1] = "━" * (high - low + 1)
    cells[low], cells[high] = "┣", "┫"
    if figure.low <= 0 or figure.low < 1 / span:
        cells[low] = "◂"
    if figure.high > span:
        cells[high] = "▸"
    if figure.ratio is not None:
        cells[at(figure.ratio)] = "●"
    return "".join(cells)


def comparison_lines(found: Comparison, width: int) -> list[Line]:
    """All of it."""
    lines: list[Line] = [*_side("A", found.left, width), *_side("B", found.right, width), ()]
    interval_column = Column("interval", f"{found.confidence:.0%} interval", 15, 90) if width >= 70 else _INTERVAL
    columns = (_FIGURE, _LEFT, _RIGHT, _RATIO, interval_column, _VERDICT, _PLOT)
    span = span_of(found.figures)
    rows = [_row(figure, span, width) for figure in found.figures]
    lines += [*table(columns, rows, width, 2 if width >= 70 else 1), ()]
    lines += [((text, "quiet"),) for text in wrapped(_NOTE.format(found.confidence), width)]
    lines += differences(found.differences, _SAME, width)
    return lines


def _side(letter: str, run: RunRow, width: int) -> Iterator[Line]:
    word, ink = runs.status(run)
    room = max(8, width - 36)
    yield (
        (f"{letter}  ", "brand"), (f"{fmt.pad(run.id, 8)}  ", "quiet"), (fmt.fit(run.name, room), "strong"), ("  ", ""),
        (word, ink),
    )  # fmt: skip
    yield (("   ", ""), (fmt.date(run.started), "quiet"), (f"  {fmt.count(run.tasks)} tasks", ""))


def _row(figure: Figure, span: float, width: int) -> dict[str, Piece]:
    word, ink = _VERDICTS[figure.verdict]
    if not word:
        word = figure.note
    told = "" if figure.ratio is None else ratio(figure.ratio)
    glyph = word[0] if figure.verdict in ("better", "worse", "same") else ""
    cells = min(_PLOT.most, max(_PLOT.width, width - 88)) // 2 * 2 - 1
    return {
        "figure": (figure.name, ""),
        "left": (fmt.amount(figure.left, figure.unit), "strong"),
        "right": (fmt.amount(figure.right, figure.unit), "strong"),
        "ratio": (f"{glyph} {told}".strip() if told else "-", ink if glyph else ""),
        "interval": (interval(figure), ""),
        "verdict": (word, ink),
        "plot": (plot(figure, span, cells), ink if figure.verdict != "unknown" else "quiet"),
    }


def differences(found: Sequence[tuple[str, str, str]], same: str, width: int) -> Iterator[Line]:
    """What was not the same of two, by name; `same`: what to say where there is nothing."""
    yield ()
    if not found:
        yield (("✓ ", "good"), (same, ""))
        return
    yield (("what else was not the same", "brand"),)
    each = max(8, (width - 26) // 2)
    columns = (
        Column("name", "", 14, 100, grow=1, most=24), Column("left", "A", 8, 98, grow=2, most=each),
        Column("right", "B", 8, 98, grow=2, most=each),
    )  # fmt: skip
    rows: list[dict[str, Piece]] = [
        {"name": (name, "quiet"), "left": (left, ""), "right": (right, "")} for name, left, right in found
    ]
    yield from table(columns, rows, width)
