"""What it costs an engine to be watched: its own processor time, and its throughput, with a reader and without one."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from statistics import median
from typing import Final, Protocol

from engine.bench import watch
from engine.bench.engines import made, warm
from engine.bench.reader import HZ, TOPICS, Reader
from engine.bench.shared import Result
from engine.bench.tasks import work
from engine.procs.scoreboard import DONE, FAILED, Scoreboard
from engine.runtime.executor import Engine
from engine.stream import places

_clock = time.perf_counter
_WAITING: Final = 5
"""Tasks for each agent that wait or are at work."""
_LEARNT: Final = 2.0
"""Turns' time until an engine has learnt what its tasks take."""
_LEAST: Final = 0.5
"""Of the frames due, how many the reader must have read, or nothing was measured."""


class Watcher(Protocol):
    """Somebody who watches an engine at times, from a process of their own."""

    def attach(self) -> None:
        """Begin."""

    def detach(self, seconds: float) -> None:
        """End, after so many seconds of it. Raises AssertionError if nothing was to be seen."""

    def processor(self) -> float:
        """Seconds of processor time that they have taken so far."""

    def processes(self) -> set[int]:
        """Theirs."""

    def close(self) -> None:
        """Come no more."""


class _OneReader:
    """A reader of the stream."""

    def __init__(self, engine: Engine, greedy: bool) -> None:
        topics = TOPICS if greedy else ("frames", "events")
        self._reader = Reader(places.runtime_folder() / f"{engine.run_id}.sock", topics)

    def attach(self) -> None:
        self._reader.attach()

    def detach(self, seconds: float) -> None:
        frames, due = self._reader.detach(), seconds * HZ - 1
        if frames < due * _LEAST:
            raise AssertionError(f"the reader was sent {frames} frames of {due:.0f}")

    def processor(self) -> float:
        return watch.processor_seconds(self._reader.pid)

    def processes(self) -> set[int]:
        return {self._reader.pid}

    def close(self) -> None:
        self._reader.close()


@contextmanager
def _fleet(agents: int, kind: Callable[[Engine], Watcher]) -> Iterator[tuple[Engine, Watcher]]:
    """An engine whose agents are all up, and somebody who will watch it."""
    with made(agents) as engine:
        warm(engine, agents)
        with closing(kind(engine)) as watcher:
            yield engine, watcher


def watched_idle(agents: int, seconds: float, pairs: int, greedy: bool) -> Result:
    """Share of a core that the engine's process takes while a reader is attached and no agent has anything to do.

    The median of turns of so many seconds. All that the engine does then is to sample, to look at its rules of alerts,
    and to serve the reader. ``alone``: the same without a reader. `greedy`: it asks for every topic, as the screen of
    pools does; if not, for frames and events.
    """
    shares: dict[bool, list[float]] = {True: [], False: []}
    with _fleet(agents, partial(_OneReader, greedy=greedy)) as (_, reader):
        time.sleep(min(2.0, seconds))  # what is loaded once is loaded, what the start left behind is done
        for with_reader in _turns(pairs, agents):
            if with_reader:
                reader.attach()
            began, busy = _clock(), time.process_time()
            time.sleep(seconds)
            shares[with_reader].append((time.process_time() - busy) / (_clock() - began))
            if with_reader:
                reader.detach(seconds)
    return {"value": median(shares[True]), "alone": median(shares[False])}


def watched_work(agents: int, iterations: int, seconds: float, pairs: int, greedy: bool) -> Result:
    """Throughput of tasks that work, with a reader over without one."""
    return throughput(agents, iterations, seconds, pairs, partial(_OneReader, greedy=greedy))


def throughput(agents: int, iterations: int, seconds: float, pairs: int, kind: Callable[[Engine], Watcher]) -> Result:
    """Tasks a second with a watcher over those without one, of an engine that has enough to do all the time: the median
    of the ratios of pairs of turns of so many seconds.

    The watcher is not what is measured: its processor time, shared by the cores, is taken off the time of the turn that
    it saw. ``gross``: the ratio with nothing taken off. ``processor``: of the processor time that a task takes of
    everybody but the watcher, with one over without one. ``watcher``: the watcher's own, as a share of a core.
    ``observer``: of the engine's own processor time, what it says that it spends on those who look on, as a share of a
    core; with a watcher less without one.

    Tasks count once they are over where they ran. Where thousands of agents share a few cores each has its turn every
    few seconds, and so have the hosts that fetch outcomes: these come in waves, up to several times as many in one
    second as in the next. A turn would measure how much of a wave it saw.
    """
    net, gross, costs, shares, spent = [], [], [], [], []
    cores = len(os.sched_getaffinity(0))
    with _fleet(agents, kind) as (engine, watcher), _fed(engine, iterations, agents * _WAITING):
        run = engine._worker.run
        board, observer = run.fleet.board, run.observer
        time.sleep(_LEARNT * seconds)
        processes = [pid for pid in watch.descendants(os.getpid()) if pid not in watcher.processes()]
        found: dict[bool, tuple[float, float, float, float, float]] = {}
        for at, watched in enumerate(_turns(pairs, agents)):
            if watched:
                watcher.attach()
            own, observed, busy, done, began = (
                watcher.processor(),
                observer.total,
                watch.processor_seconds_with_own(processes),
                _over(board),
                _clock(),
            )
            time.sleep(seconds)
            took, tasks = _clock() - began, _over(board) - done
            own, observed = watcher.processor() - own, observer.total - observed
            found[watched] = (
                tasks / took,
                tasks / (took - own / cores),
                (watch.processor_seconds_with_own(processes) - busy) / tasks,
                own / took,
                observed / took,
            )
            if watched:
                watcher.detach(took)
            if at % 2:
                (rate, freed, cost, share, seen), (plain, _, plain_cost, _, unseen) = found[True], found[False]
                net.append(freed / plain)
                gross.append(rate / plain)
                costs.append(cost / plain_cost)
                shares.append(share)
                spent.append(seen - unseen)
    names = ("value", "gross", "processor", "watcher", "observer")
    return {name: median(each) for name, each in zip(names, (net, gross, costs, shares, spent), strict=True)}


def _over(board: Scoreboard) -> int:
    """Tasks that have ended, by the word of the agents themselves."""
    return sum(board.column(DONE)) + sum(board.column(FAILED))


@contextmanager
def _fed(engine: Engine, iterations: int, buffersize: int) -> Iterator[None]:
    """Meanwhile as many tasks are waiting or at work."""
    results = engine.map(work, itertools.repeat(iterations), buffersize=buffersize)
    stop = threading.Event()

    def consume() -> None:
        for _ in results:
            if stop.is_set():
                return

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        results.close()


def _turns(pairs: int, seed: int) -> Iterator[bool]:
    """With a reader or without, each once in a pair, in random order."""
    chance = random.Random(seed)
    for _ in range(pairs):
        turns = [True, False]
        chance.shuffle(turns)
        yield from turns


MEASUREMENTS: Final[dict[str, Callable[..., Result]]] = {
    found.__name__: found for found in (watched_idle, watched_work)
}
