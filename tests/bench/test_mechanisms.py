"""Each mechanism by itself: the rows of its suite, and what its measurement says of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.bench.report import best_shards
from engine.bench.rows import SUITES
from engine.bench.run import measure
from engine.bench.verdicts import Finding, judge
from engine.cli.bench import session


def test_the_help_knows_all_suites_without_loading_them() -> None:
    assert set(session.SUITES) == set(SUITES)


def test_an_idle_agent_is_found_if_half_of_them_are_busy_and_not_if_all_are() -> None:
    """Of 40 tasks at once on 4 agents, 4 find an idle one."""
    found = measure("pool_hits", "ours", {"agents": 4, "tasks": 10, "seconds": 0.2}, 60)
    assert found["value"] >= 0.7
    assert 0 < found["p50"] <= found["p99"]
    found = measure("pool_exhausted", "ours", {"agents": 4, "tasks": 40, "seconds": 0.02}, 60)
    assert found["hits"] == pytest.approx(0.1)
    assert found["value"] >= 1


def test_a_pool_grows_to_as_many_as_have_work() -> None:
    assert measure("pool_growth", "ours", {"least": 1, "agents": 4}, 60)["agents_that_answered"] == 4


def test_shards_are_as_many_as_were_asked_for_and_share_the_tasks() -> None:
    found = measure("queued", "ours", {"shards": 3, "agents": 6, "tasks": 300}, 60)
    assert 0 <= found["balance"] <= 2
    assert found["value"] * found["rate"] < 300, "nobody waits longer than all of it takes"
    assert measure("queued", "peer", {"shards": 3, "agents": 6, "tasks": 300}, 60)["balance"] == 0


@pytest.mark.needs("pooling", "sharding")
@pytest.mark.parametrize("strategy", ["least-loaded", "hash", "round-robin", "random"])
def test_tasks_that_take_a_while_are_spread_over_shards(strategy: str) -> None:
    size = {"shards": 4, "agents": 8, "tasks": 800, "strategy": strategy}
    found = measure("balanced", "ours", size | {"seconds": 0.002}, 60)
    assert found["value"] < 0.25, "of 200 each; the suite has more, and less to spare"


@pytest.mark.needs("pooling", "sharding")
def test_what_comes_one_by_one_is_spread_over_shards_too() -> None:
    size = {"shards": 4, "agents": 8, "tasks": 80, "strategy": "least-loaded", "waited": True}
    assert measure("balanced", "ours", size, 60)["value"] < 0.1


def test_a_slow_task_is_slow_and_the_others_are_told_apart() -> None:
    found = measure(
        "held_back", "ours",
        {"tasks": 10, "slow": 10, "seconds": 0.5, "batch_timeout": 0.1, "batching": False}, 60,
    )  # fmt: skip
    assert found["rate"] < 20, "the slow one alone takes half a second"
    assert found["p50"] <= found["value"] <= found["worst"] < 0.5, "of the others none does"


def finding(shards: int, ratios: list[float]) -> Finding:
    row = next(row for row in SUITES["queues"] if row.size["shards"] == shards)
    samples = [{"value": ratio, "balance": 0.0} for ratio in ratios]
    return judge(row, row.name, samples, [{"value": 1.0} for _ in ratios], {})


def test_the_best_number_of_shards_is_one_that_is_surely_better() -> None:
    spread = [0.01 * n for n in range(7)]
    better = [finding(shards, [ratio + more for more in spread]) for shards, ratio in ((2, 0.8), (4, 0.5), (8, 0.7))]
    assert best_shards(better) == "best: 4 shards, with 0.53 times the wait of one"
    unsure = finding(16, [0.1, 0.1, 0.1, 0.3, 2.0, 2.0, 2.0])
    assert best_shards([*better, unsure]).startswith("best: 4 shards")
    none = "best: one shard; no other number is measurably better here"
    assert best_shards([unsure, finding(2, [0.5, 0.5])]) == none


def test_the_command_queues() -> None:
    """The last line names the best number of shards; one pair of rounds is not enough to be sure of any."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "bench", "queues", "--quick", "--rounds", "1", "--only", "queues-2",
         "--no-store"],
        text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith("2 shards, 32 agents, 1,000 trivial tasks at once: mean wait ")
    assert lines[-1] == "best: one shard; no other number is measurably better here"
