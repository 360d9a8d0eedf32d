"""`Engine` as a caller sees it: an executor on real agents."""

from __future__ import annotations

import concurrent.futures
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import remote_functions as remote
from processes import marked_processes, scaled, wait_for

from shoal import Engine, RemoteError, TaskPoisoned, TaskTimeout, TooMany


@pytest.fixture
def shared() -> Iterator[Engine]:
    with Engine(2, name="shared") as engine:
        yield engine


def test_submit_and_map(shared: Engine) -> None:
    assert shared.submit(pow, 2, 10).result() == 1024
    assert shared.submit(int, "ff", base=16).result() == 255
    numbers = range(-scaled(5000), scaled(5000) + 1)
    assert list(shared.map(abs, numbers)) == [abs(x) for x in numbers]
    assert list(shared.map(pow, [2, 3], [3, 2])) == [8, 9]
    assert list(shared.map(abs, [])) == []


def test_lambdas_and_closures(shared: Engine) -> None:
    factor = 3

    def scale(x: int) -> int:
        return x * factor

    assert shared.submit(lambda x: x + factor, 4).result() == 7
    assert list(shared.map(scale, range(10))) == [x * 3 for x in range(10)]
    # Many different ones do not pile up in the agents.
    assert [shared.submit(lambda n=n: n).result() for n in range(scaled(300))] == list(range(scaled(300)))


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -(1 << 70), 1 << 64, 1.5, float("inf"), "text", "\udc80 surrogate", b"bytes", (1, (2, 3)),
        [1, [2]], {1: {2}}, {"a", "b"}, frozenset({1}), range(3), remote.Point(1, 2),
        np.float64(1.5), bytearray(b"x"), 1 + 2j,
    ],
    ids=repr,
)  # fmt: skip
def test_values_keep_their_type_both_ways(shared: Engine, value: Any) -> None:
    result = shared.submit(remote.same, value).result()
    assert result == value
    assert type(result) is type(value)
    typed = shared.submit(remote.type_name, value).result()
    assert typed == type(value).__name__


def test_arrays(shared: Engine) -> None:
    for size in (3, 1 << 12, 1 << 20):
        array = np.arange(size, dtype=np.float64)
        result = shared.submit(remote.double, array).result()
        assert isinstance(result, np.ndarray)
        assert np.array_equal(result, array * 2)
        result[0] = 7  # one's own: it can be written to
        assert array[0] == 0


def test_exceptions_come_back_whole(shared: Engine) -> None:
    with pytest.raises(remote.Odd) as caught:
        shared.submit(remote.raise_odd, 1, 2).result()
    assert caught.value.args == (1, 2)
    assert "raise_odd" in str(caught.value.__cause__)
    with pytest.raises(RemoteError, match="Unreadable: no"):
        shared.submit(remote.raise_unreadable).result()
    with pytest.raises(SystemExit):
        shared.submit(sys.exit, 3).result()
    with pytest.raises(RecursionError):
        shared.submit(remote.recurse).result()
    assert shared.submit(abs, -1).result() == 1


def test_what_cannot_be_pickled_fails_its_own_task_only(shared: Engine) -> None:
    futures = [
        shared.submit(remote.same, threading.Lock()),
        shared.submit(remote.make_lock),
        shared.submit(abs, -1),
        shared.submit(remote.same, remote.BreaksWhenRead()),
        shared.submit(remote.make_breaks_when_read),
    ]
    with pytest.raises(TypeError, match="pickle"):
        futures[0].result(20)
    with pytest.raises(TypeError, match="pickle"):
        futures[1].result(20)
    assert futures[2].result(20) == 1
    with pytest.raises(ValueError, match="not to be read"):
        futures[3].result(20)
    with pytest.raises(ValueError, match="not to be read"):
        futures[4].result(20)


def test_map_raises_where_the_failure_is(shared: Engine) -> None:
    results = shared.map(remote.reciprocal, [1, 2, 0, 4])
    assert [next(results), next(results)] == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_map_timeout(shared: Engine) -> None:
    with pytest.raises(TimeoutError):
        list(shared.map(time.sleep, [0.3], timeout=0.01))


def test_map_takes_an_endless_generator_by_buffersize(shared: Engine) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = shared.map(abs, endless(), buffersize=100)
    assert [next(results) for _ in range(scaled(1000))] == list(range(1, scaled(1000) + 1))
    assert taken <= scaled(1000) + 200
    results.close()


def test_as_completed_and_callbacks(shared: Engine) -> None:
    futures = {shared.submit(abs, -x): x for x in range(50)}
    seen: list[int] = []
    for future in futures:
        future.add_done_callback(lambda done: seen.append(done.result()))
    assert {f.result() for f in concurrent.futures.as_completed(futures, 20)} == set(range(50))
    wait_for(lambda: len(seen) == 50)


def test_cancel_what_waits() -> None:
    with Engine(1, attachable=False) as engine:
        running = engine.submit(time.sleep, 0.4)
        waiting = [engine.submit(remote.touch, f"/nonexistent/{n}") for n in range(20)]
        wait_for(running.running)
        assert not running.cancel()
        cancelled = [future for future in waiting if future.cancel()]
        assert len(cancelled) >= 18  # one may have been sent ahead
        for future in cancelled:
            with pytest.raises(concurrent.futures.CancelledError):
                future.result(1)
        assert running.result(20) is None


def test_shutdown() -> None:
    engine = Engine(1, attachable=False)
    slow, waiting = engine.submit(time.sleep, 0.2), [engine.submit(time.sleep, 5) for _ in range(10)]
    wait_for(slow.running)
    engine.shutdown(cancel_futures=True, wait=False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.submit(abs, 1)
    assert slow.result(20) is None
    assert sum(future.cancelled() for future in waiting) >= 9
    for future in waiting:
        if not future.cancelled():
            future.result(20)
    engine.shutdown()
    engine.shutdown()


def test_an_engine_that_was_never_used() -> None:
    with Engine(2, attachable=False):
        pass


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Engine(0)
    with pytest.raises(TypeError, match="initializer"):
        Engine(1, initializer=3)  # type: ignore[arg-type]
    with pytest.raises(TooMany, match=r"100,000,000 agents do not fit.*: .*, or ask for fewer agents"):
        Engine(100_000_000)


def test_initializer() -> None:
    with Engine(2, None, remote.initialise, ("hello",), attachable=False) as engine:
        assert set(engine.map(remote.initialised, range(20))) == {"hello"}


def test_an_initializer_that_fails_breaks_the_pool_and_says_why() -> None:
    with Engine(2, None, remote.fail_to_initialise, attachable=False) as engine:
        with pytest.raises(BrokenProcessPool, match="no licence here"):
            engine.submit(abs, 1).result(20)
        with pytest.raises(BrokenProcessPool, match="no licence here"):
            engine.submit(abs, 1).result(20)


@pytest.mark.parametrize("how", ["kill", "segfault", "_exit", "abort"])
def test_a_task_that_kills_its_agent_is_poisoned_and_no_other_is(how: str) -> None:
    died: list[str] = []
    with Engine(2, attachable=False, crash_limit=3, on_event=lambda e: died.append(e.kind)) as engine:
        before = [engine.submit(abs, -n) for n in range(50)]
        bad = engine.submit(remote.crash, how)
        after = [engine.submit(abs, -n) for n in range(50)]
        with pytest.raises(TaskPoisoned, match="died 3 times"):
            bad.result(30)
        assert [f.result(30) for f in before + after] == [*range(50), *range(50)]
    assert died.count("agent.died") == 3


def test_a_killed_agent_costs_a_retry(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with Engine(1, attachable=False) as engine:
        assert engine.submit(remote.die_once, str(flag)).result(20) == "alive"


def test_crashing_while_arguments_are_read_or_results_written(tmp_path: Path) -> None:
    with Engine(1, attachable=False, crash_limit=2) as engine:
        with pytest.raises(TaskPoisoned):
            engine.submit(remote.same, remote.KillsWhenRead(os.getpid())).result(20)
        with pytest.raises(TaskPoisoned):
            engine.submit(remote.make_kills_when_written).result(20)
        assert engine.submit(abs, -1).result(20) == 1


def test_timeout_frees_the_agent() -> None:
    with Engine(1, attachable=False, timeout=0.3) as engine:
        stuck, next_one = engine.submit(time.sleep, 60), engine.submit(abs, -1)
        with pytest.raises(TaskTimeout, match=r"0\.3 s"):
            stuck.result(20)
        assert next_one.result(20) == 1


def test_retries() -> None:
    with Engine(1, attachable=False, retries=2) as engine, pytest.raises(ZeroDivisionError):
        engine.submit(remote.reciprocal, 0).result(20)


def test_a_slow_task_does_not_hold_back_its_finished_neighbours(shared: Engine) -> None:
    list(shared.map(remote.nap, [0.0] * scaled(2000)))  # now they are known as short: batches are large
    futures = [shared.submit(remote.nap, 0.0) for _ in range(20)]
    slow = shared.submit(remote.nap, 1.0)
    futures += [shared.submit(remote.nap, 0.0) for _ in range(3)]
    for future in futures[:20]:
        future.result(20)
    assert not slow.done()
    assert slow.result(20) == 1.0


def test_output_is_told_as_events(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    with Engine(1, attachable=False, on_event=lambda e: lines.append(e.text)) as engine:
        engine.submit(print, "to stdout").result(20)
        engine.submit(remote.complain, "to stderr").result(20)
        wait_for(lambda: len(lines) >= 3)
    assert any(line.endswith("to stdout") for line in lines)
    assert any(line.endswith("to stderr") for line in lines)
    out, err = capfd.readouterr()
    assert "to std" not in out + err


def test_agents_have_random_numbers_of_their_own() -> None:
    with Engine(8, attachable=False) as engine:
        drawn = list(engine.map(remote.draw, [0.05] * 8))
    assert len({number for _, number, _ in drawn}) == 8


def test_many_threads_share_an_engine(shared: Engine) -> None:
    results: dict[int, int] = {}

    def work(n: int) -> None:
        results[n] = sum(shared.submit(abs, -x).result(30) for x in range(n, n + scaled(100)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: sum(range(n, n + scaled(100))) for n in range(8)}


def run_script(tmp_path: Path, text: str, **env: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={**os.environ, **env}, check=False,
    )  # fmt: skip


def test_a_script_without_a_main_guard_with_classes_of_its_own(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        """
        from shoal import Engine

        class Wrong(Exception):
            pass

        class Box:
            def __init__(self, value):
                self.value = value
            def twice(self):
                return Box(self.value * 2)

        def open_box(box):
            assert isinstance(box, Box)
            if box.value > 5:
                raise Wrong(box.value)
            return box.twice()

        engine = Engine(2)
        result = engine.submit(open_box, Box(2)).result()
        assert isinstance(result, Box) and result.value == 4, result
        assert all(isinstance(box, Box) for box in engine.map(open_box, [Box(1), Box(2)]))
        try:
            engine.submit(open_box, Box(6)).result()
        except Wrong as error:
            assert error.args == (6,)
        else:
            raise SystemExit("not raised")
        future = engine.submit(open_box, Box(3))
        future.add_done_callback(lambda f: print("done at exit", f.result().value))
        # no shutdown: the interpreter's exit waits for what was submitted
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "done at exit 6\n"


def test_a_users_own_packages_named_engine_and_tui_import_in_an_agent(tmp_path: Path) -> None:
    for name in ("engine", "tui"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"WHOSE = 'the user of {name}'\n")
    (tmp_path / "user.py").write_text(
        "def whose(_):\n    import engine, tui\n    return engine.WHOSE, tui.WHOSE\n", encoding="utf-8"
    )
    (tmp_path / "items.txt").write_text("1\n2\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "run", "user:whose", "--items", "items.txt", "--out", "-"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('["the user of engine","the user of tui"]') == 2


def test_a_forked_child_of_the_caller_is_told(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        """
        import os, sys
        from shoal import Engine
        engine = Engine(1)
        assert engine.submit(abs, -1).result() == 1
        pid = os.fork()
        if pid == 0:
            try:
                engine.submit(abs, -1)
            except RuntimeError as error:
                print(error)
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert engine.submit(abs, -2).result() == 2
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "belongs to the process" in done.stdout


def test_killing_the_caller_leaves_nothing(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        """
        import os, signal, time
        from shoal import Engine
        engine = Engine(4)
        for _ in range(8):
            engine.submit(time.sleep, 60)
        engine.map(abs, range(10))
        while engine._worker.run.fleet.core.pools[0].up < 4:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert done.returncode == -signal.SIGKILL
    wait_for(lambda: not marked_processes(), 2.0, "all of it gone")


def test_a_result_of_the_type_that_others_travel_in_is_itself() -> None:
    with Engine(1, attachable=False) as engine:
        for code, data in ((1, pickle.dumps("other")), (1, b"none"), (2, b"\0\0\0\0"), (7, b"")):
            found = engine.submit(remote.extension, code, data).result(20)
            assert (type(found), found.code, found.data) == (msgspec.msgpack.Ext, code, data)
        assert list(engine.map(remote.extension, [7] * 100, [b"x"] * 100))[99].code == 7
