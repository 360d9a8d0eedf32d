"""Real recorder processes: nothing that was said is lost, however the engine or another writer behaves."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.store import liveness, queries
from engine.store.liveness import sweep
from engine.store.messages import MESSAGE_MAX, Held, JobMade, Ready, encode, packed
from engine.store.schema import open_database
from engine.store.writer import Writer

from .conftest import PATIENCE, START, Line, began, ended, finished, opening, rows

Start = Callable[..., Line]


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(queries.open_readonly(path)) as reader:
        return rows(reader, query)


def test_a_whole_run(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening(), *(finished(first, list(range(100))) for first in range(0, 2000, 100)), ended(tasks=2000))
    line.flush()
    assert line.close() == (0, "")
    assert {file.name for file in path.parent.iterdir()} == {"runs.db"}, "the log was folded in"
    assert ask(path, "SELECT status, tasks, done FROM runs") == [("done", 2000, 2000)]
    assert ask(path, "SELECT count(*) FROM tasks") == [(2000,)]


def test_what_is_said_to_be_safe_is_in_the_database(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening())
    for number in range(1, 30):
        line.send(finished(number, [number]))
        line.flush()
        assert ask(path, "SELECT count(*), max(task) FROM tasks") == [(number, number)]


def test_an_engine_that_is_killed_leaves_a_crashed_run(recorder: Start, path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as engine:
        line = recorder(pid=engine.pid)
        line.ready()
        line.send(*opening(pid=engine.pid), finished(0, [1, 2, 3]))
        engine.kill()
    # Our end stays open, as if the engine had left it to a process that it forked.
    assert line.process.wait(PATIENCE) == 0
    assert ask(path, "SELECT status, done, ended > started FROM runs") == [("crashed", 3, 1)]


def test_the_last_messages_of_an_engine_that_read_no_answer(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening())
    select.select([line.sock], [], [], PATIENCE)  # the answer is there, and stays there
    os.kill(line.process.pid, signal.SIGSTOP)
    line.send(*(finished(number, [number]) for number in range(50)), ended())
    line.sock.close()
    os.kill(line.process.pid, signal.SIGCONT)
    assert line.close() == (0, "")
    assert ask(path, "SELECT status, done FROM runs") == [("done", 50)]


def test_an_engine_that_hangs_up_without_a_word(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening(), finished(0, [1]))
    assert line.close() == (0, "")
    assert ask(path, "SELECT status, done FROM runs") == [("crashed", 1)]


def test_an_engine_that_was_gone_before(recorder: Start, path: Path, gone: int) -> None:
    line = recorder(pid=gone)
    line.send(*opening(pid=gone), finished(0, [1]))
    assert line.close() == (0, "")
    assert ask(path, "SELECT status, done FROM runs") in ([("crashed", 1)], [])


def test_two_recorders_on_one_new_file(recorder: Start, path: Path) -> None:
    lines = {run: recorder() for run in ("left", "right")}
    for run, line in lines.items():
        line.ready()
        line.send(*opening(run))
    for first in range(0, 3000, 100):
        for line in lines.values():
            line.send(finished(first, list(range(100))))
    for line in lines.values():
        line.send(ended())
        line.flush()
        assert line.close() == (0, "")
    assert ask(path, "SELECT run, count(*) FROM tasks GROUP BY run") == [("left", 3000), ("right", 3000)]
    assert ask(path, "SELECT status, done FROM runs") == [("done", 3000)] * 2


def test_a_long_reader_is_in_nobodys_way(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening(), finished(0, [1]))
    line.flush()
    with contextlib.closing(queries.open_readonly(path)) as reader:
        reader.execute("BEGIN")
        assert rows(reader, "SELECT count(*) FROM tasks") == [(1,)]
        line.send(finished(1, list(range(500))))
        line.flush()
        assert rows(reader, "SELECT count(*) FROM tasks") == [(1,)]
        reader.execute("COMMIT")
        assert rows(reader, "SELECT count(*) FROM tasks") == [(501,)]


def test_who_reads_on_leaves_nothing_in_the_log(recorder: Start, path: Path, tmp_path: Path) -> None:
    """Such as the history on a screen, which is open for as long as that is."""
    line = recorder()
    line.ready()
    with contextlib.closing(queries.open_readonly(path)) as reader:
        line.send(*opening(), *(finished(first, list(range(100))) for first in range(0, 2000, 100)), ended(tasks=2000))
        line.flush()
        assert rows(reader, "SELECT done FROM runs") == [(2000,)]
        assert line.close() == (0, "")
        copy = Path(shutil.copy(path, tmp_path / "alone.db"))
        assert ask(copy, "SELECT status, tasks, done FROM runs") == [("done", 2000, 2000)]
        assert Path(f"{path}-wal").stat().st_size == 0


def test_a_locked_database_is_waited_for(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.flush()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        line.send(*opening(), *(finished(number, [number]) for number in range(200)))
        # It goes on receiving: far more than the channel itself would hold gets in.
        line.sock.settimeout(PATIENCE)
        for first in range(1000, 41_000, 1000):
            line.send(finished(first, ["x" * 50] * 1000))
        assert line.answer() == Held(f"{path} is locked by another program")
        other.execute("ROLLBACK")
    line.flush()
    line.send(ended())
    code, words = line.close()
    assert code == 0
    assert [said.removeprefix("shoal recorder: ") for said in words.splitlines()] == [
        f"no rows are taken for now, they are kept: {path} is locked by another program", "rows are taken again",
    ]  # fmt: skip
    assert ask(path, "SELECT status, done FROM runs") == [("done", 40_200)]


def test_it_outlives_its_engine_until_all_is_written(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.flush()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        line.send(*opening(), finished(0, [1]))
        line.sock.close()
        assert line.process.poll() is None
        other.execute("ROLLBACK")
    assert line.close() == (0, "")
    assert ask(path, "SELECT status, done FROM runs") == [("crashed", 1)]


def test_signals_do_not_end_it(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(line.process.pid, number)
    line.send(*opening(), ended("interrupted"))
    line.flush()
    assert line.close() == (0, "")
    assert ask(path, "SELECT status FROM runs") == [("interrupted",)]


def test_a_database_that_cannot_be_opened(recorder: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = recorder(tmp_path / "file" / "runs.db")
    answer = line.answer()
    assert isinstance(answer, Ready)
    assert "can't open" in answer.error
    assert line.answer() is None
    assert line.close()[0] == 1


def test_a_run_that_cannot_be_recorded_is_told(recorder: Start, path: Path) -> None:
    with contextlib.closing(open_database(path)) as db:
        Writer(db).write([began(started=START - 1), ended()], START)
    line = recorder()
    line.ready()
    line.send(began())
    answer = line.answer()
    assert isinstance(answer, Ready)
    assert "another run r1" in answer.error
    assert line.answer() is None
    code, words = line.close()
    assert code == 1
    assert "another run r1" in words


@pytest.mark.parametrize(
    ("garbage", "count"), [(b"\xc1", 1), (b"\x92\x63\x01", 2), (b"x" * 1000, 1), (b"\x90", 0)], ids=repr
)
def test_what_is_no_message_is_passed_over(recorder: Start, path: Path, garbage: bytes, count: int) -> None:
    line = recorder()
    line.ready()
    line.send_raw(garbage, count)
    line.send_raw(packed([*map(encode, opening()), b"\x63", encode(ended())]), len(opening()) + 2)
    line.flush()
    code, words = line.close()
    assert code == 0
    assert words.count("not understood") == count + 1
    assert ask(path, "SELECT status FROM runs") == [("done",)]


def test_what_is_passed_over_is_told_before_it_is_confirmed(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening())
    line.flush()
    odd = JobMade(9, "name", "call", 1 << 63)
    line.send_raw(packed([b"\x63", encode(finished(0, [1])), encode(odd)]), 3)
    line.flush()
    (told,) = line.complaints
    assert told.count == 2
    assert told.text.startswith("a message was not understood: ")
    assert ask(path, "SELECT done FROM runs") == [(1,)]


def test_what_does_not_fit_is_never_confirmed(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(*opening(), finished(0, [1]))
    line.flush()
    line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MESSAGE_MAX)
    if line.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < 2 * MESSAGE_MAX:
        pytest.skip("this system's sockets take nothing that is too long (net.core.wmem_max)")
    line.send_raw(packed([encode(finished(1, ["x" * MESSAGE_MAX])), encode(finished(2, [2]))]), 2)
    assert line.answer() == Ready("something came that can't be recorded: a message longer than any frame")
    assert line.answer() is None
    assert line.close()[0] == 1
    assert ask(path, "SELECT done FROM runs") == [(1,)]


def test_a_run_without_a_beginning_is_refused(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send_raw(packed([b"\x63", *map(encode, opening()[1:])]), len(opening()))
    answer = line.answer()
    assert isinstance(answer, Ready)
    assert answer.error.startswith("the run has no beginning: ")
    assert line.answer() is None


def test_a_beginning_that_cannot_be_written_is_refused(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    line.send(began(pid=1 << 63))
    answer = line.answer()
    assert isinstance(answer, Ready)
    assert answer.error.startswith("the beginning of run r1 can't be recorded: ")
    assert line.answer() is None


def test_runs_of_engines_that_are_gone_are_swept(recorder: Start, path: Path, gone: int) -> None:
    with contextlib.closing(open_database(path)) as db:
        Writer(db).write([began("lost", pid=gone)], START + 3)
        Writer(db).write([began("live")], START + 3)
        Writer(db).write([began("over", pid=gone), ended()], START + 3)
        Writer(db).write([began("reused")], START + 3)
        db.execute("UPDATE runs SET process = substr(process, 1, length(process) - 1) WHERE id = 'reused'")
    line = recorder()
    line.ready()
    assert ask(path, "SELECT id, status, seconds FROM runs ORDER BY id") == [
        ("live", "running", None), ("lost", "crashed", 3.0),
        ("over", "done", 10.0), ("reused", "crashed", 3.0),
    ]  # fmt: skip


def test_sweeping_gives_the_lock_back(db: sqlite3.Connection, gone: int) -> None:
    Writer(db).write([began("lost", pid=gone)], START)
    sweep(db)
    assert not db.in_transaction
    assert rows(db, "SELECT status FROM runs") == [("crashed",)]


def test_a_run_that_is_resumed_while_others_are_swept_goes_on(
    path: Path, db: sqlite3.Connection, gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Writer(db)
    first.write(opening(pid=gone), START)

    def looked(*_: object) -> bool:
        with contextlib.closing(open_database(path)) as other:
            Writer(other).write([msgspec.structs.replace(began(), started=START + 10, resumed=1)], START)
        return True

    monkeypatch.setattr(liveness, "is_gone", looked)
    sweep(db)
    assert rows(db, "SELECT status, pid FROM runs") == [("running", os.getpid())]
    first.crash(START + 20)
    assert rows(db, "SELECT status, ended FROM runs") == [("running", None)], "nor does the recorder of before end it"


def test_it_holds_nothing_that_it_does_not_need(recorder: Start, path: Path) -> None:
    line = recorder()
    line.ready()
    found = [os.readlink(f"/proc/{line.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{line.process.pid}/fd")]
    ours = [name for name in found if not name.startswith(str(path))]
    assert sum(name.startswith("socket:") for name in ours) == 1
    assert len(ours) <= 5, ours  # the three of every process, the channel, the pidfd
