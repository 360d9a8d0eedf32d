"""Keeping one warm image: its nursery prepares it, and is replaced if it dies or cannot be forked from."""

from __future__ import annotations

import time
from typing import Final, Protocol

from engine.runtime.fleet.launch import StartError
from engine.runtime.fleet.loop import Loop
from engine.runtime.fleet.nest import Image, Nest
from engine.stream.types import Level
from engine.wire import frames
from engine.wire.memory import Parcel

_NURSERY_DEATHS: Final = 5
"""In a row, before it had prepared, after which there is no point in another."""
_FIRST_DEATHS: Final = 3
"""The same, while none ever has: what kills it is most likely in the image."""
_TRIES: Final = 10
"""Starts in a row that fail, from one second to the next, after which there is no point in another: for want of
descriptors, of memory or of processes, which others may give back.
"""
_PAUSE: Final = 1.0
"""Seconds between two of them."""


class Owner(Protocol):
    """Who hears of a keeper: the fleet."""

    def image_ready(self, keeper: Keeper, seconds: float) -> None:
        """Hosts may be forked from the image, for the first time or again."""

    def image_failed(self, keeper: Keeper, why: str) -> None:
        """There will be no image."""

    def host_said(self, keeper: Keeper, frame: frames.HostStarted | frames.HostExited) -> None:
        """A host was forked, or has ended."""

    def nursery_died(self, keeper: Keeper) -> None:
        """Nobody is left to say how its hosts end; another nursery will be started."""

    def note(self, level: Level, kind: str, text: str) -> None:
        """Something worth an event happened."""


class Keeper:
    """One image and the nursery that holds it.

    Attributes:
        ready: hosts can be forked.
        settled: the image is ready, or has failed.
    """

    def __init__(
        self, loop: Loop, image: Image, control: str, board: Parcel, board_bytes: int, owner: Owner, mark: str = ""
    ) -> None:
        """`control`: path of a socket that the nursery removes if the engine is killed, "" for none. `mark`: the
        fleet's, by which whatever comes of the nursery is found.
        """
        self._mark = mark
        self.image = image
        self.ready = False
        self.settled = False
        self._loop = loop
        self._control = control
        self._board = board
        self._board_bytes = board_bytes
        self._owner = owner
        self._started = False
        self._deaths = 0
        self._tries = 0
        """Starts in a row that failed."""
        self.due: float | None = None
        """When `tick` is to be called, by the monotonic clock."""
        self._nest: Nest | None = None

    @property
    def nest(self) -> Nest | None:
        """The nursery of the moment."""
        return self._nest

    def hatch(self) -> None:
        """Start the nursery's interpreter, which takes a while; what it is to import may still be added to `image`.

        Raises `StartError`.
        """
        if self._nest is None:
            self._nest = Nest(self._loop, self._said, self._gone, self._mark)

    def start(self) -> None:
        """Have it import the image. Raises `StartError`."""
        if not self._started:
            self._started = True
            self.hatch()
            self._prepare()

    def tick(self, now: float) -> None:
        """Start a nursery anew, if the last start failed and it is time to."""
        if self.due is not None and now >= self.due:
            self._again()

    def close(self) -> None:
        """End the nursery. Hosts are not ended by it."""
        self.due = None
        if self._nest is not None:
            self._nest.close()
            self._nest = None

    def _prepare(self) -> None:
        assert self._nest is not None
        self._nest.prepare(self.image, self._control, self._board, self._board_bytes)

    def _said(self, frame: frames.FromNursery) -> None:
        if not isinstance(frame, frames.Prepared):
            self._owner.host_said(self, frame)
        elif frame.error:
            self._fail(frame.error)
        elif frame.threads and self.image.hints:
            self.image.hints = []
            self._again()
        elif frame.threads and not self.image.late:
            # Forking a process with threads is a trap: import those modules in each agent instead.
            image = self.image
            references = [*image.check, *image.warm]
            image.late = list(dict.fromkeys([*image.preload, *(r.partition(":")[0] for r in references)]))
            image.preload, image.check, image.warm = [], [], []
            text = f"importing {', '.join(image.late)} starts threads: each agent imports it for itself"
            self._owner.note("warning", "nursery.threads", text)
            self._again()
        else:
            self._deaths = 0
            self.ready = self.settled = True
            self._owner.image_ready(self, frame.seconds)

    def _again(self) -> None:
        """Start over with another nursery, for another image."""
        self.close()
        try:
            self.hatch()
        except StartError as error:
            self._tries += 1
            if self._tries == 1:
                self._owner.note("warning", "nursery.waits", f"{error}; it is tried again")
            if self._tries >= _TRIES:
                self._fail(str(error))
            else:
                self.due = time.monotonic() + _PAUSE
            return
        self._tries = 0
        self._prepare()

    def _gone(self) -> None:
        """It was killed, most likely. Agents live on; a new one forks the hosts to come."""
        if self._nest is None:
            return
        log = self._nest.log().splitlines()[-1:]
        words = f": {log[0]}" if log else ""
        self.close()
        self.ready = False
        if not self._started:
            return  # `start` hatches another
        self._deaths += 1
        if self._deaths >= (_NURSERY_DEATHS if self.settled else _FIRST_DEATHS):
            when = "in a row" if self.settled else "while it prepared"
            self._fail(f"the nursery died {self._deaths} times {when}{words}")
            return
        self._owner.note("error", "nursery.died", "the nursery died: starting another")
        self._owner.nursery_died(self)
        self._again()

    def _fail(self, why: str) -> None:
        self.settled = True
        self._owner.image_failed(self, why)
