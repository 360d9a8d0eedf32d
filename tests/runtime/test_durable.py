"""Done means durable: what a caller was told of is in the database, whoever is killed, whatever the database does.

Small by default; ``SHOAL_TEST_LOAD=full`` has more seeds and longer waits.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from operator import neg
from pathlib import Path
from typing import Any

import pytest
from disks import remount, small_disk
from processes import marked_processes, wait_for
from recorded import Run, ask, kill_recorder, locked, recorded, recorders, results

from engine.cli.running import headless
from engine.plan.steps import RunSpec, Step
from engine.runtime.calls.executor import Engine
from engine.runtime.record import line
from engine.settings.types import PoolSettings, Settings
from engine.stream import places
from engine.stream.types import Event

FULL = os.environ.get("SHOAL_TEST_LOAD") == "full"
SEEDS = range(40 if FULL else 4)
READING = 30.0 if FULL else 2.0
"""Seconds that a reader holds the database."""

needs_pooling = pytest.mark.needs("pooling")  # thousands of tasks

HELD = "no results are passed on for now, and no tasks begun: {why}; they go on as soon as that is over"

DRIVER = """
import os, sys
from concurrent.futures import as_completed
from operator import neg
from shoal import Engine
with Engine(2, record=sys.argv[1], durability=sys.argv[2], attachable=False) as engine:
    waiting = {engine.submit(neg, number): number for number in range(300)}
    number = 300
    while True:
        future = next(as_completed(waiting))
        told = waiting.pop(future)
        assert future.result() == -told
        os.write(1, b"%d\\n" % told)
        waiting[engine.submit(neg, number)] = number
        number += 1
"""
"""Writes the argument of each call as soon as its result is there."""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "runs.db"


def items(folder: Path, count: int) -> str:
    path = folder / "items.txt"
    path.write_text("".join(f"{number}\n" for number in range(count)))
    return str(path)


# -- everybody is killed ----------------------------------------------------------------------------------------------


def kill_all(seed: int) -> None:
    """Every process of ours but this one, at once, in any order."""
    chance = random.Random(seed)
    pids = list(marked_processes())
    chance.shuffle(pids)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@needs_pooling
@pytest.mark.parametrize("seed", SEEDS)
def test_a_future_that_was_done_is_in_the_database_when_all_are_killed(seed: int, database: Path) -> None:
    durability = ("normal", "full")[seed % 2]
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(database), durability], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.Random(seed).random() * 0.5)
        kill_all(seed)
        told = {int(found) for found in [first, *process.stdout]}
    assert len(told) > 1
    kept = {-int(result) for _, result in results(database)}  # a call is known by its result
    assert not told - kept


def _swept() -> bool:
    """Whether no socket is left. A recorder that was just being started, for one that was killed before its engine, has
    all that the engine had open until it has become one."""
    folder = places.runtime_folder()
    places.sweep(folder)
    return not list(folder.glob("*.sock"))


@needs_pooling
@pytest.mark.parametrize("seed", SEEDS)
def test_a_line_of_results_is_in_the_database_when_all_are_killed(seed: int, database: Path, tmp_path: Path) -> None:
    count = 200_000
    process = subprocess.Popen(
        [
            sys.executable, "-P", "-m", "engine.cli", "run", "engine.workloads.coordination:echo", "--items",
            items(tmp_path, count), "--agents", "2", "--out", "-", "--db", str(database), "--batch-max", "20",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.Random(seed).random() * 0.3)
        kill_all(seed)
        told = len((first + process.stdout.read()).splitlines())
    wait_for(_swept)  # whoever would have taken the socket away is dead, too
    assert 0 < told < count
    assert len(results(database)) >= told  # results come in order, so these are the first
    assert [task for task, _ in results(database)[:told]] == list(range(told))
    assert ask(database, "SELECT status FROM runs") in ([("running",)], [("crashed",)])


# -- the recorder is killed -------------------------------------------------------------------------------------------


@needs_pooling
def test_a_recorder_that_is_killed_ten_times_loses_nothing(database: Path, tmp_path: Path) -> None:
    count = 20_000
    run = Run(
        database, "engine.workloads.coordination:echo", "--items", "-", "--agents", "2",
        "--out", str(tmp_path / "out.jsonl"),
    )  # fmt: skip
    try:
        for killed in range(10):
            run.give(range(count // 10))
            wait_for(lambda least=killed * count // 10: recorded(database) > least, 60)  # type: ignore[misc]
            kill_recorder(database)
    finally:
        code, words = run.finish()
    assert code == 0, words
    assert run.events[-1]["done"] == count
    assert len(run.told("recorder.died")) == 10
    assert run.told("recorder.died")[0]["text"] == (
        "the recorder was killed by SIGKILL: another one is started, and told again what was not in the database"
    )
    assert len(run.told("recorder.restarted")) == 10
    assert [task for task, _ in results(database)] == list(range(count))
    assert ask(database, "SELECT status, done, failed FROM runs") == [("done", count, 0)]
    assert ask(database, "SELECT done, failed FROM jobs") == [(count, 0)]
    assert ask(database, "SELECT count(*) FROM events WHERE kind = 'recorder.died'") == [(10,)]
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == count


def test_a_recorder_that_is_stopped_is_replaced(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_SILENCE", 0.2)
    events: list[Event] = []
    with Engine(1, record=database, attachable=False, on_event=events.append) as engine:
        assert engine.submit(neg, 1).result(60) == -1
        (pid,) = recorders(database)
        os.kill(pid, signal.SIGSTOP)
        assert engine.submit(neg, 2).result(60) == -2
    slow = "recorder.silent", "recorder.answers"  # the other one, where the machine is busy
    kinds = [event.kind for event in events if event.kind.startswith("recorder.") and event.kind not in slow]
    assert kinds == ["recorder.stopped", "recorder.died", "recorder.restarted"]
    assert len(results(database)) == 2


def give_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two deaths in a row without a commit between them, and nobody is started any more."""
    monkeypatch.setattr(line, "_TRIES", 2)


def kill_both(database: Path) -> None:
    """Two recorders in a row. The second must not commit anything: the database is locked meanwhile."""
    os.kill(kill_recorder(database), signal.SIGKILL)


def test_an_engine_without_a_recorder_goes_on_and_says_so(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    give_up_soon(monkeypatch)
    with Engine(1, record=database, attachable=False) as engine:
        assert engine.submit(neg, 1).result(60) == -1
        with locked(database):
            held = engine.submit(neg, 2)
            kill_both(database)
            assert held.result(60) == -2, "valid, and nobody will ever write it down"
        assert engine.submit(neg, 3).result(60) == -3
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == [
        "nothing is recorded from here on: 2 recorders died one after the other; the last one was killed by SIGKILL"
    ]


def test_a_run_without_a_recorder_ends_what_runs_and_stops(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_up_soon(monkeypatch)

    def kill() -> None:
        wait_for(lambda: recorded(database))
        with locked(database):
            kill_both(database)

    killer = threading.Thread(target=kill)
    killer.start()
    endless = itertools.count()
    spec = RunSpec("r", [PoolSettings(size=1)], [Step("s", call="operator:neg", arguments=endless)], Settings())
    options = dict.fromkeys(("items", "serve", "as_json", "no_record")) | {
        "db": str(database), "out": str(tmp_path / "out.jsonl"),
    }  # fmt: skip
    assert headless.run_headless(spec, options, []) == 2
    killer.join()
    words = capsys.readouterr().err.splitlines()
    assert words[-1] == (
        "shoal: stopped, for nothing more can be recorded: "
        "2 recorders died one after the other; the last one was killed by SIGKILL"
    )
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert 0 < len(results(database)) <= len(lines) < next(endless)


# -- the database takes nothing for a while ---------------------------------------------------------------------------


@needs_pooling
def test_a_reader_that_holds_the_database_is_in_nobodys_way(database: Path, tmp_path: Path) -> None:
    count = 100_000 if FULL else 20_000
    run = Run(database, "engine.workloads.coordination:echo", "--items", items(tmp_path, count), "--agents", "2")
    try:
        wait_for(lambda: recorded(database), 60)
        with contextlib.closing(line_to(database)) as reader:
            reader.execute("BEGIN")
            (before,) = reader.execute("SELECT count(*) FROM all_tasks").fetchone()
            time.sleep(READING)
            assert reader.execute("SELECT count(*) FROM all_tasks").fetchone() == (before,)
    finally:
        code, words = run.finish()
    assert (code, words) == (0, "")
    assert [task for task, _ in results(database)] == list(range(count))


def line_to(database: Path) -> Any:
    import sqlite3

    return sqlite3.connect(database, isolation_level=None)


def test_while_another_program_writes_results_are_held_and_it_is_said(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Event] = []
    with Engine(1, record=database, attachable=False, on_event=events.append) as engine:
        assert engine.submit(neg, 1).result(60) == -1
        with locked(database):
            future = engine.submit(neg, 2)
            wait_for(lambda: any(event.kind == "recorder.held" for event in events), what="it is said")
            assert not future.done()
        assert future.result(60) == -2
        wait_for(lambda: any(event.kind == "recorder.resumed" for event in events), what="that it is over is said")
    assert [event.text for event in events if event.kind.startswith("recorder.")] == [
        HELD.format(why=f"{database} is locked by another program"), "the database takes results again",
    ]  # fmt: skip
    assert [record.getMessage() for record in caplog.records] == [
        event.text for event in events if event.kind == "recorder.held"
    ]


def test_with_durability_off_nothing_waits_for_the_database(database: Path) -> None:
    with Engine(1, record=database, durability="off", attachable=False) as engine:
        assert engine.submit(neg, 1).result(60) == -1
        with locked(database):
            assert list(engine.map(neg, range(100))) == [-number for number in range(100)]
    assert len(results(database)) == 101


@needs_pooling
def test_what_waits_is_bounded(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.runtime.record import recording

    monkeypatch.setattr(recording, "_CROWDED", 100_000)
    events: list[Event] = []
    with Engine(1, record=database, attachable=False, batch_max=100, on_event=events.append) as engine:
        assert engine.submit(neg, 1).result(60) == -1
        with locked(database):
            results_ = engine.map(neg, range(200_000))
            wait_for(lambda: any(event.kind == "recorder.behind" for event in events), what="it is said")
            wait_for(lambda: engine.stats()["pools"]["main"]["busy"] == 0, what="what was sent to be over")
            assert engine.stats()["pools"]["main"]["queued"] > 0, "nothing is begun that could not be kept"
        assert sum(results_) == -sum(range(200_000))
        wait_for(lambda: any(event.kind == "recorder.caught_up" for event in events), what="that is said, too")
    assert len(results(database)) == 200_001


def test_output_that_nobody_can_write_down_does_not_pile_up(database: Path, tmp_path: Path) -> None:
    def shout(until: str) -> None:
        while not os.path.exists(until):
            print("x" * 1000, flush=True)
            time.sleep(0.005)

    events: list[Event] = []

    def told(kind: str) -> int:
        return sum(event.kind == kind for event in events)

    with Engine(1, record=database, attachable=False, on_event=events.append) as engine:
        future = engine.submit(shout, str(tmp_path / "enough"))
        wait_for(lambda: told("agent.stdout"), what="it is heard")
        with locked(database):
            wait_for(lambda: told("recorder.held"), what="it is said")
            recording = engine._worker.run.recording
            assert recording is not None
            held, heard = recording.line.bytes, told("agent.stdout")
            wait_for(lambda: told("agent.stdout") >= heard + 50, what="it goes on")
            assert recording.line.bytes < held + 20_000
        wait_for(lambda: told("output.dropped"), what="what was left out is told")
        (tmp_path / "enough").touch()
        future.result(60)
    left_out = sum(event.data["lines"] for event in events if event.kind == "output.dropped")
    ((kept,),) = ask(database, "SELECT count(*) FROM events WHERE kind = 'agent.stdout'")
    assert left_out >= 50
    assert kept + left_out == told("agent.stdout")


def finished_by_signals(run: Run, database: Path) -> tuple[int, str]:
    """The run's end after two interrupts, while nothing can be written."""
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(signal.SIGTERM)  # two of one kind at once could count as one
    wait_for(lambda: run.told("run.ended"), 60, "it ends all the same")
    return run.finish()


@needs_pooling
def test_what_is_held_is_not_lost_when_the_run_is_stopped_and_the_record_given_up(
    database: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    run = Run(
        database, "engine.workloads.coordination:echo", "--items", "-", "--agents", "1", "--out", str(out)
    )  # fmt: skip
    try:
        run.give(range(10))
        wait_for(lambda: recorded(database) == 10, 60)
        with locked(database):
            run.give(range(10))
            wait_for(lambda: run.told("recorder.held"), 60, "it is said")
            assert len(out.read_text().splitlines()) <= 10
            code, words = finished_by_signals(run, database)
    finally:
        run.finish()
    assert code == 130
    assert "shoal: interrupted: the database has not got all of this run" in words
    assert len(out.read_text().splitlines()) == 20, "valid, and told, though not recorded"
    assert recorded(database) == 10


@needs_pooling
def test_an_interrupt_waits_for_what_is_held(database: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run = Run(
        database, "engine.workloads.coordination:echo", "--items", "-", "--agents", "1", "--out", str(out)
    )  # fmt: skip
    try:
        run.give(range(10))
        wait_for(lambda: recorded(database) == 10, 60)
        with locked(database):
            run.give(range(10))
            wait_for(lambda: run.told("recorder.held"), 60, "it is said")
            run.process.send_signal(signal.SIGINT)
            time.sleep(0.1)  # it ends too early, if it does
            assert run.process.poll() is None
    finally:
        code, _ = run.finish()
    assert code == 130
    assert len(out.read_text().splitlines()) == len(results(database)) == 20


# -- a database that is no more ---------------------------------------------------------------------------------------


@needs_pooling
def test_a_database_that_is_deleted_or_damaged_in_the_midst_of_a_run(database: Path, tmp_path: Path) -> None:
    run = Run(database, "engine.workloads.coordination:echo", "--items", "-", "--agents", "1")
    beside = ""
    try:
        run.give(range(100))
        wait_for(lambda: recorded(database) == 100, 60)
        (identity,) = [found for (found,) in ask(database, "SELECT id FROM runs")]
        beside = f"{database}.{identity}.aside"
        database.rename(tmp_path / "kept.db")
        for end in ("-wal", "-shm"):
            Path(f"{database}{end}").rename(tmp_path / f"kept.db{end}")
        run.give(range(100, 200))
        wait_for(lambda: run.told("recorder.aside"), 60, "it is said")
        database.write_text("garbage\n" * 1000)
        kill_recorder(database)
        run.give(range(200, 300))
    finally:
        code, words = run.finish()
    assert code == 0, words
    assert [event["text"] for event in run.told("recorder.aside")] == [
        f"{database} {what}: this run goes on in {beside}, for the next run to take in"
        for what in ("was moved, replaced or deleted", "is not a database, or a damaged one")
    ]
    assert [task for task, _ in results(tmp_path / "kept.db")] == list(range(100))
    database.unlink()
    with Engine(1, record=database, attachable=False) as engine:
        assert engine.submit(neg, 1).result(60) == -1
    query = f"SELECT task FROM all_tasks WHERE run = '{identity}' ORDER BY task"
    assert [task for (task,) in ask(database, query)] == list(range(100, 300))
    assert ask(database, f"SELECT status FROM runs WHERE id = '{identity}'") == [("done",)]
    assert not Path(beside).exists()


# -- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "2m") as folder:
        yield folder


@needs_pooling
def test_a_disk_that_fills_and_is_freed(disk: Path, tmp_path: Path) -> None:
    database, count = disk / "runs.db", 20_000
    (disk / "other").write_bytes(bytes(1 << 20))
    run = Run(
        database, "engine.workloads.coordination:echo", "--items", items(tmp_path, count), "--agents", "2",
        "--batch-max", "20", "--out", str(tmp_path / "out.jsonl"), env={"XDG_STATE_HOME": str(disk / "state")},
    )  # fmt: skip
    try:
        wait_for(lambda: run.told("recorder.held") or run.process.poll() is not None, 60, "a full disk")
        assert run.told("recorder.held")[0]["why"] == f"no room on the disk of {database}: make some"
        before = recorded(database)
        (disk / "other").unlink()
        remount(disk, "size=100m")
    finally:
        code, words = run.finish()
    assert code == 0, words
    assert before < count
    assert run.told("recorder.resumed")
    assert [task for task, _ in results(database)] == list(range(count))
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == count
