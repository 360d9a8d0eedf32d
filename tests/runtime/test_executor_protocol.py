"""What `concurrent.futures` promises of any executor."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import pytest
import remote_functions as remote
from processes import wait_for

from shoal import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(2, attachable=False) as engine:
        yield engine


def test_wait_for_the_first(engine: Engine) -> None:
    quick, slow = engine.submit(time.sleep, 0.05), engine.submit(time.sleep, 1.0)
    done, pending = futures.wait([quick, slow], timeout=20, return_when=futures.FIRST_COMPLETED)
    assert (done, pending) == ({quick}, {slow})
    done, pending = futures.wait([quick, slow], timeout=20)
    assert (done, pending) == ({quick, slow}, set())


def test_wait_for_the_first_exception(engine: Engine) -> None:
    good, bad, slow = engine.submit(abs, 1), engine.submit(remote.reciprocal, 0), engine.submit(time.sleep, 1.5)
    done, pending = futures.wait([good, bad, slow], timeout=20, return_when=futures.FIRST_EXCEPTION)
    assert bad in done
    assert slow in pending


def test_wait_times_out(engine: Engine) -> None:
    slow = engine.submit(time.sleep, 0.5)
    done, pending = futures.wait([slow], timeout=0.01)
    assert (done, pending) == (set(), {slow})
    with pytest.raises(TimeoutError):
        slow.result(0.01)


def test_wait_sees_cancelled_futures() -> None:
    with Engine(1, attachable=False) as engine:
        running = engine.submit(time.sleep, 0.3)
        wait_for(running.running)
        waiting = [engine.submit(time.sleep, 10) for _ in range(5)]
        cancelled = [future for future in waiting if future.cancel()]
        assert len(cancelled) >= 3
        done, _ = futures.wait(cancelled, timeout=20)
        assert done == set(cancelled)
        assert set(futures.as_completed([*cancelled, running], timeout=20)) == {*cancelled, running}
        engine.shutdown(wait=False, cancel_futures=True)
        for future in waiting:
            if not future.cancelled():
                engine._worker.run.stop_asked = "stop"  # one may have been sent ahead: do not sit it out
        engine._worker.run.fleet.loop.wake()


def test_as_completed_takes_duplicates_and_times_out(engine: Engine) -> None:
    future = engine.submit(abs, -1)
    assert list(futures.as_completed([future, future], timeout=20)) == [future]
    slow = engine.submit(time.sleep, 0.5)
    with pytest.raises(TimeoutError):
        list(futures.as_completed([slow], timeout=0.01))


def test_an_iterable_that_raises(engine: Engine) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("in the iterable")

    with pytest.raises(ZeroDivisionError, match="in the iterable"):
        list(engine.map(abs, broken()))
    assert engine.submit(abs, -2).result(20) == 2


def test_map_runs_all_even_if_nobody_asks_for_the_results(engine: Engine, tmp_path: Path) -> None:
    engine.map(remote.touch, [str(tmp_path / str(n)) for n in range(10)])
    engine.shutdown()
    assert len(list(tmp_path.glob("[0-9]"))) == 10


def test_map_whose_results_are_kept_runs_all(tmp_path: Path) -> None:
    with Engine(2, attachable=False) as engine:
        results = engine.map(remote.touch, [str(tmp_path / str(n)) for n in range(10)])
    assert len(list(tmp_path.glob("[0-9]"))) == 10
    assert list(results) == [None] * 10


def test_zip_stops_at_the_shortest(engine: Engine) -> None:
    assert list(engine.map(pow, [2, 3, 4], [1, 2])) == [2, 9]
    with pytest.raises(ValueError, match="chunksize"):
        engine.map(abs, [1], chunksize=0)


def test_submit_from_a_callback(engine: Engine) -> None:
    chained: list[futures.Future[int]] = []
    first = engine.submit(abs, -1)
    first.add_done_callback(lambda done: chained.append(engine.submit(abs, -done.result() - 1)))
    wait_for(lambda: chained)
    assert chained[0].result(20) == 2


def test_shutdown_lets_what_was_submitted_finish() -> None:
    engine = Engine(2, attachable=False)
    waiting = [engine.submit(time.sleep, 0.02) for _ in range(20)]
    engine.shutdown(wait=False)
    assert [future.result(20) for future in waiting] == [None] * 20
    engine.shutdown()


def test_shutdown_from_a_callback_does_not_hang() -> None:
    engine = Engine(1, attachable=False)
    future = engine.submit(abs, -1)
    future.add_done_callback(lambda _: engine.shutdown())
    assert future.result(20) == 1
    engine.shutdown()


def test_an_engine_that_is_forgotten_ends() -> None:
    engine = Engine(1, attachable=False)
    thread, reference = engine._worker.thread, weakref.ref(engine)
    assert engine.submit(abs, -1).result(20) == 1
    del engine
    gc.collect()
    assert reference() is None
    thread.join(20)
    assert not thread.is_alive()


def test_results_are_not_kept_alive(engine: Engine) -> None:
    future = engine.submit(remote.Counter, 3)
    counter = weakref.ref(future.result(20))
    del future
    wait_for(lambda: gc.collect() is not None and counter() is None, 10, "the result to be forgotten")


def test_the_exit_of_an_interpreter_waits_and_one_with_an_error_ends(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            from shoal import Engine
            engine = Engine(2)
            done = [engine.submit(time.sleep, 0.2) for _ in range(4)]
            for future in done:
                future.add_done_callback(lambda f: print("done"))
            raise RuntimeError("on purpose")
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout.count("done") == 4
    assert "on purpose" in done.stderr


def test_many_engines_at_once() -> None:
    engines = [Engine(1, attachable=False, name=str(n)) for n in range(6)]
    try:
        pids = {engine.submit(os.getpid).result(20) for engine in engines}
        assert len(pids) == 6
    finally:
        for engine in engines:
            engine.shutdown()


def test_an_engine_made_and_used_in_another_thread() -> None:
    found: list[int] = []

    def work() -> None:
        with Engine(1, attachable=False) as engine:
            found.append(engine.submit(abs, -7).result(20))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [7]
