"""Databases in temporary folders, messages as an engine would send them, and recorders as real processes."""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.procs import boot
from engine.store.liveness import identity
from engine.store.messages import (
    MESSAGE_MAX,
    Committed,
    Complaint,
    Failed,
    Finished,
    FromRecorder,
    JobMade,
    PoolMade,
    Ready,
    RunBegan,
    RunEnded,
    ToRecorder,
    encode,
    from_recorder,
    packed,
)
from engine.store.schema import open_database
from engine.store.writer import Writer
from engine.wire.channel import Closed, Receiver, buffer, pair, send

START = 1_763_726_400.0
"""When the runs of these tests begin."""
PATIENCE = 60.0


def began(run: str = "r1", pid: int | None = None, name: str = "sweep", started: float = START) -> RunBegan:
    command = ["shoal", "run", "plan.toml"]
    pid = os.getpid() if pid is None else pid
    return RunBegan(run, name, started, pid, command, {"agents": 8}, "0.1.0", {"cores": 2}, process=identity(pid))


def opening(run: str = "r1", pid: int | None = None) -> list[ToRecorder]:
    """A run with two pools of four agents, and a job in each."""
    pools = [PoolMade(0, "local", 0, 4, 1), PoolMade(1, "wide", 4, 4, 2)]
    return [began(run, pid), *pools, JobMade(0, "fit", "m:fit", 0), JobMade(1, "score", "m:score", 1)]


def finished(
    first: int,
    results: list[Any],
    *,
    job: int = 0,
    row: int = 1,
    seconds: float = 0.5,
    failures: list[Failed] | None = None,
    skipped: list[int] | None = None,
    attempts: dict[int, int] | None = None,
) -> Finished:
    """A group whose first task began one second into the run; each ran as long as the others."""
    times = array.array("Q", [round(seconds * 1e9)] * len(results)).tobytes()
    return Finished(job, first, row, START + 1, times, results, failures or [], skipped or [], attempts or {})


def ended(status: str = "done", at: float = START + 10, **summary: Any) -> RunEnded:
    return RunEnded(at, status, summary)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "runs.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(open_database(path)) as connection:
        yield connection


@pytest.fixture
def writer(db: sqlite3.Connection) -> Writer:
    found = Writer(db)
    assert found.write(opening(), START) == []
    return found


class Line:
    """The engine's side of a recorder."""

    def __init__(self, path: Path, pid: int, durability: str = "normal", again: bool = False) -> None:
        self.sent = self.safe = 0
        self.complaints: list[Complaint] = []
        self.sock, theirs = pair()
        with theirs:
            self.process = subprocess.Popen(
                boot.argv(
                    "engine.store.recorder",
                    str(path),
                    str(theirs.fileno()),
                    str(pid),
                    durability,
                    "again" if again else "first",
                ),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        self._receiver = Receiver(self.sock, buffer(MESSAGE_MAX))

    def send(self, *messages: ToRecorder) -> None:
        for message in messages:
            self.send_raw(packed([encode(message)]))

    def send_raw(self, data: bytes, count: int = 1) -> None:
        """A datagram of so many messages."""
        assert send(self.sock, (data,))
        self.sent += count

    def answer(self) -> FromRecorder | None:
        """The recorder's next message, None at its end."""
        ready, _, _ = select.select([self.sock], [], [], PATIENCE)
        assert ready, "the recorder is silent"
        try:
            received = self._receiver.receive()
        except Closed:
            return None
        assert received is not None
        found: FromRecorder = from_recorder.decode(received[0])
        return found

    def ready(self) -> None:
        assert self.answer() == Ready("")

    def flush(self) -> None:
        """Wait until all that was sent is in the database."""
        while self.safe < self.sent:
            answer = self.answer()
            if isinstance(answer, Complaint):
                self.complaints.append(answer)
                continue
            assert isinstance(answer, Committed), answer
            assert self.safe < answer.count <= self.sent
            self.safe = answer.count

    def close(self) -> tuple[int, str]:
        """Hang up, and wait until it has ended: its exit code and what it complained of."""
        self.sock.close()
        _, words = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, words.decode()


@pytest.fixture
def recorder(path: Path) -> Iterator[Callable[..., Line]]:
    """Starts recorders, on `path` and for this very process unless told otherwise."""
    lines: list[Line] = []

    def start(at: Path = path, pid: int | None = None, durability: str = "normal", again: bool = False) -> Line:
        lines.append(Line(at, os.getpid() if pid is None else pid, durability, again))
        return lines[-1]

    yield start
    for line in lines:
        line.sock.close()
        if line.process.poll() is None:
            try:
                line.process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                line.process.send_signal(signal.SIGKILL)
                line.process.wait()
        if line.process.stderr is not None:
            line.process.stderr.close()


@pytest.fixture
def gone() -> int:
    """A pid that was a process's and is nobody's."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def rows(db: sqlite3.Connection, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in db.execute(query, arguments)]
