"""The feed of a run whose engine is still about to listen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from processes import wait_for

from engine.stream.client import StreamError
from tui.app import ShoalApp
from tui.feed import Wish
from tui.starting import StartingFeed
from tui.view import View


@dataclass
class Engine:
    """One that listens when it is told to."""

    feed: Any = None
    fails: bool = False
    ready: threading.Event = field(default_factory=threading.Event)
    ended: int = 0

    def wait(self, seconds: float) -> bool:
        return self.ready.wait(seconds)

    def connect(self) -> Any:
        if self.fails:
            raise StreamError("nobody answers")
        return self.feed

    def end(self) -> None:
        self.ended += 1


def test_what_the_engine_tells_is_told_once_it_listens(feed_of: Callable[[View], Any], running: View) -> None:
    engine = Engine(feed_of(running))
    feed, poked = StartingFeed(engine), threading.Event()
    feed.start(poked.set)
    wish = Wish(hz=2.0)
    feed.want(wish)
    assert feed.take().hello is None
    assert feed.take().phase == "starting"
    engine.ready.set()
    wait_for(poked.is_set, what="a poke")
    assert feed.take() is running
    assert engine.feed.wish == wish
    feed.want(Wish(hz=5.0))
    assert engine.feed.wish.hz == 5.0
    feed.stop()
    assert engine.feed.stopped


@pytest.mark.parametrize("fails", [False, True])
def test_an_engine_that_ends_before_it_listens_has_ended(fails: bool) -> None:
    engine = Engine(fails=fails)
    feed, poked = StartingFeed(engine), threading.Event()
    feed.start(poked.set)
    engine.ready.set()
    wait_for(poked.is_set, what="a poke")
    assert (feed.take().phase, feed.take().hello) == ("ended", None)
    feed.stop()


def test_until_it_listens_it_can_only_be_ended() -> None:
    engine = Engine()
    feed = StartingFeed(engine)
    feed.start(lambda: None)
    with pytest.raises(StreamError, match="does not listen yet"):
        feed.command("pause")
    assert engine.ended == 0
    feed.command("stop")
    assert engine.ended == 1
    feed.stop()
    feed.stop()


def test_nobody_is_connected_to_that_is_not_wanted_any_more(feed_of: Callable[[View], Any], running: View) -> None:
    """The engine answers at the very moment in which the screens are left."""
    engine = Engine(feed_of(running))
    feed = StartingFeed(engine)

    def wait(seconds: float) -> bool:
        feed._stopping.set()
        return True

    engine.wait = wait  # type: ignore[method-assign]
    poked: list[int] = []
    feed.start(lambda: poked.append(1))
    feed.stop()
    assert not poked
    assert engine.feed.stopped
    assert feed.take().hello is None


def test_the_screens_close_with_an_engine_that_never_began() -> None:
    engine = Engine()
    app = ShoalApp(StartingFeed(engine))

    async def play() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            assert app.is_running
            engine.ready.set()
            async with asyncio.timeout(20):
                while app.return_value is None:
                    await pilot.pause(0.02)

    asyncio.run(play())
    assert app.return_value == "ended"
