"""What recording costs: the same work with a record and without one; and how fast the recorder is.

The database lies in a folder for temporary files that goes with the measurement. Durability is ``normal``, so a result
that the caller has is in the database: each measurement looks there as soon as its clock has stopped, and fails unless
every task is in it.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final

from engine.bench import watch
from engine.bench.engines import made, warm
from engine.bench.shared import Result
from engine.bench.tasks import eight_bytes, identity, work
from engine.runtime.calls.executor import Engine
from engine.runtime.fleet.jobs import Group
from engine.runtime.fleet.loop import Loop
from engine.runtime.record.recording import Recording
from engine.settings.types import Settings
from engine.store import messages

_clock = time.perf_counter
_AGENTS: Final = 2
_WARM: Final = 20
_ALL: Final = "SELECT count(*) FROM all_tasks"
_ROWS: Final = "SELECT count(*) FROM tasks"
_IN_BLOCKS: Final = "SELECT total(count) FROM blocks"
_NANOSECONDS: Final = 1_200_000
"""A task's run time, as the recorder alone is told it: too long for a block."""


def _asked(database: Path, *questions: str) -> list[int]:
    """What the database says now, to a reader of its own; each question is for one number."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        return [int(db.execute(question).fetchone()[0]) for question in questions]


def _check(found: int, tasks: int) -> None:
    if found != tasks:
        raise AssertionError(f"{found:,} tasks are in the database, not {tasks:,}")


def _recorder() -> int:
    """The process that records for this one. Raises LookupError."""
    for process in watch.descendants(os.getpid()):
        if watch.name(process) == "shoal-recorder":
            return process
    raise LookupError("no recorder is there")


def _map(
    function: Callable[[Any], object], values: Sequence[Any], record: bool, question: str = _ALL
) -> tuple[float, Result]:
    """Seconds of a map with a record or without; and what else there is to tell of it.

    `question`: how many of its tasks the database has of the kind that there should be.
    """
    tasks = len(values)
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        database = Path(folder, "runs.db")
        with made(_AGENTS, database if record else None) as engine:
            warm(engine, _AGENTS)
            _through(engine.map(function, values[:_WARM]))
            recorder = _recorder() if record else 0
            before = _asked(database, question, _IN_BLOCKS) if record else []
            busy = watch.processor_seconds(recorder) if record else 0.0
            own = time.process_time()
            begun = _clock()
            answers = _through(engine.map(function, values))
            took = _clock() - begun
            told: Result = {"engine_cpu": (time.process_time() - own) / tasks}
            assert answers == tasks
            if record:
                told["recorder_cpu"] = (watch.processor_seconds(recorder) - busy) / tasks
                after = _asked(database, question, _IN_BLOCKS)
                _check(after[0] - before[0], tasks)
                told["in_blocks"] = (after[1] - before[1]) / tasks
                told["bytes"] = sum(file.stat().st_size for file in Path(folder).iterdir()) / tasks
    return took, told


def _through(results: Iterable[object]) -> int:
    """How many there are."""
    return sum(1 for _ in results)


def recorded_work(tasks: int, iterations: int, pairs: int) -> Result:
    """Seconds with a record over seconds without one, of the same tasks, which work: the median of pairs of runs that
    take turns on two engines, each with as many agents as there are; the other one's are idle meanwhile.

    Beside it ``processor``: the same of the processor time of all processes, which others on the machine disturb less.
    """
    values = [iterations] * tasks
    times: list[float] = []
    costs: list[float] = []
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        database = Path(folder, "runs.db")
        with made(_AGENTS, database) as recorded, made(_AGENTS, None) as plain:
            for engine in (recorded, plain):
                warm(engine, _AGENTS)
                _through(engine.map(work, values))
            _await_samples()
            chance = random.Random(tasks)
            before = _asked(database, _ALL)[0]
            for _ in range(pairs):
                turns = [recorded, plain]
                chance.shuffle(turns)
                took = {id(engine): _timed(engine, values) for engine in turns}
                (time_with, cost_with), (time_without, cost_without) = took[id(recorded)], took[id(plain)]
                times.append(time_with / time_without)
                costs.append(cost_with / cost_without)
            _check(_asked(database, _ALL)[0] - before, tasks * pairs)
    return {"value": median(times), "processor": median(costs)}


def _await_samples() -> None:
    """What is loaded once, a second after a recorded run has begun, is no part of what its tasks cost."""
    deadline = _clock() + 30
    while "engine.runtime.meters.sampling" not in sys.modules:
        assert _clock() < deadline, "no samples are taken"
        time.sleep(0.05)
    time.sleep(0.5)


def _timed(engine: Engine, values: Sequence[int]) -> tuple[float, float]:
    """Seconds of a map, and of processor time that all processes took for it."""
    processes = watch.descendants(os.getpid())
    before, begun = watch.processor_seconds_with_own(processes), _clock()
    answers = _through(engine.map(work, values))
    took = _clock() - begun
    assert answers == len(values)
    return took, watch.processor_seconds_with_own(processes) - before


def recorded_rows(tasks: int, record: bool = True) -> Result:
    """Tasks a second, of which each has a row of its own: their results are such as no block takes."""
    took, told = _map(eight_bytes, range(tasks), record, _ROWS)
    return {"value": tasks / took, **told}


def recorded_map(tasks: int, record: bool = True) -> Result:
    """Tasks a second, which are kept in blocks."""
    took, told = _map(identity, range(tasks), record)
    return {"value": tasks / took, **told}


def recorder_alone(tasks: int) -> Result:
    """Tasks a second that a recorder writes which is told of each by itself, by a process with nothing else to do."""
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        database, loop = Path(folder, "runs.db"), Loop()
        recording = Recording(loop, database, "normal", lambda *_: None, Settings().record_result_max)
        line = recording.line
        try:
            line.wait_ready()
            line.tell(messages.RunBegan("bench", "bench", time.time(), os.getpid(), [], {}, "", {}))
            line.tell(messages.PoolMade(0, "main", 0, _AGENTS, 1))
            line.tell(messages.JobMade(1, "work", "work", 0))
            recording.settle(lambda: False)
            busy = watch.processor_seconds(_recorder())
            begun = _clock()
            for number in range(tasks):
                recording.outcomes(1, number, _group(number))
                while recording.crowded:
                    loop.step(None)
            recording.settle(lambda: False)
            took = _clock() - begun
            told = {"recorder_cpu": (watch.processor_seconds(_recorder()) - busy) / tasks}
            _check(_asked(database, _ROWS)[0], tasks)
        finally:
            line.close()
            loop.close()
    return {"value": tasks / took, **told}


def _group(number: int) -> Group:
    """What an engine tells of one task, of those that two agents do in turns."""
    began = time.monotonic_ns() - _NANOSECONDS
    ends = memoryview(array("Q", [began + _NANOSECONDS]))
    return Group(0, [number / 3], [], {}, {}, {}, number % _AGENTS, began, ends, plain=True)


MEASUREMENTS: Final[dict[str, Callable[..., Result]]] = {
    found.__name__: found for found in (recorded_work, recorded_rows, recorded_map, recorder_alone)
}
