"""A plan over time: what was as it was, what is to come as it looks, and what the end hangs on told apart. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tui import draw
from tui.plan.facts import Plan, Step
from tui.plan.tree import Branch
from tui.widgets.lines import Line, Piece

PAST_CRITICAL: Final = "█"
PAST: Final = "▄"
COMING_CRITICAL: Final = "▒"
COMING: Final = "░"
SLACK: Final = "╌"
NOW: Final = "│"
REACHED: Final = "◆"
TARGET: Final = "▽"
GATE: Final = "┃"
_SPAN: Final = 1.0
"""Seconds that it covers at the least: what is over in no time at all is to look like that."""
_FAR: Final = 1.5
"""How many times as far as the end of all a target may lie, and still be on it."""
_HERE: Final = 0.6
"""Where now stands, as a share of the width, once one has zoomed in."""
_TICKS: Final = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200,
    86_400, 172_800, 604_800, 2_419_200, 7_257_600, 31_536_000,
)  # fmt: skip
"""Distances of ticks, in seconds."""
_TICK_CELLS: Final = 9
ZOOMS: Final = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Scale:
    """Times, as seconds since the Unix epoch, on so many cells.

    Attributes:
        start: at the left edge.
        end: at the right edge.
        cells: of the width.
        zero: when the run began: ticks tell the time since then.
        now: the moment that is shown; None where all is over.
    """

    start: float
    end: float
    cells: int
    zero: float
    now: float | None

    def cell(self, at: float) -> int:
        """Where a time stands; may be beyond the edges."""
        return int((at - self.start) / (self.end - self.start) * self.cells // 1)

    def ruler(self) -> str:
        """What stands above the chart: times since the beginning."""
        span = self.end - self.start
        step = next((tick for tick in _TICKS if tick / span * self.cells >= _TICK_CELLS), _TICKS[-1])
        line = [" "] * self.cells
        first = -(-(self.start - self.zero) // step)
        at = first
        while at * step + self.zero < self.end:
            text, cell = tick_text(at * step), self.cell(at * step + self.zero)
            if cell >= 0 and cell + len(text) <= self.cells:
                line[cell : cell + len(text)] = text
            at += 1
        return "".join(line)


def tick_text(seconds: float) -> str:
    """A time since the beginning as short as it can be: ``0``, ``0.5s``, ``30s``, ``5m``, ``1h30``, ``2d``, ``3w``."""
    if abs(seconds) < 1e-9:
        return "0"
    if seconds < 60:
        return f"{seconds:.10g}s" if seconds >= 1 else f"{seconds:.2g}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m" + (f"{whole % 60:02d}" if whole % 60 else "")
    if whole < 86_400:
        return f"{whole // 3600}h" + (f"{whole % 3600 // 60:02d}" if whole % 3600 else "")
    days, rest = divmod(whole, 86_400)
    if days % 7 == 0 and not rest:
        return f"{days // 7}w"
    return f"{days}d" + (f"{rest // 3600:02d}h" if rest else "")


def scale_of(plan: Plan, began: float, cells: int, zoom: int = 1) -> Scale:
    """The scale of a plan. It grows in steps, so that it stands still while the end moves a little.

    Args:
        plan: to be shown.
        began: when the run began.
        cells: of the width.
        zoom: one of `ZOOMS`: how many times as large, around now.
    """
    begins = [step.now.began for step in plan.steps if step.now.began is not None]
    zero = min([began, *begins])
    ends = [step.now.ends for step in plan.steps if step.now.ends is not None and not (step.ended and not step.over)]
    last = max([zero, plan.at if not plan.ended else zero, *ends, plan.ends or zero])
    span = max(last - zero, _SPAN)
    targets = [began + one.target for one in plan.outline.milestones if one.target is not None]
    span = max([span, *(at - zero for at in targets if at - zero <= span * _FAR)])
    whole = draw.nice_top(span, _SPAN)
    now = None if plan.ended else plan.at
    if zoom == 1:
        return Scale(zero, zero + whole, max(1, cells), zero, now)
    part = whole / zoom
    middle = last if now is None else now
    start = min(max(zero, middle - part * _HERE), zero + whole - part)
    return Scale(start, start + part, max(1, cells), zero, now)


def step_bar(plan: Plan, step: Step, scale: Scale) -> Line:
    """The bar of one step."""
    now, cells = step.now, _Cells(scale)
    past, coming = (PAST_CRITICAL, COMING_CRITICAL) if step.critical else (PAST, COMING)
    if now.began is not None:
        end = now.ended if step.over or step.ended else plan.at
        ink = "dead" if step.state == "failed" else "busy" if step.critical or not step.over else "idle"
        cells.fill(now.began, max(now.began, end or now.began), past, ink)
    elif step.state == "barred" and now.ended is not None:
        cells.put(now.ended, "✗", "dead")
    if not step.over and not step.ended and now.ends is not None:
        start = plan.at if now.began is not None else max(plan.at, now.starts or plan.at)
        cells.fill(start, now.ends, coming, "busy" if step.critical else "quiet")
        if now.slack and not step.critical:
            cells.fill(now.ends, now.ends + now.slack, SLACK, "track", blank=True)
    if step.written.gate is not None and now.ends is not None and not (step.ended and not step.over):
        ink = {"go": "good", "pivot": "warning", "hold": "warning", "stop": "error"}.get(
            step.gate.decided if step.gate is not None else "", "strong"
        )
        cells.put(now.ends, GATE, ink)
    return cells.line()


def branch_bar(plan: Plan, branch: Branch, scale: Scale) -> Line:
    """The bar of several steps: from the first to the last, full where anything of them runs."""
    cells = _Cells(scale)
    for step in branch.steps:
        now = step.now
        if now.began is not None:
            end = now.ended if step.over or step.ended else plan.at
            cells.fill(now.began, max(now.began, end or now.began), "─", "busy" if branch.critical else "idle")
        if not step.over and not step.ended and now.ends is not None:
            start = plan.at if now.began is not None else max(plan.at, now.starts or plan.at)
            cells.fill(start, now.ends, "─", "quiet", blank=True)
    return cells.line()


def milestone_bar(plan: Plan, place: int, began: float, scale: Scale) -> Line:
    """A line with the marks of one milestone: when it is to be reached, and when it was, or may be."""
    written, now, cells = plan.outline.milestones[place], plan.told.milestones[place], _Cells(scale)
    if written.target is not None:
        cells.put(began + written.target, TARGET, "quiet", edge=True)
    if now.ends is not None and (now.reached or not plan.ended):
        late = now.slack is not None and now.slack < 0
        cells.put(now.ends, REACHED, "error" if late else "good" if now.reached else "brand")
    return cells.line()


class _Cells:
    """One line of the chart."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._cells: list[Piece] = [(" ", "")] * scale.cells

    def fill(self, start: float, end: float, glyph: str, ink: str, blank: bool = False) -> None:
        """From a time to another, a cell at the least; `blank`: only where nothing is."""
        first, last = self._scale.cell(start), self._scale.cell(end)
        if last > first and self._scale.start + last * self._width >= end:
            last -= 1  # it ends right at the edge of a cell
        for cell in range(max(first, 0), min(max(last, first), self._scale.cells - 1) + 1):
            if not blank or self._cells[cell][0] == " ":
                self._cells[cell] = glyph, ink

    @property
    def _width(self) -> float:
        return (self._scale.end - self._scale.start) / self._scale.cells

    def put(self, at: float, glyph: str, ink: str, edge: bool = False) -> None:
        """At a time; with `edge`, what is beyond the right one is pointed at there."""
        cell = self._scale.cell(at)
        if cell == self._scale.cells and at <= self._scale.end:
            cell -= 1
        if 0 <= cell < self._scale.cells:
            self._cells[cell] = glyph, ink
        elif edge and cell >= self._scale.cells:
            self._cells[-1] = "▸", ink

    def line(self) -> Line:
        """With the line of now, in pieces as long as they can be."""
        now = self._scale.now
        if now is not None:
            cell = self._scale.cell(now)
            if 0 <= cell < self._scale.cells and self._cells[cell][0] in (" ", SLACK, COMING):
                self._cells[cell] = NOW, "brand"
        return joined(self._cells)


def joined(cells: Sequence[Piece]) -> Line:
    """Cells in pieces of one ink each."""
    pieces: list[Piece] = []
    for text, ink in cells:
        if pieces and pieces[-1][1] == ink:
            pieces[-1] = pieces[-1][0] + text, ink
        else:
            pieces.append((text, ink))
    return tuple(pieces)


def legend(width: int) -> Line:
    """What the glyphs mean, as far as there is room."""
    pieces: list[Piece] = []
    used = 0
    for glyph, ink, text in (
        (PAST_CRITICAL + COMING_CRITICAL, "busy", "the end hangs on it"), (PAST + COMING, "quiet", "others"),
        (SLACK, "quiet", "slack"), (NOW, "brand", "now"), (GATE, "strong", "gate"), (REACHED, "brand", "milestone"),
        (TARGET, "quiet", "its target"),
    ):  # fmt: skip
        cells = len(glyph) + len(text) + 4
        if used + cells > width:
            break
        pieces += [(f"{glyph} ", ink), (f"{text}  ", "quiet")]
        used += cells
    return tuple(pieces)
