"""The measurements of the other side: tools of the standard library, processes that do nothing but the work, and the
engine itself where it records nothing.

The same work as in `engine.bench.ours`, measured in the same way.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from engine.bench.gate import gate
from engine.bench.others import asking
from engine.bench.shared import Result, command_seconds, there_and_back
from engine.bench.statistics import median
from engine.bench.tasks import identity, meet, work

_clock = time.perf_counter


def _warmed() -> ProcessPoolExecutor:
    executor = ProcessPoolExecutor(2)
    with gate() as opened:  # it starts workers as they are needed
        futures = [executor.submit(meet, opened.folder) for _ in range(2)]
        opened.open_for(2)
        for future in futures:
            future.result()
    for future in [executor.submit(identity, number) for number in range(200)]:
        future.result()
    return executor


def start(agents: int) -> Result:
    """Seconds, pool included."""
    begun = _clock()
    pool = multiprocessing.Pool(agents)
    answers = pool.map(identity, range(agents), chunksize=1)
    took = _clock() - begun
    pool.terminate()
    pool.join()
    assert len(answers) == agents
    return {"value": took}


def start_each(agents: int) -> Result:
    """Seconds, pool included; no worker has two of the tasks."""
    with gate() as opened:
        begun = _clock()
        pool = multiprocessing.Pool(agents)
        mapped = pool.map_async(meet, [opened.folder] * agents, chunksize=1)
        opened.open_for(agents)
        answers = mapped.get()
        took = _clock() - begun
        pool.terminate()
        pool.join()
    return {"value": took, "agents_that_answered": len(set(answers))}


def submit(tasks: int) -> Result:
    """Tasks a second."""
    with _warmed() as executor:
        begun = _clock()
        futures = [executor.submit(identity, number) for number in range(tasks)]
        answers = [future.result() for future in futures]
        took = _clock() - begun
    assert answers == list(range(tasks))
    return {"value": tasks / took}


def map(tasks: int) -> Result:  # noqa: A001
    """Tasks a second."""
    pool = multiprocessing.Pool(2)
    pool.map(identity, range(200), chunksize=1)
    begun = _clock()
    answers = pool.map(identity, range(tasks), chunksize=500)
    took = _clock() - begun
    pool.terminate()
    pool.join()
    assert len(answers) == tasks
    assert answers[-1] == tasks - 1
    return {"value": tasks / took}


def round_trip(tasks: int) -> Result:
    """Median seconds."""
    with _warmed() as executor:
        times = []
        for number in range(tasks):
            begun = _clock()
            executor.submit(identity, number).result()
            times.append(_clock() - begun)
    return {"value": median(times), "p99": sorted(times)[int(tasks * 0.99)]}


def _share(gate: tuple[int, int], iterations: int) -> None:
    """Work, once the gate opens."""
    read, write = gate
    os.close(write)
    os.read(read, 1)  # ends when the other end is closed
    work(iterations)


def overhead(tasks: int, iterations: int) -> Result:
    """Seconds of two bare processes, each with half of the loop's iterations."""
    import multiprocess

    context = multiprocess.get_context("fork")
    gate = os.pipe()
    processes = [context.Process(target=_share, args=(gate, iterations * tasks // 2)) for _ in range(2)]
    for process in processes:
        process.start()
    os.close(gate[0])
    begun = _clock()
    os.close(gate[1])
    for process in processes:
        process.join()
    took = _clock() - begun
    assert [process.exitcode for process in processes] == [0, 0]
    return {"value": took}


def array(megabytes: int, watched: bool = False) -> Result:
    """Seconds; watched, memory."""
    import numpy as np

    with _warmed() as executor:
        return there_and_back(lambda sent: executor.submit(identity, sent).result(), np, megabytes, watched)


def help() -> Result:  # noqa: A001
    """Seconds of an interpreter that imports click, which every command of ours must."""
    return {"value": command_seconds([sys.executable, "-c", "import click"])}


def recorded_rows(tasks: int) -> Result:
    """Tasks a second of an engine that records nothing."""
    from engine.bench import recorded

    return recorded.recorded_rows(tasks, record=False)


def recorded_map(tasks: int) -> Result:
    """Tasks a second of an engine that records nothing."""
    from engine.bench import recorded

    return recorded.recorded_map(tasks, record=False)


MEASUREMENTS: Final[dict[str, Callable[..., Result]]] = {
    found.__name__: found
    for found in (
        start, start_each, submit, map, round_trip, overhead, array, help, recorded_rows, recorded_map,
    )
} | asking.MEASUREMENTS  # fmt: skip


def found(name: str) -> Callable[..., Result]:
    """The measurement of this name. Raises KeyError."""
    if name in MEASUREMENTS:
        return MEASUREMENTS[name]
    from engine.bench import mechanisms  # it loads the engine, which no process of the other side shall have

    return mechanisms.PEERS[name]
