"""Which tasks run at this moment, as the scoreboard has it."""

from __future__ import annotations

from typing import NamedTuple

from engine.procs.scoreboard import BATCH, START, STATE
from engine.runtime.fleet.fleet import Fleet
from engine.stream.types import BUSY


class Busy(NamedTuple):
    """Tasks of a step that run at this moment. Moments are by the monotonic clock."""

    tasks: int
    first: float
    """When the first of them began."""
    last: float


def at_work(fleet: Fleet) -> dict[int, Busy]:
    """What runs, by the numbers of jobs in the record."""
    board, batches = fleet.board, fleet.core.batches
    states, numbers, starts = board.low_bytes(STATE, 0, board.rows), board.column(BATCH), board.column(START)
    found: dict[int, Busy] = {}
    row = states.find(BUSY)
    while row >= 0:
        batch = batches.get(numbers[row])
        job = None if batch is None else fleet.job(batch.range.id)
        if job is not None:
            number, began = job.record[0], starts[row] / 1e9
            before = found.get(number, Busy(0, began, began))
            found[number] = Busy(before.tasks + 1, min(before.first, began), max(before.last, began))
        row = states.find(BUSY, row + 1)
    return found
