"""A large file that stood in for the database: whoever waits for it hears of it, and it is counted once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.store import aside, queries
from engine.store.aside import Aside, fold_in
from engine.store.messages import Busy, Ready, ToRecorder, encode
from engine.store.schema import open_database
from engine.store.writer import Writer

from .conftest import START, Line, ended, finished, opening

Start = Callable[..., Line]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def put(path: Path, *messages: ToRecorder) -> Path:
    path.parent.mkdir(exist_ok=True)
    made = Aside(path, "r1", durable=False)
    made.append(map(encode, (*opening(), *messages)))
    made.close()
    return made.path


def test_what_is_known_is_counted_once_in_the_end(path: Path) -> None:
    """Half of it is there, as a start leaves it that was given up in the midst."""
    groups = [finished(at, [at, at]) for at in range(0, 4000, 2)]
    left = put(path, *groups)
    statements: list[str] = []
    with contextlib.closing(open_database(path)) as db:
        Writer(db).write([*opening(), *groups[:1000], finished(2001, [2001])], START)
        db.set_trace_callback(statements.append)
        fold_in(path, db, lambda text: None, pytest.fail)
        db.set_trace_callback(None)
    with contextlib.closing(queries.open_readonly(path)) as reader:
        (run,), (job, _) = queries.runs(reader), queries.jobs(reader, "r1")
    counts = [text for text in statements if text.lstrip().startswith("UPDATE jobs SET (done")]
    assert len(counts) == 1
    assert (job.done, job.failed, job.seconds) == (4000, 0, 2000.0)
    assert (run.tasks, run.done) == (4000, 4000)
    assert not left.exists()


def test_how_far_it_has_come_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "BUSY_SECONDS", -1.0)
    monkeypatch.setattr(aside, "_LARGE", 1 << 20)
    left = put(path, *(finished(at, ["x" * 10_000]) for at in range(200)), ended())
    told: list[str] = []
    with contextlib.closing(open_database(path)) as db:
        fold_in(path, db, lambda text: None, pytest.fail, busy=told.append)
    assert told[0] == f"taking in what was put aside in {left}: 0 of 1 MiB"
    assert told[-1] == f"taking in what was put aside in {left}: 1 of 1 MiB"
    put(path, ended())
    told.clear()
    monkeypatch.setattr(aside, "BUSY_SECONDS", 2.0)
    with contextlib.closing(open_database(path)) as db:
        fold_in(path, db, lambda text: None, pytest.fail, busy=told.append)
    assert told == [], "a small one is not worth a word"


def test_a_recorder_gives_signs_of_life_before_it_is_ready(recorder: Start, path: Path) -> None:
    left = put(path, *(finished(at, ["x" * 100_000]) for at in range(50)), ended())
    line = recorder()
    assert line.answer() == Busy(f"taking in what was put aside in {left}: 0 of 4 MiB")
    answer = line.answer()
    while isinstance(answer, Busy):
        answer = line.answer()
    assert answer == Ready("")
    line.close()
