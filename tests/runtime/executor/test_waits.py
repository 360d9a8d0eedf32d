"""`wait`, `as_completed` and the futures themselves, watched and not."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import remote_functions as remote
from holding import Held
from processes import scaled, wait_for

from engine.runtime.calls.futures import TaskFuture
from shoal import Engine

Single = tuple[Engine, Held]


def _is_gone(reference: weakref.ref[Any]) -> bool:
    return reference() is None


def test_wait_for_the_first_of_two(engine: Engine, gate: Path) -> None:
    held, quick = engine.submit(remote.wait_until, str(gate)), engine.submit(abs, -1)
    assert futures.wait([held, quick], 20, futures.FIRST_COMPLETED) == ({quick}, {held})
    gate.touch()
    assert futures.wait([held, quick], 20, futures.ALL_COMPLETED) == ({held, quick}, set())


def test_wait_where_one_is_over_already(single: Single) -> None:
    _engine, held = single
    over: Future[int] = Future()
    over.set_result(1)
    assert futures.wait([over, held.future], 20, futures.FIRST_COMPLETED) == ({over}, {held.future})


def test_wait_for_an_exception(engine: Engine, tmp_path: Path) -> None:
    never, good = engine.submit(remote.wait_until, str(tmp_path / "go")), engine.submit(abs, -1)
    good.result(20)
    bad = engine.submit(remote.reciprocal, 0)
    assert futures.wait([never, good, bad], 20, futures.FIRST_EXCEPTION) == ({good, bad}, {never})
    (tmp_path / "go").touch()


def test_wait_for_an_exception_where_there_is_none(engine: Engine) -> None:
    all_good = {engine.submit(abs, n) for n in range(20)}
    assert futures.wait(all_good, 20, futures.FIRST_EXCEPTION) == (all_good, set())


def test_wait_for_an_exception_that_was_there_before(single: Single) -> None:
    _engine, held = single
    bad: Future[int] = Future()
    bad.set_exception(LookupError())
    assert futures.wait([bad, held.future], 20, futures.FIRST_EXCEPTION) == ({bad}, {held.future})


def test_wait_times_out_and_leaves_no_waiter(single: Single) -> None:
    _engine, held = single
    assert futures.wait([held.future], 0, futures.ALL_COMPLETED) == (set(), {held.future})
    assert held.future._waiters == []


def test_wait_for_duplicates_and_for_nothing(engine: Engine) -> None:
    future = engine.submit(abs, -1)
    assert futures.wait([future, future], 20) == ({future}, set())
    assert futures.wait([], 20) == (set(), set())


def test_wait_mixes_engines_and_other_executors(engine: Engine) -> None:
    with Engine(1, attachable=False) as other, ThreadPoolExecutor(1) as threads:
        mixed = [pool.submit(abs, -n) for n in range(30) for pool in (engine, other, threads)]
        done, pending = futures.wait(mixed, 20)
    assert (len(done), len(pending)) == (90, 0)


def test_waits_of_many_threads_over_the_same_futures(engine: Engine) -> None:
    shared = [engine.submit(abs, -n) for n in range(scaled(500))]
    results: list[int] = []

    def watch(offset: int) -> None:
        mine = shared[offset:] + shared[:offset]
        futures.wait(mine, 30)
        results.append(sum(future.result(30) for future in futures.as_completed(mine, 30)))

    threads = [threading.Thread(target=watch, args=(n * len(shared) // 5,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [sum(range(scaled(500)))] * 5


def test_as_completed_gives_what_is_over_first(engine: Engine, gate: Path) -> None:
    held, quick = engine.submit(remote.wait_until, str(gate)), engine.submit(abs, -1)
    found = futures.as_completed([held, quick], 20)
    assert next(found) is quick
    gate.touch()
    assert list(found) == [held]


def test_as_completed_gives_what_was_over_before_it_times_out(single: Single) -> None:
    _engine, held = single
    over: Future[int] = Future()
    over.set_result(1)
    found = futures.as_completed([over, held.future], 0)
    assert next(found) is over
    with pytest.raises(futures.TimeoutError, match=r"1 \(of 2\) futures unfinished"):
        next(found)


def test_as_completed_keeps_no_future(engine: Engine) -> None:
    pending = [engine.submit(remote.same, [n]) for n in range(50)]
    references = [weakref.ref(future) for future in pending]
    found = futures.as_completed(pending, 20)
    pending.clear()
    for future in found:
        reference = references[future.result(20)[0]]
        del future
        wait_for(partial(_is_gone, reference), what="the future to be forgotten")


def test_a_result_that_is_late(single: Single) -> None:
    _engine, held = single
    with pytest.raises(TimeoutError):
        held.future.result(0)
    with pytest.raises(TimeoutError):
        held.future.exception(0)
    held.release()
    assert held.future.result(20) == str(held.path)
    assert held.future.exception(20) is None


def test_states_of_a_future(single: Single) -> None:
    engine, held = single
    waiting = engine.submit(abs, -1)
    assert (held.future.running(), held.future.done()) == (True, False)
    assert (waiting.running(), waiting.done(), waiting.cancelled()) == (False, False, False)
    assert "state=pending" in repr(waiting)
    held.release()
    assert waiting.result(20) == 1
    assert (waiting.running(), waiting.done(), waiting.cancelled()) == (False, True, False)
    assert "state=finished returned int" in repr(waiting)


def test_callbacks_come_in_order_in_the_engines_thread(single: Single) -> None:
    engine, held = single
    seen: list[tuple[int, threading.Thread]] = []
    future = engine.submit(abs, -1)

    def note(n: int) -> Callable[[object], None]:
        def noting(_: object) -> None:
            seen.append((n, threading.current_thread()))

        return noting

    for n in range(5):
        future.add_done_callback(note(n))
    held.release()
    wait_for(lambda: len(seen) == 5)
    assert [n for n, _ in seen] == list(range(5))
    assert {thread for _, thread in seen} == {engine._worker.thread}


def test_a_callback_of_what_is_over_runs_at_once(engine: Engine) -> None:
    future = engine.submit(abs, -1)
    future.result(20)
    seen: list[Any] = []
    future.add_done_callback(seen.append)
    assert seen == [future]


@pytest.mark.parametrize("error", [LookupError("mine"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_callback_that_raises_does_no_harm(
    single: Single, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    engine, held = single

    def fail(_: object) -> None:
        raise error

    first, second = engine.submit(abs, -1), engine.submit(abs, -2)
    first.add_done_callback(fail)
    held.release()
    assert (first.result(20), second.result(20)) == (1, 2)
    assert engine.submit(abs, -3).result(20) == 3
    assert "callback" in caplog.text


def test_futures_in_asyncio(engine: Engine) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        wrapped = [asyncio.wrap_future(engine.submit(abs, -n)) for n in range(50)]
        inside = [loop.run_in_executor(engine, abs, -n) for n in range(50)]
        return list(await asyncio.gather(*wrapped, *inside))

    assert asyncio.run(main()) == [*range(50), *range(50)]


def test_a_cancelled_awaitable_cancels_its_task(single: Single) -> None:
    engine, _held = single
    waiting = engine.submit(abs, -1)

    async def main() -> None:
        wrapped = asyncio.wrap_future(waiting)
        wrapped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wrapped

    asyncio.run(main())
    wait_for(waiting.cancelled)


def test_whoever_comes_first_to_a_future_makes_its_condition_once(engine: Engine) -> None:
    for _ in range(200):
        future = TaskFuture(engine._worker)
        found: list[threading.Condition] = []
        barrier = threading.Barrier(3)

        def look(future: TaskFuture = future, found: list[Any] = found, barrier: Any = barrier) -> None:
            barrier.wait()
            found.append(future._condition)

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(map(id, found))) == 1


def test_results_and_arguments_are_forgotten(engine: Engine) -> None:
    class Mine:
        def __call__(self) -> int:
            return 1

    argument = Mine()
    reference = weakref.ref(argument)
    future = engine.submit(remote.type_name, argument)
    assert future.result(20) == "Mine"
    del argument
    wait_for(lambda: gc.collect() >= 0 and reference() is None, what="the argument to be forgotten")
    called = Mine()
    reference = weakref.ref(called)
    assert engine.submit(called).result(20) == 1
    del called
    wait_for(lambda: gc.collect() >= 0 and reference() is None, what="the callable to be forgotten")


def test_results_of_a_map_are_forgotten_one_by_one(engine: Engine) -> None:
    results = engine.map(remote.Counter, range(20))
    references = [weakref.ref(result) for result in results]
    assert [reference() for reference in references] == [None] * 20


def test_an_exception_holds_no_cycle(engine: Engine) -> None:
    future = engine.submit(remote.reciprocal, 0)
    error = future.exception(20)
    assert error is not None
    reference = weakref.ref(future)
    with pytest.raises(ZeroDivisionError):
        future.result(20)
    gc.collect()
    gc.disable()
    try:
        error.__traceback__ = None
        del error, future
        wait_for(lambda: reference() is None, what="the future to be forgotten without the collector")
    finally:
        gc.enable()


def test_submitting_from_a_callback(single: Single) -> None:
    engine, held = single
    chained: list[Future[int]] = []
    first = engine.submit(abs, -1)
    first.add_done_callback(lambda done: chained.append(engine.submit(abs, -done.result() - 1)))
    held.release()
    wait_for(lambda: chained)
    assert chained[0].result(20) == 2
