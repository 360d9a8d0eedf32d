"""Databases with recorded runs in them, as an engine and its recorder would have left them."""

from __future__ import annotations

import array
import contextlib
import os
from pathlib import Path
from typing import Any

from click import Command
from click.testing import CliRunner, Result

from engine.store.liveness import identity
from engine.store.messages import Failed, Finished, JobMade, PoolMade, RunBegan, ToRecorder
from engine.store.schema import open_database
from engine.store.writer import Writer

START = 1_763_726_400.0
GONE = 1 << 22
"""No process has this number: it is beyond the largest one."""


def write(path: Path, *messages: ToRecorder, now: float = START) -> None:
    """Record messages of one run."""
    with contextlib.closing(open_database(path)) as db:
        assert Writer(db).write(messages, now) == []


def began(run: str, name: str, at: float = START, pid: int | None = None) -> RunBegan:
    """A run that goes on, for this process does, unless another `pid` is given."""
    command = ["shoal", "run", "a b.toml"]
    engine = os.getpid() if pid is None else pid
    config, process = {"agents": 4, "retries": 2}, identity(engine)
    return RunBegan(run, name, at, engine, command, config, "0.1.0", {"cores": 2}, process=process)


def made(*jobs: str) -> list[ToRecorder]:
    """A pool of four agents on two shards, and jobs in it."""
    return [PoolMade(0, "local", 0, 4, 2), *(JobMade(number, job, "m:f", 0) for number, job in enumerate(jobs))]


def group(
    first: int,
    results: list[Any],
    *failures: Failed,
    job: int = 0,
    seconds: float = 0.01,
    row: int = 0,
    at: float = START,
    attempts: dict[int, int] | None = None,
) -> Finished:
    """Tasks that an agent ran, each for so long; from a millisecond on they are not kept as a block."""
    times = array.array("Q", [round(seconds * 1e9)] * len(results)).tobytes()
    return Finished(job, first, row, at, times, results, list(failures), [], attempts or {})


def call(command: Command, *arguments: object) -> Result:
    """What a command says."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments])
