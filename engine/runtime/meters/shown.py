"""What is made of samples for those who look on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from engine.metrics.observer import Observer

T = TypeVar("T")

_SELDOM: Final = 100
"""Whatever takes long to make is fresh for so many times as long: no more than a hundredth of the time goes into it."""


class Shown(Generic[T]):
    """Something made when it is asked for, and anew only if it is no longer fresh and there is a newer sample."""

    def __init__(
        self, make: Callable[[float], T], seconds: float, observer: Observer, newest: Callable[[], object]
    ) -> None:
        """`make` is given the seconds since the Unix epoch; `seconds`: for how long what it made is fresh; `newest`:
        the sample that it is made of.
        """
        self._make = make
        self._seconds = seconds
        self._observer = observer
        self._newest = newest
        self._made: T | None = None
        self._of: object = None
        """The sample of which it was made."""
        self._until = 0.0
        """For how long it is fresh."""

    def get(self, fresh: bool = False) -> T:
        """The newest; `fresh`: of now in any case."""
        now, newest = time.monotonic(), self._newest()
        if self._made is None or fresh or (newest is not self._of and now >= self._until):
            self._of = newest
            began = time.thread_time()
            with self._observer.spends("render"):
                self._made = self._make(time.time())
            self._until = now + max(self._seconds, _SELDOM * (time.thread_time() - began))
        return self._made
