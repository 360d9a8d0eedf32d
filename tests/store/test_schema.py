"""Opening a database: made once, kept, and refused in one line where it can't be right."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.store import places, queries, schema, tables
from engine.store.schema import NoDatabaseError, StoreError, open_database
from engine.store.writer import Writer

from .conftest import START, finished, opening, rows


def test_default_place_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert places.default_database() == tmp_path / "shoal" / "runs.db"
    assert not (tmp_path / "shoal").exists()


def test_a_new_database_is_its_owners_alone(path: Path, db: sqlite3.Connection) -> None:
    Writer(db).write(opening(), START)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {0o600}
    assert rows(db, "PRAGMA journal_mode") == [("wal",)]
    assert rows(db, "PRAGMA synchronous") == [(1,)]
    assert rows(db, "PRAGMA user_version") == [(tables.VERSION,)]


@pytest.mark.parametrize(("durability", "synchronous"), [("off", 0), ("normal", 1), ("full", 2)])
def test_durability_is_what_sqlite_calls_synchronous(path: Path, durability: str, synchronous: int) -> None:
    with contextlib.closing(open_database(path, durability)) as db:
        assert rows(db, "PRAGMA synchronous") == [(synchronous,)]
        assert rows(db, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize("made_by", ["this version", "the first"])
def test_what_forgotten_runs_leave_can_be_given_back(path: Path, made_by: str) -> None:
    if made_by == "the first":
        places.prepare(path)
        with contextlib.closing(sqlite3.connect(path)) as db:
            tables.MIGRATIONS[0](db)
            db.execute(f"PRAGMA application_id = {schema.APPLICATION}")
            db.execute("PRAGMA user_version = 1")
            db.commit()
    with contextlib.closing(open_database(path)) as db:
        assert rows(db, "PRAGMA auto_vacuum") == [(2 if made_by == "this version" else 0,)]
        groups = [finished(0, ["x" * 1000] * 1000), finished(2000, ["y" * 1000] * 100, seconds=1e-5)]
        Writer(db).write([*opening(), *groups], START)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM runs")
        schema.give_back(db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert path.stat().st_size < before / 4
        assert rows(db, "PRAGMA integrity_check") == [("ok",)]


def test_tables_are_strict_and_views_can_be_read(db: sqlite3.Connection) -> None:
    tables = {name: strict for _, name, kind, _, _, strict in db.execute("PRAGMA main.table_list") if kind == "table"}
    ours = {"runs", "pools", "jobs", "tasks", "attempts", "events", "specs", "blocks", "texts", "samples"}
    ours |= {"samples_minute", "inputs", "histograms", "alerts", "baselines", "benches", "trials", "pieces", "moments"}
    assert {name for name, strict in tables.items() if strict} == ours
    for (view,) in rows(db, "SELECT name FROM sqlite_master WHERE type = 'view'"):
        assert rows(db, f"SELECT * FROM {view}") == []
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO pools VALUES ('r', 'not a number', '', 0, 0, 0)")


def test_a_second_opening_keeps_the_data(path: Path) -> None:
    for _ in range(2):
        with contextlib.closing(open_database(path)) as db:
            Writer(db).write(opening(), START)
            assert rows(db, "SELECT id FROM runs") == [("r1",)]


def test_many_open_a_new_file_at_once(path: Path) -> None:
    problems: list[Exception] = []
    start = threading.Barrier(6)

    def one() -> None:
        start.wait()
        try:
            open_database(path).close()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_failed_migration_leaves_the_older_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_database(path).close()

    def second(db: Any) -> None:
        db.execute("ALTER TABLE runs ADD COLUMN note TEXT")
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr(schema, "MIGRATIONS", [*tables.MIGRATIONS, second])
    monkeypatch.setattr(schema, "VERSION", tables.VERSION + 1)
    with pytest.raises(StoreError):
        open_database(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert rows(db, "PRAGMA user_version") == [(tables.VERSION,)]
        assert {name for (name,) in rows(db, "SELECT name FROM sqlite_master WHERE type = 'view'")} == set(tables.VIEWS)
        assert "note" not in {row[1] for row in rows(db, "PRAGMA table_info(runs)")}

    monkeypatch.setattr(
        schema,
        "MIGRATIONS",
        [*tables.MIGRATIONS, lambda db: db.execute("ALTER TABLE runs ADD note TEXT")],
    )
    with contextlib.closing(open_database(path)) as db:
        assert rows(db, "PRAGMA user_version") == [(tables.VERSION + 1,)]
        assert "note" in {row[1] for row in rows(db, "PRAGMA table_info(runs)")}


def test_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    open_database(path).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    for opened in (open_database, queries.open_readonly):
        with pytest.raises(StoreError, match="newer Shoal") as caught:
            opened(path)
        assert "\n" not in str(caught.value)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert rows(db, "PRAGMA user_version") == [(99,)]


@pytest.mark.parametrize("content", [b"these are notes, not a database\n" * 100, b"x"])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    for opened in (open_database, queries.open_readonly):
        with pytest.raises(StoreError, match="not a database"):
            opened(path)
    assert path.read_bytes() == content


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "other.db"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE runs (id)")
    before = path.read_bytes()
    for opened in (open_database, queries.open_readonly):
        with pytest.raises(StoreError, match="another program"):
            opened(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("below", ["file/runs.db", "file/a/b/runs.db"])
def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="can't open") as caught:
        open_database(tmp_path / below)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / below) in str(caught.value)


def test_reading_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with pytest.raises(NoDatabaseError, match="no runs recorded yet"):
        queries.open_readonly(path)
    path.touch()
    with pytest.raises(NoDatabaseError, match="no runs recorded yet"):
        queries.open_readonly(path)
    assert path.stat().st_size == 0


def test_a_reader_can_not_write(path: Path, db: sqlite3.Connection) -> None:
    with contextlib.closing(queries.open_readonly(path)) as reader, pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM runs")
