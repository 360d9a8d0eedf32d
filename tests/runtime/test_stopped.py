"""Hosts and nurseries that somebody has stopped by a signal: they are replaced, and nothing waits for them."""

from __future__ import annotations

import os
import signal

import pytest
from inside import Heard, children, host_pids
from processes import scaled, wait_for

from engine.bench.watch import name
from engine.runtime.fleet import hosts, stopped
from engine.runtime.fleet.stopped import PATIENCE, Stopped
from shoal import Engine


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may be stopped for long."""
    for module in (stopped, hosts):
        monkeypatch.setattr(module, "PATIENCE", 0.2)


class Clock:
    """Looks at pretended processes, one after the other."""

    def __init__(self) -> None:
        self.found: set[int] = set()
        self.asked: list[int] = []
        self.looker = Stopped(self._is_stopped)

    def _is_stopped(self, pid: int) -> bool:
        self.asked.append(pid)
        return pid in self.found


def test_who_was_found_stopped_all_the_time_is_told() -> None:
    clock = Clock()
    begun = clock.looker.due
    clock.found = {2, 3}
    assert clock.looker.look(begun, [1, 2, 3]) == [], "not long enough"
    clock.found = {2, 1}
    later = clock.looker.due
    assert later < begun + PATIENCE
    assert clock.looker.look(later, [1, 2, 3]) == []
    clock.found = {1, 2, 3}
    assert clock.looker.look(begun + PATIENCE, [1, 2, 3]) == [2]
    assert clock.looker.look(later + PATIENCE, [1, 2, 3]) == [1, 2], "3 went on meanwhile"


def test_nobody_is_asked_before_it_is_time() -> None:
    clock = Clock()
    assert clock.looker.look(clock.looker.due - 0.001, [1]) == []
    assert clock.asked == []


def test_who_is_gone_is_forgotten() -> None:
    clock = Clock()
    begun = clock.looker.due
    clock.found = {1}
    clock.looker.look(begun, [1])
    clock.looker.look(begun + PATIENCE / 2, [])
    assert clock.looker.look(begun + PATIENCE, [1]) == [], "another process, perhaps"


@pytest.mark.usefixtures("impatient")
def test_what_a_stopped_host_has_is_done_by_another_without_blame() -> None:
    heard = Heard()
    with Engine(2, crash_limit=1, on_event=heard, attachable=False) as engine:
        assert list(engine.map(abs, range(-10, 0))) == list(range(10, 0, -1))
        (host,) = host_pids(engine)
        os.kill(host, signal.SIGSTOP)
        tasks = scaled(1000)
        assert list(engine.map(abs, range(-tasks, 0), timeout=60)) == list(range(tasks, 0, -1))
        assert host_pids(engine) != [host]
    assert [event.text for event in heard.kinds("host.stopped")] == ["a host was stopped for 0.2 s, and is replaced"]


@pytest.mark.usefixtures("impatient")
def test_a_host_that_is_stopped_while_nothing_is_to_be_done_is_replaced() -> None:
    heard = Heard()
    with Engine(2, on_event=heard, attachable=False) as engine:
        engine.submit(abs, -1).result(30)
        (host,) = host_pids(engine)
        os.kill(host, signal.SIGSTOP)
        wait_for(lambda: heard.kinds("host.died"), what="the host to be replaced")


@pytest.mark.usefixtures("impatient")
def test_a_stopped_nursery_is_replaced_and_hosts_and_agents_live_on() -> None:
    heard = Heard()
    with Engine(2, on_event=heard, attachable=False) as engine:
        engine.submit(abs, -1).result(30)
        (host,) = host_pids(engine)
        (nursery,) = [pid for pid in children(os.getpid()) if name(pid) == "shoal-nursery"]
        os.kill(nursery, signal.SIGSTOP)
        wait_for(lambda: heard.kinds("nursery.died"), what="the nursery to be replaced")
        assert host_pids(engine) == [host]
        os.kill(host, signal.SIGKILL)
        assert engine.submit(abs, -2).result(60) == 2
    assert [event.text for event in heard.kinds("nursery.stopped")] == [
        "a nursery was stopped for 0.2 s, and is replaced"
    ]
