"""One coordination: a fleet starts, each of its agents has one task, and every answer comes back."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Final

from engine.bench import watch
from engine.bench.coordination.mechanisms import FLAGS
from engine.bench.engines import made
from engine.bench.gate import gate
from engine.bench.shared import Result
from engine.bench.tasks import meet

_MESSAGES: Final = 2
"""For each agent: the task, and its answer."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")

_clock = time.perf_counter


def coordinate(agents: int, on: Iterable[str], patience: float, looked: bool = False) -> Result:
    """Seconds until every answer is there, from the engine's constructor on.

    No task ends before each agent has one: so none has two, whatever is switched off. All waits together take
    `patience` seconds at the most; what is not there by then is not delivered. With `looked`, memory and descriptors
    of all processes are counted while everybody has a task and waits. That takes time, which is in no other figure; but
    caches are cold afterwards, so the seconds of such a coordination are not comparable.

    Beside ``value``: ``start`` until the last agent has its task, ``tasks`` from there on; ``came`` and ``answered``,
    seconds of each task until its agent has it and until its answer is there; ``delivered``; ``messages`` a second;
    ``processor`` seconds of all processes until then; ``errors`` by what they say, tasks that were late among them.
    """
    on = frozenset(on)
    if unknown := on - set(FLAGS):
        raise ValueError(f"no mechanism {sorted(unknown)[0]!r}")
    spent = _processor()
    answered: list[float] = []
    with gate() as opened:
        begun = _clock()
        engine = made(agents, settings={f"enable_{flag}": flag in on for flag in FLAGS})
        try:
            futures: list[Future[int]] = [engine.submit(meet, opened.folder) for _ in range(agents)]
            for future in futures:
                future.add_done_callback(lambda _: answered.append(_clock()))
            came = opened.arrivals(agents, patience)
            met, at_met = _clock(), time.process_time()
            seen = _seen() if looked else {}
            paused = _clock() - met
            looking = time.process_time() - at_met
            opened.open()
            done = wait(futures, max(1.0, patience - (met - begun))).done
            took = _clock() - begun - paused
            times = sorted(when - paused - begun for when in list(answered))
            processor = _processor() - spent - looking
        finally:
            engine.shutdown(cancel_futures=True)
    errors = Counter(f"{type(error).__name__}: {error}"[:200] for error in _errors(done))
    failed = errors.total()
    if len(came) < agents:  # then the seconds are those of the patience
        errors[f"not with its agent within {patience:g} s"] = agents - len(came)
    processes = {future.result() for future in done if future.exception() is None}
    delivered = len(done) - failed
    return {
        "value": took, "start": met - begun, "tasks": took - (met - begun),
        "came": [when - begun for when in came], "answered": times, "asked": agents, "delivered": delivered,
        "agents_that_answered": len(processes), "messages": _MESSAGES * delivered / took,
        "processor": processor, "errors": dict(errors), **seen,
    }  # fmt: skip


def _errors(done: Iterable[Future[int]]) -> list[BaseException]:
    return [error for future in done if (error := future.exception()) is not None]


def _processor() -> float:
    """Processor seconds of this process and of all below it, those that are over included.

    Those who are there are asked for nanoseconds: an agent of a warm pool has not had a tick of the kernel's yet.
    """
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = time.process_time() + ours.ru_utime + ours.ru_stime
    for pid in watch.descendants(os.getpid()):
        with contextlib.suppress(OSError):  # it ended while we looked
            spent += watch.processor_seconds(pid)
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent += (int(fields[13]) + int(fields[14])) / _TICKS  # of children that it has waited for
    return spent


def _seen() -> dict[str, int]:
    """``memory`` of all processes, what several of them map shared out among them (PSS), and ``own``, what they share
    with nobody (USS), in bytes; ``descriptors``; ``processes``.
    """
    processes = [os.getpid(), *watch.descendants(os.getpid())]
    rolled = [watch.rollup(pid) for pid in processes]
    return {
        "memory": sum(one.get("Pss", 0) for one in rolled),
        "own": sum(one.get("Private_Clean", 0) + one.get("Private_Dirty", 0) for one in rolled),
        "descriptors": sum(map(_descriptors, processes)),
        "processes": len(processes),
    }


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # it ended while we looked
        return 0


MEASUREMENTS: Final[dict[str, Callable[..., Result]]] = {"coordinate": coordinate}
