"""An engine in a program that may open few files: what nobody reads takes no descriptors, and none left is no end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import mail_functions as mail
import pytest
import remote_functions as remote
from inside import Heard, core_of, fleet_of, host_pids, kill
from processes import at_most, scaled, wait_for

from engine.alerts import sources
from engine.wire import values
from engine.wire.memory import Parcel
from shoal import Engine, PoolSettings, RemoteError

LARGE = 150_000


def is_open() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_large_results_that_nobody_reads_take_no_descriptors() -> None:
    heard, count = Heard(), scaled(601)
    with at_most(256), Engine(2, on_event=heard, attachable=False) as engine:
        results = engine.map(remote.small_or_large, range(count))
        wait_for(lambda: core_of(engine).done == count)
        assert is_open() < 200
        assert [len(r) if isinstance(r, bytes) else r for r in results] == [LARGE if n % 2 else n for n in range(count)]
        assert core_of(engine).redelivered == 0
    assert [event.kind for event in heard if event.level != "info"] == []


@pytest.mark.parametrize("sure", [False, True])
def test_large_messages_that_nobody_reads_take_no_descriptors(sure: bool) -> None:
    count = 300
    with at_most(256), Engine(1, pools=[PoolSettings(name="reader", size=1)], attachable=False) as engine:
        engine.submit(mail.post_large, "reader/0", count, LARGE, sure).result(60)
        wait_for(lambda: engine.stats()["messages"]["sent"] == count)
        assert is_open() < 200
        assert engine.using(pool="reader").submit(mail.sizes, count).result(60) == [LARGE] * count
        assert core_of(engine).redelivered == 0


def test_a_host_whose_initializer_finds_no_room_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: our end of its channel was left to the collector of garbage."""
    usual, left = values.parcel, [OSError(errno.ENOMEM, "no memory")]

    def parcel(column: bytes) -> Parcel:
        if left:
            raise left.pop()
        return usual(column)

    monkeypatch.setattr(values, "parcel", parcel)
    heard = Heard()
    with Engine(1, None, remote.initialise, ("x" * LARGE,), on_event=heard, attachable=False) as engine:
        assert len(engine.submit(remote.initialised, 0).result(30)) == LARGE
    assert any("can't be started: no memory" in event.text for event in heard)


@pytest.mark.needs("pooling")  # without it, a host is only started again for a task that waits
def test_a_host_that_cannot_be_started_for_want_of_descriptors_is_started_later() -> None:
    heard = Heard()
    with Engine(1, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        with at_most(3):
            kill(host_pids(engine)[0])
            wait_for(lambda: any("can't be started" in event.text for event in heard), what="a host that can't be")
        assert engine.submit(abs, -1).result(30) == 1


@pytest.mark.needs("pooling")  # without it, there may be no host yet when descriptors are gone
def test_a_result_that_is_lost_for_want_of_descriptors_is_worked_out_again() -> None:
    heard = Heard()
    with Engine(1, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        with at_most(3):
            future = engine.submit(bytes, LARGE)
            wait_for(lambda: any(event.kind == "host.descriptors" for event in heard), what="the result to be lost")
        assert future.result(30) == bytes(LARGE)
    assert "host.garbage" not in [event.kind for event in heard]


@pytest.mark.needs("pooling")
def test_no_task_is_to_blame_for_a_want_of_descriptors(tmp_path: Path) -> None:
    """Regression: what else ran at the host that is replaced was."""
    heard = Heard()
    with Engine(2, shards=1, crash_limit=1, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        began = tmp_path / "began"
        held = engine.submit(remote.begin_and_wait, str(began), str(tmp_path / "go"))
        wait_for(began.exists)
        with at_most(3):
            future = engine.submit(bytes, LARGE)
            wait_for(lambda: heard.kinds("host.died"))
        (tmp_path / "go").touch()
        assert future.result(30) == bytes(LARGE)
        held.result(30)


@pytest.mark.needs("pooling")
def test_calls_one_at_a_time_need_no_descriptor() -> None:
    """Regression: an agent that was lent to whom no descriptor was left cost its host, and in the end the pool."""
    heard = Heard()
    with Engine(1, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        hosts = host_pids(engine)
        with at_most(3):
            assert [engine.submit(remote.same, number).result(30) for number in range(200)] == list(range(200))
            assert not fleet_of(engine).hosts.loans.out
        assert host_pids(engine) == hosts
        assert any(map(fleet_of(engine).hosts.loans._after.get, range(1))), "one was lent, and went back"
    assert [event.text for event in heard if event.level == "error" and event.kind.startswith("host")] == []


@pytest.mark.needs("pooling")
def test_a_result_that_is_lost_on_its_way_from_an_agent_on_loan_is_nobodys_fault() -> None:
    """Regression: the agent was ended for saying what can't be read, and the task was to blame for that."""
    heard = Heard()
    with Engine(1, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        while not fleet_of(engine).hosts.loans.out:
            engine.submit(remote.same, 1).result(30)
        with at_most(3):
            future = engine.submit(bytes, LARGE)
            wait_for(lambda: heard.kinds("agent.descriptors"), what="the result to be lost")
        assert future.result(30) == bytes(LARGE)
    assert not heard.kinds("agent.garbage")
    assert not heard.kinds("agent.died")


@pytest.mark.needs("pooling")
def test_an_agent_that_finds_no_descriptor_goes_on_with_calls_one_at_a_time() -> None:
    """Regression: it ended when it was lent."""
    heard = Heard()
    with Engine(1, on_event=heard, attachable=False) as engine:
        engine.submit(remote.use_up_descriptors, 10).result(30)
        assert [engine.submit(remote.same, number).result(30) for number in range(200)] == list(range(200))
        assert core_of(engine).restarts == 0
    assert not heard.kinds("agent.died")


@pytest.mark.needs("pooling")  # without it, there may be no host yet when descriptors are gone
def test_arguments_that_find_no_descriptor_are_sent_once_there_is_one() -> None:
    with Engine(1, attachable=False) as engine:
        engine.wait_ready(30)
        (wire,) = fleet_of(engine).hosts.wires.values()
        with at_most(3):
            future = engine.submit(len, bytes(2 * LARGE))
            wait_for(lambda: len(wire.outbox), what="the batch to wait for a descriptor")
        assert future.result(30) == 2 * LARGE
        assert core_of(engine).redelivered == 0


@pytest.mark.parametrize("size", [LARGE, 50 * LARGE])
def test_a_result_for_which_an_agent_finds_no_descriptor_is_its_tasks_failure(size: int) -> None:
    with Engine(1, attachable=False) as engine:
        with pytest.raises(RemoteError, match="Too many open files"):  # nothing can be imported to pickle it
            engine.submit(remote.use_up_descriptors, size).result(30)
        assert len(engine.submit(remote.use_up_descriptors, 10).result(30)) == 10
        assert core_of(engine).restarts == 0


LATE = """
import sys
from engine.cli import main
from engine.runtime.plans import driver

def begins(self, *given):
    begin(self, *given)
    self.loaded = set(sys.modules)

def feeds(self):
    feed(self)
    runs.append(self)

begin, driver.Driver.__init__ = driver.Driver.__init__, begins
feed, driver.Driver.feed = driver.Driver.feed, feeds
runs = []
sys.argv[0] = "shoal"
try:
    main.main()
finally:
    print(*sorted(set(sys.modules) - runs[-1].loaded))
"""
ELSEWHERE = ("engine.metrics", "engine.runtime.meters")
"""What a thread loads, or what the run goes on without."""


def test_nothing_is_imported_once_a_run_has_begun(tmp_path: Path) -> None:
    """There may be no descriptor left for it then."""
    plan = tmp_path / "plan.toml"
    plan.write_text('[[tasks]]\nname = "a"\ncall = "builtins:dict"\nover = { n = { from = 1, to = 20 } }\n')
    done = subprocess.run(
        [sys.executable, "-P", "-c", LATE, "run", str(plan), "--agents", "1", "--db", str(tmp_path / "runs.db"),
         "--headless"],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    late = [name for name in done.stdout.split() if name.startswith(("engine.", "cloudpickle", "sqlite3"))]
    assert [name for name in late if not name.startswith(ELSEWHERE)] == []


@pytest.mark.parametrize("heard", [True, False], ids=["by a function", "by readers"])
def test_the_rules_of_alerts_are_read_while_there_are_descriptors(heard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    events = Heard()
    with Engine(1, attachable=not heard, on_event=events if heard else None) as engine:

        def none_left(*_: object) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        for name in ("built_in", "_built_in_rules"):
            monkeypatch.setattr(sources, name, none_left)
        assert engine.submit(abs, -1).result(60) == 1
        alerting = engine._worker.run.alerting
        wait_for(lambda: alerting._core is not None, what="the rules are at work")
        assert "agent-crash" in alerting._core.rules  # type: ignore[union-attr]
