"""The built-in rules: each is raised by what it is about and by nothing else; an hour of steady load raises none."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from alerting import Watched, fired, notified

import engine
from engine.alerts.intake import labels_of
from engine.alerts.signals import EVENTS, SIGNALS
from engine.alerts.sources import load
from engine.alerts.types import NOTHING, Labels, Rule, Signals, labels

RULES = {rule.id: rule for rule in load(None)}
MAIN, OTHER, ROOT = labels(pool="main"), labels(pool="other"), labels(path="/data")

PLACES: dict[tuple[str, ...], tuple[Labels, ...]] = {("pool",): (MAIN, OTHER), ("path",): (ROOT,), (): (NOTHING,)}
USUAL = {
    "pool_idle_ratio": (0.3, 0.05), "pool_exhausted": (0.0, 0.0), "queue_depth": (500.0, 150.0),
    "queue_per_agent": (10.0, 1.0), "shard_imbalance": (0.03, 0.01), "shard_placed": (20_000.0, 100.0),
    "agent_silent_seconds": (0.05, 0.02), "longest_running_seconds": (2.0, 1.0), "loop_lag_seconds": (0.01, 0.01),
    "alerts_lag_seconds": (0.003, 0.003), "recorder_backlog_ratio": (0.1, 0.05), "memory_used_ratio": (0.6, 0.02),
    "memory_used_bytes": (6e9, 1e8), "cpu_ratio": (1.0, 0.2), "fd_ratio": (0.2, 0.01),
    "disk_free_ratio": (0.4, 0.001), "disk_free_bytes": (4e11, 1e6),
}  # fmt: skip
"""Levels that say that nothing is wrong: mean and spread."""


class Machine:
    """An engine with two pools and nothing wrong, as its signals show it."""

    def __init__(self, seed: int = 1, noise: float = 1.0) -> None:
        self._chance = random.Random(seed)
        self._noise = noise
        self.totals: dict[str, dict[Labels, float]] = {
            name: {MAIN: 0.0, OTHER: 0.0} for name, found in SIGNALS.items() if found.counts
        }
        self.set: dict[str, float] = {}
        """Levels that are to be so, whatever is usual."""
        self.rates = {
            "pool_assigned": 50.0, "pool_hits": 47.0, "tasks_over": 1000.0, "tasks_failed": 4.0,
            "tasks_accepted": 999.0,
        }  # fmt: skip
        """By how much counts grow in a second."""

    def _about(self, value: float, spread: float) -> float:
        return max(0.0, value + self._noise * self._chance.gauss(0, spread))

    def signals(self, span: float) -> Signals:
        """Now, so long after the last time."""
        found: dict[str, dict[Labels, float]] = {}
        for name, rate in self.rates.items():
            for pool in (MAIN, OTHER):
                self.totals[name][pool] += self._about(rate * span, math.sqrt(rate * span) / 3)
            found[name] = dict(self.totals[name])
        for name, (value, spread) in USUAL.items():
            places = PLACES[SIGNALS[name].labels]
            if name in self.set:
                found[name] = dict.fromkeys(places, self.set[name])
            else:
                found[name] = {place: self._about(value, spread) for place in places}
        return found


class Run:
    """That engine, watched by the built-in rules."""

    def __init__(self, seed: int = 1) -> None:
        self.machine = Machine(seed)
        self.watched = Watched(rules_=list(RULES.values()))

    def go(self, seconds: float, tick: float = 0.1) -> None:
        for _ in range(round(seconds / tick)):
            self.watched.tick(self.machine.signals(tick), tick)

    def event(self, kind: str, times: int = 1, **data: object) -> None:
        for _ in range(times):
            self.watched.now += 0.1
            self.watched.core.event(self.watched.now, kind, labels_of(data), f"{kind} said")
            self.watched.take()

    @property
    def rules(self) -> set[str]:
        return {found.alert.rule for found in notified(self.watched.told)}


def sets(**values: float) -> Callable[[Run], None]:
    def doing(run: Run) -> None:
        run.machine.set |= values

    return doing


def rates(**values: float) -> Callable[[Run], None]:
    def doing(run: Run) -> None:
        run.machine.rates |= values

    return doing


def grows(run: Run) -> None:
    for step in range(4000):
        run.machine.set["queue_depth"] = 500 + step * 0.5
        run.go(0.1)


def grows_while_full(run: Run) -> None:
    run.machine.set["pool_exhausted"] = 1.0
    run.machine.set["queue_per_agent"] = 1.0
    grows(run)


def stalls(seconds: float) -> Callable[[Run], None]:
    """One look that comes so much later, of which the signals tell for a second."""

    def doing(run: Run) -> None:
        run.machine.set |= {"loop_lag_seconds": seconds, "alerts_lag_seconds": seconds}
        run.go(1.0, 0.05)
        run.machine.set |= {"loop_lag_seconds": 0.0, "alerts_lag_seconds": 0.0}

    return doing


def dies(times: int, **data: object) -> Callable[[Run], None]:
    return lambda run: run.event("agent.died", times, agent="main/3", status=-9, **data)


def tells(kind: str, **data: object) -> Callable[[Run], None]:
    return lambda run: run.event(kind, 1, **data)


CASES: dict[str, tuple[Callable[[Run], None], float, Callable[[Run], None]]] = {
    "agent-crash": (dies(1, why="died"), 1, dies(20, why="stopped")),
    "crash-loop": (dies(10, why="memory"), 1, dies(9, why="died")),
    "backoff": (tells("pool.backoff", pool="main", row=3), 1, dies(9, why="died")),
    "host-crash": (tells("host.died", pool="main", shard=1), 1, tells("fleet.ready")),
    "nursery-crash": (tells("nursery.died"), 1, tells("nursery.threads")),
    "garbage": (tells("host.garbage"), 1, tells("agent.stderr", agent="main/1")),
    "poison-task": (tells("task.poisoned", pool="main"), 1, dies(1, why="timeout")),
    "hang": (dies(1, why="health"), 1, dies(1, why="timeout")),
    "task-timeout": (dies(1, why="timeout"), 1, dies(1, why="died")),
    "agent-silent": (sets(agent_silent_seconds=10.1), 1, sets(agent_silent_seconds=9.9)),
    "long-task": (sets(longest_running_seconds=3601), 1, sets(longest_running_seconds=3599)),
    "spawn-failures": (dies(3, why="start"), 1, dies(2, why="spawn")),
    "agent-given-up": (tells("agent.given_up", pool="main", row=3), 1, tells("agent.failed", agent="main/3")),
    "pool-broken": (tells("pool.broken", pool="main"), 1, tells("agent.given_up", pool="main")),
    "pool-exhausted": (grows_while_full, 1, sets(pool_exhausted=1, queue_depth=100_000)),
    "hit-rate": (rates(pool_hits=30), 100, rates(pool_hits=38)),
    "delivery": (rates(tasks_accepted=880), 80, rates(tasks_accepted=920)),
    "error-rate": (rates(tasks_failed=15), 80, rates(tasks_failed=7)),
    "error-rate-slow": (
        rates(tasks_over=1, tasks_accepted=1, tasks_failed=0.2), 640,
        rates(tasks_over=1, tasks_accepted=1, tasks_failed=0.01),
    ),
    "most-fail": (rates(tasks_failed=700), 80, rates(tasks_failed=100)),
    "queue-growing": (grows, 1, sets(queue_depth=100_000)),
    "shard-imbalance": (sets(shard_imbalance=0.12), 35, sets(shard_imbalance=0.12, shard_placed=4999)),
    "loop-lag": (sets(loop_lag_seconds=0.3), 2, sets(loop_lag_seconds=0.2)),
    "loop-stalled": (stalls(1.5), 0, stalls(0.9)),
    "alerts-late": (sets(alerts_lag_seconds=0.06), 3, sets(alerts_lag_seconds=0.05)),
    "recorder-behind": (tells("recorder.behind", bytes=16 << 20), 1, tells("recorder.caught_up")),
    "recorder-backlog": (sets(recorder_backlog_ratio=0.9), 2, sets(recorder_backlog_ratio=0.8)),
    "recorder-held": (tells("recorder.held", why="disk full"), 1, tells("recorder.resumed")),
    "recorder-died": (tells("recorder.died", pid=7), 1, tells("recorder.restarted", pid=8)),
    "recorder-lost": (tells("recorder.lost"), 1, tells("recorder.died")),
    "recorder-complaint": (tells("recorder.complaint", count=2), 1, tells("recorder.died")),
    "sink-failed": (tells("sink.failed", sink="webhook"), 1, tells("setting.changed", name="batch_size")),
    "gate": (
        tells("gate.decided", gate="g", decided="hold"), 1, tells("gate.decided", gate="g", decided="go")
    ),
    "output-dropped": (tells("output.dropped", lines=3), 1, tells("agent.stdout", agent="main/1")),
    "memory": (sets(memory_used_ratio=0.92), 3, sets(memory_used_ratio=0.9)),
    "cpu": (sets(cpu_ratio=4.5), 61, sets(cpu_ratio=3.9)),
    "descriptors": (sets(fd_ratio=0.81), 1, sets(fd_ratio=0.8)),
    "disk": (sets(disk_free_ratio=0.09), 3, sets(disk_free_ratio=0.11)),
    "bench-regression": (tells("bench.regression", suite="speed", cell="map"), 1, tells("run.ended", status="failed")),
}  # fmt: skip
"""For each rule: what raises it, seconds until it does at the latest, and what comes close and does not."""


def test_there_is_a_case_for_each_rule() -> None:
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("name", CASES)
def test_what_raises_it(name: str) -> None:
    doing, seconds, _ = CASES[name]
    run = Run()
    run.go(40, 0.25)
    assert run.rules == set()
    doing(run)
    run.go(seconds)
    assert name in run.rules


@pytest.mark.parametrize("name", CASES)
def test_what_does_not(name: str) -> None:
    _, seconds, doing = CASES[name]
    run = Run(2)
    run.go(40, 0.25)
    doing(run)
    run.go(max(seconds, 100.0), 0.25)
    assert name not in run.rules


def test_a_long_stall_is_told_once_and_as_what_it_is() -> None:
    run = Run(3)
    run.go(10)
    stalls(14.0)(run)
    run.go(60)
    told = [(found.alert.rule, found.after, found.severity) for found in notified(run.watched.told)]
    assert told == [("loop-stalled", "firing", "critical"), ("loop-stalled", "resolved", "critical")]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_hour_of_steady_load_raises_nothing(seed: int) -> None:
    run = Run(seed)
    run.go(3600, 0.25)
    assert fired(run.watched.told) == []
    assert {found.after for found in run.watched.told} <= {"pending", "normal"}
    assert run.watched.core.evaluated == 14400


def test_an_hour_of_a_plan_that_only_drains_raises_nothing() -> None:
    """Every agent busy, nobody idle, a queue of a million that gets shorter: as it should be."""
    run = Run(4)
    run.machine.rates |= {"pool_hits": 0.0}
    run.machine.set |= {"pool_exhausted": 1.0, "pool_idle_ratio": 0.0}
    for step in range(14400):
        run.machine.set["queue_depth"] = 1e6 - step * 60
        run.machine.set["queue_per_agent"] = run.machine.set["queue_depth"] / 8
        run.go(0.25, 0.25)
    assert notified(run.watched.told) == []


def test_load_that_comes_in_steps_raises_nothing_above_info() -> None:
    run = Run(5)
    chance = random.Random(5)
    for _ in range(100):
        depth = chance.choice([0.0, 10.0, 1000.0, 100_000.0])
        parts = [*((part, 1.0) for part in range(1, 11)), *((part, 2.0) for part in range(9, -1, -1))]
        for part, seconds in parts:  # tasks are submitted for ten seconds, and then done in twenty
            waiting = depth * part / 10
            full = 1.0 if waiting else 0.0
            run.machine.set |= {"queue_depth": waiting, "queue_per_agent": waiting / 8, "pool_exhausted": full}
            run.go(seconds, 0.25)
    assert [found.severity for found in notified(run.watched.told) if found.severity != "info"] == []


def test_a_pool_that_is_broken_keeps_its_symptoms_quiet() -> None:
    run = Run(6)
    run.go(10)
    run.event("agent.failed", 5, agent="main/1")
    run.event("pool.broken", pool="main")
    run.machine.rates |= {"tasks_failed": 1000.0, "tasks_accepted": 0.0}
    run.event("agent.failed", 5, agent="other/1")
    told = len(notified(run.watched.told))
    run.go(100, 0.25)
    late = notified(run.watched.told)[told:]
    assert {found.alert.labels.get("pool") for found in late if found.after == "firing"} == {"other"}


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.mode == "level"])
def test_noise_around_a_threshold_is_one_alert(name: str) -> None:
    rule: Rule = RULES[name]
    threshold = rule.thresholds[0]
    spread = abs(threshold.raised - threshold.cleared) / 4
    run = Run(7)
    chance = random.Random(7)
    run.machine.set[rule.signal] = threshold.raised + (-spread if rule.below else spread)
    run.go(rule.lasting + 1)  # noise alone may never be beyond it for long enough
    for _ in range(6000):
        run.machine.set[rule.signal] = threshold.raised + chance.gauss(0, spread)
        run.go(0.1)
    told = [found for found in run.watched.told if found.alert.rule == name and found.change == "state"]
    about = {found.fingerprint: 1 for found in told}
    assert Counter(found.fingerprint for found in fired(told)) == about
    assert {found.fingerprint: 1 for found in notified(told)} == about
    assert [found.after for found in notified(told)] == ["firing"] * len(about)
    assert len(about) == len(PLACES[SIGNALS[rule.signal].labels])


# -- what the engine tells of ------------------------------------------------------------------------------------------


def test_rules_know_every_kind_of_event_that_the_engine_tells_of() -> None:
    folder = Path(engine.__file__).parent
    said = set()
    for part in ("core", "runtime", "bench/guard"):
        for path in (folder / part).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            said |= set(
                re.findall(
                    r'"((?:agent|bench|fleet|gate|host|items|memory|metrics|nursery|output|pool|recorder|result|run|samples|setting|silence|sink|task|work)\.[a-z_]+)"',
                    text,
                )
            )
    said |= {"run.stop", "run.drain"}  # made of the names of commands
    said -= {"memory.max", "memory.current", "memory.limit_in_bytes", "memory.usage_in_bytes"}  # files of a cgroup
    assert said - set(EVENTS) == set()
    assert set(EVENTS) - said == set()


def test_data_of_events_becomes_labels() -> None:
    assert labels_of({"agent": "a/b/3", "pid": 7, "why": "died", "x": None, "ok": True, "y": [1]}) == {
        "agent": "a/b/3", "pid": "7", "why": "died", "ok": "true", "pool": "a/b",
    }  # fmt: skip
    assert labels_of({"agent": "process 7"}) == {"agent": "process 7"}
    assert labels_of({"pool": "x", "agent": "main/3"})["pool"] == "x"
    assert len(labels_of({"line": "x" * 10_000})["line"]) == 200
