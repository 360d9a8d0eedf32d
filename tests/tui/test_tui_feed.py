"""The pump against a real socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.stream.client import StreamError
from engine.stream.types import Cells, Event, Frame, Hello, Refused, Reply, to_engine
from tui.feed import SocketFeed
from tui.preferences import Preferences
from tui.session import run
from tui.view import View

EngineOf = Callable[..., Any]


class Watch:
    """A feed and somebody who waits for it."""

    def __init__(self, path: Path) -> None:
        self.feed = SocketFeed(path)
        self.pokes = 0
        self._poked = threading.Event()

    def start(self) -> None:
        self.feed.start(self.poked)

    def poked(self) -> None:
        self.pokes += 1
        self._poked.set()

    def until(self, wanted: Callable[[View], bool]) -> View:
        """The first view that is as wanted."""
        while True:
            self._poked.clear()
            view = self.feed.take()
            if wanted(view):
                return view
            assert self._poked.wait(10.0), f"nothing came after {view}"


@pytest.fixture
def watch_of() -> Iterator[Callable[[Path], Watch]]:
    watches: list[Watch] = []

    def make(path: Path) -> Watch:
        watches.append(Watch(path))
        watches[-1].start()
        return watches[-1]

    yield make
    for watch in watches:
        watch.feed.stop()
        watch.feed.stop()  # twice does no harm
    assert not [thread for thread in threading.enumerate() if thread.name == "shoal-feed"]


WatchOf = Callable[[Path], Watch]


def asked(engine: Any) -> Any:
    """The next request of the reader."""
    return to_engine.decode(engine.reader.recv(4096))


def test_messages_become_views(
    engine_of: EngineOf, watch_of: WatchOf, make_frame: Callable[..., Frame], make_event: Callable[..., Event]
) -> None:
    engine = engine_of()
    watch = watch_of(engine.path)
    assert watch.until(lambda view: view.hello is not None).phase == "starting"
    engine.send(*(make_event(number, "info", "x", "", 0.0) for number in (5, 6, 9)))
    engine.send(make_frame({"micro": b"\3\2"}), Cells(0, b"\3\2\0"), Cells(1, b"\5"))
    view = watch.until(lambda view: view.cells == b"\3\5\0")
    assert (view.phase, view.missed, len(view.events)) == ("live", 2, 3)


def test_a_slow_app_is_poked_once(engine_of: EngineOf, watch_of: WatchOf, make_frame: Callable[..., Frame]) -> None:
    engine = engine_of()
    watch = watch_of(engine.path)
    watch.until(lambda view: view.hello is not None)
    before = watch.pokes
    for number in range(1, 101):
        engine.send(make_frame({"micro": b"\3"}, number=number))
    engine.send(make_frame({"micro": b"\3"}, number=1000, state="ended"))
    engine.close()
    view = watch.until(lambda view: bool(view.lost))
    assert view.frame is not None
    assert view.frame.number == 1000
    # A hundred frames at once are at most: one poke for the first, one after the pause, one for the end.
    assert watch.pokes - before <= 3


def test_an_engine_that_dies_is_lost(engine_of: EngineOf, watch_of: WatchOf, make_frame: Callable[..., Frame]) -> None:
    engine = engine_of()
    watch = watch_of(engine.path)
    engine.send(make_frame({"micro": b"\3"}))
    engine.close()
    view = watch.until(lambda view: bool(view.lost))
    assert view.phase == "lost"
    assert view.frame is not None
    with pytest.raises(StreamError):
        watch.feed.command("stop")


def test_an_engine_that_ends_has_ended(
    engine_of: EngineOf, watch_of: WatchOf, make_frame: Callable[..., Frame]
) -> None:
    engine = engine_of()
    watch = watch_of(engine.path)
    engine.send(make_frame({"micro": b"\0"}, state="ended"))
    engine.close()
    assert watch.until(lambda view: bool(view.lost)).phase == "ended"


@pytest.mark.parametrize("garbage", [b"\xc1", b"\x93\xa4what\x01\x02", b"x" * 1000])
def test_garbage_is_lost_with_a_reason(engine_of: EngineOf, watch_of: WatchOf, garbage: bytes) -> None:
    engine = engine_of()
    watch = watch_of(engine.path)
    engine.reader.send(garbage)
    assert "can't read" in watch.until(lambda view: bool(view.lost)).lost


def test_commands_arrive(engine_of: EngineOf, watch_of: WatchOf) -> None:
    engine = engine_of()
    watch = watch_of(engine.path)
    assert "cells" in asked(engine).topics
    watch.feed.command("stop")
    stop = asked(engine)
    assert (stop.name, stop.args) == ("stop", [])
    engine.send(Reply(stop.id, False, "not now"))
    watch.until(lambda view: view.refused == "not now")


def test_stopping_is_not_a_loss(engine_of: EngineOf, watch_of: WatchOf) -> None:
    engine = engine_of()
    watch = watch_of(engine.path)
    assert asked(engine)
    watch.feed.stop()
    assert watch.feed.take().phase == "starting"
    assert engine.reader.recv(4096) == b""


def test_a_feed_that_never_started_stops(engine_of: EngineOf) -> None:
    engine = engine_of()
    SocketFeed(engine.path).stop()


def test_nobody_there_is_said_before_the_terminal_is_touched(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no engine answers"):
        run(tmp_path / "nobody.sock")


def test_a_refused_reader_is_told_why(engine_of: EngineOf) -> None:
    engine = engine_of(Refused("too many readers"))
    with pytest.raises(StreamError, match="too many readers"):
        run(engine.path)


def test_another_version_is_told_apart(engine_of: EngineOf) -> None:
    engine = engine_of(Hello(99, "7f3a", "x", 1, 0.0))
    with pytest.raises(StreamError, match="version 99"):
        run(engine.path)


def test_an_unknown_theme_is_said_at_once(engine_of: EngineOf) -> None:
    engine = engine_of()
    with pytest.raises(ValueError, match=r"no theme named 'plaid'.*shoal-light"):
        run(engine.path, preferences=Preferences(theme="plaid"))
    assert asked(engine)
    assert engine.reader.recv(4096) == b""  # hung up, too
