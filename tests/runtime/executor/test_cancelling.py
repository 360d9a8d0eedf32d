"""What is cancelled does not run, and everybody hears of it."""

from __future__ import annotations

import threading
from concurrent import futures
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
import remote_functions as remote
from holding import Held
from processes import scaled, wait_for

from shoal import Engine

Single = tuple[Engine, Held]


def test_what_waits_is_cancelled_and_never_runs(single: Single, tmp_path: Path) -> None:
    engine, held = single
    waiting = engine.submit(remote.touch, str(tmp_path / "ran"))
    seen: list[Any] = []
    waiting.add_done_callback(seen.append)
    assert waiting.cancel()
    assert (waiting.cancelled(), waiting.done(), waiting.running()) == (True, True, False)
    assert seen == [waiting]
    with pytest.raises(CancelledError):
        waiting.result(20)
    with pytest.raises(CancelledError):
        waiting.exception(20)
    held.release()
    assert engine.submit(abs, -1).result(20) == 1
    assert not (tmp_path / "ran").exists()
    assert seen == [waiting]


def test_cancelling_twice(single: Single) -> None:
    waiting = single[0].submit(abs, -1)
    assert waiting.cancel()
    assert waiting.cancel()


def test_what_runs_or_is_over_is_not_cancelled(single: Single) -> None:
    _engine, held = single
    assert not held.future.cancel()
    held.release()
    assert held.future.result(20) == str(held.path)
    assert not held.future.cancel()
    assert not held.future.cancelled()


def test_cancelled_before_the_engine_has_seen_it(gate: Path) -> None:
    with Engine(1, attachable=False) as engine:
        engine._worker.signalled = True  # nobody wakes the thread: it can't have taken what follows
        waiting = [engine.submit(remote.touch, str(gate)) for _ in range(10)]
        assert all(future.cancel() for future in waiting)
        engine._worker.run.fleet.loop.wake()
        assert futures.wait(waiting, 20) == (set(waiting), set())
        assert engine.submit(abs, -1).result(20) == 1
    assert not gate.exists()


def test_what_was_sent_and_waits_again_is_cancelled_by_a_shutdown(gate: Path, tmp_path: Path) -> None:
    died, begun = str(tmp_path / "died"), tmp_path / "begun"
    with Engine(1, None, remote.wait_after, (died, str(begun), str(gate)), attachable=False) as engine:
        future = engine.submit(remote.die_once, died)
        try:
            wait_for(begun.exists)
            assert future.running()
            engine.shutdown(wait=False, cancel_futures=True)
            with pytest.raises(CancelledError):
                future.result(20)
            assert future.cancelled()
        finally:
            gate.touch()


def test_cancelling_every_other_one_of_a_range(single: Single) -> None:
    engine, held = single
    waiting = [engine.submit(abs, -n) for n in range(scaled(1000))]
    for future in waiting[::2]:
        assert future.cancel()
    held.release()
    _done, pending = futures.wait(waiting, 30)
    assert not pending
    assert [future.result(20) for future in waiting[1::2]] == list(range(1, scaled(1000), 2))
    assert all(future.cancelled() for future in waiting[::2])


def test_waits_and_callbacks_end_when_a_task_is_cancelled(single: Single) -> None:
    engine, _ = single
    waiting = engine.submit(abs, -1)
    heard: list[object] = []

    def wait() -> None:
        try:
            waiting.result(30)
        except CancelledError as error:
            heard.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.cancel()
    thread.join(30)
    assert len(heard) == 1
    assert futures.wait([waiting], 20).done == {waiting}
    assert list(futures.as_completed([waiting], 20)) == [waiting]


def test_cancelling_from_many_threads_and_running_meanwhile(engine: Engine) -> None:
    waiting = [engine.submit(abs, -n) for n in range(scaled(3000))]
    taken: list[bool] = [False] * len(waiting)

    def cancel(offset: int) -> None:
        for index in range(offset, len(waiting), 3):
            taken[index] = waiting[index].cancel()

    threads = [threading.Thread(target=cancel, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    futures.wait(waiting, 30)
    for index, future in enumerate(waiting):
        assert future.cancelled() == taken[index]
        assert taken[index] or future.result(20) == index


def test_a_callback_of_a_cancelled_future_may_submit(single: Single) -> None:
    engine, held = single
    waiting = engine.submit(abs, -1)
    chained: list[Any] = []
    waiting.add_done_callback(lambda _: chained.append(engine.submit(abs, -2)))
    waiting.cancel()
    held.release()
    assert chained[0].result(20) == 2


def test_what_runs_can_be_given_up(single: Single) -> None:
    engine, held = single
    seen: list[Any] = []
    held.future.add_done_callback(seen.append)
    assert held.future.cancel(running=True)
    assert held.future.cancel(running=True)
    assert seen == [held.future]
    assert futures.wait([held.future], 0).done == {held.future}
    with pytest.raises(CancelledError):
        held.future.result(0)
    held.release()
    assert engine.submit(abs, -1).result(20) == 1
    assert held.future.cancelled()


def test_giving_up_what_waits_or_is_over(single: Single, tmp_path: Path) -> None:
    engine, held = single
    waiting = engine.submit(remote.touch, str(tmp_path / "ran"))
    assert waiting.cancel(running=True)
    held.release()
    over = engine.submit(abs, -1)
    assert over.result(20) == 1
    assert not over.cancel(running=True)
    assert not (tmp_path / "ran").exists()
