"""`map`: order, laziness, and its end before the last result."""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import remote_functions as remote
from holding import Held
from processes import scaled, wait_for

from shoal import Engine

Single = tuple[Engine, Held]


@pytest.mark.parametrize("chunksize", [1, 3, 1000])
def test_results_are_in_the_order_of_the_items(engine: Engine, chunksize: int) -> None:
    tasks = scaled(300)
    assert list(engine.map(abs, range(0, -tasks, -1), chunksize=chunksize)) == list(range(tasks))


def test_more_items_than_a_range_holds(engine: Engine) -> None:
    tasks = scaled(12_345)
    assert list(engine.map(abs, range(tasks))) == list(range(tasks))


def test_no_items(engine: Engine) -> None:
    assert list(engine.map(abs, [])) == []
    assert list(engine.map(pow, [], [1, 2])) == []


def test_several_iterables_end_with_the_shortest(engine: Engine) -> None:
    assert list(engine.map(pow, itertools.count(1), [2, 2, 2])) == [1, 4, 9]
    assert list(engine.map(max, [1, 5], [4, 2], [3, 3])) == [4, 5]


def test_results_of_every_kind_and_size(engine: Engine) -> None:
    items = [1, "a", None, [1, [2]], bytes(200_000), {"k": (1, 2)}, 1 << 90, bytes(1000), remote.Point(1, 2)]
    assert list(engine.map(remote.same, items * 20)) == items * 20


def test_an_error_comes_where_its_item_is_and_ends_the_map(engine: Engine) -> None:
    results = engine.map(remote.reciprocal, [1, 2, 0, 4])
    assert [next(results), next(results)] == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_an_error_is_raised_when_its_result_is_asked_for_only(engine: Engine) -> None:
    results = engine.map(remote.reciprocal, [0])
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_errors_among_results_that_came_together(engine: Engine) -> None:
    list(engine.map(remote.reciprocal, range(1, scaled(2000))))  # now known to be short: outcomes come in groups
    results = engine.map(remote.reciprocal, [1] * 100 + [0] + [1] * 100)
    assert [next(results) for _ in range(100)] == [1.0] * 100
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_retries_leave_no_hole(tmp_path: Path) -> None:
    with Engine(2, attachable=False, retries=1) as engine:
        paths = [str(tmp_path / str(n)) for n in range(50)]
        assert list(engine.map(remote.fail_once, paths)) == paths


def test_what_can_not_be_sent_is_said_at_once(engine: Engine) -> None:
    with pytest.raises(TypeError, match="pickle"):
        engine.map(remote.same, [1, threading.Lock()])


def test_a_function_that_can_not_be_sent(engine: Engine) -> None:
    held = iter([1])
    generator = (n for n in held)
    with pytest.raises(TypeError, match="pickle"):
        next(engine.map(lambda x: next(generator), [1]))


def test_a_timeout_counts_from_the_call(single: Single) -> None:
    engine, held = single
    results = engine.map(abs, [-1], timeout=0)
    with pytest.raises(TimeoutError):
        next(results)
    held.release()
    assert list(engine.map(abs, [-1], timeout=30)) == [1]


def test_results_that_are_there_come_in_spite_of_the_timeout(engine: Engine) -> None:
    results = engine.map(abs, range(50), timeout=1e-9)
    engine.submit(abs, -1).result(20)
    wait_for(lambda: not engine._worker.run.fleet.core.ranges)
    assert list(results) == list(range(50))


def test_numbers_out_of_range(engine: Engine) -> None:
    with pytest.raises(ValueError, match="chunksize"):
        engine.map(abs, [1], chunksize=0)
    with pytest.raises(ValueError, match="buffersize"):
        engine.map(abs, [1], buffersize=0)


@pytest.mark.parametrize("buffersize", [1, 2, 7, 50])
def test_a_buffersize_bounds_what_is_taken_ahead(engine: Engine, buffersize: int) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = engine.map(abs, endless(), buffersize=buffersize)
    assert taken <= buffersize
    for given in range(1, 200):
        assert next(results) == given
        assert taken <= given + buffersize
    results.close()


def test_a_buffered_map_comes_to_its_end(engine: Engine) -> None:
    assert list(engine.map(abs, range(1, 100), buffersize=9)) == list(range(1, 100))
    assert list(engine.map(abs, [], buffersize=9)) == []


def test_closing_a_map_cancels_what_waits(single: Single, tmp_path: Path) -> None:
    engine, held = single
    results = engine.map(remote.touch, [str(tmp_path / f"ran{n}") for n in range(20)], timeout=0)
    with pytest.raises(TimeoutError):
        next(results)
    wait_for(lambda: not engine._worker.run.fleet.core.queued, what="all of it to be cancelled")
    held.release()
    assert engine.submit(abs, -1).result(20) == 1
    assert not list(tmp_path.glob("ran*"))


def test_an_error_cancels_the_items_that_wait(tmp_path: Path) -> None:
    with Engine(1, attachable=False) as engine:
        gate = tmp_path / "gate"
        results = engine.map(remote.reciprocal_after, [str(gate)] * 50, [0, *[1] * 49])
        gate.touch()
        with pytest.raises(ZeroDivisionError):
            list(results)
        engine.submit(abs, -1).result(20)
        core = engine._worker.run.fleet.core
        assert not core.queued


def test_a_map_whose_engine_was_shut_down(engine: Engine) -> None:
    results = engine.map(abs, range(100))
    engine.shutdown()
    assert list(results) == list(range(100))
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.map(abs, [1])


def test_cancel_futures_cancels_a_map(single: Single) -> None:
    engine, held = single
    results = engine.map(abs, range(10))
    engine.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(Exception, match="cancelled"):
        next(results)
    held.release()


def test_a_map_of_methods_partials_and_builtins(engine: Engine) -> None:
    from functools import partial

    assert list(engine.map(str.upper, ["a", "b"])) == ["A", "B"]
    assert list(engine.map(partial(pow, 2), range(5))) == [1, 2, 4, 8, 16]
    assert list(engine.map(remote.Counter(5), range(3))) == [5, 6, 7]
    assert list(engine.map("{}!".format, ["a"])) == ["a!"]


def test_an_iterable_that_raises(engine: Engine) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("in the iterable")

    with pytest.raises(ZeroDivisionError, match="in the iterable"):
        engine.map(abs, broken())
    assert engine.submit(abs, -2).result(20) == 2


def test_all_runs_whether_or_not_anybody_asks_for_the_results(tmp_path: Path) -> None:
    with Engine(2, attachable=False) as engine:
        kept = engine.map(remote.touch, [str(tmp_path / f"kept{n}") for n in range(10)])
        engine.map(remote.touch, [str(tmp_path / f"not{n}") for n in range(10)])
    assert len(list(tmp_path.glob("kept*"))) == len(list(tmp_path.glob("not*"))) == 10
    assert list(kept) == [None] * 10


def test_results_are_an_iterator_of_their_own(engine: Engine) -> None:
    tasks = scaled(5000)
    results = engine.map(abs, range(tasks))
    assert iter(results) is results
    assert next(results) == 0
    assert list(results) == list(range(1, tasks))


@pytest.mark.parametrize("function", [abs, complex])
def test_closing_a_map_ends_a_loop_over_it(engine: Engine, function: Any) -> None:
    seen = 0
    results = engine.map(function, range(scaled(2000)))
    wait_for(lambda: not engine._worker.run.fleet.core.ranges, what="all of it to be done")
    for _ in results:
        seen += 1
        results.close()
    assert seen == 1
    assert list(results) == []


def test_closing_a_map_that_nobody_has_read_cancels_it(single: Single, tmp_path: Path) -> None:
    engine, held = single
    engine.map(remote.touch, [str(tmp_path / f"ran{n}") for n in range(20)]).close()
    wait_for(lambda: not engine._worker.run.fleet.core.queued, what="all of it to be cancelled")
    held.release()
    assert engine.submit(abs, -1).result(20) == 1
    assert not list(tmp_path.glob("ran*"))


def test_an_error_cancels_the_items_that_wait_while_the_results_are_held(tmp_path: Path) -> None:
    with Engine(1, attachable=False) as engine:
        gate = tmp_path / "gate"
        results = engine.map(remote.reciprocal_after, [str(gate)] * 12_000, [0, *[1] * 11_999])
        gate.touch()
        with pytest.raises(ZeroDivisionError):
            for _ in results:
                pass
        core = engine._worker.run.fleet.core
        wait_for(lambda: not core.queued, what="all of it to be cancelled")
        assert core.done < 11_000
        assert next(results, None) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("chunksize", "3"), ("buffersize", 1.5), ("timeout", "1"), ("timeout", True), ("chunksize", 1.5)],
)
def test_numbers_that_are_none(engine: Engine, name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=name):
        engine.map(abs, [1], **{name: value})


@pytest.mark.parametrize("buffersize", [None, 2])
def test_a_map_is_closed_while_another_thread_waits_for_its_results(
    single: Single, tmp_path: Path, buffersize: int | None
) -> None:
    engine, held = single
    results = engine.map(remote.touch, [str(tmp_path / f"ran{n}") for n in range(20)], buffersize=buffersize)
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.extend(results))
    reader.start()
    wait_for(lambda: inspect.getgeneratorstate(results._pieces) == "GEN_RUNNING", what="the reader to wait")
    results.close()
    reader.join(20)
    assert not reader.is_alive()
    assert found == []
    assert list(results) == []
    wait_for(lambda: not engine._worker.run.fleet.core.queued, what="all of it to be cancelled")
    held.release()
    assert engine.submit(abs, -1).result(20) == 1
    assert not list(tmp_path.glob("ran*"))
