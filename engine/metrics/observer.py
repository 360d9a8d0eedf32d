"""What measuring and showing cost, which is measured too."""

from __future__ import annotations

import threading
import time
from typing import Final, Literal, TypeAlias

from engine.metrics.snapshot import Builder

Part: TypeAlias = Literal["sample", "count", "render", "alerts", "frames", "encoding", "sending", "pages"]
PARTS: Final[tuple[Part, ...]] = ("sample", "count", "render", "alerts", "frames", "encoding", "sending", "pages")


class _Thread(threading.local):
    """What a thread is at, since when by its own clock."""

    part: Part | None = None
    since = 0.0


class _Spends:
    """From entering to leaving, the thread is at one part."""

    __slots__ = ("_before", "_observer", "_part")

    def __init__(self, observer: Observer, part: Part) -> None:
        self._observer = observer
        self._part = part
        self._before: Part | None = None

    def __enter__(self) -> None:
        self._before = self._observer.turn(self._part)

    def __exit__(self, *_: object) -> None:
        self._observer.turn(self._before)


class Observer:
    """Processor time by what it was spent on, of all threads that say so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[Part, float] = dict.fromkeys(PARTS, 0.0)
        self._thread = _Thread()

    def spends(self, part: Part) -> _Spends:
        """What this thread does in here is for `part`; what of it is for another part, in there, is for that alone."""
        return _Spends(self, part)

    def turn(self, part: Part | None) -> Part | None:
        """This thread does something for `part` from now on, None: for nobody who looks on. What it was for before."""
        thread, now = self._thread, time.thread_time()
        before = thread.part
        if before is not None:
            spent = now - thread.since
            with self._lock:
                self._seconds[before] += spent
        thread.part, thread.since = part, now
        return before

    @property
    def seconds(self) -> dict[Part, float]:
        """Processor time so far, by part."""
        with self._lock:
            return dict(self._seconds)

    @property
    def total(self) -> float:
        """Seconds of processor time so far."""
        with self._lock:
            return sum(self._seconds.values())

    def tell(self, builder: Builder, skipped: int = 0) -> None:
        """Say it in a snapshot. `skipped`: values that were not counted."""
        for part, seconds in self.seconds.items():
            builder.set("shoal_observer_cpu_seconds_total", seconds, part)
        builder.set("shoal_observer_skipped_values_total", skipped)
