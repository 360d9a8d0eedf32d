"""What the engine's thread has measured and nobody has counted yet. It loads no numpy, and computes nothing.

A message with a thousand outcomes costs that thread one append. Whoever samples turns all that is pending into
histograms at once.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.metrics.series import Histograms, Series

WEIGHT: Final = 1 << 19
"""How much may be pending: a value of a group weighs 1, what is appended 40 more. Up to 6 MB."""
LAST: Final = 256
"""Groups and single values that are left where nobody samples."""
NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""What comes of an import while there are none; it may succeed later."""
_EACH: Final = 40
"""Weight of what is appended, beside its values: a tuple and its objects take some 320 bytes."""


class Pending:
    """Measurements of one thread, bounded; another thread may count them.

    Attributes:
        sampled: somebody counts what is pending every now and then. If they are late it is counted at once; where
            nobody does, only the last groups are kept.
        skipped: values that were dropped for that.
    """

    __slots__ = ("_failed", "_groups", "_histograms", "_last", "_singles", "_told", "_until", "sampled", "skipped")

    def __init__(
        self, histograms: Histograms, weight: int = WEIGHT, last: int = LAST, failed: Callable[[], None] | None = None
    ) -> None:
        """`histograms`: where they are counted. `failed`: called, while the error is handled, if that fails for who has
        only measured something; None: it is raised.
        """
        self._histograms = histograms
        self._failed = failed
        self._last = last
        self._groups: deque[tuple[Series, int, memoryview]] = deque()
        self._singles: deque[tuple[Series, int, int]] = deque()
        self._told = 0
        """Weight of all there ever was. Written by the one thread alone."""
        self._until = weight
        """Weight at which too much is pending. Written by who holds the lock."""
        self.sampled = False
        self.skipped = 0

    def group(self, series: Series, started: int, ends: memoryview) -> None:
        """Consecutive tasks: the first began at `started`, each of the others when the one before ended.

        Times are of one clock, in nanoseconds. `ends` are unsigned 8-byte integers, and are kept as they are: what they
        lie in should hold little else.
        """
        self._groups.append((series, started, ends))
        self._told = told = self._told + len(ends) + _EACH
        if told > self._until:
            self._full()

    def value(self, series: Series, value: int, count: int = 1) -> None:
        """One value, for so many."""
        self._singles.append((series, value, count))
        self._told = told = self._told + _EACH
        if told > self._until:
            self._full()

    def count(self) -> None:
        """Turn all that is pending by now into histograms."""
        with self._histograms.lock:
            self._count()

    def _full(self) -> None:
        if not self._histograms.lock.acquire(blocking=False):
            return  # somebody counts at this moment
        try:
            if self.sampled:
                self._count()
            else:
                self._trim()
        except Exception:
            if self._failed is None:
                raise
            self._failed()
        finally:
            self._histograms.lock.release()

    def _count(self) -> None:
        try:
            from engine.metrics.folding import fold_groups, fold_singles
        except OSError as error:
            if error.errno not in NO_DESCRIPTORS:
                raise
            self._trim()  # what counts could not be read: another time
            return
        groups = [self._groups.popleft() for _ in range(len(self._groups))]
        singles = [self._singles.popleft() for _ in range(len(self._singles))]
        self._until += sum(len(ends) for _, _, ends in groups) + _EACH * (len(groups) + len(singles))
        fold_groups(groups, self._histograms)
        fold_singles(singles, self._histograms)

    def _trim(self) -> None:
        for _ in range(len(self._groups) - self._last):
            length = len(self._groups.popleft()[2])
            self.skipped += length
            self._until += length + _EACH
        for _ in range(len(self._singles) - self._last):
            self.skipped += self._singles.popleft()[2]
            self._until += _EACH
