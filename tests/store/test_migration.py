"""A file of an older version keeps what it holds, and gets what it lacks."""

from __future__ import annotations

import contextlib
import pickle
import sqlite3
from pathlib import Path

import pytest
from msgspec import structs

from engine.store import checking, queries, schema, tables
from engine.store.messages import JobMade, Moment
from engine.store.recording import StoredRecording
from engine.store.schema import StoreError, open_database
from engine.store.writer import Writer
from engine.stream.moments import pack
from engine.stream.types import Cells, Event, Frame
from engine.wire.memory import stowed

from .conftest import START, began, ended, finished, rows

RUN = "('old', 'sweep', 'done', ?, ? + 4, 3, 2, 1, 1, '', ? + 4, '0.1.0', '[]', '{}', '{}', '{\"tasks\":3}')"


@pytest.fixture
def first_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as the first version made it, with a run in it."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", tables.MIGRATIONS[:1])
        patch.setattr(schema, "VERSION", 1)
        patch.setattr(schema, "VIEWS", {"run_view": "SELECT id, seconds FROM runs"})
        with contextlib.closing(open_database(path)) as db:
            columns = "id, name, status, started, ended, tasks, done, failed, pid, process, seen, version, command"
            db.execute(f"INSERT INTO runs ({columns}, config, machine, summary) VALUES {RUN}", [START] * 3)
            db.execute("INSERT INTO pools VALUES ('old', 0, 'local', 0, 4, 1)")
            db.execute("INSERT INTO jobs VALUES ('old', 1, 'fit', 'm:fit', 0, 2, 1, 0.75)")
            done = "INSERT INTO tasks (run, job, task, state, attempts, agent, started, seconds, result)"
            db.execute(f"{done} VALUES ('old', 1, 0, 'done', 1, 'local/0', ?, 0.5, '1.5')", [START])
            db.execute(f"{done} VALUES ('old', 1, 2, 'done', 2, 'local/1', ?, 0.25, '\"a\"')", [START])
            failed = "INSERT INTO tasks (run, job, task, state, attempts, error_kind, error_message)"
            db.execute(f"{failed} VALUES ('old', 1, 1, 'failed', 1, 'poisoned', 'died')")
            db.execute("INSERT INTO attempts VALUES ('old', 1, 1, 1, ?, 'local/0', 5, 'died', 'killed')", [START])
            db.execute("INSERT INTO events VALUES ('old', 1, ?, 'info', 'run.began', 'began', '{}')", [START])
            assert rows(db, "SELECT seconds FROM run_view") == [(4.0,)]
    return path


@pytest.fixture
def second_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as the second version made it, with a run in it one of whose results was too large to be kept."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", tables.MIGRATIONS[:2])
        patch.setattr(schema, "VERSION", 2)
        patch.setattr(schema, "VIEWS", {"run_view": "SELECT id, resumed FROM runs"})
        with contextlib.closing(open_database(path)) as db:
            columns = "id, name, status, started, ended, tasks, done, failed, pid, process, seen, version, command"
            db.execute(f"INSERT INTO runs ({columns}, config, machine, summary) VALUES {RUN}", [START] * 3)
            db.execute("INSERT INTO jobs VALUES ('old', 1, 'fit', 'm:fit', 0, 2, 1, 0.75)")
            done = "INSERT INTO tasks (run, job, task, state, attempts, agent, started, seconds, result_kind, blob)"
            db.execute(f"{done} VALUES ('old', 1, 0, 'done', 1, 'local/0', ?, 0.5, 'large', NULL)", [START])
            db.execute(f"{done} VALUES ('old', 1, 2, 'done', 1, 'local/0', ?, 0.5, 'pickle', x'4e2e')", [START])
            failed = "INSERT INTO tasks (run, job, task, state, attempts, error_kind, error_message)"
            db.execute(f"{failed} VALUES ('old', 1, 1, 'failed', 1, 'poisoned', 'died')")
            assert rows(db, "PRAGMA user_version") == [(2,)]
    return path


@pytest.fixture
def third_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as the third version made it, with a run in it that was sampled for two seconds."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", tables.MIGRATIONS[:3])
        patch.setattr(schema, "VERSION", 3)
        patch.setattr(schema, "VIEWS", {"run_view": "SELECT id, origin FROM runs"})
        with contextlib.closing(open_database(path)) as db:
            columns = "id, name, status, started, ended, tasks, done, failed, pid, process, seen, version, command"
            db.execute(f"INSERT INTO runs ({columns}, config, machine, summary) VALUES {RUN}", [START] * 3)
            db.execute("INSERT INTO pools VALUES ('old', 0, 'local', 0, 4, 1)")
            db.execute("INSERT INTO events VALUES ('old', 1, ? + 2.5, 'warning', 'agent.died', 'died', '{}')", [START])
            for second, done in ((1, 1), (3, 2)):
                for pool in (-1, 0):
                    values = [START + second, pool, done, second // 3]
                    row = "'old', ?, ?, ?, ?, 5, 0, 1, 3, 0, 0, 0, NULL, 1.5, 0, 0.5, 9, 1.0, 20"
                    db.execute(f"INSERT INTO samples VALUES ({row})", values)
            assert rows(db, "PRAGMA user_version") == [(3,)]
    return path


def test_runs_of_the_third_version_are_replayed_by_their_samples(third_version: Path) -> None:
    """And those after it by what was told."""
    found = StoredRecording(third_version, "old")
    assert not found.complete
    told = [message for _, messages in found.window(found.start, found.end) for message in messages]
    frames = [message for message in told if isinstance(message, Frame)]
    assert [(one.done, one.failed, one.state) for one in frames] == [
        (1, 0, "running"), (2, 1, "running"), (2, 1, "ended"),
    ]  # fmt: skip
    assert [message.kind for message in told if isinstance(message, Event)] == ["agent.died"]
    with contextlib.closing(open_database(third_version)) as db:
        moment = Moment(START + 1, 0, True, pack([frames[0], Cells(0, b"\3\3")]))
        assert Writer(db).write([began("new"), moment, ended(at=START + 2)], START) == []
        assert rows(db, "PRAGMA integrity_check") == [("ok",)]
    later = StoredRecording(third_version, "new")
    assert later.complete
    assert list(later.window(START, later.end)) == [(START + 1, [frames[0], Cells(0, b"\3\3")])]


def test_large_results_of_the_second_version_stay_what_they_are(second_version: Path) -> None:
    """They were not kept, and nothing is made up for them; those of a run after that are."""
    with contextlib.closing(queries.open_readonly(second_version)) as db:
        outcomes = [queries.filled(db, "old", 1, one) for one in queries.outcomes(db, "old", 1)]
        assert [(one.result_kind, one.blob) for one in outcomes] == [("large", None), (None, None), ("pickle", b"N.")]
        run = queries.find(db, "old")
        assert (run.origin, run.rerun, run.done) == (None, None, 2)
        assert queries.large_results(db, "old") == queries.LargeResults(0, 0, 1)
        assert list(checking.check(db)) == []
    data = pickle.dumps("x" * 200_000)
    with contextlib.closing(open_database(second_version)) as db:
        again = structs.replace(began("new"), origin="old", rerun="failed")
        assert Writer(db).write([again, JobMade(0, "fit", "m:fit", 0), finished(1, [stowed(data)])], START) == []
        db.row_factory = sqlite3.Row
        later = queries.of_id(db, "new")
        assert later is not None
        assert (later.origin, later.rerun) == ("old", "failed")
        assert queries.reruns(db, "old") == ["new"]
        assert queries.pickled(db, "new", 0, 1) == data
        assert list(checking.check(db)) == []


def check(path: Path) -> None:
    with contextlib.closing(queries.open_readonly(path)) as db:
        run = queries.find(db, "old")
        assert (run.name, run.status, run.seconds, run.done, run.failed, run.resumed) == ("sweep", "done", 4.0, 2, 1, 0)
        assert [(o.task, o.state, o.result) for o in queries.outcomes(db, "old", 1)] == [
            (0, "done", "1.5"), (1, "failed", None), (2, "done", '"a"'),
        ]  # fmt: skip
        assert queries.unfinished(db, "old", 1, 4) == [range(3, 4)]
        assert rows(db, "SELECT seconds FROM runs WHERE id = 'old'") == [(4.0,)]
        named = rows(db, "SELECT task, job, pool FROM task_view WHERE run = 'old' ORDER BY task")
        assert named == [(n, "fit", "local") for n in range(3)]
        assert len(queries.events(db, "old")) == queries.redelivered(db, "old") == 1
        assert rows(db, "PRAGMA integrity_check") == [("ok",)]


def test_a_recorder_brings_it_up_to_date(first_version: Path) -> None:
    with contextlib.closing(open_database(first_version)) as db:
        assert rows(db, "PRAGMA user_version") == [(tables.VERSION,)]
        writer = Writer(db)
        assert writer.write([began("new"), finished(0, [1])], START) == []
    check(first_version)


def test_so_does_a_reader(first_version: Path) -> None:
    check(first_version)


def test_a_reader_that_can_not_says_so(first_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_PATIENCE", 0.0)
    monkeypatch.setattr(schema, "BUSY_MS", 10)
    with contextlib.closing(sqlite3.connect(first_version, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"older Shoal and can't be brought up to date: .* is locked") as caught:
            queries.open_readonly(first_version)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("old", ["first_version", "second_version", "third_version"])
def test_old_and_new_files_have_the_same_schema(old: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    found = []
    for path in (request.getfixturevalue(old), tmp_path / "new.db"):
        with contextlib.closing(open_database(path)) as db:
            found.append(rows(db, "SELECT type, name, sql FROM sqlite_master ORDER BY name"))
    assert found[0] == found[1]


def test_how_many_tasks_a_run_of_the_fourth_version_had_is_not_known(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", tables.MIGRATIONS[:4])
        patch.setattr(schema, "VERSION", 4)
        with contextlib.closing(open_database(path)) as db:
            columns = "id, name, status, started, ended, tasks, done, failed, pid, process, seen, version, command"
            db.execute(f"INSERT INTO runs ({columns}, config, machine, summary) VALUES {RUN}", [START] * 3)
            db.execute("UPDATE runs SET status = 'crashed'")
    with contextlib.closing(queries.open_readonly(path)) as db:
        (found,) = queries.runs(db)
    assert (found.tasks, found.total, found.left) == (3, None, None)
    assert structs.replace(found, status="interrupted").left == 0
