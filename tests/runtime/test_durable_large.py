"""Large results are as durable as small ones: the value of one that was told is in the database, whoever is killed."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inside import core_of
from processes import at_most, marked_processes, wait_for
from recorded import ask, kill_recorder, locked, recorders

from engine.runtime.fleet.jobs import Group
from engine.runtime.fleet.loop import Loop
from engine.runtime.record import recording
from engine.runtime.record.recording import Recording
from engine.store import messages, queries
from engine.stream.types import Event
from engine.wire import values
from engine.wire.memory import Parcel
from shoal import Engine

FULL = os.environ.get("SHOAL_TEST_LOAD") == "full"
HERE = Path(__file__).parent
SEEDS = range(20 if FULL else 4)

needs_pooling = pytest.mark.needs("pooling")  # hundreds of tasks

DRIVER = """
import os, sys
from concurrent.futures import as_completed
from shoal import Engine
from test_durable_large import array
with Engine(2, record=sys.argv[1], durability=sys.argv[2], attachable=False) as engine:
    waiting = {engine.submit(array, number): number for number in range(20)}
    number = 20
    while True:
        future = next(as_completed(waiting))
        told = waiting.pop(future)
        assert future.result()[0] == told
        os.write(1, b"%d\\n" % told)
        waiting[engine.submit(array, number)] = number
        number += 1
"""
"""Writes the argument of each call as soon as its result is there."""


def array(number: int, size: int = 0) -> Any:
    """Some hundred KB that know their number, as an array or as text."""
    size = size or 140_000 + number % 7 * 50_000
    return np.full(size // 8, number) if number % 2 else [number, str(number % 10) * size]


def number_of(found: Any) -> int:
    """The number that such a result knows, which has to be whole."""
    number = int(found[0])
    if isinstance(found, list):
        assert set(found[1]) == {str(number % 10)}
    else:
        assert (found == number).all()
    return number


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "runs.db"


def kept(database: Path) -> list[Any]:
    """The large results in a database, read as what they were, in order."""
    with contextlib.closing(queries.open_readonly(database)) as db:
        found = db.execute("SELECT run, job, task FROM tasks WHERE result_kind = 'pieces' ORDER BY 1, 2, 3").fetchall()
        return [pickle.loads(queries.pickled(db, *key) or b"") for key in found]


def kinds(database: Path) -> list[str | None]:
    return [kind for (kind,) in ask(database, "SELECT result_kind FROM all_tasks ORDER BY job, task")]


@needs_pooling
@pytest.mark.parametrize("seed", SEEDS)
def test_a_large_result_that_was_told_is_in_the_database_when_all_are_killed(seed: int, database: Path) -> None:
    durability = ("normal", "full")[seed % 2]
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(database), durability], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])},
    )  # fmt: skip
    chance = random.Random(seed)
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(chance.random() * 0.5)
        pids = list(marked_processes())
        chance.shuffle(pids)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        told = {int(found) for found in [first, *process.stdout]}
    assert told
    found = [number_of(value) for value in kept(database)]
    assert not told - set(found)
    assert len(found) == len(set(found))


@needs_pooling
def test_a_recorder_that_is_killed_is_told_them_again(database: Path) -> None:
    count = 60
    events: list[Event] = []
    with Engine(2, record=database, attachable=False, on_event=events.append) as engine:
        futures = [engine.submit(array, number) for number in range(count)]
        for at in range(0, count, 15):
            assert number_of(futures[at].result(60)) == at
            kill_recorder(database)
        assert [number_of(future.result(60)) for future in futures] == list(range(count))
    assert sum(event.kind == "recorder.died" for event in events) == count // 15
    assert [number_of(value) for value in kept(database)] == list(range(count))
    assert ask(database, "SELECT done FROM runs") == [(count,)]


@needs_pooling
@pytest.mark.parametrize("durability", ["normal", "off"])
def test_a_program_that_may_open_few_files(durability: Any, database: Path) -> None:
    """They wait without descriptors, and get one to be sent by."""
    count = 300
    with at_most(128), Engine(2, record=database, durability=durability, attachable=False) as engine:
        futures = [engine.submit(array, number) for number in range(count)]
        wait_for(lambda: core_of(engine).done == count, 100)
        assert [number_of(future.result(60)) for future in futures] == list(range(count))
        assert len(os.listdir("/proc/self/fd")) < 100
    assert [number_of(value) for value in kept(database)] == list(range(count))


@needs_pooling
def test_those_that_wait_for_the_database_are_counted(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_CROWDED_LARGE", 4 << 20)
    events: list[Event] = []
    count = 100
    with Engine(2, record=database, attachable=False, batch_max=2, on_event=events.append) as engine:
        assert engine.submit(abs, -1).result(60) == 1
        with locked(database):
            futures = [engine.submit(array, number, 1 << 20) for number in range(count)]
            wait_for(lambda: any(event.kind == "recorder.behind" for event in events), what="it is said")
            wait_for(lambda: engine.stats()["pools"]["main"]["busy"] == 0, what="what was sent to be over")
            assert core_of(engine).done < count // 2, "nothing is begun that could not be kept"
            (told,) = (event for event in events if event.kind == "recorder.behind")
            assert told.data["bytes"] > 4 << 20
        assert [number_of(future.result(60)) for future in futures] == list(range(count))
        wait_for(lambda: any(event.kind == "recorder.caught_up" for event in events), what="that is said, too")
    assert [number_of(value) for value in kept(database)] == list(range(count))


def test_one_beyond_the_limit_is_recorded_as_done(database: Path) -> None:
    with Engine(1, record=database, settings={"record_result_max": "1M"}, attachable=False) as engine:
        assert len(engine.submit(bytes, 2 << 20).result(60)) == 2 << 20
        assert len(engine.submit(bytes, 1 << 19).result(60)) == 1 << 19
    assert kinds(database) == ["large", "pieces"]
    assert kept(database) == [bytes(1 << 19)]


def test_a_caller_that_writes_to_it_at_once_does_not_change_what_is_kept(database: Path) -> None:
    """With durability off they are told before they are sent again, from memory, because a recorder died."""
    with at_most(64), Engine(1, record=database, durability="off", attachable=False) as engine:
        assert engine.submit(abs, -1).result(60) == 1
        fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]  # it has to wait by its mapping
        (pid,) = recorders(database)
        os.kill(pid, signal.SIGSTOP)
        found = engine.submit(array, 7).result(60)
        found[:] = 0
        os.kill(pid, signal.SIGKILL)
        for fd in fillers:
            os.close(fd)
    assert [number_of(value) for value in kept(database)] == [7]


def test_without_the_database_nobody_is_told(database: Path) -> None:
    with Engine(1, record=database, attachable=False) as engine:
        assert engine.submit(abs, -1).result(60) == 1
        with locked(database):
            future = engine.submit(array, 1)
            wait_for(lambda: core_of(engine).done == 2)
            assert not future.done()
        assert number_of(future.result(60)) == 1
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT count(*) FROM pieces").fetchone() == (2,)


# -- the messages -----------------------------------------------------------------------------------------------------


class _Line:
    """A recorder's line that only remembers."""

    def __init__(self, *_: object) -> None:
        self.sent: list[tuple[messages.Finished, list[Parcel]]] = []
        self.told = self.safe = self.bytes = self.large = 0

    def send(self, data: bytes, weight: int, parcels: list[Parcel]) -> None:
        found = messages.one_to_recorder.decode(data)
        assert isinstance(found, messages.Finished)
        self.sent.append((found, parcels))
        self.large += sum(parcel.size() for parcel in parcels)


@pytest.fixture
def record(database: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Records a group of outcomes, some of which may have to run again: what is sent."""
    monkeypatch.setattr(recording, "Line", _Line)

    def one(items: list[Any], parcels: list[Parcel], retried: Any = None) -> Any:
        found = Recording(loop, database, "normal", lambda *_: None, 1 << 20)
        times = memoryview(bytes(8 * len(items))).cast("Q")
        size = found.outcomes(1, 100, Group(0, items, parcels, {}, retried or {}, {}, 0, 0, times))
        line: Any = found.line
        assert size == line.large
        opened.extend(parcel for _, sent in line.sent for parcel in sent)
        opened.extend(parcels)
        return line.sent

    loop = Loop()
    opened: list[Parcel] = []
    yield one
    loop.close()
    for parcel in opened:
        parcel.close()


def beside(number: int) -> Any:
    return values.Ext(values.PARCEL, number.to_bytes(4, "little"))


def large(size: int = 300_000) -> Parcel:
    found = values.hold(bytes(size))
    assert type(found) is Parcel
    return found


def test_only_what_counts_travels(record: Any) -> None:
    parcels = [large() for _ in range(4)]
    failure: Any = type("F", (), {"kind": "x", "type": "", "message": "", "traceback": "", "detail": None})()
    items = [beside(3), 5, beside(0), beside(1), beside(9)]
    ((message, sent),) = record(items, parcels, retried={2: failure})
    assert message.results == [["pieces", b""], 5, ["large", b""], ["pieces", b""], ["large", b""]]
    assert sent == [parcels[3], parcels[1]], "in the order of the results"


def test_a_message_has_no_more_than_a_datagram_carries(record: Any) -> None:
    parcels = [large() for _ in range(3)]
    items = [beside(number % 3) if number % 2 else number for number in range(900)]
    sent = record(items, parcels)
    assert all(len(found) <= values.PARCELS_SENT for _, found in sent)
    results = [result for message, _ in sent for result in message.results]
    assert results == [["pieces", b""] if number % 2 else number for number in range(900)]
    assert [one for _, found in sent for one in found] == [parcels[number % 3] for number in range(1, 900, 2)]
    for message, found in sent:
        assert message.results.count(["pieces", b""]) == len(found)


@pytest.mark.parametrize("size", [150_000, 300_000, 2_000_000])
def test_one_that_came_in_the_frame_gets_memory_of_its_own(size: int, record: Any) -> None:
    """Agents without descriptors pass results on so."""
    data = pickle.dumps(object_of(size), 5)
    sent = record([1, values.Ext(values.PICKLE, data)], [])
    results = [result for message, _ in sent for result in message.results]
    parcels = [one for _, found in sent for one in found]
    if size > 1 << 20:
        assert (results, parcels) == ([1, ["large", b""]], [])
    elif size > 180_000:
        assert results == [1, ["pieces", b""]]
        assert b"".join(parcels[0].pickled(1 << 17)) == data
    else:
        assert (results, parcels) == ([1, ["pickle", data]], [])


def object_of(size: int) -> Any:
    return {1: "x" * size}
