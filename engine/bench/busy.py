"""An engine that is at work, in a process and a session of its own: as the screens of a run have it before them.

It prints the run's id once all agents are there, and ends when its standard input does.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from typing import Final

from engine.bench.engines import made, warm
from engine.bench.tasks import nap
from engine.procs import boot
from engine.runtime.calls.executor import Engine

_BUSY: Final = 0.87
"""Share of the agents that have something to do."""


class Busy:
    """The process, as the one who started it sees it."""

    def __init__(self, agents: int, *, idle: bool = False) -> None:
        """Start it, and wait until it is at work; with `idle`, until all its agents are there. Raises AssertionError if
        it ends instead.
        """
        self._process = subprocess.Popen(
            boot.argv("engine.bench.busy", str(agents), "idle" if idle else "busy"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            # Its agents are thousands: whoever types is not to be one of them where processor time is shared out.
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.run_id = self._process.stdout.readline().strip()
        assert self.run_id, "the engine did not start"

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _work(engine: Engine, agents: int, stop: threading.Event, free: threading.Semaphore) -> None:
    """Most agents do something at any time."""
    for number in itertools.count():
        free.acquire()
        if stop.is_set():
            return
        engine.submit(nap, number).add_done_callback(lambda _: free.release())


def main() -> None:
    """Be the engine, until standard input ends."""
    agents, how = int(sys.argv[0]), sys.argv[1]
    stop, free = threading.Event(), threading.Semaphore(max(1, round(agents * _BUSY)))
    with made(agents) as engine:
        warm(engine, agents)
        feeder = threading.Thread(target=_work, args=(engine, agents, stop, free))
        if how == "busy":
            feeder.start()
        print(engine.run_id, flush=True)
        sys.stdin.read()
        stop.set()
        free.release()
        if how == "busy":
            feeder.join()
