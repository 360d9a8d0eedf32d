"""The file that stands in for a database: what it loses (nothing that was confirmed), and how it is taken in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from engine.store import queries
from engine.store.aside import Aside, fold_in, waiting
from engine.store.messages import Aside as ToldAside
from engine.store.messages import Committed, Happened, Held, PoolMade, ToRecorder, encode
from engine.store.schema import open_database
from engine.store.writer import Writer
from engine.stream.types import Event

from .conftest import START, Line, began, ended, finished, opening, rows

Start = Callable[..., Line]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "shoal"


@pytest.fixture
def put(path: Path) -> Iterator[Callable[..., Aside]]:
    """Writes messages aside."""
    made: list[Aside] = []

    def write(*messages: ToRecorder, run: str = "r1") -> Aside:
        path.parent.mkdir(exist_ok=True)
        made.append(Aside(path, run, durable=True))
        made[-1].append([encode(message) for message in messages])
        return made[-1]

    yield write
    for one in made:
        one.close()


def taken_in(path: Path) -> list[str]:
    said: list[str] = []
    with contextlib.closing(open_database(path)) as db:
        fold_in(path, db, said.append, said.append)
    return said


def counted(path: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(queries.open_readonly(path)) as db:
        return rows(db, "SELECT id, status, done FROM runs ORDER BY id")


def test_what_was_put_aside_is_taken_in_once(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1, 2, 3]), ended())
    assert one.path == path.with_name("runs.db.r1.aside")
    assert one.path.stat().st_mode & 0o777 == 0o600
    one.close()
    assert taken_in(path) == [f"{one.path} was taken into {path}"]
    assert counted(path) == [("r1", "done", 3)]
    assert taken_in(path) == []
    assert not one.path.exists()


def test_what_is_in_the_database_already_is_not_there_twice(path: Path, put: Callable[..., Aside]) -> None:
    put(*opening(), finished(0, [1, 2, 3])).close()
    taken_in(path)
    put(*opening(), finished(0, [1, 2, 3]), finished(3, [4])).close()
    taken_in(path)
    assert counted(path) == [("r1", "running", 4)]


def test_one_that_is_still_written_to_is_left_alone(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]))
    assert taken_in(path) == []
    one.append([encode(finished(1, [2]))])
    one.close()
    assert len(taken_in(path)) == 1
    assert counted(path) == [("r1", "running", 2)]


@pytest.mark.parametrize("cut", [1, 5, 9, 30])
def test_a_message_that_was_cut_off_is_left_out_and_written_over(
    cut: int, path: Path, put: Callable[..., Aside]
) -> None:
    one = put(*opening(), finished(0, [1]), finished(1, [2]))
    one.close()
    os.truncate(one.path, one.path.stat().st_size - cut)
    again = put(finished(2, [3]))
    again.close()
    assert len(taken_in(path)) == 1
    assert counted(path) == [("r1", "running", 2)]
    with contextlib.closing(queries.open_readonly(path)) as db:
        assert rows(db, "SELECT task FROM all_tasks ORDER BY task") == [(0,), (2,)]


def test_zeros_at_its_end_are_no_message(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]))
    one.close()
    with one.path.open("ab") as file:
        file.write(bytes(64))
    assert taken_in(path) == [f"{one.path} was taken into {path}"]
    assert counted(path) == [("r1", "running", 1)]


def test_what_came_of_tasks_counts_though_their_run_was_resumed_since(
    path: Path, put: Callable[..., Aside], gone: int
) -> None:
    first = [*opening(pid=gone), finished(0, [1])]
    with contextlib.closing(open_database(path)) as db:
        Writer(db).write(first, START)
        resumed = msgspec.structs.replace(began(), resumed=1, started=START + 100)
        Writer(db).write([resumed, PoolMade(0, "other", 0, 2, 1), finished(2, [0])], START)
    late = [event(1), event(2)]
    put(*first, finished(1, [2]), finished(2, [3]), Happened(late), ended()).close()
    assert len(taken_in(path)) == 1
    assert waiting(path) == []
    assert counted(path) == [("r1", "running", 3)]
    with contextlib.closing(queries.open_readonly(path)) as db:
        assert rows(db, "SELECT task, result FROM all_tasks ORDER BY task") == [(0, "1"), (1, "2"), (2, "0")]
        assert rows(db, "SELECT resumed, pid, ended FROM runs") == [(1, os.getpid(), None)]
        assert rows(db, "SELECT name, size FROM pools WHERE pool = 0") == [("other", 2)]
        assert rows(db, "SELECT * FROM events") == []


def test_one_of_another_beginning_stays(path: Path, put: Callable[..., Aside], gone: int) -> None:
    with contextlib.closing(open_database(path)) as db:
        Writer(db).write(opening(pid=gone), START)
        Writer(db).write([msgspec.structs.replace(began(), resumed=1, started=START + 100)], START)
    one = put(began(started=START - 1), finished(0, [1]))
    one.close()
    (said,) = taken_in(path)
    assert said.endswith("there is another run r1 in the database")
    assert one.path.exists()


def event(number: int) -> Event:
    return Event(number, START, "info", "x.y", "", {})


def bad(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if ".bad" in file.name)


@pytest.mark.parametrize("at", [-1, -9, -60, 40, 200])
def test_one_that_is_damaged_is_kept(at: int, path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]), finished(1, [2]))
    one.close()
    data = bytearray(one.path.read_bytes())
    data[at] ^= 1
    one.path.write_bytes(data)
    (said,) = taken_in(path)
    assert said.startswith(f"{one.path} was not wholly taken into {path}, and is kept as runs.db.r1.aside.bad: ")
    assert path.with_name("runs.db.r1.aside.bad").read_bytes() == data
    assert taken_in(path) == []


def test_a_length_that_is_damaged_hides_nothing(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]))
    one.close()
    end = one.path.stat().st_size
    put(finished(1, [2]), finished(2, [3])).close()
    data = bytearray(one.path.read_bytes())
    data[end + 1] ^= 1  # 256 bytes more than there are: as if it had been cut off
    one.path.write_bytes(data)
    (said,) = taken_in(path)
    assert said.endswith(f"it is damaged at byte {end:,}")
    assert bad(path) == ["runs.db.r1.aside.bad"]


def test_one_that_is_not_understood_is_kept(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]))
    one.append([b"\x92\x63\x01"] * 3)  # of another version
    one.append([encode(finished(1, [2]))])
    one.close()
    (said,) = taken_in(path)
    assert "a message was not understood: " in said
    assert said.endswith("(and 2 things more)")
    assert counted(path) == [("r1", "running", 2)]
    assert bad(path) == ["runs.db.r1.aside.bad"]


def test_nothing_behind_a_damage_is_written_over(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]), finished(1, [2]))
    one.close()
    for number in range(2):
        data = bytearray(one.path.read_bytes())
        data[40] ^= 1
        one.path.write_bytes(data)
        put(*opening(), finished(2, [3])).close()
        assert path.with_name(f"runs.db.r1.aside.bad{number or ''}").read_bytes() == data
    taken_in(path)
    assert counted(path) == [("r1", "running", 1)]


def test_files_of_other_databases_are_not_taken_in(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), run="other.r1")  # of a database that is called runs.db.other
    one.close()
    assert waiting(path) == []


def test_one_of_another_run_of_that_name_stays(path: Path, put: Callable[..., Aside]) -> None:
    put(*opening(pid=1), ended()).close()
    taken_in(path)
    one = put(*opening(pid=2), ended())
    one.close()
    (said,) = taken_in(path)
    assert said == f"{one.path} was not taken into {path}: there is another run r1 in the database"
    assert one.path.exists()


def test_while_the_database_takes_nothing_it_stays(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]))
    one.close()
    with (
        contextlib.closing(open_database(path)) as db,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError):
            fold_in(path, db, lambda text: None, pytest.fail)
        assert one.path.exists()
        assert not db.in_transaction
        assert rows(db, "PRAGMA synchronous") == [(1,)]
    assert len(taken_in(path)) == 1


def test_where_nothing_can_be_beside_the_database_it_lies_in_the_state_folder(
    path: Path, state: Path, put: Callable[..., Aside]
) -> None:
    path.parent.mkdir()
    blocked = path.with_name("runs.db.r1.aside")
    blocked.mkdir()  # root may write everywhere, but not into this
    one = put(*opening(), finished(0, [1]))
    assert one.path.parent == state
    one.close()
    assert len(taken_in(path)) == 1
    assert counted(path) == [("r1", "running", 1)]


def test_what_does_not_fit_leaves_no_trace(
    path: Path, put: Callable[..., Aside], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = put(*opening(), finished(0, [1]))
    write = os.pwrite

    def full(fd: int, data: bytes | memoryview, at: int) -> int:
        monkeypatch.setattr(os, "pwrite", fails)
        return write(fd, data[:10], at)

    def fails(fd: int, data: bytes | memoryview, at: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        one.append([encode(finished(1, [2]))])
    monkeypatch.setattr(os, "pwrite", write)
    one.append([encode(finished(2, [3]))])
    one.close()
    taken_in(path)
    assert counted(path) == [("r1", "running", 2)]


# -- whose they are ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_one_that_others_may_write_to_is_left_alone_and_said(mode: int, path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]))
    one.close()
    one.path.chmod(mode)
    assert taken_in(path) == [f"{one.path} was not taken into {path}: it is not yours alone to write to"]
    assert counted(path) == []
    assert one.path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_one_of_another_user_is_left_alone_and_said(path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]))
    one.close()
    os.chown(one.path, 65534, 65534)
    assert taken_in(path) == [f"{one.path} was not taken into {path}: it is not yours alone to write to"]
    assert counted(path) == []


def test_a_link_or_a_pipe_of_that_name_is_left_alone(path: Path, tmp_path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening(), finished(0, [1]))
    one.close()
    one.path.rename(tmp_path / "theirs")
    one.path.symlink_to(tmp_path / "theirs")
    os.mkfifo(path.with_name("runs.db.r2.aside"))
    link, pipe = taken_in(path)
    assert link == f"{one.path} was not taken into {path}: Too many levels of symbolic links"
    assert pipe.endswith("it is not yours alone to write to")
    assert counted(path) == []


def test_nothing_is_written_to_a_file_of_somebody_elses(path: Path, state: Path, put: Callable[..., Aside]) -> None:
    path.parent.mkdir()
    theirs = path.with_name("runs.db.r1.aside")
    theirs.touch()
    theirs.chmod(0o666)
    one = put(*opening(), finished(0, [1]))
    assert one.path.parent == state
    assert theirs.read_bytes() == b""


def test_one_that_is_taken_in_while_its_next_writer_waits_for_the_lock(
    path: Path, put: Callable[..., Aside], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(*opening(), finished(0, [1])).close()
    lock = fcntl.flock

    def late(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        taken_in(path)
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    put(*opening(), finished(1, [2])).close()
    assert len(taken_in(path)) == 1, "what was written after that has a name"
    assert counted(path) == [("r1", "running", 2)]


# -- recorders --------------------------------------------------------------------------------------------------------


def told(line: Line) -> ToldAside:
    """What the recorder says when it goes on in such a file."""
    while isinstance(answer := line.answer(), Committed):
        line.safe = answer.count
    assert isinstance(answer, ToldAside)
    return answer


def test_a_database_that_is_replaced_under_the_run(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening(), finished(0, [1]))
    line.flush()
    for file in path.parent.iterdir():
        file.unlink()
    line.send(finished(1, [2, 3]))
    answer = told(line)
    beside = path.with_name("runs.db.r1.aside")
    assert answer.path == str(beside)
    assert answer.text == (
        f"{path} was moved, replaced or deleted: this run goes on in {beside}, for the next run to take in"
    )
    line.flush()
    line.send(finished(3, [4]), ended())
    line.flush()
    assert line.close()[0] == 0
    following = recorder()
    following.ready()
    assert counted(path) == [("r1", "done", 3)]
    assert following.close() == (0, f"shoal recorder: {beside} was taken into {path}\n")


def test_what_could_not_be_taken_in_is_told(recorder: Start, path: Path, put: Callable[..., Aside]) -> None:
    one = put(*opening())
    one.append([b"\x63"])
    one.close()
    line = recorder()
    line.ready()
    line.send(*opening("r2"))
    line.flush()
    (told,) = line.complaints
    assert told.text.startswith(f"{one.path} was not wholly taken into {path}, and is kept as runs.db.r1.aside.bad: ")


@pytest.mark.parametrize("garbage", [b"x" * 8192, b"SQLite format 3\0" + b"\xff" * 8176], ids=["text", "damaged"])
def test_a_recorder_that_takes_the_place_of_another_is_not_refused(garbage: bytes, recorder: Start, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(garbage)
    line = recorder(again=True)
    line.ready()
    line.send(*opening(), finished(0, [1]))
    assert told(line).text.startswith(f"{path} is not a database, or a damaged one: this run goes on in {path}.r1")
    line.flush()
    line.close()
    assert path.read_bytes() == garbage
    path.unlink()
    following = recorder()
    following.ready()
    following.close()
    assert counted(path) == [("r1", "running", 1)], "its engine, this process, lives"


def test_a_recorder_that_goes_on_with_such_a_file(recorder: Start, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 8192)
    for number in range(3):
        line = recorder(again=True)
        line.ready()
        line.send(*opening(), finished(number, [number]))
        told(line)
        line.flush()
        line.process.kill()
        line.close()
    path.unlink()
    line = recorder(again=True)
    line.ready()
    line.send(*opening(), finished(3, [3]), ended())
    line.flush()
    line.close()
    assert counted(path) == [("r1", "done", 4)]
    assert waiting(path) == []


def test_where_no_place_takes_anything_it_is_told_and_tried_again(recorder: Start, path: Path, state: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 8192)
    beside = path.with_name("runs.db.r1.aside")
    beside.mkdir()
    state.parent.mkdir()
    state.write_text("no folder")
    line = recorder(again=True)
    line.ready()
    line.send(*opening(), finished(0, [1]))
    why = f"{path} is not a database, or a damaged one, and no other place takes anything (Is a directory)"
    assert line.answer() == Held(why)
    beside.rmdir()
    told(line)
    line.flush()
    with beside.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
