"""Where views come from: a thread reads an engine's stream, folds it, and pokes the app at a gentle pace."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import ClassVar, Final, Protocol

from engine.stream.client import Client, StreamError
from engine.stream.types import Condition, Frame, Hello, Reply, Topic, ToReader
from tui.pump import Pump
from tui.roll import AgentRoll
from tui.view import View, fold, lose

PACE: Final = 0.08
"""Least seconds between two pokes: ten frames a second come through at once, a burst of events together."""
_LINGER: Final = 0.03
"""Seconds that news waits for the frame of its moment, which is the last to come: then both are drawn at once."""
_SEARCH: Final = 1.0
"""Seconds between two looks for an engine that has gone."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the screen that is shown needs.

    Attributes:
        topics: of the stream.
        hz: looks a second.
        agents: conditions on the agents to list, None for no list at all.
    """

    topics: frozenset[Topic] = frozenset({"frames", "events", "cells", "alerts"})
    hz: float = 10.0
    agents: tuple[Condition, ...] | None = None


class Transport(Protocol):
    """What moves a replay about; only feeds of recordings have one."""

    def play(self, on: bool | None = None) -> None:
        """Play, or hold; None: the other."""

    def step(self, seconds: float) -> None:
        """So much on, or back, and hold."""

    def seek(self, at: float) -> None:
        """To a moment, in seconds since the Unix epoch, or as near as there is one."""

    def speed(self, factor: float) -> None:
        """So many times as fast as it was."""


class Feed(Protocol):
    """A source of views. A poked app takes the newest one, so nothing queues up before a slow screen."""

    @property
    def transport(self) -> Transport | None:
        """What moves it about in time; None where it is live."""

    def start(self, post: Callable[[], None]) -> None:
        """Begin; `post` is called from any thread when there is something new, and not again until `take`."""

    def take(self) -> View:
        """The newest view."""

    def stop(self) -> None:
        """End; nothing is posted after it returns. May be called twice, and without `start`."""

    def want(self, wish: Wish) -> None:
        """Tell of just this from now on."""

    def command(self, name: str, *args: str) -> int:
        """Ask something of the engine: a `Reply` of this number will be in a view. Raises `StreamError`."""


class SocketFeed(Pump):
    """The stream of a living engine, read by one daemon thread. If the engine goes, another one of its run is looked
    for.
    """

    THREAD = "shoal-feed"
    transport: ClassVar[Transport | None] = None

    def __init__(self, path: Path | str, find: Callable[[Hello], Path | None] | None = None) -> None:
        """Connect. `find`: where the run of a greeting is served by now. Raises `StreamError` where no engine answers:
        before any screen is drawn.
        """
        self._client = Client(path)
        self._find = find
        self._wish = Wish()
        self._roll = AgentRoll()
        with contextlib.suppress(StreamError):  # it has just ended: what it said before that is still there
            self._subscribe()
        super().__init__(fold(View(), self._client.hello))

    def want(self, wish: Wish) -> None:
        """Tell the engine. One that is gone hears of it if it comes back."""
        if wish == self._wish:
            return
        before, self._wish = self._wish, wish
        with contextlib.suppress(StreamError):
            if (wish.topics, wish.hz) != (before.topics, before.hz):
                self._subscribe()

    def command(self, name: str, *args: str) -> int:
        """Send a command to the engine."""
        return self._client.post(name, *args)

    def _subscribe(self) -> None:
        self._client.post_subscribe(sorted(self._wish.topics), self._wish.hz)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._client.close()

    def _run(self, post: Callable[[], None]) -> None:
        due, poked = 0.0, 0.0  # when the next poke is due; never, while there is nothing new
        while not self._stopping.is_set():
            try:
                asked = self._ask()
                message = self._client.receive(min(asked, max(0.0, due - time.monotonic())))
            except StreamError as error:
                if self._stopping.is_set():
                    return
                self._view = lose(self._view, str(error))
                post()
                if self._view.ended or not self._search():
                    return
                due = 0.0
                continue
            now = time.monotonic()
            if message is not None and self._hear(message):
                due = max(poked + PACE, min(due, now if isinstance(message, Frame) else now + _LINGER))
            if now >= due:
                due, poked = math.inf, now
                self._poke(post)

    def _ask(self) -> float:
        """Ask for agents if it is time to; seconds until it is again."""
        wish, now = self._wish.agents, time.monotonic()
        if wish is None:
            if self._view.agents is not None:
                self._view = changed(self._view, agents=None)
            self._roll.forget()
            return 0.5  # a screen that wants agents waits no longer for the first of them
        offset = self._roll.next(wish, now)
        if offset is not None:
            self._roll.asked(self._client.post_agents(wish, offset=offset), now)
        return self._roll.wait(now)

    def _hear(self, message: ToReader) -> bool:
        """Take a message in; whether there is something new to be seen."""
        if isinstance(message, Reply) and self._roll.awaits(message):
            table = self._roll.heard(message, time.monotonic())
            if table is None:
                return False
            self._view = changed(self._view, agents=table)
            return True
        self._view = fold(self._view, message)
        return True

    def _search(self) -> bool:
        """Look for an engine that serves the same run again; whether one was found before we are to stop."""
        hello = self._view.hello
        if self._find is None or hello is None:
            return False
        while not self._stopping.wait(_SEARCH):
            try:
                path = self._find(hello)
                if path is None:
                    continue
                client = Client(path)
            except StreamError:
                continue
            self._client.close()
            self._client = client
            if self._stopping.is_set():
                client.close()
                return False
            self._roll.forget()
            # What was seen of the run stays; its engine numbers events, and places agents, anew.
            self._view = fold(changed(self._view, lost="", cells=b"", agents=None, events=(), replies=()), client.hello)
            with contextlib.suppress(StreamError):
                self._subscribe()
            return True
        return False
