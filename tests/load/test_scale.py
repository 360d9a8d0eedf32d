"""Many agents and many tasks, and nothing of them left: slices by default, all of it with ``SHOAL_TEST_LOAD=full``.

In full: 10,000 agents started and ended, and 10 million tasks streamed. Figures are printed (``pytest -s``).
"""

from __future__ import annotations

import gc
import itertools
import os
import threading
from collections.abc import Iterator
from operator import index  # no function of this module: each agent would have to import pytest for it
from pathlib import Path

import pytest
from processes import enabled, wait_for

from engine.procs.scoreboard import OFFSET
from engine.runtime.calls.executor import Engine

FULL = os.environ.get("SHOAL_TEST_LOAD") == "full"
WARM = enabled("pooling")
"""Otherwise each task has a fresh interpreter, so there are as many as take a minute."""
STARTS = (10_000 if FULL else 1_000) if WARM else 160
TASKS = (10_000_000 if FULL else 500_000 if enabled("batching") else 100_000) if WARM else 400
_AT_ONCE = 100 if WARM else 16
_MARGIN = 4 << 20
"""Bytes by which the engine's memory may differ between two moments of a steady state: an arena of the allocator or
two, many times less than what the tasks between them would take if anything of each were kept."""


def held(path: str) -> int:
    """Wait until a file is there; the agent's pid."""
    wait_for(lambda: os.path.exists(path), 60, "the file that lets go")
    return os.getpid()


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.needs("pooling")
def test_a_hundred_tasks_on_a_pool_of_twenty(tmp_path: Path) -> None:
    """Exhaustion: the pool grows from 2 to 20, no further, and every task is done."""
    go = tmp_path / "go"
    with Engine(20, min_workers=2, attachable=False, max_idle=0.2) as engine:
        futures = [engine.submit(held, str(go)) for _ in range(100)]
        board = engine._worker.run.fleet.board
        wait_for(lambda: all(board.get(row, OFFSET) for row in range(20)), 30, "each of 20 agents runs a task")
        assert engine.stats()["pools"]["main"]["queued"] == 80
        go.touch()
        assert len({future.result(60) for future in futures}) >= 20
        found = engine.stats()["pools"]["main"]
        assert found["grown"] == 18
        assert 20 <= found["hits"] + found["misses"] <= 100  # batches: those after the first may hold several tasks
        wait_for(lambda: engine.stats()["pools"]["main"]["up"] == 2, 30, "the others are retired")
        assert engine.submit(index, 1).result(30) == 1


def test_thousands_of_starts_and_stops_leave_nothing() -> None:
    resident, fds, shm = [], [], []
    for _ in range(STARTS // _AT_ONCE):
        with Engine(_AT_ONCE, attachable=False) as engine:
            assert engine.wait_ready(60) == (_AT_ONCE if WARM else 0)
            assert list(engine.map(index, range(_AT_ONCE))) == list(range(_AT_ONCE))
        resident.append(_resident())
        fds.append(_descriptors())
        shm.append(len(os.listdir("/dev/shm")))
    print(f"\n{STARTS} agents: resident {resident[0] >> 10} .. {resident[-1] >> 10} KiB, {fds[0]} .. {fds[-1]} fds")
    assert len(set(fds)) == 1
    assert len(set(shm)) == 1
    assert threading.active_count() == 1
    quarter = len(resident) // 4
    assert resident[-1] - resident[quarter] < _MARGIN


def test_a_stream_needs_no_memory(tmp_path: Path) -> None:
    """An endless generator, read as far as wanted: the engine's memory does not grow with it."""

    def endless() -> Iterator[int]:
        yield from itertools.count()

    resident: list[int] = []
    step = TASKS // 20
    with Engine(2, attachable=False) as engine:
        results = engine.map(index, endless(), buffersize=20_000)
        for number, value in enumerate(results):
            assert value == number
            if number % step == 0:
                resident.append(_resident())
            if number == TASKS:
                break
        results.close()
    print(f"\n{TASKS} tasks: resident {resident[5] >> 10} .. {resident[-1] >> 10} KiB")
    assert max(resident[10:]) - min(resident[5:10]) < _MARGIN
