"""What it costs an engine to be watched: its own processor time, and its throughput, with a reader and without one."""

from __future__ import annotations

import itertools
import operator
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Final, NamedTuple, Protocol

from engine.bench import watch
from engine.bench.engines import made, warm
from engine.bench.reader import HZ, TOPICS, Reader
from engine.bench.shared import Result
from engine.bench.statistics import median, median_interval
from engine.bench.tasks import work
from engine.procs.scoreboard import DONE, FAILED, Scoreboard
from engine.runtime.calls.executor import Engine
from engine.stream import places

_clock = time.perf_counter
AGENT: Final = "shoal-agent"
"""The name of an agent's process."""
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


class Taken(NamedTuple):
    """Of a turn, in seconds: what its parts took of the processors' time, and how long it was."""

    agents: float
    others: float
    """The engine's other processes."""
    idle: float
    """Time of processors that nobody took."""
    watcher: float
    observer: float
    """What the engine says that it spends on those who look on: part of `others`."""
    tasks: int
    seconds: float

    @property
    def cost(self) -> float:
        """Processor time that a task takes of the run."""
        return (self.agents + self.others) / self.tasks

    @property
    def share(self) -> float:
        """Of the time that the run takes, or could, what agents have."""
        return self.agents / (self.agents + self.others + self.idle)

    def less(self, before: Taken) -> Taken:
        """What came to it since another moment."""
        return Taken(*map(operator.sub, self, before))


class _Meter:
    """Adds up what is taken, from when it is made on."""

    def __init__(self, engine: Engine, watcher: Watcher) -> None:
        run = engine._worker.run
        self._board, self._observer, self._watcher = run.fleet.board, run.observer, watcher
        below = [pid for pid in watch.descendants(os.getpid()) if pid not in watcher.processes()]
        self._agents = [pid for pid in below if watch.name(pid) == AGENT]
        self._others = [pid for pid in below if watch.name(pid) != AGENT]

    def read(self) -> Taken:
        return Taken(
            sum(map(watch.processor_seconds, self._agents)), watch.processor_seconds_with_own(self._others),
            watch.idle_seconds(), self._watcher.processor(), self._observer.total, _over(self._board), _clock(),
        )  # fmt: skip


def throughput(agents: int, iterations: int, seconds: float, pairs: int, kind: Callable[[Engine], Watcher]) -> Result:
    """What is left of the throughput of tasks with a watcher, over that without one, of an engine that has enough to do
    all the time: the median of the ratios of pairs of turns of so many seconds.

    The watcher is not what is measured, nor are strangers that run on the machine, or how quick its processors are from
    one second to the next, by which tasks a second differ by a twentieth and more. So it is not these that are
    compared, but what they come from: which share of the processor time that the run took, or that nobody took, agents
    had. They know nothing of watchers, so a task takes the same of it. ``agents``: whether that is so: the ratio of
    what a task takes of agents. ``gross``: the ratio of tasks a second, ``gross_low`` and ``gross_high`` its interval
    (95 %, by the ranks of the pairs). ``left``: the same, with the share of the processors that the watcher took added.
    ``processor``: of the processor time that a task takes of everybody but the watcher. ``watcher``: the watcher's own,
    as a share of a core. ``observer``: of the engine's own, what it says that it spends on those who look on, less
    without one, as a share of a core.

    Tasks count once they are over where they ran. Where thousands of agents share a few cores each has its turn every
    few seconds, and so have the hosts that fetch outcomes: these come in waves, up to several times as many in one
    second as in the next.
    """
    found: list[tuple[Taken, Taken]] = []
    with _fleet(agents, kind) as (engine, watcher), _fed(engine, iterations, agents * _WAITING):
        time.sleep(_LEARNT * seconds)
        meter = _Meter(engine, watcher)
        turns: dict[bool, Taken] = {}
        for at, watched in enumerate(_turns(pairs, agents)):
            if watched:
                watcher.attach()
            before = meter.read()
            time.sleep(seconds)
            turns[watched] = taken = meter.read().less(before)
            if watched:
                watcher.detach(taken.seconds)
            if at % 2:
                found.append((turns[True], turns[False]))
    gross = [one.tasks / one.seconds * other.seconds / other.tasks for one, other in found]
    cores = len(os.sched_getaffinity(0))
    likely = median_interval(gross)
    return {
        "value": median([one.share / other.share for one, other in found]),
        "gross": median(gross),
        "gross_low": likely.low,
        "gross_high": likely.high,
        "left": median(
            [ratio + one.watcher / one.seconds / cores for ratio, (one, _) in zip(gross, found, strict=True)]
        ),
        "processor": median([one.cost / other.cost for one, other in found]),
        "agents": median([one.agents / one.tasks * other.tasks / other.agents for one, other in found]),
        "watcher": median([one.watcher / one.seconds for one, _ in found]),
        "observer": median([one.observer / one.seconds - other.observer / other.seconds for one, other in found]),
    }


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
