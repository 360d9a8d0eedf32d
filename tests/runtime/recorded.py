"""Runs that are recorded, from outside: their recorders, what their database has, ``shoal run`` as a process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from processes import marked_processes, wait_for

from engine.store import queries
from engine.store.schema import NoDatabaseError

SHOAL = [sys.executable, "-P", "-m", "engine.cli"]


def recorders(database: Path) -> list[int]:
    """Living recorders of a database, by their command line."""
    found = []
    for pid in marked_processes():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"engine.store.recorder" in words and os.fsencode(database) in words:
                found.append(pid)
    return found


def ask(database: Path, query: str) -> list[tuple[Any, ...]]:
    """The answer, [] as long as there is no such database."""
    try:
        with contextlib.closing(queries.open_readonly(database)) as db:
            return [tuple(row) for row in db.execute(query)]
    except NoDatabaseError:
        return []


def recorded(database: Path) -> int:
    """Tasks that are over, by its database."""
    return sum(done or 0 for (done,) in ask(database, "SELECT done + failed FROM runs"))


def results(database: Path) -> list[tuple[Any, ...]]:
    """What is recorded of each task, however it lies there: task, result, in order."""
    return ask(database, "SELECT task, result FROM all_tasks ORDER BY task")


def kill_recorder(database: Path) -> int:
    """Kill the recorder, and wait for the next one: its pid."""
    (pid,) = recorders(database)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: set(recorders(database)) - {pid}, 60, "another recorder")
    (found,) = set(recorders(database)) - {pid}
    return found


class Run:
    """``shoal run --json`` with a database of its own, read as it goes."""

    def __init__(self, database: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*SHOAL, "run", "--json", "--db", str(database), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
        self._end: tuple[int, str] | None = None
        self.events: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        stdout = self.process.stdout
        self._reader = threading.Thread(target=lambda: self.events.extend(map(json.loads, stdout)))
        self._reader.start()

    def give(self, items: Iterable[object]) -> None:
        """More items, where they are read from standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{item}\n" for item in items))
        self.process.stdin.flush()

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Events of this kind, so far."""
        return [event for event in self.events if event["event"] == kind]

    def finish(self) -> tuple[int, str]:
        """Wait for its end: exit code, what it said on stderr. May be asked twice."""
        if self._end is not None:
            return self._end
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        errors = self.process.stderr.read()
        code = self.process.wait(120)
        self._reader.join()
        self.process.stderr.close()
        self.process.stdout.close()
        assert "Traceback" not in errors, errors
        self._end = code, errors
        return self._end


@contextlib.contextmanager
def locked(database: Path) -> Any:
    """Another program writes, and does not end its transaction."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
