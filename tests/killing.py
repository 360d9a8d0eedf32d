"""Runs of ``shoal`` in the background, killed as a whole."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from processes import wait_for

SHOAL = [sys.executable, "-P", "-m", "engine.cli"]


def family(pid: int) -> list[int]:
    """A process and all that descend from it, as far as they live."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill an engine and every process it has started, all with -9, and wait until they are gone."""
    fds = []
    for pid in family(process.pid):
        with contextlib.suppress(ProcessLookupError):
            fds.append(os.pidfd_open(pid))
    for fd in fds:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: all(map(_gone, fds)), 20, "all are dead")
    for fd in fds:
        os.close(fd)


def agents_of(pid: int) -> list[int]:
    """The agents of an engine: what its nurseries' hosts have forked."""

    def children(pid: int) -> list[int]:
        try:
            return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    return [agent for nursery in children(pid) for host in children(nursery) for agent in children(host)]


def kill_some(process: subprocess.Popen[str], database: Path, until: int, most: int, seed: int = 5) -> int:
    """Kill agents of an engine at random, from when a task is recorded as over until so many are, `most` at the most;
    how many were killed."""
    chance, killed, before = random.Random(seed), 0, over(database)
    while (now := over(database)) < until and process.poll() is None:
        found = agents_of(process.pid)
        if found and killed < most and now > before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(found), signal.SIGKILL)
                killed += 1
        time.sleep(0.03)
    return killed


def _gone(fd: int) -> bool:
    try:
        signal.pidfd_send_signal(fd, 0)
    except ProcessLookupError:
        return True
    return False


def started(folder: Path, *arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
    """``shoal`` in the background."""
    return subprocess.Popen(
        [*SHOAL, *arguments], cwd=folder, text=True,
        stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def over(database: Path) -> int:
    """Tasks of all runs in a database that are recorded as over."""
    if not database.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        try:
            return int(db.execute("SELECT ifnull(sum(done + failed), 0) FROM runs").fetchone()[0])
        except sqlite3.Error:  # it is just being made
            return 0


def recorded(database: Path) -> list[tuple[int, int]]:
    """(job, task) of every task that is recorded as over, in order."""
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute("SELECT job, task FROM all_tasks ORDER BY job, task").fetchall()
