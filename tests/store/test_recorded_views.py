"""Whatever has happened to a run: the 150 s before a moment have all there is to show at it, the same as all that came
before; also once only keyframes are left.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_frames import event, frame, pool

from engine.runtime.record.moments import Moments
from engine.store.messages import Happened, ToRecorder
from engine.store.recording import StoredRecording
from engine.store.schema import open_database
from engine.store.writer import Writer
from engine.stream.recordings import COVERS
from engine.stream.types import (
    AlertChanged,
    AlertsNow,
    AlertView,
    Cells,
    Event,
    Frame,
    Hello,
    MetricsNow,
    Spread,
    ToReader,
)
from tui.view import View, fold

from .conftest import START, ended, opening

AGENTS = 12
MOST = 400
"""Seconds of the longest run."""


def alert(name: str, state: str, value: float) -> AlertView:
    return AlertView(
        1, name, "r", "t", "crash", "warning", state, "text", {}, "", "", "count", value, 0.5, value, 1, 0, 0, False,
        None, None, None, None, None, None, None, None, None,
    )  # fmt: skip


@dataclass
class Shown:
    """All that a reader of every topic could show."""

    view: View
    metrics: MetricsNow | None = None
    alerts: dict[str, AlertView] = field(default_factory=dict)

    def take(self, message: ToReader) -> None:
        self.view = fold(self.view, message)
        match message:
            case MetricsNow():
                self.metrics = message
            case AlertsNow():
                self.alerts = {one.fingerprint: one for one in message.alerts}
            case AlertChanged():
                self.alerts[message.alert.fingerprint] = message.alert

    def essentials(self) -> tuple[object, ...]:
        """Without what is bounded by time or number anyway: the course of the rate, and old events."""
        view = self.view
        firing = {name: one for name, one in self.alerts.items() if one.state == "firing"}
        return view.frame, view.cells, view.ended, view.phase, self.metrics, firing


class Run:
    """An engine that is made up: what it does in each second is told to a recorder."""

    def __init__(self) -> None:
        self.moments = Moments()
        self.states = bytearray(b"\2" * AGENTS)
        self.done = self.events = 0
        self.firing: dict[str, float] = {}
        self.messages: list[ToRecorder] = []

    def second(self, number: int, things: list[tuple[str, int]], last: bool = False) -> None:
        at = START + number
        skipped = False
        for what, value in things:
            match what:
                case "work":
                    self.done += value + 1
                case "state":
                    self.states[value % AGENTS] = value % 6
                case "event":
                    self.events += 1
                    told = msgspec.structs.replace(event("x", "text", at=number - 0.5), number=self.events)
                    self.messages.append(Happened([told]))
                case "fire":
                    name = "ab"[value % 2]
                    self.firing[name] = value
                    view = alert(name, "firing", value)
                    self.moments.hear(AlertChanged(at, "state", "pending", True, "", view))
                case "resolve":
                    name = "ab"[value % 2]
                    if self.firing.pop(name, None) is not None:
                        self.moments.hear(AlertChanged(at, "state", "firing", True, "", alert(name, "resolved", value)))
                case "skip":
                    skipped = True
        if skipped and not last:
            self.moments.skip()
            return
        state = "ended" if last else "running"
        now = frame(float(number), pool(size=AGENTS), number=number, done=self.done, state=state)
        spread = Spread(self.done, None, None, None, None)
        metrics = MetricsNow(float(self.done), (), None, spread)  # of now, but the same while nothing goes on
        alerts = AlertsNow(at, [alert(name, "firing", value) for name, value in self.firing.items()], [])
        cells = [Cells(0, bytes(self.states[:7])), Cells(7, bytes(self.states[7:]))]
        self.messages.append(
            self.moments.make(at, self.events, now, cells, {"metrics": lambda: metrics}, lambda: [alerts], last)
        )  # fmt: skip


THINGS = st.tuples(st.sampled_from(["work", "state", "event", "fire", "resolve", "skip"]), st.integers(0, 50))


@st.composite
def runs(draw: st.DrawFn) -> tuple[Run, int]:
    """Something happens in a few seconds of it; in most of them nothing does."""
    seconds = draw(st.integers(1, MOST))
    happens = draw(st.dictionaries(st.integers(1, seconds), st.lists(THINGS, min_size=1, max_size=4), max_size=40))
    run = Run()
    for number in range(1, seconds + 1):
        run.second(number, happens.get(number, []), last=number == seconds)
    return run, seconds


def shown(recording: StoredRecording, since: float, at: float) -> Shown:
    """What is shown at a moment, by who looks on since another."""
    found = Shown(View(hello=recording.hello))
    for _, messages in recording.window(since, at):
        for message in messages:
            found.take(message)
    return found


@settings(max_examples=40, deadline=None)
@given(runs(), st.floats(0, 1))
def test_a_window_is_as_good_as_the_whole(made: tuple[Run, int], share: float) -> None:
    run, seconds = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        with contextlib.closing(open_database(path)) as db:
            assert Writer(db).write([*opening(), *run.messages, ended(at=START + seconds)], START) == []
            recording = StoredRecording(path, "r1")
            at = START + 1 + share * (seconds - 1)
            whole, part = shown(recording, START, at), shown(recording, at - COVERS, at)
            assert part.essentials() == whole.essentials()
            last = [one.number for one in whole.view.events if one.at > at - COVERS]
            assert [one.number for one in part.view.events] == last
            end = shown(recording, recording.end - COVERS, recording.end)
            assert end.view.cells == bytes(run.states), "as it really was"
            assert {name: one.value for name, one in end.alerts.items() if one.state == "firing"} == run.firing
            assert end.metrics is not None
            assert (end.metrics.at, end.view.ended) == (run.done, True)
            _thinned(db, recording, at)


def _thinned(db: sqlite3.Connection, recording: StoredRecording, at: float) -> None:
    """At a keyframe nothing else is known once what lies between keyframes is gone."""
    query = "SELECT max(at) FROM moments WHERE keyframe AND at <= ?"
    (keyframe,) = db.execute(query, (at,)).fetchone()
    if keyframe is None:
        return
    before = shown(recording, START, keyframe).essentials()
    db.execute("DELETE FROM moments WHERE NOT keyframe")
    assert shown(recording, keyframe - COVERS, keyframe).essentials() == before


def test_what_is_compared_tells_runs_apart() -> None:
    """Or else the comparison would say nothing."""
    view = View(hello=Hello(2, "r1", "r1", 1, START))
    some = Shown(view)
    plain = some.essentials()
    for message in (frame(1.0), Cells(0, b"\1"), MetricsNow(1.0, (), None, Spread(0, None, None, None, None))):
        other = Shown(view)
        other.take(message)
        assert other.essentials() != plain
    assert isinstance(frame(1.0), Frame)
    assert not isinstance(frame(1.0), Event)
