"""The lines of a session that brings none: of the gate, or of an older Shoal, made of its cells. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.bench.guard.cells import Cell
from engine.bench.guard.sessions import Session
from engine.bench.lines import Line, Wanted, at, bound, factor, wanted
from engine.bench.rows import SUITES, Limit, Row
from engine.bench.statistics import Interval, median, median_interval, ratios
from engine.bench.verdicts import verdict


def lines(session: Session) -> list[Line]:
    """What the suite has said of itself, or else what can be said by the samples alone."""
    if session.lines:
        return session.lines
    rows = {row.name: row for row in SUITES.get(session.suite, ())}
    return [_of_cell(cell, rows.get(cell.name), session) for cell in session.cells]


def _of_cell(cell: Cell, row: Row | None, session: Session) -> Line:
    ours = cell.samples["ours"]
    theirs = cell.samples.get(cell.beside, [])
    value = median(ours)
    own = median_interval(ours) if len(ours) > 1 else None
    beside = session.against if cell.beside == "against" else row.peer if row and cell.beside == "peer" else cell.beside
    found = _factor(cell)
    of_must = False
    if found is None and row is not None and (limit := bound(row)):
        times = factor(row.better, value / limit)
        ends = None if own is None else sorted((own.low / limit, own.high / limit), reverse=row.better == "low")
        if times is not None and ends is not None:
            found = times, factor(row.better, ends[0]), factor(row.better, ends[1])
        elif times is not None:
            found = times, None, None
        of_must = found is not None
    must, aim = (None, None) if row is None or cell.beside == "against" else _wanted(cell, row, ours, theirs, own)
    return Line(
        name=cell.name, title=cell.metric, unit=cell.unit, value=value, low=None if own is None else own.low,
        high=None if own is None else own.high, confidence=0.0 if own is None else own.confidence, rounds=cell.rounds,
        beside=beside, other=median(theirs) if theirs else None, factor=None if found is None else found[0],
        factor_low=None if found is None else found[1], factor_high=None if found is None else found[2],
        of="" if found is None else "must" if of_must else "beside", must=must, aim=aim, cell=cell.name,
    )  # fmt: skip


def _factor(cell: Cell) -> tuple[float, float | None, float | None] | None:
    """By which our side is better than the other, round by round, with its interval."""
    if not cell.beside:
        return None
    try:
        levels = cell.levels()
    except ValueError:  # values that have no ratio
        return None
    middle = math.exp(-median(levels))
    if len(levels) < 2:
        return middle, None, None
    interval = median_interval(levels)
    return middle, math.exp(-interval.high), math.exp(-interval.low)


def _wanted(
    cell: Cell, row: Row, ours: Sequence[float], theirs: Sequence[float], own: Interval | None
) -> tuple[Wanted | None, Wanted | None]:
    """What is wanted of it, where samples alone say whether it is so."""
    known = {"ours": median(ours)}
    intervals = {} if own is None else {"ours": own}
    if theirs and all(value > 0 for value in theirs) and len(theirs) == len(ours):
        paired = ratios(ours, theirs)
        known["ratio"] = median(paired)
        if len(paired) > 1:
            intervals["ratio"] = median_interval(paired)

    def judged(limits: Sequence[Limit]) -> Wanted | None:
        if any(limit.of not in known for limit in limits):
            return None
        return wanted(verdict(limits, known, intervals, len(ours)), at(row, limits))

    return judged(row.must), judged(row.aim)
