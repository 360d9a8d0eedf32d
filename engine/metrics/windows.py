"""What happened within the last seconds: the newest snapshot less the one from before. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from engine.metrics.families import family
from engine.metrics.snapshot import Labels, Snapshot, matches

if TYPE_CHECKING:
    from engine.metrics.histogram import Histogram

SPANS: Final = (10.0, 60.0)
"""Seconds of the windows, beside that since the beginning."""
SLICES: Final = 10
"""Snapshots that are kept for a window: it may be longer than its span by the time between two of them."""


class Window:
    """What was added between two moments.

    Attributes:
        seconds: between them. More than was asked for where no snapshot is just that old, less in a younger run, and
            after a pause.
    """

    def __init__(self, newest: Snapshot, before: Snapshot, since: dict[tuple[str, Labels], float]) -> None:
        """`since`: when each series began, as far as that was after the beginning."""
        self.seconds = newest.at - before.at
        self._newest = newest
        self._before = before
        self._since = since

    def added(self, name: str, **labels: str) -> float | None:
        """How much a counter has grown, over all series with these labels; None if there is none.

        Raises ValueError for unknown names and labels, and for what is no counter.
        """
        told = family(name).of_kind("counter")
        found = None
        before = self._before.values.get(name, {})
        for key, value in self._newest.values.get(name, {}).items():
            if matches(told, key, labels):
                earlier = before.get(key, 0.0) if self._lasts(name, key) else 0.0
                found = (found or 0.0) + value - (earlier if earlier <= value else 0.0)
        return found

    def rate(self, name: str, **labels: str) -> float | None:
        """How much a counter has grown per second; None without a series, or without time."""
        added = self.added(name, **labels)
        return added / self.seconds if added is not None and self.seconds > 0 else None

    def share(self, name: str, part: dict[str, str], **labels: str) -> float | None:
        """How much of a counter's growth was in series with the labels `part`, 0 to 1; None if it did not grow.

        Of ``shoal_pool_acquires_total`` with ``{"result": "hit"}`` it is the hit rate.
        """
        whole = self.added(name, **labels)
        return (self.added(name, **labels, **part) or 0.0) / whole if whole else None

    def histogram(self, name: str, **labels: str) -> Histogram:
        """What was counted meanwhile, in all series with these labels, merged. Raises ValueError as `added` does."""
        from engine.metrics.histogram import Histogram

        told = family(name).of_kind("histogram")
        keys = (key for key in self._newest.histograms.get(name, {}) if matches(told, key, labels))
        return Histogram.union(
            now if earlier is None else _less(now, earlier) for now, earlier in self.changes(name, *keys)
        )

    def changes(self, name: str, *series: Labels) -> list[tuple[Histogram, Histogram | None]]:
        """Histograms as they are now, and as they were when the window began, None for not there: of those of these
        series that there are, which are given by all their labels.
        """
        now, before = self._newest.histograms.get(name, {}), self._before.histograms.get(name, {})
        return [
            (now[key], before.get(key) if self._lasts(name, key) else None) for key in series if key in now
        ]  # fmt: skip

    def _lasts(self, name: str, key: Labels) -> bool:
        """Whether the series has been there all the time, and not only a namesake that went."""
        return self._since.get((name, key), self._before.at) <= self._before.at


class Windows:
    """Keeps as many snapshots as it takes to say what happened within each span.

    Where none came for more than half of a span, its window begins anew: it would be about the pause.
    """

    def __init__(self, began: float, spans: tuple[float, ...] = SPANS) -> None:
        """`began`: when nothing had happened yet; `spans`: the windows that may be asked for, in seconds."""
        self._beginning = Snapshot(began)
        self._kept: dict[float, deque[Snapshot]] = {span: deque([self._beginning]) for span in spans}
        self._newest = self._beginning
        self._known: set[tuple[str, Labels]] = set()
        self._since: dict[tuple[str, Labels], float] = {}

    @property
    def newest(self) -> Snapshot:
        """The last one that was pushed."""
        return self._newest

    def push(self, snapshot: Snapshot) -> None:
        """The next snapshot. Raises ValueError if it is of an earlier time than the last."""
        if snapshot.at < self._newest.at:
            raise ValueError(f"a snapshot of {snapshot.at} after one of {self._newest.at}")
        now = set(snapshot.series())
        for gone in self._known - now:
            self._since.pop(gone, None)
        if self._newest is not self._beginning:  # what the first one has began with the run
            self._since.update(dict.fromkeys(now - self._known, snapshot.at))
        self._known = now
        pause, self._newest = snapshot.at - self._newest.at, snapshot
        for span, kept in self._kept.items():
            if pause > span / 2:
                kept.clear()
                kept.append(snapshot)
            elif snapshot.at - kept[-1].at >= span / SLICES:
                kept.append(snapshot)
            while len(kept) > 1 and snapshot.at - kept[1].at >= span:
                kept.popleft()

    def over(self, span: float | None = None) -> Window:
        """The last `span` seconds, None for all since the beginning. Raises ValueError for a span that is not kept."""
        if span is None:
            return Window(self._newest, self._beginning, {})
        kept = self._kept.get(span)
        if kept is None:
            raise ValueError(
                f"no window of {span:g} s is kept, but of {', '.join(f'{each:g}' for each in self._kept)} s"
            )
        return Window(self._newest, kept[0], dict(self._since))


def _less(now: Histogram, earlier: Histogram) -> Histogram:
    if now is earlier:
        return type(now)(now.p)
    try:
        return now - earlier
    except ValueError:  # it began anew, and has more already
        return now
