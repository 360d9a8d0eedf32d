"""Large results in the database: whole, once, as what they were; and what can't be read is no harm to the rest."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from processes import wait_for

from engine.store import checking, pruning, queries
from engine.store.aside import Aside, fold_in
from engine.store.backup import backup
from engine.store.messages import PIECE, Finished, Piece, ToRecorder, encode, one_to_recorder, packed
from engine.store.messages import Aside as ToldAside
from engine.store.pieces import encoded, place
from engine.store.schema import open_database
from engine.store.writer import Writer
from engine.wire import values
from engine.wire.channel import send
from engine.wire.memory import Parcel

from .conftest import START, Line, began, ended, finished, opening, rows

Start = Callable[..., Line]
BESIDE = ["pieces", b""]


def parcel(number: int, size: int = 300_000) -> Parcel:
    """A large result: an array that knows its number."""
    found = values.hold(np.full(size // 8, number))
    assert type(found) is Parcel
    return found


def value(db: sqlite3.Connection, task: int, job: int = 0, run: str = "r1") -> int | None:
    """The number that the array of a task knows; None where it is not kept."""
    data = queries.pickled(db, run, job, task)
    if data is None:
        return None
    array = pickle.loads(data)
    array[0] = array[-1]  # it can be written to
    assert (array == array[0]).all()
    return int(array[0])


def sound(db: sqlite3.Connection) -> bool:
    return list(checking.check(db)) == []


def test_they_lie_in_pieces_beside_their_task(db: sqlite3.Connection, writer: Writer) -> None:
    assert writer.write([finished(0, [1, parcel(7), parcel(8, PIECE * 3)])], START) == []
    assert rows(db, "SELECT task, result, result_kind, blob FROM all_tasks ORDER BY task") == [
        (0, "1", None, None), (1, None, "pieces", None), (2, None, "pieces", None),
    ]  # fmt: skip
    sizes = rows(db, "SELECT task, piece, length(data) FROM pieces ORDER BY 1, 2")
    assert [(task, piece) for task, piece, _ in sizes] == [*((1, n) for n in range(3)), *((2, n) for n in range(4))]
    assert {size for *_, size in sizes if size != PIECE} == {sizes[2][2], sizes[6][2]}
    assert [value(db, task) for task in range(3)] == [None, 7, 8]
    outcome = list(queries.outcomes(db, "r1", 0))[1]
    full = queries.filled(db, "r1", 0, outcome)
    assert (full.result_kind, full.task) == ("pickle", 1)
    assert pickle.loads(full.blob or b"")[0] == 7
    assert queries.large_results(db, "r1") == queries.LargeResults(2, sum(size for *_, size in sizes), 0)
    assert sound(db)


def test_trivial_tasks_with_a_large_result_are_no_block(db: sqlite3.Connection, writer: Writer) -> None:
    assert writer.write([finished(0, [*range(20), parcel(1)], seconds=1e-5)], START) == []
    assert rows(db, "SELECT count(*) FROM blocks") == [(0,)]
    assert value(db, 20) == 1


def test_the_first_outcome_stands(db: sqlite3.Connection, writer: Writer) -> None:
    """Another result of the same task adds no piece to it, be it longer, and be the first in a block."""
    writer.write([finished(0, [parcel(1)]), finished(10, list(range(10)), seconds=1e-5)], START)
    writer.write([finished(0, [parcel(2, PIECE * 5)]), finished(10, [parcel(3), parcel(4)])], START)
    assert value(db, 0) == 1
    assert rows(db, "SELECT DISTINCT task FROM pieces") == [(0,)]
    assert rows(db, "SELECT done FROM jobs WHERE job = 0") == [(11,)]
    assert sound(db)


def test_what_is_skipped_is_not_kept(db: sqlite3.Connection, writer: Writer) -> None:
    writer.write([finished(0, [parcel(1), parcel(2)], skipped=[0])], START)
    assert rows(db, "SELECT DISTINCT task FROM pieces") == [(1,)]
    writer.write([finished(0, [parcel(3)])], START)
    assert [value(db, task) for task in (0, 1)] == [3, 2]


def test_one_that_can_not_be_read_is_told_and_recorded_as_done(db: sqlite3.Connection, writer: Writer) -> None:
    broken, cut = parcel(1), parcel(2, PIECE * 3)
    os.pwrite(broken.fd, b"\0" * 8, 0)
    os.ftruncate(cut.fd, PIECE)
    told = writer.write([finished(0, [broken, 5, cut, parcel(3)])], START)
    assert [line.partition(": ")[0] for line in told] == [
        "a large result was not recorded, that of task 0 of job 0",
        "a large result was not recorded, that of task 2 of job 0",
    ]
    kinds = rows(db, "SELECT task, state, result_kind FROM all_tasks ORDER BY task")
    assert kinds == [(0, "done", "large"), (1, "done", None), (2, "done", "large"), (3, "done", "pieces")]
    assert value(db, 3) == 3
    assert queries.large_results(db, "r1").left_out == 2
    assert sound(db)


def test_a_transaction_that_fails_leaves_nothing_and_can_be_tried_again(
    path: Path, db: sqlite3.Connection, writer: Writer
) -> None:
    told: list[ToRecorder] = [finished(0, [parcel(1)]), finished(1, [parcel(2)])]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            writer.write(told, START)
        other.execute("ROLLBACK")
    assert writer.write(told, START) == []
    assert [value(db, task) for task in (0, 1)] == [1, 2]


def test_one_bad_message_does_not_keep_them_from_being_written(db: sqlite3.Connection, writer: Writer) -> None:
    bad = Finished(0, 5, 0, START, b"", [1], [], [], {})
    told = writer.write([finished(0, [parcel(1)]), bad, finished(1, [parcel(2)])], START)
    assert len(told) == 1
    assert [value(db, task) for task in (0, 1)] == [1, 2]


def test_descriptors_have_the_order_of_results() -> None:
    parcels = [parcel(number) for number in range(3)]
    message = finished(0, [BESIDE, 1, BESIDE, ["json", "[1]"], BESIDE, BESIDE])
    place([began(), message], parcels)
    assert message.results == [parcels[0], 1, parcels[1], ["json", "[1]"], parcels[2], BESIDE]


# -- pieces that come before their outcome ----------------------------------------------------------------------------


def test_in_a_file_they_come_before_their_outcome(db: sqlite3.Connection, writer: Writer) -> None:
    said: list[str] = []
    broken = parcel(3)
    os.ftruncate(broken.fd, 8)
    told = list(encoded([finished(0, [parcel(1), 2, broken]), ended()], said.append))
    assert len(said) == 1
    found = [one_to_recorder.decode(data) for data in told]
    kinds = [type(message).__name__ for message in found]
    assert kinds == ["Piece", "Piece", "Piece", "Finished", "RunEnded"]
    assert isinstance(found[3], Finished)
    assert found[3].results == [BESIDE, 2, ["large", b""]]
    for _ in range(2):  # told twice it is there once
        assert writer.write(found, START) == []
        assert value(db, 0) == 1
    assert sound(db)


def test_pieces_whose_outcome_never_came_are_in_nobodys_way(db: sqlite3.Connection, writer: Writer) -> None:
    writer.write([Piece(0, 0, n, b"old" * 10) for n in range(9)], START)
    assert not sound(db)
    writer.write([finished(0, [parcel(1)])], START)
    assert value(db, 0) == 1
    writer.write([Piece(0, 0, 7, b"late"), Piece(0, 5, 0, b"lost")], START)
    writer.tidy()
    assert value(db, 0) == 1
    assert rows(db, "SELECT DISTINCT task FROM pieces") == [(0,)]
    assert sound(db)


def test_an_outcome_whose_pieces_never_came(db: sqlite3.Connection, writer: Writer) -> None:
    told = writer.write([finished(0, [BESIDE])], START)
    assert told == ["a large result did not come: that of task 0 of job 0"]
    assert rows(db, "SELECT state, result_kind FROM tasks") == [("done", "large")]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_pieces_that_are_missing_are_found_out(missing: int, db: sqlite3.Connection, writer: Writer) -> None:
    writer.write([finished(0, [parcel(1), parcel(2)])], START)
    db.execute("DELETE FROM pieces WHERE task = 0 AND piece = ?", (missing,))
    if missing < 2:
        assert list(checking.check(db)) == ["run r1, job 0: of the result of task 0 pieces are missing"]
        assert queries.pickled(db, "r1", 0, 0) is None
        outcome = next(queries.outcomes(db, "r1", 0))
        assert queries.filled(db, "r1", 0, outcome).result_kind == "large"
    db.execute("DELETE FROM pieces WHERE task = 0")
    assert list(checking.check(db)) == ["run r1, job 0: of the result of task 0 pieces are missing"]


# -- the file as a whole ----------------------------------------------------------------------------------------------


def test_they_go_with_their_run(db: sqlite3.Connection, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_PAUSE", 0)
    writer.write([*(finished(n, [parcel(n, PIECE * 8)]) for n in range(12)), ended()], START)
    other = Writer(db)
    other.write([*opening("r2"), finished(0, [parcel(5)]), ended()], START)
    sizes = {old.id: old.size for old in pruning.candidates(db)}
    assert sizes["r1"] > PIECE * 8 * 12
    before = pruning.used(db)
    assert pruning.remove(db, "r1")
    assert rows(db, "SELECT DISTINCT run FROM pieces") == [("r2",)]
    assert value(db, 0, run="r2") == 5
    assert before - pruning.used(db) > PIECE * 8 * 12
    assert pruning.give_back(db) == ""
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("DELETE FROM runs WHERE id = 'r2'")
    assert rows(db, "SELECT count(*) FROM pieces") == [(0,)]


def test_a_copy_has_them(db: sqlite3.Connection, writer: Writer, tmp_path: Path) -> None:
    writer.write([finished(0, [parcel(1)]), ended()], START)
    backup(db, tmp_path / "copy.db", lambda done, total: None)
    with contextlib.closing(queries.open_readonly(tmp_path / "copy.db")) as copy:
        assert value(copy, 0) == 1
        assert sound(copy)


# -- recorders --------------------------------------------------------------------------------------------------------


def hand_over(line: Line, message: Finished, *parcels: Parcel) -> None:
    """A message with large results beside it."""
    assert send(line.sock, (packed([encode(message)]),), [one.fd for one in parcels])
    line.sent += 1


def test_a_recorder_takes_them_by_their_descriptors(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening())
    for number in range(40):
        one = parcel(number)
        hand_over(line, finished(number * 2, [number, BESIDE]), one)
        one.close()
    line.flush()
    with contextlib.closing(queries.open_readonly(path)) as db:
        assert [value(db, number * 2 + 1) for number in range(40)] == list(range(40))
    held = [os.readlink(f"/proc/{line.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{line.process.pid}/fd")]
    assert not [name for name in held if "shoal-parcel" in name], "they are given back once they are written"
    line.send(ended())
    line.flush()
    assert line.close() == (0, "")


def test_what_is_held_counts_them(recorder: Start, path: Path) -> None:
    """Of a database that takes nothing no more is received than so many bytes, or descriptors."""
    line = recorder()
    line.ready()
    line.send(*opening())
    line.flush()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        one = parcel(1, 4 << 20)
        line.sock.setblocking(False)
        message = packed([encode(finished(0, [BESIDE]))])

        def held() -> int:
            folder = f"/proc/{line.process.pid}/fd"
            names = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
            return sum("shoal-parcel" in name for name in names)

        def is_full() -> bool:
            while send(line.sock, (message,), [one.fd]):
                line.sent += 1
            return held() >= 8

        wait_for(is_full, what="the channel to be full")
        assert 8 <= held() <= 9, "32 MiB, and the last message"
        assert line.sent > 20, "the rest waits in the channel"
        other.execute("ROLLBACK")
    line.sock.setblocking(True)
    line.flush()
    one.close()


def test_one_that_finds_no_descriptor_dies_so_that_it_is_told_again(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening())
    line.flush()
    most = len(os.listdir(f"/proc/{line.process.pid}/fd"))
    resource.prlimit(line.process.pid, resource.RLIMIT_NOFILE, (most - 1, most - 1))
    hand_over(line, finished(0, [BESIDE]), parcel(1))
    assert line.answer() is None
    code, words = line.close()
    assert code == 1
    assert words == "shoal recorder: no descriptor is left for a large result (ulimit -n)\n"
    again = recorder(again=True)
    again.ready()
    again.send(*opening())
    hand_over(again, finished(0, [BESIDE]), parcel(1))
    again.flush()
    with contextlib.closing(queries.open_readonly(path)) as db:
        assert value(db, 0) == 1


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.usefixtures("state")
def test_where_a_file_stands_in_for_the_database_it_has_them(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening())
    hand_over(line, finished(0, [BESIDE]), parcel(1))
    line.flush()
    for file in path.parent.iterdir():
        file.unlink()
    hand_over(line, finished(1, [2, BESIDE, BESIDE]), parcel(3), parcel(4, 3 << 20))
    assert isinstance(line.answer(), ToldAside)
    line.flush()
    line.process.kill()
    line.close()
    with contextlib.closing(open_database(path)):
        pass
    following = recorder()
    following.ready()
    with contextlib.closing(queries.open_readonly(path)) as db:
        assert rows(db, "SELECT task, result_kind FROM all_tasks ORDER BY task") == [
            (1, None), (2, "pieces"), (3, "pieces"),
        ]  # fmt: skip
        assert [value(db, task) for task in (2, 3)] == [3, 4]
        assert sound(db)


def test_a_file_that_ends_within_a_result_leaves_nothing_of_it(path: Path) -> None:
    path.parent.mkdir()
    one = Aside(path, "r1", durable=False)
    one.append(encoded([*opening(), finished(0, [parcel(1)]), finished(1, [parcel(2)])], lambda text: None))
    one.close()
    os.truncate(one.path, one.path.stat().st_size - 5)  # the last message, the outcome of task 1
    with contextlib.closing(open_database(path)) as db:
        fold_in(path, db, lambda text: None, pytest.fail)
        assert rows(db, "SELECT DISTINCT task FROM pieces") == [(0,)]
        assert value(db, 0) == 1
        assert sound(db)
