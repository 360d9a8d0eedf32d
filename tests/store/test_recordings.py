"""A run of the database as a recording: moments and events in order, other engines after it was resumed, samples where
moments were not kept.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from stream_frames import frame

from engine.store.messages import AlertNow, Happened, Moment, PoolSample, RunBegan, Sampled, ToRecorder
from engine.store.recording import StoredRecording
from engine.store.schema import StoreError, open_database
from engine.store.writer import Writer
from engine.stream import types
from engine.stream.moments import pack
from engine.stream.recordings import RecordingError
from engine.stream.types import Cells, Event, Frame, Hello, ToReader

from .conftest import START, began, ended, opening, rows


def event(number: int, second: float, kind: str = "x") -> Happened:
    data = {"status": "done"} if kind == "run.ended" else {}
    return Happened([Event(number, START + second, "info", kind, f"event {number}", data)])


def moment(second: float, *more: ToReader, events: int = 0, elapsed: float | None = None) -> Moment:
    elapsed = second if elapsed is None else elapsed
    told = frame(elapsed, number=round(elapsed * 10), at=START + second)
    return Moment(START + second, events, True, pack([told, *more]))


def sample(second: float, done: int = 0, *, busy: int = 2) -> Sampled:
    pools = [PoolSample(0, done, 1, 5, 0, 2, busy, 0, 0, 3), PoolSample(1, 0, 0, 0, 4, 0, 0, 0, 0, 0)]
    return Sampled(START + second, done, 1, 2.5, 3, 1, 0.5, 1 << 30, 1.5, 40, pools)


def told(found: StoredRecording, since: float = -1e9, until: float = 1e9) -> list[tuple[float, list[str]]]:
    """A window in short: seconds, and what it has."""
    names = []
    for at, messages in found.window(START + since, START + until):
        words = [
            f"event {message.number}" if isinstance(message, Event)
            else f"frame {message.elapsed:g} {message.state}" if isinstance(message, Frame)
            else type(message).__name__.lower()
            for message in messages
        ]  # fmt: skip
        names.append((round(at - START, 3), words))
    return names


def write(path: Path, *messages: ToRecorder) -> None:
    with contextlib.closing(open_database(path)) as db:
        assert Writer(db).write(messages, START) == []


@pytest.fixture
def recorded(path: Path) -> Path:
    """A run of ten seconds with two events between the third and the fourth, and its end."""
    moments = [moment(n, events=0 if n < 4 else 2) for n in range(1, 11)]
    between = [event(1, 3.25), event(2, 3.5)]
    write(path, *opening(), *moments[:3], *between, *moments[3:], event(3, 10.2, "run.ended"), ended(at=START + 10.3))
    return path


def test_another_thread_may_go_on_with_a_window(recorded: Path) -> None:
    window = StoredRecording(recorded, "r1").window(START, START + 20)
    first = next(window)
    rest: list[float] = []
    thread = threading.Thread(target=lambda: rest.extend(at for at, _ in window))
    thread.start()
    thread.join()
    assert [first[0], *rest] == [at for at, _ in StoredRecording(recorded, "r1").window(START, START + 20)]


def test_moments_have_the_events_before_them(recorded: Path) -> None:
    found = StoredRecording(recorded, "r1")
    assert told(found) == [
        *((n, [f"frame {n} running"]) for n in (1, 2, 3)),
        (4, ["event 1", "event 2", "frame 4 running"]),
        *((n, [f"frame {n} running"]) for n in range(5, 11)),
        (10.2, ["event 3"]),
    ]  # fmt: skip
    assert (found.start, found.end, found.complete, found.damage) == (START, START + 10.3, True, "")
    assert (found.hello.run, found.hello.name, found.hello.started) == ("r1", "sweep", START)
    assert found.hello.database == str(recorded)
    assert not found.look()


@pytest.mark.parametrize("cut", [0.5, 3, 3.3, 3.5, 3.9, 4, 10.1])
def test_two_windows_side_by_side_have_everything_once(recorded: Path, cut: float) -> None:
    found = StoredRecording(recorded, "r1")
    every = [word for _, words in told(found) for word in words]
    split = [
        word for since, until in ((-1, cut), (cut, 99)) for _, words in told(found, since, until) for word in words
    ]
    assert split == every


def test_the_last_run_and_beginnings_of_ids(recorded: Path) -> None:
    assert StoredRecording(recorded, "last").hello == StoredRecording(recorded, "r").hello
    with pytest.raises(StoreError, match="no run 'zz'"):
        StoredRecording(recorded, "zz")


def test_events_of_seconds_without_moments_are_moments_of_their_own(path: Path) -> None:
    """As in the thinned part of a long run."""
    events = [event(number, second) for number, second in enumerate((1.5, 1.75, 6.5, 9.5), 1)]
    write(path, *opening(), moment(1), *events, moment(10, events=4), ended(at=START + 10.5))
    assert told(StoredRecording(path, "r1")) == [
        (1, ["frame 1 running"]), (1.75, ["event 1", "event 2"]), (6.5, ["event 3"]),
        (10, ["event 4", "frame 10 running"]),
    ]  # fmt: skip


def test_many_moments_and_events_are_all_there(path: Path) -> None:
    messages: list[ToRecorder] = []
    for n in range(1, 301):
        messages += [
            Happened([Event(10 * n + k, START + n, "info", "x", "", {}) for k in range(-9, 1)]),
            moment(n, events=10 * n),
        ]
    write(path, *opening(), *messages)
    found = told(StoredRecording(path, "r1"))
    assert [at for at, _ in found] == list(range(1, 301))
    assert [word for _, words in found for word in words if "event" in word] == [f"event {n}" for n in range(1, 3001)]


def test_a_run_that_goes_on_grows(path: Path) -> None:
    with contextlib.closing(open_database(path)) as db:
        writer = Writer(db)
        writer.write([*opening(), moment(1)], START)
        found = StoredRecording(path, "r1")
        assert told(found) == [(1, ["frame 1 running"])]
        writer.write([moment(2), event(1, 2.5)], START)
        assert told(found) == [(1, ["frame 1 running"])], "what is not known yet is not told"
        assert found.look()
        assert told(found, 1) == [(2, ["frame 2 running"]), (2.5, ["event 1"])]
        writer.write([moment(3), ended(at=START + 3)], START)
        assert not found.look()
        assert found.end == START + 3


def test_the_database_is_not_held_between_moments(path: Path) -> None:
    """A player may stand still for hours: what is written meanwhile must be folded in."""
    with contextlib.closing(open_database(path)) as db:
        writer = Writer(db)
        writer.write([*opening(), *(moment(n) for n in range(1, 200))], START)
        window = StoredRecording(path, "r1").window(START, START + 500)
        next(window)
        assert rows(db, "PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]
        assert len(list(window)) == 198


def test_a_run_that_is_deleted_is_one_line(recorded: Path) -> None:
    found = StoredRecording(recorded, "r1")
    with contextlib.closing(sqlite3.connect(recorded)) as db:
        db.execute("DELETE FROM runs")
        db.commit()
    with pytest.raises(RecordingError, match=r"^run r1 was deleted from .*runs\.db$"):
        found.look()


def test_a_database_that_breaks_is_one_line(recorded: Path) -> None:
    found = StoredRecording(recorded, "r1")
    for part in recorded.parent.glob("runs.db*"):
        part.unlink()
    with pytest.raises(RecordingError, match="no runs recorded yet"):
        list(found.window(START, START + 9))
    recorded.write_bytes(b"x" * 5000)
    with pytest.raises(RecordingError, match="is not a database, or a damaged one"):
        list(found.window(START, START + 9))


# -- resumed ----------------------------------------------------------------------------------------------------------


def again(second: float, resumed: int = 1) -> RunBegan:
    return msgspec.structs.replace(began("r1", started=START + second), resumed=resumed)


@pytest.fixture
def resumed(path: Path) -> Path:
    """Five seconds, an hour's rest, three seconds more: the second engine begins to count anew."""
    write(
        path, *opening(), *(moment(n) for n in range(1, 6)), event(1, 5.5, "run.ended"), ended("interrupted", START + 6)
    )
    later = [moment(3600 + n, events=1, elapsed=n) for n in (1, 2, 3)]
    write(path, again(3600), event(1, 3600.5), *later, ended(at=START + 3604))
    return path


def test_after_a_resumption_time_and_numbers_go_on(resumed: Path) -> None:
    found = StoredRecording(resumed, "r1")
    assert told(found)[4:] == [
        (5, ["frame 5 running"]),
        (5.5, ["event 1"]),
        (3601, ["event 2", "hello", "frame 6 running"]),
        (3602, ["frame 7 running"]),
        (3603, ["frame 8 running"]),
    ]
    numbers = [m.number for _, messages in found.window(START, found.end) for m in messages if isinstance(m, Frame)]
    assert numbers == [10, 20, 30, 40, 50, 60, 70, 80]
    assert found.complete


@pytest.mark.parametrize("since", [4, 100, 3601, 3602])
def test_wherever_a_window_begins(resumed: Path, since: float) -> None:
    found = StoredRecording(resumed, "r1")
    assert told(found, since) == [one for one in told(found) if one[0] > since]


# -- runs of an older version, and gaps -------------------------------------------------------------------------------


def test_frames_are_made_of_samples(path: Path) -> None:
    alert = AlertNow(1, "r", "warning", None, None, START, START + 1.5, START + 2.5, None, 1.0, 0.5, "high", "{}")
    end = event(2, 3.2, "run.ended")
    samples: list[ToRecorder] = [sample(1, 1), event(1, 1.5), sample(2, 2), sample(3, 3, busy=3)]
    write(path, *opening(), *samples, alert, end, ended(at=START + 3.3, tasks=9))
    found = StoredRecording(path, "r1")
    assert not found.complete
    assert told(found) == [
        (1, ["frame 1 running"]), (2, ["event 1", "frame 2 running"]), (3, ["frame 3 running"]),
        (3.3, ["event 2", "frame 3.3 ended"]),
    ]  # fmt: skip
    frames = [m for _, messages in found.window(START, found.end) for m in messages if isinstance(m, Frame)]
    assert [one.alerts for one in frames] == [(0, 0), (1, 0), (0, 0), (0, 0)]
    third = frames[2]
    assert (third.done, third.failed, third.total, third.queued, third.running) == (3, 1, 9, 5, 3)
    assert (third.rate, third.eta, third.restarts, third.redelivered) == (2.5, 2.0, 3, 1)
    local, wide = third.pools
    assert local == types.PoolView("local", 0, 4, 0, 2, 3, 0, 0, 5, 3, 1, 3, 4, 4)
    assert (wide.name, wide.first, wide.starting) == ("wide", 4, 4)
    assert third.machine == types.MachineView(0.5, 2, 1 << 30, 0, 1.5, 40)
    assert not any(isinstance(m, Cells) for _, messages in found.window(START, found.end) for m in messages)


def test_counts_of_samples_go_on_after_a_resumption(path: Path) -> None:
    write(path, *opening(), sample(1, 5), sample(2, 7), ended("interrupted", START + 3))
    write(path, again(100), sample(101, 0), sample(102, 4), ended(at=START + 103))
    frames = [m for _, ms in StoredRecording(path, "r1").window(START, START + 102) for m in ms if isinstance(m, Frame)]
    assert [(one.done, one.failed, one.restarts) for one in frames] == [(5, 1, 3), (7, 1, 3), (7, 2, 6), (11, 2, 6)]


def test_minutes_stand_for_seconds_that_are_gone(path: Path) -> None:
    write(path, *opening(), *(sample(n, n) for n in range(1, 131)), ended(at=START + 131))
    with contextlib.closing(open_database(path)) as db:
        Writer(db).write([began("later", started=START + 90_000)], START)
        assert rows(db, "SELECT count(*) FROM samples") == [(0,)]
    found = StoredRecording(path, "r1")
    assert told(found) == [
        (60, ["frame 60 running"]), (120, ["frame 120 running"]),
        (131, ["frame 131 running"]), (131, ["frame 131 ended"]),
    ]  # fmt: skip
    assert found.end == START + 131


def test_a_run_of_no_second_has_its_end(path: Path) -> None:
    write(path, *opening(), ended(at=START + 0.25))
    assert told(StoredRecording(path, "r1")) == [(0.25, ["frame 0.25 ended"])]


def test_a_run_that_crashed_has_no_end(path: Path, gone: int) -> None:
    write(path, *opening(pid=gone), sample(1), sample(2))
    found = StoredRecording(path, "r1")
    assert told(found) == [(1, ["frame 1 running"]), (2, ["frame 2 running"])]
    assert not found.look()


def test_samples_take_the_place_of_moments_that_were_not_kept(path: Path) -> None:
    """For so long that somebody must have switched them off; not in the minute between two keyframes."""
    samples = [sample(n, n) for n in range(1, 301)]
    write(path, *opening(), *samples, *(moment(n) for n in (1, 61, 121, 251, 300)), ended(at=START + 300))
    found = StoredRecording(path, "r1")
    assert [at for at, _ in told(found)] == [1, 61, 121, *range(122, 251), 251, 300]
    for cut in (5, 121, 130, 250.5, 251):
        assert told(found, -9, cut) + told(found, cut) == told(found), cut
    assert found.complete


def test_moments_that_begin_late_or_end_early_are_not_all(path: Path) -> None:
    samples = [sample(n, n) for n in range(1, 301)]
    write(path, *opening(), *samples, *(moment(n) for n in range(101, 201)), ended(at=START + 300.5))
    found = StoredRecording(path, "r1")
    assert not found.complete
    assert [at for at, _ in told(found)] == [*range(1, 301), 300.5]
    assert told(found)[-1] == (300.5, ["frame 300.5 ended"])


def test_another_version_of_the_stream_counts_as_not_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("engine.stream.moments.STREAM_VERSION", types.STREAM_VERSION + 1)
        newer = [moment(1), moment(2)]
    write(path, *opening(), *newer, sample(1), sample(2), ended(at=START + 2))
    found = StoredRecording(path, "r1")
    assert not found.complete
    assert told(found) == [(1, ["frame 1 running"]), (2, ["frame 2 running"]), (2, ["frame 2 ended"])]


def test_who_was_recorded_is_said_as_a_reader_hears_it(recorded: Path) -> None:
    assert isinstance(StoredRecording(recorded, "r1").hello, Hello)
