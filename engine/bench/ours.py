"""The measurements of Shoal's side, each the only one in its process. They use the public API and nothing else.

Each returns ``value`` in its row's unit, and figures beside it. The interpreter's start and the import of `Engine` are
not measured; its constructor, and all that follows until the caller has what was asked for, is.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Final

from engine.bench import mechanisms, recorded, screens, watch, watched
from engine.bench.coordination import measure as coordination
from engine.bench.engines import made, warm
from engine.bench.gate import gate
from engine.bench.scaling import measure as scaling
from engine.bench.shared import Result, command_seconds, there_and_back
from engine.bench.statistics import growth, median, slope
from engine.bench.tasks import identity, meet, pid, work

_clock = time.perf_counter


def start(agents: int) -> Result:
    """As many trivial tasks as agents: quick agents may answer more than one."""
    begun = _clock()
    engine = made(agents)
    answers = [future.result() for future in [engine.submit(pid, number) for number in range(agents)]]
    took = _clock() - begun
    engine.shutdown()
    return {"value": took, "agents_that_answered": len(set(answers)), "shutdown": _clock() - begun - took}


def start_each(agents: int) -> Result:
    """One task to each agent: none ends before all have begun."""
    with gate() as opened:
        begun = _clock()
        engine = made(agents)
        futures = [engine.submit(meet, opened.folder) for _ in range(agents)]
        opened.open_for(agents)
        met = _clock() - begun
        answers = [future.result() for future in futures]
        took = _clock() - begun
        engine.shutdown()
    return {"value": took, "agents_that_answered": len(set(answers)), "until_all_met": met}


def submit(tasks: int) -> Result:
    """Tasks a second."""
    with made(2) as engine:
        warm(engine, 2)
        begun = _clock()
        futures = [engine.submit(identity, number) for number in range(tasks)]
        submitted = _clock() - begun
        answers = [future.result() for future in futures]
        took = _clock() - begun
    assert answers == list(range(tasks))
    return {"value": tasks / took, "submitting": submitted}


def map(tasks: int) -> Result:  # noqa: A001
    """Tasks a second."""
    with made(2) as engine:
        warm(engine, 2)
        begun = _clock()
        answers = list(engine.map(identity, range(tasks)))
        took = _clock() - begun
    assert len(answers) == tasks
    assert answers[-1] == tasks - 1
    return {"value": tasks / took}


def round_trip(tasks: int) -> Result:
    """Median seconds; ``p99`` beside it."""
    with made(2) as engine:
        warm(engine, 2)
        times = []
        for number in range(tasks):
            begun = _clock()
            engine.submit(identity, number).result()
            times.append(_clock() - begun)
    return {"value": median(times), "p99": sorted(times)[int(tasks * 0.99)]}


def overhead(tasks: int, iterations: int) -> Result:
    """Seconds for all tasks; the agents have run some of the kind before."""
    with made(2) as engine:
        warm(engine, 2)
        for _ in engine.map(work, [iterations] * 20):
            pass
        begun = _clock()
        for _ in engine.map(work, [iterations] * tasks):
            pass
        took = _clock() - begun
    return {"value": took}


def idle(agents: int, settle: float) -> Result:
    """Bytes that the agents share with nobody, after so many seconds: what they do when left alone is part of being
    idle; those of the processes around them beside that.
    """
    with made(agents) as engine:
        warm(engine, agents)
        time.sleep(settle)
        sums: dict[str, int] = {}
        counted = 0
        for process in watch.descendants(os.getpid()):
            kind = watch.name(process)
            sums[kind] = sums.get(kind, 0) + watch.own(process)
            counted += kind == "shoal-agent"
        engine_own = watch.own(os.getpid())
    assert counted == agents, f"{counted} agents found, not {agents}"
    return {
        "value": sums["shoal-agent"],
        "nursery": sums.get("shoal-nursery", 0),
        "hosts": sum(size for kind, size in sums.items() if kind.startswith("shoal-host")),
        "engine": engine_own,
        "names": sums,
    }


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stream(tasks: int, buffersize: int) -> Result:
    """Bytes by which this process's resident memory grows from the first quarter to the last.

    Looked at after each twentieth of the tasks, but for the first tenth of them.
    """
    step = tasks // 20
    done: list[float] = []
    resident: list[float] = []
    endless = itertools.count()
    with made(2) as engine:
        warm(engine, 2)
        begun = _clock()
        results = engine.map(identity, endless, buffersize=buffersize)
        for number in results:
            if number and number % step == 0 and number > 2 * step - 1:
                done.append(number)
                resident.append(_resident())
            if number >= tasks:
                break
        took = _clock() - begun
        results.close()
    return {
        "value": growth(resident),
        "spread": max(resident) - min(resident),
        "per_million": slope(done, resident) * 1e6,
        "resident": max(resident),
        "rate": tasks / took,
        "samples": resident,
    }


def array(megabytes: int, watched: bool = False) -> Result:
    """Seconds; watched, the memory of every process instead, in arrays beyond what it had before."""
    import numpy as np

    with made(2) as engine:
        warm(engine, 2)
        return there_and_back(lambda sent: engine.submit(identity, sent).result(), np, megabytes, watched)


def help() -> Result:  # noqa: A001
    """Seconds that the command takes, its process included."""
    import sys
    from pathlib import Path

    script = Path(sys.executable).with_name("shoal")
    bare = [sys.executable, "-c", "from shoal import main; main()"]
    return {"value": command_seconds([*([str(script)] if script.exists() else bare), "--help"])}


MEASUREMENTS: Final[dict[str, Callable[..., Result]]] = (
    {
        found.__name__: found
        for found in (start, start_each, submit, map, round_trip, overhead, idle, stream, array, help)
    }
    | recorded.MEASUREMENTS
    | watched.MEASUREMENTS
    | screens.MEASUREMENTS
    | coordination.MEASUREMENTS
    | scaling.MEASUREMENTS
    | mechanisms.OURS
)
