"""Whatever a run tells its recorder fits, and is recorded."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import msgspec
import pytest
from recorded import Run, ask

from engine.runtime.calls.executor import Engine
from engine.runtime.record.books import Books
from engine.runtime.record.bounds import bounded
from engine.runtime.record.line import DATAGRAM
from engine.store import messages
from engine.store.messages import (
    AlertNow,
    Attempt,
    Distribution,
    Ended,
    Happened,
    JobMade,
    Measured,
    PoolMade,
    PoolSample,
    RunBegan,
    RunEnded,
    Sampled,
    ToRecorder,
)
from engine.store.schema import open_database
from engine.store.writer import Writer
from engine.stream.types import Event

LONG = "\u00e9\U0001f600" * 200_000
CONFIG = {"steps": [{"name": f"step {number}", "call": "m:f", "command": None} for number in range(10_000)]}
BEGAN = RunBegan("r1", LONG, 1.0, os.getpid(), ["true", "x" * 300_000, LONG], CONFIG, "0", {"cores": 2})
ALERT = AlertNow(1, "rule", "info", None, None, 1.0, 1.0, None, None, None, None, LONG, json.dumps({"a": LONG}))
BIG = 1 << 40
POOL = PoolSample(0, BIG, BIG, BIG, BIG, BIG, BIG, BIG, BIG, BIG, BIG)
TOO_LONG: list[ToRecorder] = [
    BEGAN, PoolMade(0, LONG, 0, 4, 1), JobMade(0, LONG, LONG, 0), Ended(0, 0, 1, "cancelled", LONG, 1.0),
    Attempt(0, 0, 1, 0, 7, 1.0, "died", LONG), ALERT, RunEnded(2.0, "done", {"name": LONG, "tasks": 1}),
    Happened([Event(1, 1.0, "info", "a.b", LONG, {"line": LONG, "pid": 1})]),
    Happened([Event(2, 1.0, "info", "a.b", "", {"lines": [LONG]})]),
    Sampled(1.0, 1, 1, 1.0, 1, 1, 1.0, 1, 1.0, 1, [msgspec.structs.replace(POOL, pool=n) for n in range(20_000)]),
    Measured([Distribution("run", number, 1, 1, 1, 1, bytes(2_000)) for number in range(100)]),
]  # fmt: skip


@pytest.mark.parametrize("message", TOO_LONG, ids=lambda message: type(message).__name__)
def test_what_is_too_long_is_told_all_the_same(message: ToRecorder, tmp_path: Path) -> None:
    assert len(messages.encode(message)) > DATAGRAM
    told = [messages.encode(part) for part in bounded(message)]
    assert max(map(len, told)) <= DATAGRAM
    found = [messages.one_to_recorder.decode(data) for data in told]
    if message is not BEGAN:
        found.insert(0, msgspec.structs.replace(BEGAN, command=[], config={}))
    with contextlib.closing(open_database(tmp_path / "runs.db")) as db:
        assert Writer(db).write(found, 1.0) == []


def test_a_long_beginning_is_whole_again(tmp_path: Path) -> None:
    with contextlib.closing(open_database(tmp_path / "runs.db")) as db:
        writer = Writer(db)
        for part in bounded(BEGAN):  # a transaction each
            writer.write([part], 1.0)
        command, config = db.execute("SELECT command, config FROM runs").fetchone()
        assert json.loads(command) == BEGAN.command
        assert json.loads(config) == BEGAN.config
        writer.crash(1.5)
        again = msgspec.structs.replace(BEGAN, resumed=1, started=2.0, command=["other"])
        assert writer.write(list(bounded(again)), 2.0) == []
        assert db.execute("SELECT command FROM runs").fetchone() == (command,), "as it was begun"


def test_a_plan_of_any_length_is_recorded(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    step = '[[tasks]]\nname = "{}"\ncommand = ["true", "{}"]\nitems = [1]\n'
    plan.write_text("".join(step.format(f"step {number}", "x" * 100_000) for number in range(5)))
    database = tmp_path / "runs.db"
    run = Run(database, str(plan), "--agents", "1")
    code, errors = run.finish()
    assert (code, errors) == (0, "")
    assert ask(database, "SELECT status, done FROM runs") == [("done", 5)]
    ((config,),) = ask(database, "SELECT config FROM runs")
    assert [len(step["command"][1]) for step in json.loads(config)["steps"]] == [100_000] * 5


def test_a_failure_of_any_length_is_recorded(tmp_path: Path) -> None:
    def fail() -> None:
        raise type("E" * 300_000, (Exception,), {})("x" * 300_000)

    database = tmp_path / "runs.db"
    with Engine(1, record=database, attachable=False) as engine:
        assert engine.submit(fail).exception(60) is not None
    ((kind, text),) = ask(database, "SELECT error_type, error_message FROM tasks")
    assert kind.startswith("EEE")
    assert text.startswith("xxx")


def test_what_was_not_recorded_is_said_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Books.place

    def odd(books: Books, call: str, pool: int, count: int) -> tuple[int, int]:
        recording = books._run.recording
        assert recording is not None
        recording.line.tell(JobMade(9, "odd", "call", 1 << 63))
        return place(books, call, pool, count)

    monkeypatch.setattr(Books, "place", odd)
    database = tmp_path / "runs.db"
    events: list[Event] = []
    with Engine(1, record=database, attachable=False, on_event=events.append) as engine:
        assert engine.submit(abs, -1).result(60) == 1
    (told,) = [event for event in events if event.kind == "recorder.complaint"]
    assert told.level == "error"
    assert told.text.startswith("not all that was told could be recorded: a message was not recorded (JobMade: ")
    assert ask(database, "SELECT text FROM events WHERE kind = 'recorder.complaint'") == [(told.text,)]
