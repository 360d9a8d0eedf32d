"""Tasks that misbehave cost their own agent, and neither its host nor its neighbours."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest
from processes import enabled, marked_processes, scaled, wait_for

from engine.chaos import nasty
from engine.procs.scoreboard import HEAD
from engine.procs.tasks import Tasks
from engine.runtime.calls.executor import Engine
from engine.stream.types import Event
from engine.wire import frames
from shoal import TaskPoisoned


def _say(*words: bytes) -> None:
    """Send by every socket that this agent has, and wait to be ended for it."""
    for end in nasty.sockets():
        for word in words:
            end.send(word)
        end.detach()
    signal.pause()


def up_again(n: int) -> None:
    _say(b"\x01")


def not_up(n: int) -> None:
    _say(b"\x03it never started")


def nothing(n: int) -> None:
    _say(b"")


def short_record(n: int) -> None:
    _say(bytes([frames.RECORD]))


def broken_record(n: int) -> None:
    _say(bytes([frames.RECORD]) + bytes(8) + frames.HEAD.pack(1, 0, 1, 0) + b"\x07")


def of_another_batch(n: int) -> None:
    _say(bytes([frames.RECORD]) + bytes(8) + frames.HEAD.pack((1 << 40) + 2, 0, 1, 0) + b"\x94\x91\x07\xc4\x00\x90\xc3")


def shut(n: int) -> None:
    for end in nasty.sockets():
        end.shutdown(socket.SHUT_RDWR)
        end.detach()
    signal.pause()


def a_mail_channel_that_is_none(n: int) -> None:
    for end in nasty.sockets():
        with open(os.devnull) as file:
            socket.send_fds(end, [b"\x04"], [file.fileno()])
        end.detach()
    signal.pause()


@pytest.mark.parametrize(
    "say", [up_again, not_up, nothing, shut, short_record, broken_record, of_another_batch, a_mail_channel_that_is_none]
)
def test_an_agent_that_talks_nonsense_dies_alone(say: object) -> None:
    heard: list[str] = []
    with Engine(
        2, shards=1, crash_limit=2, attachable=False, on_event=lambda event: heard.append(event.kind)
    ) as engine:
        bad = engine.submit(say, 1)  # type: ignore[arg-type]
        good = [engine.submit(nasty.steady, n) for n in range(100)]
        assert isinstance(bad.exception(60), TaskPoisoned)
        assert [future.result(60) for future in good] == [nasty.answer(n) for n in range(100)]
    assert not {"host.died", "host.garbage"} & set(heard)


def test_a_channel_that_is_corrupted_byte_by_byte_costs_the_tasks_that_do_it_and_no_other() -> None:
    heard: list[Event] = []
    with Engine(2, shards=1, crash_limit=2, attachable=False, on_event=heard.append) as engine:
        numbers = range(60) if enabled("pooling") else (3, 9, 17, 30)
        bad = [engine.submit(nasty.corrupt, n) for n in numbers]
        good = [engine.submit(nasty.steady, n) for n in range(scaled(200))]
        for number, future in zip(numbers, bad, strict=True):
            error = future.exception(60)
            if error is None:
                assert future.result() == nasty.answer(number)
            else:
                assert isinstance(error, TaskPoisoned)
                assert re.search(r"what no agent writes: |it said what can't be read: ", str(error))
        assert [future.result(60) for future in good] == [nasty.answer(n) for n in range(len(good))]
        assert sum(future.exception() is not None for future in bad) > len(bad) // 4
    assert not {"host.died", "host.garbage"} & {event.kind for event in heard}


def lie(n: int) -> int:
    """The fourth says that the whole of its batch is over, in a record that its host alone believes."""
    if n == 3:
        tasks = next(one for one in gc.get_objects() if type(one) is Tasks)
        size = len(tasks._items)
        record = frames.HEAD.pack(tasks._batch, 0, size, 0) + b"\x94\x91\x07\xc4\x00\x90\xc3"
        _say(bytes([frames.RECORD]) + tasks._cells[tasks._base + HEAD].to_bytes(8, "little") + record)
    return n


def lie_twice(n: int) -> int:
    """The one before 0 says it of its own batch, and then of the one that waits behind that."""
    if n == -1:
        time.sleep(0.1)  # for that one to come
        tasks = next(one for one in gc.get_objects() if type(one) is Tasks)
        prefix = bytes([frames.RECORD]) + tasks._cells[tasks._base + HEAD].to_bytes(8, "little")
        _say(*(prefix + frames.HEAD.pack(tasks._batch + more, 0, 1, 0) + b"\xc1" for more in (0, 1)))
    return n


@pytest.mark.needs("pooling", "batching")
def test_whoever_lies_of_several_batches_loses_none_of_them() -> None:
    heard: list[Event] = []
    with Engine(1, crash_limit=2, settings={"batch_size": 1}, attachable=False, on_event=heard.append) as engine:
        assert list(engine.map(lie_twice, range(100))) == list(range(100))  # known to be short, they wait in its queue
        bad = engine.submit(lie_twice, -1)
        good = [engine.submit(lie_twice, n) for n in range(20)]
        assert isinstance(bad.exception(60), TaskPoisoned)
        results = [future.exception(60) for future in good]
        assert sum(error is not None for error in results) <= 1, "it may be blamed in the place of the one before it"
    assert sum(event.kind == "agent.garbage" for event in heard) >= 3


def test_a_lie_of_an_agent_that_is_replaced_after_its_task_is_blamed_all_the_same() -> None:
    with Engine(1, crash_limit=2, max_tasks_per_child=1, attachable=False) as engine:
        error = engine.submit(nasty.corrupt, 30).exception(60)  # a byte of a time
        assert isinstance(error, TaskPoisoned)
        assert "it said what can't be read: a record of a time that can't be" in str(error)
        assert engine.submit(nasty.corrupt, 3).result(60) == nasty.answer(3)


@pytest.mark.needs("pooling", "batching")
def test_a_batch_that_is_over_for_a_host_that_was_lied_to_is_not_lost() -> None:
    with Engine(1, crash_limit=2, settings={"batch_size": 10}, attachable=False) as engine:
        results = [engine.submit(lie, n) for n in range(10)]
        assert [future.result(60) for future in results[:3] + results[4:]] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
        assert "died 2 times while it ran; " in str(results[3].exception(60))
        assert "last words: it said what can't be read: a record of other length than its head says" in str(
            results[3].exception()
        )


def test_what_a_task_leaves_behind_ends_with_the_run_though_its_host_was_killed(tmp_path: Path) -> None:
    heard: list[str] = []
    with Engine(1, attachable=False, on_event=lambda event: heard.append(event.kind)) as engine:
        assert engine.submit(nasty.breed, 0).result(60) == nasty.answer(0)
        (host,) = [pid for pid, name in marked_processes().items() if name == "shoal-host"]
        left = {pid for pid, name in marked_processes().items() if name == "shoal-agent"}
        os.kill(host, signal.SIGKILL)
        wait_for(lambda: "host.died" in heard, what="the word of its death")
        assert left & set(marked_processes())
    assert not left & set(marked_processes())
