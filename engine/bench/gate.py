"""A meeting of tasks, seen by the one who called it: all are there, then all go on."""

from __future__ import annotations

import fcntl
import os
import select
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.bench.tasks import ARRIVED, GATE


class Gate:
    """Holds back every task that runs `tasks.meet` on its folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        os.mkfifo(os.path.join(folder, ARRIVED))
        self._arrived = os.open(os.path.join(folder, ARRIVED), os.O_RDWR | os.O_CLOEXEC)
        self._gate = os.open(os.path.join(folder, GATE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        fcntl.flock(self._gate, fcntl.LOCK_EX)

    def open_for(self, count: int) -> None:
        """Wait until so many tasks have come, then let them all go on."""
        while count > 0:
            count -= len(os.read(self._arrived, count))
        self.open()

    def arrivals(self, count: int, seconds: float) -> list[float]:
        """When each of so many tasks came, by `time.perf_counter`, in order; fewer if not all of them do in time."""
        came: list[float] = []
        deadline = time.perf_counter() + seconds
        while len(came) < count:
            left = deadline - time.perf_counter()
            if left <= 0 or not select.select([self._arrived], [], [], left)[0]:
                break
            there = len(os.read(self._arrived, count - len(came)))
            came += [time.perf_counter()] * there
        return came

    def open(self) -> None:
        """Let all tasks go on, those that are still to come, too."""
        fcntl.flock(self._gate, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._arrived)
        os.close(self._gate)


@contextmanager
def gate() -> Iterator[Gate]:
    """A gate in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        made = Gate(folder)
        try:
            yield made
        finally:
            made.close()
