"""The end of an engine: whoever ends it, from wherever, with whatever is under way."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from concurrent import futures
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
import remote_functions as remote
from holding import Held
from processes import scaled, wait_for

from engine.runtime.calls.futures import TaskFuture
from shoal import Engine

Single = tuple[Engine, Held]


def test_nothing_is_taken_after_it() -> None:
    engine = Engine(1, attachable=False)
    engine.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.submit(abs, 1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.map(abs, [1])


def test_it_may_be_shut_down_again_and_by_others(single: Single) -> None:
    engine, held = single
    engine.shutdown(wait=False)
    threads = [threading.Thread(target=engine.shutdown) for _ in range(4)]
    for thread in threads:
        thread.start()
    held.release()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    engine.shutdown()
    assert held.future.done()


def test_without_waiting_all_is_done_still(single: Single) -> None:
    engine, held = single
    waiting = [engine.submit(abs, -n) for n in range(scaled(100))]
    engine.shutdown(wait=False)
    assert not held.future.done()
    held.release()
    assert [future.result(20) for future in waiting] == list(range(scaled(100)))


def test_waiting_means_that_all_is_done(single: Single) -> None:
    engine, held = single
    waiting = [engine.submit(abs, -n) for n in range(scaled(100))]
    held.release()
    engine.shutdown()
    assert all(future.done() for future in [*waiting, held.future])


def test_cancel_futures_spares_what_runs(single: Single) -> None:
    engine, held = single
    waiting = [engine.submit(abs, -n) for n in range(scaled(100))]
    engine.shutdown(wait=False, cancel_futures=True)
    assert futures.wait(waiting, 20).not_done == set()
    assert all(future.cancelled() for future in waiting)
    assert not held.future.done()
    held.release()
    assert held.future.result(20) == str(held.path)


def test_cancel_futures_after_a_shutdown_without(single: Single) -> None:
    engine, held = single
    waiting = engine.submit(abs, -1)
    engine.shutdown(wait=False)
    engine.shutdown(wait=False, cancel_futures=True)
    wait_for(waiting.cancelled)
    held.release()


def test_a_with_block_that_raises_waits_too(tmp_path: Path) -> None:
    pending: list[futures.Future[None]] = []

    def use() -> None:
        with Engine(2, attachable=False) as engine:
            pending.extend(engine.submit(remote.touch, str(tmp_path / f"ran{n}")) for n in range(20))
            raise LookupError("in the block")

    with pytest.raises(LookupError, match="in the block"):
        use()
    assert all(future.done() for future in pending)
    assert len(list(tmp_path.glob("ran*"))) == 20


def test_from_a_callback(gate: Path) -> None:
    engine = Engine(1, attachable=False)
    held = engine.submit(remote.wait_until, str(gate))
    after = engine.submit(abs, -1)
    held.add_done_callback(lambda _: engine.shutdown(wait=True))
    gate.touch()
    assert after.result(20) == 1
    engine.shutdown()


def test_submitting_from_a_callback_after_it(single: Single) -> None:
    engine, held = single
    refused: list[BaseException] = []

    def submit(_: object) -> None:
        try:
            engine.submit(abs, 1)
        except RuntimeError as error:
            refused.append(error)

    held.future.add_done_callback(submit)
    engine.shutdown(wait=False)
    held.release()
    wait_for(lambda: refused)
    assert "after shutdown" in str(refused[0])


def test_an_engine_that_is_forgotten_does_what_it_was_given(gate: Path) -> None:
    engine = Engine(1, attachable=False)
    thread, reference = engine._worker.thread, weakref.ref(engine)
    pending = [engine.submit(remote.wait_until, str(gate)), *(engine.submit(abs, -n) for n in range(50))]
    del engine
    gc.collect()
    assert reference() is None
    gate.touch()
    assert [future.result(20) for future in pending] == [str(gate), *range(50)]
    thread.join(20)
    assert not thread.is_alive()


def test_a_map_that_is_forgotten_with_its_engine(gate: Path) -> None:
    engine = Engine(1, attachable=False)
    thread = engine._worker.thread
    results = engine.map(remote.wait_until, [str(gate)])
    del engine, results
    gate.touch()
    gc.collect()
    thread.join(20)
    assert not thread.is_alive()


def test_threads_that_submit_while_it_shuts_down() -> None:
    for _ in range(5):
        engine = Engine(2, attachable=False)
        given: list[Any] = []
        refused: list[str] = []
        barrier = threading.Barrier(5)

        def submit(
            engine: Engine = engine, given: list[Any] = given, refused: list[str] = refused, barrier: Any = barrier
        ) -> None:
            barrier.wait()
            try:
                while True:
                    given.append(engine.submit(abs, -1))
            except RuntimeError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        barrier.wait()
        engine.shutdown()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert refused == ["cannot schedule new futures after shutdown"] * 4
        assert [future.result(0) for future in given] == [1] * len(given)


def test_what_comes_while_its_thread_ends_fails_at_once() -> None:
    engine = Engine(1, attachable=False)
    engine._worker.close(False)
    engine._worker.thread.join(20)
    with pytest.raises(RuntimeError, match="was stopped"):
        engine.submit(abs, 1)

    late = TaskFuture(engine._worker)
    engine._worker.post((late, abs, False, 1, engine._how, ()))  # as one that was about to when it ended
    with pytest.raises(BrokenProcessPool, match="was stopped"):
        late.result(0)


def test_stopped_by_a_watcher_nobody_waits_for_ever(single: Single) -> None:
    engine, held = single
    waiting = [engine.submit(abs, -n) for n in range(10)]
    engine._worker.run.stop_asked = "stop"
    engine._worker.run.fleet.loop.wake()
    for future in [*waiting, held.future]:
        with pytest.raises((CancelledError, BrokenProcessPool)):
            future.result(20)


def test_many_come_and_go() -> None:
    engines = [Engine(1, attachable=False) for _ in range(4)]
    pending = [engine.submit(os.getpid) for engine in engines]
    for engine in engines:
        engine.shutdown(wait=False)
    assert len({future.result(30) for future in pending}) == 4
    for engine in engines:
        engine.shutdown()


def test_in_a_forked_child_it_refuses_at_once(single: Single) -> None:
    engine, held = single
    pending = engine.submit(abs, -1)
    engine._lock.acquire()  # as if another thread were just submitting
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert not pending.done()
            with pytest.raises(RuntimeError, match="forked"):
                engine.submit(abs, 1)
            with pytest.raises(TimeoutError):
                pending.result(0)
            engine.shutdown()
            code = 0
        finally:
            os._exit(code)
    engine._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    held.release()
    assert pending.result(20) == 1
