"""What the rules are given of a fleet, and what they make of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.alerts import sources
from engine.alerts.core import AlertCore
from engine.alerts.types import labels
from engine.core.tasks import Batch, Options, TaskRange
from engine.procs.scoreboard import BATCH, STATE
from engine.runtime.alerting.signals import Readings
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.fleet.specs import PoolSpec
from engine.settings.types import PoolSettings
from engine.stream.types import BUSY

MAIN = labels(pool="main")


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """A fleet of which nothing was started; ten agents are said to be up, and have nothing to do."""
    made = Fleet([PoolSpec(PoolSettings(size=10))])
    (pool,), (shard,) = made.core.pools, made.core.shards
    pool.up = shard.up = 10
    yield made
    made.close()


def hold(fleet: Fleet, how: str) -> None:
    core = fleet.core
    match how:
        case "recorder":
            core.crowded = True
        case "memory":
            core.admit(1)
        case "pause":
            core.pause()
        case "drain":
            core.drain()


def test_silence_while_the_engine_stood_still_is_nobodys(fleet: Fleet) -> None:
    """It could not hear them: they are owed the time that it takes to say something."""
    readings = Readings(fleet, [0], [], None)
    core = fleet.core
    core.batches[1] = Batch(1, TaskRange(1, 5, 1, 0, Options(), 0), 0, 5, 0, sent=1000.0)  # sent, and not begun
    fleet.board.set(1, STATE, BUSY)  # it has ended one task, and not begun the next
    fleet.board.set(1, BATCH, 2)

    def silent(now: float) -> float:
        return readings.take(now, 0.0, 0.0)["agent_silent_seconds"][MAIN]

    assert [silent(1000.0), silent(1001.0)] == [0.0, 1.0]
    readings.stalled(1015.0)
    assert [silent(1015.0), silent(1016.0), silent(1030.0)] == [0.0, 1.0, 15.0]


HELD = ["recorder", "memory", "pause", "drain"]


@pytest.mark.parametrize("how", HELD)
def test_who_may_not_be_given_anything_is_not_idle(fleet: Fleet, how: str) -> None:
    readings = Readings(fleet, [0], [], None)
    assert readings.take(1000.0, 0.0, 0.0)["pool_idle_ratio"] == {MAIN: 1.0}
    hold(fleet, how)
    assert readings.take(1001.0, 0.0, 0.0)["pool_idle_ratio"] == {MAIN: 0.0}, (
        "at once, though the mean is of ten seconds"
    )


def test_what_had_waited_is_not_the_pools_fault_either(fleet: Fleet) -> None:
    """It is sent in one moment, and has found no agent at once. The mean knows of the time before."""
    readings = Readings(fleet, [0], [], None)
    hold(fleet, "memory")
    for second in range(5):
        readings.take(1000.0 + second, 0.0, 0.0)
    fleet.core.admit(None)
    assert readings.take(1005.0, 0.0, 0.0)["pool_idle_ratio"] == {MAIN: 0.0}
    assert readings.take(1005.05, 0.0, 0.0)["pool_idle_ratio"] == {MAIN: pytest.approx((1 / 2) / 6)}
    assert readings.take(1016.0, 0.0, 0.0)["pool_idle_ratio"] == {MAIN: 1.0}


@pytest.mark.parametrize(("how", "blamed"), [("nothing", ["hit-rate"]), *((how, []) for how in HELD)])
def test_no_pool_is_blamed_for_what_it_is_not_let_do(fleet: Fleet, how: str, blamed: list[str]) -> None:
    core = AlertCore([rule for rule in sources.load(None) if rule.id == "hit-rate"])
    readings = Readings(fleet, [0], [], None)
    (pool,) = fleet.core.pools
    hold(fleet, how)
    for tick in range(70 * 20):
        pool.waits += 1
        now = 1000.0 + tick / 20
        core.tick(now, readings.take(now, 0.0, 0.0))
    assert [alert.rule for alert in core.alerts()] == blamed
