"""Quantiles of run times: exact up to a million, close beyond that, whatever rows and blocks the tasks are in."""

from __future__ import annotations

import array
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_runs import START, began, write

from engine.metrics.buckets import needed
from engine.store import queries
from engine.store.messages import Ended, Failed, Finished, JobMade, PoolMade
from engine.store.queries.durations import Spread

TIMES = st.lists(st.integers(0, 10**13), min_size=1, max_size=300)


def ranked(values: list[int], share: float) -> float:
    """By the definition: the least value that so many do not exceed."""
    return next(
        one for one in sorted(values) if sum(other <= one for other in values) >= round(share * len(values), 6)
    ) / 1e9  # fmt: skip


@settings(deadline=None)
@given(TIMES)
def test_exact(values: list[int]) -> None:
    spread = Spread()
    spread.add(values)
    found = spread.told((0.5, 0.9, 0.99))
    assert (found.count, found.total, found.most) == (len(values), sum(values) / 1e9, max(values) / 1e9)
    for share, seconds in found.quantiles.items():
        assert seconds == (ranked(values, share) if len(values) >= needed(share) else None)


@settings(deadline=None)
@given(TIMES, TIMES)
def test_buckets_are_close(first: list[int], second: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[Spread.__module__], "EXACT", 20)
        parts = []
        for values in (first, second):
            spread = Spread()
            for at in range(0, len(values), 7):
                spread.add(values[at : at + 7])
            parts.append(spread)
        whole = Spread()
        for part in parts:
            whole.merge(part)
        found = whole.told((0.5, 0.9))
    values = first + second
    assert (found.count, found.total, found.most) == (len(values), sum(values) / 1e9, max(values) / 1e9)
    for share, seconds in found.quantiles.items():
        if len(values) >= needed(share):
            assert seconds == pytest.approx(ranked(values, share), rel=0.0005, abs=1e-9)


@settings(deadline=None)
@given(TIMES)
def test_places_in_order(values: list[int]) -> None:
    spread = Spread()
    spread.add(values)
    wanted = {1, len(values), (len(values) + 1) // 2}
    assert spread.at(wanted) == {rank: sorted(values)[rank - 1] / 1e9 for rank in wanted}
    assert spread.at([]) == {}


def test_many_are_found_without_being_sorted() -> None:
    spread = Spread()
    values = [(number * 7919) % 200_003 for number in range(200_003)]
    spread.add(values)
    assert spread.told((0.5, 0.99)).quantiles == {0.5: 100_001 / 1e9, 0.99: (math.ceil(0.99 * 200_003) - 1) / 1e9}


def test_rows_blocks_pools_and_tasks_that_nobody_timed(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    fast = array.array("Q", range(1000, 31_000, 1000))
    slow = array.array("Q", [10**9 * number for number in range(1, 31)])
    write(
        path,
        began("aaaa", "one"),
        PoolMade(0, "quick", 0, 1, 1),
        PoolMade(1, "slow", 1, 1, 1),
        *(JobMade(number, f"job{number}", "m:f", pool) for number, pool in ((1, 0), (2, 1), (3, 1))),
        Finished(1, 0, 0, START, fast.tobytes(), [1] * 30, [], [], {}),
        Finished(2, 0, 1, START, slow[:10].tobytes(), [1] * 10, [Failed(3, "exception", "E", "", "")], [], {}),
        Finished(3, 0, 1, START, slow[10:].tobytes(), [1] * 20, [], [], {}),
        Ended(3, 20, 5, "timeout", "too long", START),
        began("bbbb", "another"),
    )
    with queries.open_readonly(path) as db:
        assert db.execute("SELECT sum(count) FROM blocks").fetchone()[0] == 30
        found = queries.durations(db, "aaaa", (0.5,))
        none = queries.durations(db, "bbbb")
    db.close()
    assert {pool: (one.count, one.quantiles[0.5]) for pool, one in found.items()} == {
        -1: (60, 30e-6), 0: (30, 15e-6), 1: (30, 15.0),
    }  # fmt: skip
    assert found[1].most == 30.0
    assert found[0].mean == pytest.approx(15.5e-6)
    assert none[-1].count == 0
    assert none[-1].mean == 0
    assert set(none[-1].quantiles.values()) == {None}
