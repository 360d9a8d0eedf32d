"""What measuring and showing cost, which is measured too."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias

from engine.metrics.snapshot import Builder

Part: TypeAlias = Literal["sample", "count", "render"]
_PARTS: Final[tuple[Part, ...]] = ("sample", "count", "render")


class Observer:
    """Processor time by what it was spent on, of all threads that say so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[Part, float] = dict.fromkeys(_PARTS, 0.0)

    @contextmanager
    def spends(self, part: Part) -> Iterator[None]:
        """What this thread does in here is for `part`."""
        began = time.thread_time()
        try:
            yield
        finally:
            spent = time.thread_time() - began
            with self._lock:
                self._seconds[part] += spent

    @property
    def seconds(self) -> dict[Part, float]:
        """Processor time so far, by part."""
        with self._lock:
            return dict(self._seconds)

    def tell(self, builder: Builder, skipped: int = 0) -> None:
        """Say it in a snapshot. `skipped`: values that were not counted."""
        for part, seconds in self.seconds.items():
            builder.set("shoal_observer_cpu_seconds_total", seconds, part)
        builder.set("shoal_observer_skipped_values_total", skipped)
