"""What readers would be told now, once a second, for a replay of the run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from engine.runtime.line import DATAGRAM
from engine.store import messages
from engine.stream.moments import KEYFRAME, SELDOM, pack
from engine.stream.types import AlertChanged, Cells, Frame, ToReader

_CHANGES: Final = 500
"""Changes of alerts that are kept from one moment to the next; a keyframe tells what came of them all."""

Ask = Callable[[], Sequence[ToReader]]
"""For what takes time to make, and is not needed each time."""


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

    def hear(self, change: AlertChanged) -> None:
        """An alert has changed."""
        self._changes.append(change)

    def skip(self) -> None:
        """A moment is left out: the next one has all there is."""
        self._since = SELDOM

    def make(
        self, at: float, event: int, frame: Frame, cells: Sequence[Cells], measured: Ask, alerts: Ask, last: bool
    ) -> messages.Moment:
        """The moment of a frame that was just made. `at`: now, in seconds since the Unix epoch; `event`: number of the
        newest event; `cells`: of all agents; `last`: the run is over.

        While nothing happens, a frame is all of it, but for keyframes.
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
        told: list[ToReader] = [frame]
        if keyframe or moved:
            told += cells
        if keyframe or happens:
            told += measured()
        told += self._changes
        self._changes.clear()
        if keyframe:
            told += alerts()
        data = pack(told)
        if len(data) > DATAGRAM:  # of a hundred thousand agents, say
            data, keyframe = pack([frame]), False
            self.skip()
        return messages.Moment(at, event, keyframe, data)


def _counts(frame: Frame) -> tuple[object, ...]:
    """What tells whether anything goes on."""
    return frame.state, frame.tasks, frame.done, frame.failed, frame.queued, frame.running, frame.restarts
