"""A recording, played: the same views as of a living run, at any moment of it and at any speed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from engine.stream.client import StreamError
from engine.stream.moments import Moment
from engine.stream.recordings import COVERS, Recording, RecordingError
from tui.feed import Wish
from tui.pump import Pump
from tui.view import Replaying, View, fold

SPEEDS: Final = 0.125, 512.0
"""The slowest and the fastest."""
_TICK: Final = 0.1
"""Seconds between two looks while it plays."""
_AHEAD: Final = 60.0
"""Seconds of a recording that are read at once."""
_GROWS: Final = 1.0
"""Seconds between two looks whether a recording that is still made has got longer."""


class Player:
    """Where a replay stands, and the view there. Pure but for the recording: it is told how much time has passed."""

    def __init__(self, recording: Recording, at: float | None = None, speed: float = 1.0) -> None:
        """Play from a moment, or from the beginning. Raises `RecordingError`."""
        self._recording = recording
        self.at = recording.start if at is None else at
        self.speed = min(max(speed, SPEEDS[0]), SPEEDS[1])
        self.playing = True
        self._view = View()
        self._moments: Iterator[Moment] = iter(())
        self._next: Moment | None = None
        self._read = 0.0
        self.seek(self.at)

    @property
    def view(self) -> View:
        """The view of the moment."""
        recording = self._recording
        where = Replaying(
            self.at, recording.start, recording.end, self.speed, self.playing and self.at < recording.end,
            recording.complete,
        )  # fmt: skip
        return replace(self._view, replay=where)

    def pass_(self, seconds: float) -> bool:
        """So much time has passed; whether there is something new to see. Raises `RecordingError`."""
        if not self.playing or self.at >= self._recording.end:
            return False
        self._go(min(self.at + seconds * self.speed, self._recording.end))
        return True

    def seek(self, at: float) -> None:
        """To a moment, or as near as there is one. Raises `RecordingError`."""
        recording = self._recording
        at = min(max(at, recording.start), recording.end)
        if self._view.hello is None or not self.at <= at <= self.at + COVERS:
            self._view = fold(View(), recording.hello)
            self.at = max(recording.start, at - COVERS)
            self._moments, self._next, self._read = iter(()), None, self.at
            # What came at the very beginning came after no time at all.
            if self.at == recording.start:
                self._read = self.at - 1.0
        self._go(at)

    def _go(self, at: float) -> None:
        view = self._view
        while True:
            moment = self._take(at)
            if moment is None:
                break
            for message in moment[1]:
                view = fold(view, message)
        self._view, self.at = view, at

    def _take(self, until: float) -> Moment | None:
        """The next moment up to `until`."""
        while self._next is None:
            self._next = next(self._moments, None)
            if self._next is None:
                if self._read >= until:
                    return None
                since, self._read = self._read, max(until, self._read + _AHEAD)
                self._moments = iter(self._recording.window(since, self._read))
        if self._next[0] > until:
            return None
        found, self._next = self._next, None
        return found


class ReplayFeed(Pump):
    """A feed of a recording: a daemon thread plays it, and is told where to go."""

    THREAD = "shoal-replay"

    def __init__(self, recording: Recording, at: float | None = None, speed: float = 1.0) -> None:
        """Play from a moment, or from the beginning. Raises `RecordingError`."""
        self._recording = recording
        self._player = Player(recording, at, speed)
        self._lock = threading.Lock()
        self._moved = threading.Event()
        self._hz = 1 / _TICK
        self._broken = ""
        super().__init__(self._player.view)

    @property
    def transport(self) -> ReplayFeed:
        """Itself."""
        return self

    def want(self, wish: Wish) -> None:
        """It has all there is; only the pace matters."""
        self._hz = wish.hz

    def command(self, name: str, *args: str) -> int:
        """Nobody is there to do anything. Raises `StreamError`."""
        raise StreamError("this is a replay: nothing can be changed any more")

    # -- as `Transport` -----------------------------------------------------------------------------------------------

    def play(self, on: bool | None = None) -> None:
        """Play, or hold; None: the other. From the end on it begins anew."""
        with self._lock:
            player = self._player
            player.playing = not player.playing if on is None else on
            again = player.playing and player.at >= self._recording.end
        if again:
            self.seek(self._recording.start)
        self._moved.set()

    def step(self, seconds: float) -> None:
        """So much on, or back, and hold."""
        with self._lock:
            self._player.playing = False
            at = self._player.at + seconds
        self.seek(at)

    def seek(self, at: float) -> None:
        """To a moment, or as near as there is one."""
        with self._lock:
            self._seek = at
        self._moved.set()

    def speed(self, factor: float) -> None:
        """So many times as fast as it was."""
        with self._lock:
            self._player.speed = min(max(self._player.speed * factor, SPEEDS[0]), SPEEDS[1])
        self._moved.set()

    # -- the thread ---------------------------------------------------------------------------------------------------

    _seek: float | None = None
    """Where to go, if somebody has asked."""

    def _wake(self) -> None:
        self._moved.set()

    def _run(self, post: Callable[[], None]) -> None:
        began, grown = time.monotonic(), time.monotonic()
        self._poke(post)
        while not self._stopping.is_set():
            self._moved.wait(1 / self._hz if self._player.playing else _GROWS)
            self._moved.clear()
            now = time.monotonic()
            try:
                if now - grown >= _GROWS:
                    grown = now
                    self._recording.look()
                with self._lock:
                    wanted, self._seek = self._seek, None
                    if wanted is not None:
                        self._player.seek(wanted)
                    else:
                        self._player.pass_(now - began)
            except RecordingError as error:
                self._broken = str(error)
            began = now
            self._poke(post)

    def _poke(self, post: Callable[[], None]) -> None:
        with self._lock:
            view = self._player.view
        self._view = replace(view, lost=self._broken) if self._broken else view
        super()._poke(post)
