"""What readers would be told now, once a second, for a replay of the run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.runtime.record.line import DATAGRAM
from engine.store import messages
from engine.stream.moments import KEYFRAME, SELDOM, pack
from engine.stream.types import AlertChanged, Cells, Frame, Topic, ToReader

_CHANGES: Final = 500
"""Changes of alerts that are kept from one moment to the next; a keyframe tells what came of them all."""

_EVERY: Final[dict[Topic, int]] = {"metrics": 2, "queues": 2, "shapes": 5, "claims": 2, "plan": 2}
"""Moments from one measurement to the next, where not 1: they take milliseconds to make, and change slowly."""

Measure = Callable[[], ToReader | None]
"""Makes a measurement; None while there is none."""


class Moments:
    """Makes the moments of one run. It knows no clock: who calls it has one."""

    def __init__(self) -> None:
        self._changes: deque[AlertChanged] = deque(maxlen=_CHANGES)
        self._since = SELDOM
        """Moments from the last keyframe on; so many that the next one is due."""
        self._quiet = 0
        """Moments in a row in which nothing has happened."""
        self._states: list[bytes] = []
        self._counts: tuple[object, ...] = ()
        self._ages: dict[Topic, int] = {}
        """Moments since a measurement was told."""
        self._news: set[Topic] = set()
        """Measurements that can't be the same any more as when they were told."""

    def hear(self, change: AlertChanged) -> None:
        """An alert has changed."""
        self._changes.append(change)

    def skip(self) -> None:
        """A moment is left out: the next one has all there is."""
        self._since = SELDOM

    def make(
        self,
        at: float,
        event: int,
        frame: Frame,
        cells: Sequence[Cells],
        measures: Mapping[Topic, Measure],
        known: Callable[[], Sequence[ToReader]],
        last: bool = False,
    ) -> messages.Moment:
        """The moment of a frame that was just made.

        While nothing happens, a frame is all of it, but for keyframes.

        Args:
            at: now, in seconds since the Unix epoch.
            event: number of the newest event.
            cells: of all agents.
            measures: by topic, asked where a measurement is told.
            known: asked, where all of them are told, for alerts and for what else is told in changes alone.
            last: the run is over.
        """
        states, counts = [part.states for part in cells], _counts(frame)
        moved = states != self._states
        happens = moved or counts != self._counts
        self._states, self._counts = states, counts
        self._quiet = 0 if happens or self._changes else self._quiet + 1
        self._since += 1
        keyframe = last or self._since >= (KEYFRAME if self._quiet < SELDOM else SELDOM)
        if keyframe:
            self._since = 0
        told: list[ToReader] = []
        if keyframe or moved:
            told += cells
        told += self._measured(measures, keyframe, happens)
        told += self._changes
        self._changes.clear()
        if keyframe:
            told += known()
        told.append(frame)  # after what belongs to it, as on the stream
        data = pack(told)
        if len(data) > DATAGRAM:  # of a hundred thousand agents, say
            data, keyframe = pack([frame]), False
            self.skip()
        return messages.Moment(at, event, keyframe, data)

    def _measured(self, measures: Mapping[Topic, Measure], keyframe: bool, happens: bool) -> list[ToReader]:
        told: list[ToReader] = []
        for topic, measure in measures.items():
            self._ages[topic] = self._ages.get(topic, SELDOM) + 1
            if happens:
                self._news.add(topic)
            due = topic in self._news and self._ages[topic] >= _EVERY.get(topic, 1)
            if (keyframe or due) and (made := measure()) is not None:
                self._ages[topic] = 0
                self._news.discard(topic)
                told.append(made)
        return told


def _counts(frame: Frame) -> tuple[object, ...]:
    """What tells whether anything goes on."""
    return frame.state, frame.tasks, frame.done, frame.failed, frame.queued, frame.running, frame.restarts
