"""What the screens show: an immutable view, folded from an engine's messages. Pure: no clock, no socket."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from engine.stream.types import (
    AlertChanged,
    AlertsNow,
    Cells,
    Event,
    Frame,
    Hello,
    MetricsNow,
    QueuesNow,
    Refused,
    Reply,
    ShapesNow,
    ToReader,
)

Phase: TypeAlias = Literal["starting", "live", "paused", "draining", "ended", "lost"]
"""``paused``: the run begins nothing. That the view of it is held is another thing."""

EVENTS_KEPT = 200
HISTORY_STEP = 0.5
"""Seconds of the run in one value of the history."""
HISTORY_KEPT = 240
"""Values kept: the last two minutes."""
_RATE_COVERS = 4
"""A frame's rate looks back two seconds: so many values before it are known although no frame came."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The throughput of the last two minutes, thinned to one value each half second."""

    rates: tuple[float, ...] = ()
    """Tasks per second, the oldest first, NaN where no frame tells. The last one is still being averaged."""
    last: int = -1
    """Number of the newest value: the run's elapsed time in steps."""
    samples: int = 0
    """Frames in the newest value."""

    def add(self, elapsed: float, rate: float) -> History:
        """This history and one frame more."""
        index = int(elapsed / HISTORY_STEP)
        if self.rates and index <= self.last:
            mean = self.rates[-1] + (rate - self.rates[-1]) / (self.samples + 1)
            return History((*self.rates[:-1], mean), self.last, self.samples + 1)
        unseen = index - self.last - 1 if self.rates else 0
        known = min(unseen, _RATE_COVERS)
        blank = min(unseen - known, HISTORY_KEPT)
        rates = (*self.rates, *[math.nan] * blank, *[rate] * (known + 1))
        return History(rates[-HISTORY_KEPT:], index, 1)


_PHASES: dict[str, Phase] = {"draining": "draining", "paused": "paused"}


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: every message makes a new view
class View:
    """Everything a screen may show, at one moment."""

    hello: Hello | None = None
    frame: Frame | None = None
    cells: bytes = b""
    """The states of all agents, one byte each in the order of the scoreboard; too short while they are not known."""
    history: History = field(default_factory=History)
    events: tuple[Event, ...] = ()
    """The last ones, the oldest first."""
    missed: int = 0
    """Events that were numbered and never came."""
    refused: str = ""
    """Why the engine last refused something."""
    lost: str = ""
    """Why the stream broke; empty while it holds."""
    ended: bool = False
    """Whether the engine said that the run is over."""

    @property
    def phase(self) -> Phase:
        """How the run is, as far as one can see from here."""
        if self.ended:
            return "ended"
        if self.lost:
            return "lost"
        if self.frame is None or self.frame.state == "starting":
            return "starting"
        return _PHASES.get(self.frame.state, "live")

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.ended or bool(self.lost)


def fold(view: View, message: ToReader) -> View:
    """The view after one message more."""
    match message:
        case Frame():
            # The last frame repeats an elapsed time that stands still: it would only blur the newest value.
            over = message.state == "ended"
            history = view.history if over else view.history.add(message.elapsed, message.rate)
            return replace(view, frame=message, history=history, ended=view.ended or over)
        case Event():
            before = view.events[-1].number if view.events else message.number - 1
            return replace(
                view,
                events=(*view.events, message)[-EVENTS_KEPT:],
                missed=view.missed + max(0, message.number - before - 1),
                ended=view.ended or message.kind == "run.ended",
            )
        case Cells():
            first, states = message.first, message.states
            cells = view.cells[:first].ljust(first, b"\0") + states + view.cells[first + len(states) :]
            return replace(view, cells=cells)
        case Hello():
            return replace(view, hello=message)
        case MetricsNow() | QueuesNow() | ShapesNow() | AlertsNow() | AlertChanged():  # no screen asks for them
            return view
        case Reply():
            return view if message.ok else replace(view, refused=message.text)
        case Refused():
            return replace(view, refused=message.why)


def lose(view: View, why: str) -> View:
    """The view after the stream broke off."""
    return replace(view, lost=why or "the stream broke off")
