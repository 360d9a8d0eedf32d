"""Screens without an engine: ready-made fleets, pictures that only change on purpose."""

from __future__ import annotations

import asyncio
import math
import random
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pictures
import pytest
import pytest_textual_snapshot as snapshots  # type: ignore[import-untyped]
from quick_screens import hasten
from screen_fleets import crowd, manned
from screen_gallery import Hang, hung
from screen_runs import NOON, alert_of, cells_of, event_of, frame_of, in_trouble, measured_of, states_of
from syrupy.location import PyTestLocation
from textual.pilot import Pilot

from engine.stream.types import (
    BUSY,
    DRAINING,
    IDLE,
    STREAM_VERSION,
    AlertView,
    Cells,
    Event,
    Frame,
    Hello,
    ToReader,
    encoder,
)
from tui.app import ShoalApp
from tui.archive import Archive
from tui.feed import Transport, Wish
from tui.preferences import Preferences
from tui.view import View, fold

ROOT = Path(__file__).resolve().parents[2]


class ShoalSVG(snapshots.SVGImageExtension):  # type: ignore[misc]
    """Snapshots lie under ``snapshots/``, a folder a test module."""

    file_extension = "svg"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """The folder keeps the module's name at its end: by that syrupy knows which files are its own."""
        return str(ROOT / "snapshots" / test_location.basename)


snapshots.SVGImageExtension = ShoalSVG  # the plugin has no option for it and looks the name up for each test
hasten()


def pytest_configure(config: pytest.Config) -> None:
    """Other versions draw other pictures: they may compare, and must not overwrite."""
    if config.getoption("update_snapshots", default=False):
        others = pictures.drawn_by_others(ROOT / "constraints.txt")
        if others:
            pytest.exit(f"snapshots are not updated: {others}", returncode=2)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Know every test there is, those that are left out later included."""
    pictures.collected(item)


class FakeFeed:
    """A feed of ready-made views."""

    def __init__(self, view: View, transport: Transport | None = None) -> None:
        """Begin with `view`."""
        self.view = view
        self.transport = transport
        self.commands: list[tuple[str, ...]] = []
        self.wish = Wish()
        self.stopped = False
        self.refuses: Exception | None = None
        self._post: Callable[[], None] | None = None

    def start(self, post: Callable[[], None]) -> None:
        """The first view is there at once."""
        self._post = post
        post()

    def take(self) -> View:
        """The newest view."""
        return self.view

    def stop(self) -> None:
        """Remembered."""
        self.stopped = True

    def want(self, wish: Wish) -> None:
        """Remembered."""
        self.wish = wish

    def command(self, name: str, *args: str) -> int:
        """Remembered, or refused."""
        if self.refuses is not None:
            raise self.refuses
        self.commands.append((name, *args))
        return len(self.commands)

    def push(self, view: View) -> None:
        """The next view."""
        assert self._post is not None
        self.view = view
        self._post()


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same pictures for everybody: no colours or zones from outside."""
    for name in ("NO_COLOR", "UNICODE_VERSION", "TEXTUAL_THEME", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def feed_of() -> Callable[[View], Any]:
    """A feed that begins with a view, and what it was asked."""
    return FakeFeed


class FakeEngine:
    """The other end of a stream: a socket that says what it is told to say."""

    def __init__(self, path: Path, greeting: ToReader) -> None:
        """Listen, and greet the first reader as soon as it comes."""
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.settimeout(10.0)
        self._reader: socket.socket | None = None
        # A reader blocks until it is greeted, so somebody else than the test must greet it.
        self._porter = threading.Thread(target=self._greet, args=(greeting,))
        self._porter.start()

    def _greet(self, greeting: ToReader) -> None:
        try:
            self._reader, _ = self._listener.accept()
        except OSError:
            return
        self._reader.settimeout(10.0)
        self._reader.send(encoder.encode(greeting))

    @property
    def reader(self) -> socket.socket:
        """The connection to the reader, once there is one."""
        self._porter.join(timeout=10.0)
        assert self._reader is not None
        return self._reader

    def send(self, *messages: ToReader) -> None:
        """Say something."""
        for message in messages:
            self.reader.send(encoder.encode(message))

    def close(self) -> None:
        """Die."""
        self._listener.close()
        self._porter.join(timeout=10.0)
        if self._reader is not None:
            self._reader.close()


@pytest.fixture
def engine_of(tmp_path: Path, hello: Hello) -> Iterator[Callable[..., FakeEngine]]:
    """Engines to order; they greet with `hello` unless told otherwise."""
    engines: list[FakeEngine] = []

    def make(greeting: ToReader = hello) -> FakeEngine:
        engines.append(FakeEngine(tmp_path / f"{len(engines)}.sock", greeting))
        return engines[-1]

    yield make
    for engine in engines:
        # Nobody may have come: a shut listener lets the porter go home.
        try:
            engine._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        engine.close()


@pytest.fixture
def app_of() -> Callable[..., ShoalApp]:
    """An app over a view, or over a feed."""

    def make(source: View | FakeFeed | None, archive: Archive | None = None, **preferences: Any) -> ShoalApp:
        feed = FakeFeed(source) if isinstance(source, View) else source
        app = ShoalApp(feed, preferences=Preferences(**preferences), archive=archive)
        app.animation_level = "none"
        return app

    return make


def driven(app: ShoalApp, play: Callable[[Pilot[Any]], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> Any:
    """Run an app, play with it, and return how it ended."""

    async def session() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await play(pilot)

    asyncio.run(session())
    return app.return_value


@pytest.fixture
def drive() -> Callable[..., Any]:
    """Runs an app, plays with it, and returns how it ended."""
    return driven


@pytest.fixture
def hang() -> Hang:
    """Shows widgets over a view; the lines of each, as text."""
    return hung


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    """Frames to order."""
    return frame_of


@pytest.fixture
def make_event() -> Callable[..., Event]:
    """Events to order."""
    return event_of


@pytest.fixture(scope="session")
def hello() -> Hello:
    """The greeting of a run."""
    return Hello(STREAM_VERSION, "7f3a", "heart-and-breath", 4711, NOON)


def _lived(hello: Hello, pools: dict[str, bytes], events: list[Event], **more: Any) -> View:
    """The view at a frame, with the throughput of a real-looking run behind it."""
    frame = frame_of(pools, **more)
    view = fold(fold(View(), hello), Cells(0, cells_of(pools)))
    for event in events:
        view = fold(view, event)
    chance = random.Random(7)
    history, level = view.history, frame.rate or 540.0
    machine = frame.machine
    for tenth in range(int(frame.elapsed * 10)):
        at = tenth / 10
        warm = min(1.0, at / 6)
        dip = 0.45 if 48 < at < 53 else 1.0
        wave = 0.82 + 0.1 * math.sin(at / 7) + 0.05 * math.sin(at / 1.9) + 0.03 * chance.random()
        told = {"rate": level * warm * dip * wave, "cpu": min(1.0, 0.2 + 0.78 * warm * dip * wave)}
        history = history.add(at, told | {"memory": machine.memory_used / machine.memory_total * (0.7 + 0.3 * warm)})
    view = fold(replace(view, history=history), frame)
    for message in measured_of(frame):
        view = fold(view, message)
    return view


@pytest.fixture
def make_alert() -> Callable[..., AlertView]:
    """Alerts to order."""
    return alert_of


@pytest.fixture(scope="session")
def alerting(large: View) -> View:
    """3,435 agents, a shard of which died, with alerts about it and about what came of it."""
    return in_trouble(large)


@pytest.fixture(scope="session")
def few(hello: Hello) -> View:
    """Eight agents of one pool: as many as a laptop has cores."""
    events = [
        event_of(1, "info", "run.started", "run heart-and-breath begins with 1 pool", 0.1),
        event_of(2, "info", "pool.ready", "pool default is ready: 8 agents in 84 ms", 0.2),
    ]
    states = bytes([BUSY, BUSY, IDLE, BUSY, BUSY, BUSY, IDLE, BUSY])
    return _lived(hello, {"default": states}, events, done=412, total=1000, rate=7.6, eta=77.0)


@pytest.fixture(scope="session")
def running(hello: Hello) -> View:
    """435 agents of three pools at work; a few of the first pool have just died and start again."""
    pools = {
        "micro": states_of(300, 0.86, seed=1, dead=range(131, 137), starting=range(128, 131)),
        "domain": states_of(99, 0.97, seed=2),
        "prime": states_of(36, 0.8, seed=3),
    }
    events = [
        event_of(1, "info", "run.started", "run heart-and-breath begins with 3 pools", 0.1),
        event_of(2, "info", "pool.ready", "pool prime is ready: 36 agents in 212 ms", 0.4),
        event_of(3, "info", "pool.ready", "pool domain is ready: 99 agents in 0.9 s", 1.1),
        event_of(4, "info", "pool.ready", "pool micro is ready: 300 agents in 2.6 s", 2.8),
        event_of(5, "warning", "pool.slow", "pool micro waits for memory", 48.2),
        event_of(6, "error", "agent.died", "agent micro/131 killed by SIGKILL, 1 task redelivered", 101.4),
        event_of(7, "error", "agent.died", "agent micro/132 killed by SIGKILL, 1 task redelivered", 101.4),
        event_of(8, "info", "agent.started", "agent micro/128 starts again (pid 48213)", 102.3),
    ]
    return _lived(hello, pools, events, failed=3, delivered=0.99994)


@pytest.fixture(scope="session")
def fleet() -> View:
    """Three pools of 300, 40 and 8 agents, with all details; the first may have up to 375, the second always has 40."""
    return manned(crowd({"micro": 300, "domain": 40, "prime": 8}))


@pytest.fixture(scope="session")
def large(hello: Hello) -> View:
    """3,435 agents: more than a small terminal has room for."""
    pools = {
        "micro": states_of(3000, 0.86, seed=1, dead=range(1040, 1047), starting=range(1030, 1040)),
        "domain": states_of(363, 0.97, seed=2, dead=range(5)),
        "prime": states_of(72, 0.8, seed=3),
    }
    events = [event_of(1, "info", "run.started", "run heart-and-breath begins", 0.1)]
    return _lived(hello, pools, events, failed=12, rate=58_200.0)


@pytest.fixture(scope="session")
def starting(hello: Hello) -> View:
    """Greeted, and nothing more."""
    return fold(View(), hello)


@pytest.fixture(scope="session")
def draining(hello: Hello) -> View:
    """The run finishes what it has."""
    states = bytes([DRAINING] * 20 + [IDLE] * 4 + [BUSY] * 12)
    events = [event_of(1, "info", "run.draining", "no new work is taken", 90.0)]
    return _lived(hello, {"domain": states, "prime": states[:9]}, events, state="draining", total=None, eta=None)


@pytest.fixture(scope="session")
def ended(hello: Hello) -> View:
    """The last frame of a run: all done, nobody left."""
    pools = {"micro": bytes(300), "domain": bytes(99), "prime": bytes(36)}
    events = [
        event_of(8, "info", "agent.started", "agent micro/128 starts again (pid 48213)", 102.3),
        event_of(9, "info", "run.ended", "100,000 tasks done in 3 min 23 s, none failed", 203.4),
    ]
    return _lived(hello, pools, events, state="ended", done=100_000, rate=0.0, eta=0.0, elapsed=203.4, number=2034)
