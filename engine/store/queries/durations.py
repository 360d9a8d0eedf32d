"""How long the tasks of a run took: quantiles, whatever their number, in bounded memory."""

from __future__ import annotations

import math
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from engine.metrics.buckets import needed

if TYPE_CHECKING:
    from engine.metrics.histogram import Histogram

QUANTILES: Final = (0.5, 0.9, 0.99)
EXACT: Final = 1_000_000
"""Run times of a pool that are kept one by one (8 MB); those of more are counted in buckets."""
_BITS: Final = 10
"""Of precision: the middle of a bucket is off by less than 0.05 %."""
_PLAIN: Final = 100_000
"""Values that are sorted without numpy, which takes longer to load."""
_ROWS: Final = 50_000
_SECONDS: Final = """
SELECT job, CAST(round(max(0, min(seconds, 4e9)) * 1e9) AS INTEGER) FROM tasks
WHERE run = ? AND seconds IS NOT NULL ORDER BY job, task"""
"""In nanoseconds; beyond 126 years is nonsense, and would not fit."""


class Durations(msgspec.Struct, frozen=True):
    """Run times of tasks, in seconds: of the last attempt of each that an agent ran to its end, done or failed."""

    count: int
    total: float
    most: float
    quantiles: dict[float, float | None]
    """By share: the least run time that this share of them does not exceed; None where there are too few to say."""

    @property
    def mean(self) -> float:
        """The mean run time; 0 for no tasks."""
        return self.total / self.count if self.count else 0.0


class Spread:
    """Run times in nanoseconds: all of them up to a million, and a histogram of the others."""

    def __init__(self) -> None:
        self.values = array("Q")
        self.count = self.total = self.most = 0
        self._folded: Histogram | None = None

    def add(self, values: Sequence[int]) -> None:
        """Take in some; none is negative."""
        if not values:
            return
        self.count += len(values)
        self.total += sum(values)
        self.most = max(self.most, max(values))
        self.values.extend(values)
        if len(self.values) > EXACT:
            self._fold()

    def _fold(self) -> None:
        import numpy as np

        from engine.metrics.histogram import Histogram

        if self._folded is None:
            self._folded = Histogram(_BITS)
        self._folded.record_array(np.frombuffer(self.values, np.uint64))
        self.values = array("Q")

    def merge(self, other: Spread) -> None:
        """Take in all that another one has."""
        self.count += other.count
        self.total += other.total
        self.most = max(self.most, other.most)
        self.values.extend(other.values)
        if len(self.values) > EXACT or other._folded is not None:
            self._fold()
            if self._folded is not None and other._folded is not None:
                self._folded.merge(other._folded)

    def told(self, shares: Iterable[float] = QUANTILES) -> Durations:
        """What is asked of them."""
        wanted = {share: self.count >= needed(share) for share in shares}
        ranks = {share: max(1, math.ceil(round(share * self.count, 6))) for share, known in wanted.items() if known}
        found = self.at(ranks.values())
        quantiles = {share: found[ranks[share]] if share in ranks else None for share in wanted}
        return Durations(self.count, self.total / 1e9, self.most / 1e9, quantiles)

    def at(self, ranks: Iterable[int]) -> dict[int, float]:
        """The run times at these places when all are put in order, the shortest at 1; in seconds."""
        wanted = set(ranks)
        if not wanted:
            return {}
        if self._folded is not None:
            self._fold()
            return {rank: self._folded.at_rank(rank) / 1e9 for rank in wanted}
        if self.count <= _PLAIN:
            ordered = sorted(self.values)
            return {rank: ordered[rank - 1] / 1e9 for rank in wanted}
        import numpy as np

        parted = np.partition(np.frombuffer(self.values, np.uint64), [rank - 1 for rank in wanted])
        return {rank: float(parted[rank - 1]) / 1e9 for rank in wanted}


def durations(db: sqlite3.Connection, run: str, shares: Iterable[float] = QUANTILES) -> dict[int, Durations]:
    """The run times of a run's tasks by the number of their pool; -1: all of them. Only pools that have some.

    Exact up to a million tasks of a pool, beyond that to within 0.05 %. Reads all tasks of the run: a million rows in
    half a second, a million tasks of blocks in a quarter of one.
    """
    found = spreads(db, run)
    shares = tuple(shares)
    return {pool: spread.told(shares) for pool, spread in found.items()}


def spreads(db: sqlite3.Connection, run: str) -> dict[int, Spread]:
    """The same, to be asked more of."""
    pools = dict(map(tuple, db.execute("SELECT job, pool FROM jobs WHERE run = ?", (run,))))
    found: dict[int, Spread] = {}

    def of(job: int) -> Spread:
        return found.setdefault(pools.get(job, 0), Spread())

    cursor: Any = db.cursor()
    cursor.row_factory = None  # plain tuples: half the time
    cursor.execute(_SECONDS, (run,))
    while part := cursor.fetchmany(_ROWS):
        job = part[0][0]
        if part[-1][0] == job:  # they come job by job
            of(job).add([value for _, value in part])
            continue
        for job in dict(part):
            of(job).add([value for its, value in part if its == job])
    decode = msgspec.json.Decoder(list[int]).decode
    for job, text in db.execute("SELECT job, ends FROM blocks WHERE run = ?", (run,)):
        ends = decode(text)
        of(job).add([max(0, end - begin) for begin, end in zip([0, *ends], ends, strict=False)])
    whole = Spread()
    for spread in found.values():
        whole.merge(spread)
    return {-1: whole} | {pool: found[pool] for pool in sorted(found)}
