"""Cells of rows, measured in this process's children."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from engine.bench.code import Code
from engine.bench.guard.cells import Cell, of_row
from engine.bench.guard.sessions import Recorder, Session
from engine.bench.lines import of_finding
from engine.bench.progress import Progress
from engine.bench.rows import Row
from engine.bench.run import Round
from engine.bench.suite import Outcome


def judgeable(row: Row) -> bool:
    """Whether it is measured more than once in a session: a single figure has no spread to judge it by."""
    return row.rounds != 1


def measured(
    suite: str,
    rows: Sequence[Row],
    rounds: int,
    quick: bool,
    seed: int,
    progress: Progress,
    against: Code | None = None,
    again: bool = False,
) -> tuple[list[Cell], dict[str, str]]:
    """The cells of rows, so many rounds of each whatever the row says, and why others are missing, by name."""
    unbounded = [dataclasses.replace(row, rounds=0) for row in rows]
    taken = Round(unbounded, rounds, quick, seed, progress, against, suite, again)
    taken.run()
    failures = dict(taken.failures)
    cells = []
    for row in taken.rows:
        if row.name not in failures:
            try:
                cells.append(
                    of_row(row, row.titled(quick), taken.samples[row.name], taken.size(row), taken.repeat(row))
                )
            except ValueError as error:
                failures[row.name] = str(error)
    return cells, failures


def kept(recorder: Recorder, outcome: Outcome, whole: bool) -> Session:
    """What a suite has measured, as a session that nobody has judged. `whole`: nothing of it was left out."""
    failures = dict(outcome.failures)
    cells, lines = [], []
    for found, told in zip(outcome.findings, outcome.data["rows"], strict=True):
        row = found.row
        try:
            repeat = row.quick_repeat if recorder.quick else row.repeat
            cells.append(of_row(row, found.title, told["samples"], told["size"], repeat))
            lines.append(of_finding(found, cells[-1].samples["ours"]))
        except ValueError as error:
            failures[row.name] = str(error)
    return recorder.ended(cells, failures, lines=lines, whole=whole)
