"""Words are found in what tasks, agents and the engine have said."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store import queries, texts
from engine.store.messages import Attempt, Ended, Failed, Happened
from engine.store.schema import open_database
from engine.store.writer import Writer
from engine.stream.types import Event

from .conftest import START, ended, finished, opening, rows


@pytest.fixture
def reader(path: Path, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(queries.open_readonly(path)) as connection:
        yield connection


def line(number: int, text: str) -> Event:
    data = {"agent": "local/1", "pid": 9, "line": text}
    return Event(number, START + number, "info", "agent.stderr", f"local/1: {text}", data)


def failed(first: int, *failures: tuple[str, str, str]) -> object:
    told = [Failed(first + n, "exception", *each) for n, each in enumerate(failures)]
    return finished(first, [None] * len(told), failures=told)


@pytest.fixture
def told(writer: Writer) -> Writer:
    traceback = 'Traceback:\n  File "model.py", line 5, in fit_surface'
    messages = [
        failed(3, ("ValueError", "bad Größe 17", traceback), ("ValueError", "bad Größe 17", traceback)),
        failed(9, ("", "no type", "")),
        Attempt(0, 20, 1, 2, 77, START + 3, "died", "agent local/2 was killed by SIGSEGV (Segmentation fault)"),
        Ended(1, 20, 3, "poisoned", "agents died twice of it", START + 4),
        Happened([line(1, "warming up"), Event(2, START, "warning", "agent.died", "agent local/2 was lost", {})]),
        Happened([line(3, "warming up"), line(4, "nul \0 and \ud800")]),
    ]
    assert writer.write(messages, START) == []  # type: ignore[arg-type]
    return writer


@pytest.mark.usefixtures("told")
def test_each_source_is_found(reader: sqlite3.Connection) -> None:
    def found(text: str) -> list[tuple[object, ...]]:
        return [(f.source, f.job, f.task, f.number) for f in queries.search(reader, text)]

    assert found("fit_surface") == found("bad 17") == found("GROß") == found("Größ") == [("failure", "fit", 3, None)]
    assert found("exception") == [("failure", "fit", 9, None)], "a failure without a type, by its kind"
    assert found("segmentation") == found("sigsegv killed") == [("attempt", "fit", 20, None)]
    assert found("poisoned twice") == [("failure", "score", 20, None)]
    assert found("warming") == [("output", None, None, 1)], "once, where it was said first"
    assert found("lost") == [("event", None, None, 2)]
    assert found("nul") == [("output", None, None, 4)]
    assert found("warming 17") == found("arming") == found("nothing") == []
    (one,) = queries.search(reader, "model.py")
    assert (one.run, one.run_name, one.at) == ("r1", "sweep", START + 1)
    assert one.text.startswith("ValueError: bad Größe 17\nTraceback")
    assert "model.py" in one.excerpt
    assert "\n" not in one.excerpt


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "text", ["", "  ", '"', "a AND OR", "NOT", "NEAR(a b)", "*", "text: x", "^", "(", "-", "\0", "'"]
)
def test_whatever_is_asked_is_words(reader: sqlite3.Connection, text: str) -> None:
    assert queries.search(reader, text) == []


def test_the_newest_run_first_and_a_run_alone(told: Writer, db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    second = [*opening("r2"), failed(3, ("KeyError", "bad key", "")), failed(4, ("E", "bad luck", "")), ended()]
    assert Writer(db).write(second, START) == []  # type: ignore[arg-type]
    db.execute("UPDATE runs SET started = started + 1 WHERE id = 'r2'")
    assert [(f.run, f.task) for f in queries.search(reader, "bad")] == [("r2", 3), ("r2", 4), ("r1", 3)]
    assert [f.run for f in queries.search(reader, "bad", run="r1")] == ["r1"]
    assert len(queries.search(reader, "bad", limit=2)) == 2


def test_what_is_forgotten_is_not_found(told: Writer, db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("DELETE FROM runs WHERE id = 'r1'")
    assert queries.search(reader, "warming") == []
    assert rows(db, "SELECT count(*) FROM texts") == [(0,)]
    db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")


def test_told_again_it_is_there_once(told: Writer, db: sqlite3.Connection) -> None:
    before = rows(db, "SELECT * FROM texts")
    for writer in (told, Writer(db)):
        assert writer.write([*opening(), Happened([line(1, "warming up"), line(2, "new")])], START) == []
    assert rows(db, "SELECT text FROM texts EXCEPT SELECT text FROM texts WHERE id <= ?", len(before)) == [("new",)]
    assert len(rows(db, "SELECT * FROM texts")) == len(before) + 1


def test_what_was_rolled_back_is_told_again(path: Path, writer: Writer, db: sqlite3.Connection) -> None:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    message = Happened([line(1, f"warming up {'x' * 7000}"), *(line(n, f"{n}" * 7000) for n in range(2, 20))])
    with pytest.raises(sqlite3.OperationalError, match="full"):
        writer.write([message], START)
    db.execute("PRAGMA max_page_count = 1000000")
    assert writer.write([message], START) == []
    with contextlib.closing(queries.open_readonly(path)) as reader:
        assert len(queries.search(reader, "warming")) == 1


def test_a_bad_message_takes_its_texts_with_it(writer: Writer, db: sqlite3.Connection) -> None:
    bad = Happened([line(1, "good"), line(1 << 70, "odd")])
    odd = Attempt(0, 1 << 70, 1, 2, 77, START, "died", "gone")
    assert len(writer.write([bad, odd, Happened([line(2, "more")])], START)) == 2
    assert rows(db, "SELECT text FROM texts") == [("more",)]


def test_there_is_an_end_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MOST", 5)
    monkeypatch.setattr(texts, "_RECENT", 3)
    with contextlib.closing(open_database(tmp_path / "runs.db")) as db:
        for writer in (Writer(db), Writer(db)):
            assert writer.write(opening(), START) == []
            for first in range(0, 12, 3):
                lines = [line(number, f"line {number} {'x' * 9000}") for number in range(first, first + 3)]
                assert writer.write([Happened(lines)], START) == []
            assert rows(db, "SELECT number FROM texts") == [(0,), (1,), (2,), (3,), (4,)]
        assert rows(db, "SELECT count(*), max(length(text)) FROM texts") == [(5, 8005)]
