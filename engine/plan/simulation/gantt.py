"""A simulation as a Gantt chart of characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from engine.plan.effort import HOUR, Calendar, effort_text
from engine.plan.simulation.simulate import Simulation
from engine.plan.steps import RunSpec

MOST_ROWS: Final = 80
"""Steps that have a row each; of more, their groups have, or those who do them."""
_LABEL: Final = 30
_LEAST: Final = 16
"""Cells of time at the least."""


class Glyphs(NamedTuple):
    """What is drawn with."""

    critical: str
    work: str
    wait: str
    late: str
    milestone: str
    target: str
    edge: str
    cut: str


UNICODE: Final = Glyphs("█", "▒", "·", "╌", "◆", "◇", "│", "…")
ASCII: Final = Glyphs("#", "=", ".", "-", "*", "o", "|", "~")


class Row(NamedTuple):
    """A line of the chart: times in seconds."""

    label: str
    ready: float
    """Time passes from here, up to `begin`."""
    begin: float
    """It could begin."""
    start: float
    finish: float
    critical: bool
    head: bool = False
    """A line without a bar, above those that belong together."""


def rows_of(spec: RunSpec, found: Simulation, most: int = MOST_ROWS) -> list[Row]:
    """A row for each step, below who does it; or for each group if there are too many, or for each who does them."""
    critical = {link.step for link in found.chain}
    steps = [number for number in range(len(spec.steps)) if number not in found.schedule.skipped]
    who = {number: _who(spec, found, number) for number in steps}
    if len(steps) <= most:
        ordered: dict[str, list[Row]] = {}
        for number in sorted(steps, key=lambda one: (found.schedule.ready[one], one)):
            ordered.setdefault(who[number], []).append(_row(spec.steps[number].name, found, [number], critical))
        names = sorted(ordered, key=lambda name: (not name, name))
        if len(names) == 1:
            return ordered[names[0]]
        return [row for name in names for row in (_head(name or "nobody"), *ordered[name])]
    members: dict[str, list[int]] = {}
    for number in steps:
        members.setdefault(spec.steps[number].group or who[number] or "nobody", []).append(number)
    if len(members) > most:
        members = {}
        for number in steps:
            members.setdefault(who[number] or "nobody", []).append(number)
    made = [_row(name, found, numbers, critical) for name, numbers in members.items()]
    return sorted(made, key=lambda row: row.start)[:most]


def _who(spec: RunSpec, found: Simulation, number: int) -> str:
    resource = found.model.nodes[number].resource
    return (spec.steps[number].owner or "") if resource is None else found.model.resources[resource].name


def _head(label: str) -> Row:
    return Row(label, 0.0, 0.0, 0.0, 0.0, False, True)


def _row(label: str, found: Simulation, numbers: Sequence[int], critical: set[int]) -> Row:
    schedule = found.schedule
    starts = [
        min(schedule.start[tasks.start : tasks.stop]) if (tasks := schedule.tasks(number)) else schedule.begin[number]
        for number in numbers
    ]
    return Row(
        label, min(schedule.ready[number] for number in numbers), min(schedule.begin[number] for number in numbers),
        min(starts), max(schedule.finish[number] for number in numbers), not critical.isdisjoint(numbers),
    )  # fmt: skip


def draw(spec: RunSpec, found: Simulation, width: int = 100, glyphs: Glyphs = UNICODE) -> list[str]:
    """The chart: a line above it that tells the time, the rows, and the milestones."""
    rows = rows_of(spec, found)
    names = [len(row.label) + (0 if row.head else 2) for row in rows] + [len(one.name) for one in found.milestones]
    label = min(_LABEL, max(names, default=0), max(8, width - _LEAST - 3))
    cells = max(_LEAST, width - label - 3)
    whole = max([found.schedule.length, *(one.target or 0.0 for one in found.milestones), 1e-9])
    lines = [" " * (label + 2) + _axis(whole, cells, spec.outline.calendar)]
    for row in rows:
        if row.head:
            lines.append(_cut(row.label, label, glyphs).rstrip())
        else:
            lines.append(_line("  " + row.label, label, _bar(row, whole, cells, glyphs), glyphs))
    for one in found.milestones:
        bar = [" "] * cells
        for when, glyph in ((one.target, glyphs.target), (one.at, glyphs.milestone)):
            if when is not None:
                bar[_cell(when, whole, cells)] = glyph
        lines.append(_line(one.name, label, "".join(bar), glyphs))
    return lines


def legend(glyphs: Glyphs = UNICODE) -> str:
    """What its characters mean."""
    return (
        f"{glyphs.critical} on the critical chain   {glyphs.work} others   {glyphs.late} could have begun   "
        f"{glyphs.wait} time that passes   {glyphs.milestone} milestone   {glyphs.target} its target"
    )


def _line(name: str, label: int, bar: str, glyphs: Glyphs) -> str:
    return f"{_cut(name, label, glyphs)} {glyphs.edge}{bar}{glyphs.edge}"


def _cut(text: str, width: int, glyphs: Glyphs) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + glyphs.cut


def _cell(seconds: float, whole: float, cells: int) -> int:
    return min(cells - 1, int(seconds / whole * cells))


def _bar(row: Row, whole: float, cells: int, glyphs: Glyphs) -> str:
    bar = [" "] * cells
    spans = ((row.ready, row.begin, glyphs.wait), (row.begin, row.start, glyphs.late))
    for start, end, glyph in (*spans, (row.start, row.finish, glyphs.critical if row.critical else glyphs.work)):
        if end > start:
            first = _cell(start, whole, cells)
            last = max(first, _cell(end - 1e-12 * whole, whole, cells))
            bar[first : last + 1] = [glyph] * (last + 1 - first)
    if row.finish <= row.start and row.begin <= row.ready:  # a moment
        bar[_cell(row.finish, whole, cells)] = glyphs.critical if row.critical else glyphs.work
    return "".join(bar)


def _axis(whole: float, cells: int, calendar: Calendar) -> str:
    """Times, each above its cell, as near as there is room."""
    step = next((one for one in _steps(calendar) if one / whole * cells >= 8), whole)
    line = [" "] * cells
    at = 0
    while at * step < whole and at <= cells:
        text = _tick(at, step, calendar)
        cell = int(at * step / whole * cells)
        if cell + len(text) <= cells:
            line[cell : cell + len(text)] = text
        at += 1
    return "".join(line).rstrip()


def _tick(at: int, step: float, calendar: Calendar) -> str:
    if step >= calendar.week:
        return f"w{round(at * step / calendar.week) + 1}"
    return effort_text(at * step) if at else "0"


def _steps(calendar: Calendar) -> Iterable[float]:
    """Distances that people count in, from the least to the most."""
    for power in range(-6, 4):
        for factor in (1, 2, 5):
            if factor * 10.0**power < HOUR / 60:
                yield factor * 10.0**power
    yield from (60.0, 300.0, 900.0, HOUR, 4 * HOUR, calendar.day)
    for factor in (1, 2, 4, 8, 13, 26, 52, 104, 260, 520, 5200):
        yield factor * calendar.week
