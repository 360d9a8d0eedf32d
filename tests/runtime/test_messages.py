"""Messages between real agents: in order, bounded, and not lost with whoever was to read them."""

from __future__ import annotations

import resource
import threading
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import mail_functions as mail
import numpy as np
import pytest
import remote_functions as remote
from holding import Held
from inside import Heard, fleet_of, host_pids, kill, pool_of
from processes import wait_for

import shoal
from engine.core.mail import Mail
from engine.runtime.fleet import post
from shoal import Engine, NoAgent, PoolSettings, TaskPoisoned

READER = "reader/0"


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Two agents that send, and one that reads, in a pool of its own so that it is always the same one."""
    with Engine(2, pools=[PoolSettings(name="reader", size=1)], attachable=False) as engine:
        yield engine


@pytest.fixture
def small_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes of ten messages."""
    monkeypatch.setattr(post, "Mail", partial(Mail, bound=10))


def told(engine: Engine) -> dict[str, int]:
    found: dict[str, int] = engine.stats()["messages"]
    return found


def box(engine: Engine) -> Any:
    """The reader's box."""
    return fleet_of(engine).post.mail._boxes[pool_of(engine, "reader").rows.start]


def crowd(engine: Engine) -> int:
    """Senders that wait for room in it."""
    return len(box(engine).crowd)


@pytest.mark.parametrize("sure", [False, True])
def test_what_one_agent_sends_another_arrives_in_order(sure: bool, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Engine(3, pools=[PoolSettings(name="reader", size=1)], attachable=False) as engine:
        senders = [
            engine.submit(mail.post_when, str(gate), READER, [(n, m) for m in range(300)], sure) for n in range(3)
        ]
        reading = engine.using(pool="reader").submit(mail.collect, 900)
        wait_for(lambda: all(sender.running() for sender in senders))
        gate.touch()
        received = defaultdict(list)
        for sender, (number, value) in reading.result(60):
            assert senders[number].result(20) == sender
            received[number].append(value)
        assert received == {number: list(range(300)) for number in range(3)}
        assert told(engine)["sent"] == 900
        wait_for(lambda: told(engine)["delivered"] == 900)
        assert told(engine)["dropped"] == told(engine)["redelivered"] == 0


def test_addresses() -> None:
    with Engine(2, pools=[PoolSettings(name="reader", size=1)], attachable=False) as engine:
        assert set(engine.map(mail.where, range(20))) <= {"main/0", "main/1"}
        assert engine.using(pool="reader").submit(mail.where).result(20) == READER
        for to in ("main/2", "reader/1", "elsewhere/0", "main", "main/x", 2, -1):
            with pytest.raises(ValueError, match=r"no agent .*; there are main/0 to main/1, reader/0 to reader/0"):
                engine.submit(mail.post, to, [1], False).result(20)
        assert told(engine)["sent"] == 0


def test_a_number_is_of_the_same_pool(engine: Engine) -> None:
    reader = engine.using(pool="reader")
    assert reader.submit(mail.post, 0, ["to itself"], True).result(20) == READER
    assert reader.submit(mail.collect, 1).result(20) == [(READER, "to itself")]


@pytest.mark.parametrize("sure", [False, True])
def test_an_agent_may_write_to_itself(engine: Engine, sure: bool) -> None:
    for value in (1, "text", {"a": [1, 2]}, None, bytes(300_000)):
        assert engine.submit(mail.to_itself, value, sure).result(20) == (True, value)


@pytest.mark.parametrize("sure", [False, True])
def test_what_was_sent_by_a_channel_that_an_agent_has_lost_is_passed_on(engine: Engine, sure: bool) -> None:
    sender = engine.submit(mail.post_each_by_a_channel_of_its_own, READER, [1, 2, 3], sure).result(20)
    assert engine.using(pool="reader").submit(mail.collect, 3).result(20) == [(sender, n) for n in (1, 2, 3)]
    assert engine.submit(mail.to_itself, 4, sure).result(20) == (True, 4)


def test_nothing_comes(engine: Engine) -> None:
    assert engine.submit(mail.nothing_comes, 0.01).result(20)
    assert engine.submit(mail.nothing_comes, 0.0).result(20)


def test_messages_wait_for_who_reads_later(engine: Engine) -> None:
    sender = engine.submit(mail.post, READER, [1, 2, 3], True).result(20)
    assert engine.using(pool="reader").submit(mail.collect, 2).result(20) == [(sender, 1), (sender, 2)]
    assert engine.using(pool="reader").submit(mail.collect, 1).result(20) == [(sender, 3)]


@pytest.mark.usefixtures("small_boxes")
def test_a_full_box_drops_what_is_sent_at_most_once(engine: Engine) -> None:
    engine.submit(mail.post, READER, list(range(50)), False).result(20)
    wait_for(lambda: told(engine)["dropped"] == 40)
    reader = engine.using(pool="reader")
    assert [value for _, value in reader.submit(mail.collect, 10).result(20)] == list(range(10))
    assert reader.submit(mail.nothing_comes, 0.01).result(20)


@pytest.mark.usefixtures("small_boxes")
def test_a_full_box_makes_wait_who_wants_to_be_sure(engine: Engine) -> None:
    sending = engine.submit(mail.post, READER, list(range(12)), True)
    wait_for(lambda: told(engine)["sent"] == 10 and crowd(engine) == 1, what="the sender to wait for room")
    assert not sending.done()
    with pytest.raises(TimeoutError, match=r"the box of reader/0 has been full for 0\.01 s"):
        engine.submit(mail.post_in_time, READER, "late", 0.01).result(20)
    reading = engine.using(pool="reader").submit(mail.collect_until_stop)
    sending.result(20)
    engine.submit(mail.post, READER, ["stop"], True).result(20)
    assert [value for value in reading.result(20) if value not in ("late", "stop")] == list(range(12))
    assert told(engine)["dropped"] == 0


def test_a_message_whose_reader_was_killed_is_read_by_the_next_one(engine: Engine, tmp_path: Path) -> None:
    engine.submit(mail.post, READER, [1, 2, 3], True).result(20)
    reading = engine.using(pool="reader").submit(mail.read_and_die_once, str(tmp_path / "flag"), 2, 2)
    assert reading.result(30) == [2, 3]  # 1 counts as dealt with, because 2 was asked for
    wait_for(lambda: told(engine)["delivered"] == 3)
    assert told(engine)["redelivered"] == 2
    assert told(engine)["dropped"] == 0


def test_what_was_sent_at_most_once_dies_with_its_reader(engine: Engine, tmp_path: Path) -> None:
    engine.submit(mail.post, READER, [1, 2, 3], False).result(20)
    wait_for(lambda: told(engine)["sent"] == 3)
    reading = engine.using(pool="reader").submit(mail.read_and_die_once, str(tmp_path / "flag"), 3, 0)
    assert reading.result(30) == []
    assert told(engine)["delivered"] == 2
    assert told(engine)["dropped"] == 1
    assert engine.using(pool="reader").submit(mail.nothing_comes, 0.01).result(20)


@pytest.mark.usefixtures("small_boxes")
def test_what_a_killed_sender_waited_to_send_is_not_sent(engine: Engine, tmp_path: Path) -> None:
    note = tmp_path / "note"
    sending = engine.using(crash_limit=1).submit(mail.note_and_post, str(note), READER, list(range(11)))
    wait_for(lambda: told(engine)["sent"] == 10 and crowd(engine) == 1, what="the sender to wait for room")
    kill(int(note.read_text()))
    with pytest.raises(TaskPoisoned):
        sending.result(20)
    assert crowd(engine) == 0
    reader = engine.using(pool="reader")
    assert [value for _, value in reader.submit(mail.collect, 10).result(20)] == list(range(10))
    assert reader.submit(mail.nothing_comes, 0.01).result(20)


def test_the_host_of_a_reader_is_killed(engine: Engine, tmp_path: Path) -> None:
    log = tmp_path / "log"
    reading = engine.using(pool="reader").submit(mail.read_slowly, str(log))
    engine.submit(mail.post, READER, [1, 2], True).result(20)
    wait_for(lambda: log.exists() and log.read_text() == "1\n2\n" and told(engine)["delivered"] == 1)
    kill(host_pids(engine)[pool_of(engine, "reader").shards[0].id])
    wait_for(lambda: fleet_of(engine).core.redelivered == 1, what="the death to be known")
    Path(f"{log}.go").touch()
    engine.submit(mail.post, READER, [3, "stop"], True).result(20)
    assert reading.result(30) == [2, 3, "stop"]
    assert told(engine)["dropped"] == 0
    assert told(engine)["redelivered"] >= 1


def test_the_host_of_senders_is_killed(engine: Engine, tmp_path: Path) -> None:
    reading = engine.using(pool="reader").submit(mail.collect_until_stop)
    sending = engine.submit(mail.post_and_wait, READER, ["once", "or twice"], str(tmp_path / "gate"))
    wait_for(lambda: told(engine)["sent"] == 2)
    kill(host_pids(engine)[0])
    wait_for(lambda: fleet_of(engine).core.redelivered == 1, what="the death to be known")
    (tmp_path / "gate").touch()
    sending.result(30)
    engine.submit(mail.post, READER, ["stop"], True).result(20)
    assert reading.result(30) == ["once", "or twice"] * 2 + ["stop"]  # the task ran twice


def test_large_arrays(engine: Engine) -> None:
    arrays = [np.full(size, 0.5) for size in (10, 1 << 14, 1 << 20, 3 << 20)] * 5
    reading = engine.using(pool="reader").submit(mail.array_sums, len(arrays))
    engine.submit(mail.post, READER, arrays[:10], True).result(60)
    engine.submit(mail.post, READER, arrays[10:], False).result(60)
    assert reading.result(60) == [float(np.sum(array)) + 1 for array in arrays]


def test_a_value_that_cannot_be_pickled_is_the_senders_error(engine: Engine) -> None:
    with pytest.raises(TypeError, match="pickle"):
        engine.submit(post_a_lock).result(20)
    assert engine.submit(mail.to_itself, 1, True).result(20) == (True, 1)


def post_a_lock() -> None:
    shoal.send(0, remote.make_lock())


def test_a_first_use_that_is_interrupted_leaves_a_mailbox_that_works(engine: Engine, tmp_path: Path) -> None:
    gate, flag = tmp_path / "gate", tmp_path / "flag"
    answer = threading.Event()

    def keep_the_engine_busy(_: object) -> None:
        gate.touch()
        answer.wait(60)

    interrupted = engine.using(pool="reader").submit(mail.address_interrupted, str(gate), str(flag))
    wait_for(interrupted.running)
    held = Held(engine, tmp_path / "held").begin()
    held.future.add_done_callback(keep_the_engine_busy)
    held.release()
    try:
        wait_for(flag.exists, what="the agent to have been interrupted")
    finally:
        answer.set()
    assert interrupted.result(20) == READER
    sender = engine.submit(mail.post, READER, [1], True).result(20)
    assert engine.using(pool="reader").submit(mail.collect, 1).result(20) == [(sender, 1)]


def test_what_a_soft_timeout_kept_from_being_read_is_read_next(engine: Engine, tmp_path: Path) -> None:
    reading = engine.using(pool="reader").submit(mail.receive_twice)
    sender = engine.submit(mail.post_late_once, READER, str(tmp_path / "flag")).result(20)
    assert reading.result(20) == [(sender, "read"), (sender, 2)]
    wait_for(lambda: told(engine)["delivered"] == 2)


def test_outside_of_a_task_there_are_no_messages() -> None:
    for call in (shoal.address, shoal.receive, lambda: shoal.send(0, 1)):
        with pytest.raises(NoAgent, match="this process is no agent"):
            call()


def test_a_fork_inside_a_task_is_no_agent(engine: Engine) -> None:
    assert engine.submit(mail.from_a_fork).result(20) == (7, (True, "from its parent"))


def test_a_task_that_waits_for_a_message_can_be_cancelled(tmp_path: Path) -> None:
    heard = Heard()
    log = tmp_path / "log"
    with Engine(2, pools=[PoolSettings(name="reader", size=1)], on_event=heard, attachable=False) as engine:
        reader = engine.using(pool="reader")
        waiting = reader.submit(mail.log_until_stop, str(log))
        engine.submit(mail.post, READER, ["before"], True).result(20)
        wait_for(log.exists)
        assert waiting.cancel(running=True)
        wait_for(lambda: heard.why("cancelled"))
        engine.submit(mail.post, READER, ["after", "stop"], True).result(20)
        assert reader.submit(mail.collect_until_stop).result(20)[-2:] == ["after", "stop"]


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2200, reason="so many may not be open here")
def test_a_task_with_many_descriptors_open_sends_and_receives(engine: Engine) -> None:
    assert engine.using(pool="reader").submit(mail.to_itself_beyond, 1100, "a line").result(60) == "a line"
