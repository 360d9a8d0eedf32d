"""What is measured for this benchmark alone, each in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from engine.bench.engines import made, warm
from engine.bench.shared import Result
from engine.bench.statistics import median
from engine.bench.tasks import identity, work
from engine.workloads.coordination import payload

_clock = time.perf_counter


def there_and_back(size: int, times: int) -> Result:
    """Median seconds of a task that is sent so many bytes and returns them."""
    sent = payload(size)
    with made(1) as engine:
        warm(engine, 1)
        took = []
        for _ in range(times):
            begun = _clock()
            back = engine.submit(identity, sent).result()
            took.append(_clock() - begun)
            assert back == sent
    return {"value": median(took)}


def on_cores(cores: int, tasks: int, iterations: int) -> Result:
    """Tasks a second with an agent on each of so many cores, where the engine has no other core either.

    Raises ValueError if there are not so many.
    """
    there = sorted(os.sched_getaffinity(0))
    if cores > len(there):
        raise ValueError(f"{cores} cores wanted, {len(there)} are there")
    os.sched_setaffinity(0, there[:cores])
    with made(cores) as engine:
        warm(engine, cores)
        for _ in engine.map(work, [iterations] * 10 * cores):
            pass
        begun = _clock()
        for _ in engine.map(work, [iterations] * tasks):
            pass
        took = _clock() - begun
    return {"value": tasks / took}


MEASUREMENTS: Final[dict[str, Callable[..., Result]]] = {"there_and_back": there_and_back, "on_cores": on_cores}
