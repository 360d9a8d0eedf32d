"""What of a run is kept for a replay: as much as it takes, and no more."""

from __future__ import annotations

import os
import signal
from operator import neg
from pathlib import Path
from typing import Any

import msgspec
import pytest
from processes import wait_for
from recorded import ask
from stream_frames import START, frame, pool

from engine.runtime import showing
from engine.runtime.calls.executor import Engine
from engine.runtime.record import moments as moments_module
from engine.runtime.record.moments import Measure, Moments
from engine.store.messages import Moment
from engine.store.recording import StoredRecording
from engine.stream.moments import unpack
from engine.stream.types import (
    IDLE,
    AlertChanged,
    AlertsNow,
    AlertView,
    Cells,
    Event,
    Frame,
    MetricsNow,
    QueuesNow,
    ShapesNow,
    Spread,
    Topic,
    ToReader,
)

ALERTS = AlertsNow(START, [], [])
QUEUES = QueuesNow(START, (), ())
METRICS = MetricsNow(START, (), None, Spread(0, None, None, None, None))


def change(fingerprint: str) -> AlertChanged:
    view = AlertView(
        1, fingerprint, "r", "t", "crash", "warning", "firing", "text", {}, "", "", "count", 1.0, 0.5, 1.0, 1, 0, 0,
        False, None, None, None, None, None, None, None, None, None,
    )  # fmt: skip
    return AlertChanged(START, "state", "pending", True, "", view)


class Making:
    """Moments of one run, and how often what is dear was asked for."""

    def __init__(self) -> None:
        self.moments = Moments()
        self.asked: list[str] = []

    def make(self, done: int = 0, states: bytes = b"\2\2", last: bool = False) -> tuple[Moment, list[ToReader]]:
        measures: dict[Topic, Measure] = {
            "metrics": lambda: self._found("metrics", METRICS), "queues": lambda: self._found("queues", QUEUES),
            "shapes": lambda: self._found("shapes", None),
        }  # fmt: skip

        def alerts() -> list[AlertsNow]:
            self.asked.append("alerts")
            return [ALERTS]

        made = self.moments.make(START, 7, frame(done=done), [Cells(0, states)], measures, alerts, last)
        return made, unpack(made.data)

    def _found(self, topic: str, measured: ToReader | None) -> ToReader | None:
        self.asked.append(topic)
        return measured

    def names(self, **given: Any) -> list[str]:
        made, told = self.make(**given)
        return [*(["KEY"] if made.keyframe else []), *(type(message).__name__ for message in told)]


WHOLE = ["KEY", "Cells", "MetricsNow", "QueuesNow", "AlertsNow", "Frame"]


def test_every_tenth_has_all_there_is() -> None:
    """Between them is what is dear and changes slowly more seldom."""
    making = Making()
    for number in range(40):
        told = making.names(done=number)
        if number % 10:
            assert told == [*(["MetricsNow", "QueuesNow"] if number % 2 == 0 else []), "Frame"]
        else:
            assert told == WHOLE
    assert [making.asked.count(what) for what in ("metrics", "queues", "alerts")] == [20, 20, 4]


def test_while_nothing_goes_on_a_frame_is_all() -> None:
    """And a keyframe is made every minute, once that has lasted for one."""
    making = Making()
    whole = [number for number in range(300) if making.names() != ["Frame"]]
    assert whole == [0, 10, 20, 30, 40, 50, 110, 170, 230, 290]
    assert making.names(done=1) == WHOLE, "it is due at once where something happens again"
    assert making.names(done=2) == ["Frame"]


def test_between_them_is_what_has_changed() -> None:
    making = Making()
    making.make()
    assert making.names(done=5) == ["Frame"]
    assert making.names(done=5) == ["MetricsNow", "QueuesNow", "Frame"], "nothing goes on, but it was not told yet"
    assert making.names(done=5) == ["Frame"]
    assert making.names(done=5, states=b"\3\2") == ["Cells", "MetricsNow", "QueuesNow", "Frame"]
    assert making.names(done=6, states=b"\3\2") == ["Frame"]


def test_what_is_not_measured_yet_is_asked_for_again() -> None:
    making = Making()
    for number in range(9):
        making.make(done=number)
    assert making.asked.count("shapes") == 9


def test_changes_of_alerts_come_once_and_before_the_whole_of_them() -> None:
    making = Making()
    making.make()
    for fingerprint in "ab":
        making.moments.hear(change(fingerprint))
    _, told = making.make()
    assert told == [change("a"), change("b"), frame()]
    assert making.names() == ["Frame"]
    making.moments.hear(change("c"))
    assert making.names(last=True) == ["KEY", "Cells", "MetricsNow", "QueuesNow", "AlertChanged", "AlertsNow", "Frame"]


def test_after_one_that_was_left_out_comes_all_there_is() -> None:
    making = Making()
    making.make()
    making.moments.skip()
    assert making.names() == WHOLE
    assert [making.names() for _ in range(9)] == [["Frame"]] * 9
    assert making.names() == WHOLE


def test_one_that_fits_no_message_is_a_frame_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments_module, "DATAGRAM", 200)
    making = Making()
    large = os.urandom(1000)
    assert making.names(states=large) == ["Frame"]
    assert making.names() == WHOLE


def test_when_it_was() -> None:
    made, _ = Making().make()
    assert (made.at, made.event) == (START, 7)


# -- of real runs -----------------------------------------------------------------------------------------------------


def told(database: Path) -> list[ToReader]:
    """All of the newest run."""
    found = StoredRecording(database, "last")
    return [message for _, messages in found.window(found.start, found.end) for message in messages]


@pytest.mark.needs("pooling")  # an agent is killed that has nothing to do
def test_a_run_as_readers_saw_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "SAMPLE_SECONDS", 0.02)
    database = tmp_path / "runs.db"
    with Engine(2, record=database, attachable=False) as engine:
        pid = engine.submit(os.getpid).result(60)
        assert list(engine.map(neg, range(100))) == [-n for n in range(100)]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: ask(database, "SELECT 1 FROM events WHERE kind = 'alert.firing'"), what="an alert")
        wait_for(
            lambda: ask(database, "SELECT 1 FROM moments WHERE at > (SELECT max(at) FROM events)"), what="a moment"
        )
    found = StoredRecording(database, "last")
    assert found.complete
    assert not found.look()
    messages = told(database)
    kinds = {type(message) for message in messages}
    assert {Event, Frame, Cells, MetricsNow, QueuesNow, ShapesNow, AlertsNow, AlertChanged} <= kinds
    events = [message for message in messages if isinstance(message, Event)]
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert events[-1].kind == "run.ended"
    frames = [message for message in messages if isinstance(message, Frame)]
    assert [one.number for one in frames] == sorted({one.number for one in frames})
    assert (frames[-1].state, frames[-1].done) == ("ended", 101)
    assert {one.state for one in frames[:-1]} <= {"starting", "running"}
    assert frames[-1].restarts >= 1
    fired = [message.alert for message in messages if isinstance(message, AlertChanged)]
    assert any(alert.rule == "agent-crash" and alert.number for alert in fired)
    assert any(one.alerts != (0, 0) for one in frames)
    states = [message.states[:2] for message in messages if isinstance(message, Cells)]
    assert bytes([IDLE, IDLE]) in states


def test_it_can_be_switched_off_and_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "SAMPLE_SECONDS", 0.02)
    database = tmp_path / "runs.db"
    with Engine(1, record=database, settings={"record_moments": False}) as engine:
        engine.submit(neg, 1).result(60)
        wait_for(lambda: ask(database, "SELECT 1 FROM samples"), what="a sample")
        assert ask(database, "SELECT 1 FROM moments") == []
        settings = engine._worker.run.fleet.settings
        engine._worker.run.fleet.settings = msgspec.structs.replace(settings, record_moments=True)
        wait_for(lambda: ask(database, "SELECT 1 FROM moments"), what="a moment")
    assert ask(database, "SELECT keyframe FROM moments ORDER BY at LIMIT 1") == [(1,)]


def test_a_run_without_them_is_made_of_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "SAMPLE_SECONDS", 0.02)
    database = tmp_path / "runs.db"
    with Engine(1, record=database, attachable=False, settings={"record_moments": "off"}) as engine:
        engine.submit(neg, 1).result(60)
        wait_for(lambda: ask(database, "SELECT 1 FROM samples WHERE done = 1"), what="a sample")
    assert ask(database, "SELECT 1 FROM moments") == []
    assert not StoredRecording(database, "last").complete
    frames = [message for message in told(database) if isinstance(message, Frame)]
    assert (frames[-1].state, frames[-1].done) == ("ended", 1)
    assert frames[-1].pools[0].name == pool().name
