"""What the rules cost. The best of many ticks: how long one takes when nobody else has the processor."""

from __future__ import annotations

import time

from engine.alerts.core import AlertCore
from engine.alerts.signals import SIGNALS
from engine.alerts.sources import load
from engine.alerts.types import NOTHING, Labels, labels

POOLS = [labels(pool=f"pool-{number}") for number in range(8)]


def signals_at(now: float, **set_: float) -> dict[str, dict[Labels, float]]:
    found = {}
    for name, signal in SIGNALS.items():
        places = POOLS if signal.labels == ("pool",) else [labels(path="/")] if signal.labels else [NOTHING]
        usual = now * 1000 if signal.counts else 0.3 if signal.unit == "ratio" else 0.01
        found[name] = dict.fromkeys(places, set_.get(name, usual))
    found["tasks_failed"] = dict.fromkeys(POOLS, 0.0)
    return found


def best(core: AlertCore, **set_: float) -> float:
    taken = []
    for step in range(600):
        now = step * 0.05
        signals = signals_at(now, **set_)
        began = time.perf_counter()
        core.tick(now, signals)
        core.due()
        taken.append(time.perf_counter() - began)
        core.take()
    return min(taken[100:])


def test_a_tick_of_all_rules_and_eight_pools_takes_less_than_half_a_millisecond() -> None:
    assert len(load(None)) >= 25
    quiet, loud = AlertCore(load(None)), AlertCore(load(None))
    assert best(quiet) < 0.5e-3
    assert quiet.alerts() == []
    assert best(loud, agent_silent_seconds=100.0, fd_ratio=0.9, shard_imbalance=0.5, shard_placed=1e6) < 1e-3
    assert len(loud.alerts()) >= 8


def test_a_crash_takes_a_tenth_of_a_millisecond() -> None:
    core = AlertCore(load(None))
    taken = []
    for number in range(500):
        began = time.perf_counter()
        core.event(number * 100.0, "agent.died", {"pool": "main", "agent": "main/3", "why": "died"}, "it died")
        told = core.take()
        taken.append(time.perf_counter() - began)
        assert any(found.alert.rule == "agent-crash" for found in told)
    assert min(taken) < 0.1e-3
