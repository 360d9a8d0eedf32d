"""Corners of `Engine` where something once went wrong."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import remote_functions as remote
from processes import scaled, wait_for

from shoal import Engine, TaskPoisoned


def test_an_engine_that_has_ended_writes_into_nobodys_files(tmp_path: Path) -> None:
    engine = Engine(1, attachable=False)
    with engine:
        results = engine.map(abs, range(scaled(20_000)))
        assert next(results) == 0
    path = tmp_path / "mine"
    files = [path.open("wb", buffering=0) for _ in range(40)]  # one of them has the number of what was closed
    try:
        results.close()
        engine.shutdown()
        del engine, results
        gc.collect()
        assert path.stat().st_size == 0
    finally:
        for file in files:
            file.close()


def test_nothing_runs_twice_without_a_death() -> None:
    with Engine(3, attachable=False) as engine:
        results = list(engine.map(remote.small_or_large, range(scaled(1500))))
        core = engine._worker.run.fleet.core
        assert (core.restarts, core.redelivered, core.stale) == (0, 0, 0)
    sizes = [len(r) if isinstance(r, bytes) else r for r in results]
    assert sizes == [150_000 if n % 2 else n for n in range(scaled(1500))]


def test_binary_output_and_last_words_of_any_size() -> None:
    told: list[str] = []
    with Engine(1, attachable=False, crash_limit=1, on_event=lambda e: told.append(e.kind)) as engine:
        assert engine.submit(remote.write_binary, 1, 64).result(30) == "ok"
        with pytest.raises(TaskPoisoned):
            engine.submit(remote.write_binary_and_die, 64).result(30)
        assert engine.submit(abs, -1).result(30) == 1
    assert "host.died" not in told
    assert "agent.stdout" in told


def test_more_large_arguments_than_descriptors_may_travel() -> None:
    with Engine(1, attachable=False) as engine:
        assert list(engine.map(len, (bytes(140_000) for _ in range(scaled(1200))))) == [140_000] * scaled(1200)
        held = engine._worker.run.fleet.core
        assert held.redelivered == 0


def test_large_arguments_of_an_initializer() -> None:
    with Engine(2, None, remote.initialise, ("x" * 3_000_000,), attachable=False) as engine:
        assert len(engine.submit(remote.initialised, 0).result(30)) == 3_000_000


def test_what_a_callable_closes_over_may_change_between_calls() -> None:
    state = [1]
    with Engine(1, attachable=False) as engine:
        read = lambda: state[0]  # noqa: E731
        assert engine.submit(read).result(20) == 1
        state[0] = 10
        assert engine.submit(read).result(20) == 10
        counter = remote.Counter(1)
        assert engine.submit(counter, 0).result(20) == 1
        counter.value = 10
        assert list(engine.map(counter, [0, 1])) == [10, 11]


def test_many_lambdas_given_to_map_do_not_pile_up() -> None:
    with Engine(1, attachable=False) as engine:
        for n in range(scaled(230)):
            assert list(engine.map(lambda x, n=n: x + n, [1])) == [1 + n]
        assert engine._worker.run.fleet.functions.by_value <= 200


@pytest.mark.parametrize("leave", ["return", "exit"])
def test_a_task_that_forks_does_not_become_two_agents(leave: str) -> None:
    with Engine(2, attachable=False) as engine:
        for future in [engine.submit(remote.fork, leave) for _ in range(20)]:
            assert future.result(30) == "parent"
        core = engine._worker.run.fleet.core
        assert core.stale == 0


def test_a_callback_or_a_listener_that_fails_is_its_own_affair(caplog: pytest.LogCaptureFixture) -> None:
    def listen(event: object) -> None:
        raise ZeroDivisionError("listener")

    with Engine(1, attachable=False, on_event=listen) as engine:
        future = engine.submit(time.sleep, 0.05)
        future.add_done_callback(lambda _: sys.exit(1))
        assert future.result(20) is None
        assert engine.submit(abs, -1).result(20) == 1
    assert "listener" in caplog.text
    assert "callback" in caplog.text


def test_tasks_that_kill_their_agents_are_not_slowed_down_by_back_off() -> None:
    with Engine(2, attachable=False, crash_limit=5) as engine:
        begun = time.monotonic()
        for future in [engine.submit(os._exit, 3) for _ in range(6)]:
            with pytest.raises(TaskPoisoned):
                future.result(60)
        assert time.monotonic() - begun < 20  # with back-off it takes over a minute


def test_two_engines_in_many_processes_come_and_go(tmp_path: Path) -> None:
    code = "from shoal import Engine\nfor _ in range(12):\n"
    code += "    with Engine(1) as e:\n        assert e.submit(abs, -1).result() == 1\n"
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        _, errors = process.communicate(timeout=90)
        assert (process.returncode, errors) == (0, "")


def test_an_engine_works_where_no_socket_can_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with Engine(1) as engine:
        assert engine.submit(abs, -1).result(20) == 1


def test_a_caller_that_ignores_its_children(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            from shoal import Engine, TaskPoisoned
            with Engine(1, crash_limit=2) as engine:
                try:
                    engine.submit(os._exit, 3).result()
                except TaskPoisoned as error:
                    print(error)
                os.kill(next(iter(engine._worker.run.fleet.hosts.wires.values())).pid, signal.SIGKILL)
                print(engine.submit(abs, -1).result())
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "exited with code 3" in done.stdout


def test_a_fork_of_the_caller_does_not_delay_the_end(tmp_path: Path) -> None:
    with Engine(1, record=tmp_path / "r.db") as engine:
        assert engine.submit(abs, -1).result(20) == 1
        pid = os.fork()
        if pid == 0:
            signal.pause()  # it holds copies of all our descriptors
        begun = time.monotonic()
    took = time.monotonic() - begun
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert took < 4


def test_what_a_task_leaves_in_sessions_of_its_own_ends_with_the_engine() -> None:
    from processes import marked_processes

    with Engine(1, attachable=False) as engine:
        engine.submit(remote.leave_a_daemon).result(20)
        wait_for(lambda: "sleep" in marked_processes().values())
    # The leak fixture sees to it that it is gone.


def test_submitting_while_the_engine_is_stopped_leaves_nobody_waiting() -> None:
    for _ in range(5):
        engine = Engine(1, attachable=False)
        engine.submit(abs, 1).result(20)
        failures: list[BaseException] = []

        def submit(engine: Engine = engine, failures: list[BaseException] = failures) -> None:
            try:
                while True:
                    engine.submit(abs, 1).result(20)
            except (RuntimeError, BrokenProcessPool, CancelledError) as error:
                failures.append(error)

        threads = [threading.Thread(target=submit) for _ in range(3)]
        for thread in threads:
            thread.start()
        engine._worker.run.stop_asked = "stop"
        engine._worker.run.fleet.loop.wake()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        engine.shutdown()


def test_a_failing_command_with_much_output_runs_once(tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("1\n2\n3\n")
    script = f"echo ran >> {tmp_path}/count; head -c 600000 /dev/zero | tr '\\0' x; exit 1"
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "run", "--items", "items.txt", "--out", "-", "--", "sh", "-c", script],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "count").read_text().count("ran") == 3
    assert done.stdout.count("exit code 1") == 3
