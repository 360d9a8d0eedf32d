"""The plans that come with Shoal: what they add up to, and the makespan of one of them worked out by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.plan.effort import HOUR, Estimate
from engine.plan.gates import decide
from engine.plan.load import load
from engine.plan.review import review
from engine.plan.simulation.simulate import Simulation, simulate
from engine.plan.steps import RunSpec, SpecError

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

FOLDER = Path(__file__).resolve().parent.parent.parent / "fixtures" / "plans"


def plan(name: str, **given: str) -> RunSpec:
    return load(FOLDER / f"{name}.toml", set={key.replace("__", "."): value for key, value in given.items()})


def ends(spec: RunSpec, found: Simulation) -> dict[str, float]:
    return {step.name: found.schedule.finish[at] / HOUR for at, step in enumerate(spec.steps)}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_all_of_them_are_right(path: Path) -> None:
    found = review(load(path))
    assert found.proof.conflicts == ()


# -- four workers ------------------------------------------------------------------------------------------------------

HOURS = {"ai-core": 460, "gpu-infra": 450, "apps-1": 455, "apps-2": 455}
BLOCKS = {
    "transfer-entropy": 120, "thermodynamic": 105, "active-inference": 90, "graph-training": 105,
    "core-integration": 40, "local-llm": 160, "tensor-cores": 120, "asynchrony": 80, "production": 90,
    "drug-discovery": 160, "finance": 120, "satellites": 105, "apps-integration": 70, "robotics": 160, "solver": 160,
    "web": 80, "deployment": 55, "kernels": 0,
}  # fmt: skip


def test_hours_add_up() -> None:
    spec = plan("four-workers")
    found = review(spec)
    assert {one.owner: one.work / HOUR for one in found.owners} == HOURS
    assert found.work / HOUR == sum(HOURS.values()) == 1820
    assert found.remarks == (), "nobody has more to do than there is of him"
    blocks = dict.fromkeys(spec.outline.groups, 0.0)
    for step in spec.steps:
        if step.group is not None and step.estimate is not None:
            blocks[step.group] += step.estimate.likely / HOUR
    assert blocks == BLOCKS


def test_its_makespan_by_hand() -> None:
    """Each owner is one person, so within an owner all of it follows, in the order of the weeks.

    ai-core waits for the first kernels, most likely 12 h (from one to two days of 8 h), then works on without a break,
    because the full KSG's kernels, asked for after the KV cache at 90 h, are there at 102 h, before they are needed at
    117 h: 12 + 120 + 105 + 90 + 105 + 40 = 472 h.

    gpu-infra never waits: 450 h. apps-1 has 160 + 120 + 105 = 385 h of its own, waits for transfer learning, which ends
    at 12 + 120 + 105 + 90 + 40 + 35 = 402 h, and ends 40 + 20 + 10 h later: 472 h. apps-2 waits two hours for kernels
    that are asked for at 240 h and needed at 250 h: 160 + 90 + 2 + 70 + 80 = 402 h, just when transfer learning is
    there, and 55 h more: 457 h.
    """
    spec = plan("four-workers")
    found = simulate(spec, 2)
    end = ends(spec, found)
    assert end["entropy-validation"] == 12 + 120
    assert end["transfer-learning"] == 402
    assert end["algorithm-selection"] == 160 + 90 + 2 + 35
    assert (end["core-together"], end["worked-examples"], end["ci-cd"], end["configuration"]) == (472, 472, 457, 450)
    assert found.schedule.length / HOUR == 472
    names = [spec.steps[link.step].name for link in found.chain]
    assert names == [
        "kernel-embedding", "embedding", "neighbours", "ksg", "entropy-validation", "energy-model",
        "temperature-schedules", "replica-exchange", "bayesian-learning", "belief-propagation", "policy-search",
        "generative-models", "graph-infrastructure", "transfer-learning", "domain-adaptation", "core-together",
        "integration-tests", "stable",
    ]  # fmt: skip
    assert {one.name: (one.at or 0) / HOUR for one in found.milestones} == {
        "infrastructure": 50, "core-features": 280, "production-ready": 472,
    }  # fmt: skip
    assert all(one.slack is not None and one.slack >= 0 for one in found.milestones), "twelve weeks are enough"


def test_its_load_week_by_week() -> None:
    found = {load.resource.name: load for load in simulate(plan("four-workers"), 2, rounds=0).loads}
    weeks = {name: [round(week / HOUR, 6) for week in load.weeks] for name, load in found.items()}
    assert weeks["ai-core"] == [28, *[40] * 10, 32]
    assert weeks["gpu-infra"] == [*[40] * 11, 10]
    assert weeks["apps-1"] == [*[40] * 9, 25, 38, 32]
    assert weeks["apps-2"] == [*[40] * 6, 38, *[40] * 4, 17]
    assert {name: load.work / HOUR for name, load in found.items()} == HOURS


def test_its_owners_merge_in_the_order_of_what_they_build_on() -> None:
    spec = plan("four-workers")
    merge = review(spec).merge
    assert merge.order == ("gpu-infra", "ai-core", "apps-1", "apps-2")
    assert (merge.against, merge.circle) == ((), ())
    pairs = {(reason.first, reason.second) for reason in merge.reasons}
    assert pairs == {
        ("gpu-infra", "ai-core"), ("gpu-infra", "apps-1"), ("gpu-infra", "apps-2"), ("ai-core", "apps-1"),
        ("ai-core", "apps-2"),
    }  # fmt: skip
    tests = next(step for step in spec.steps if step.name == "integration-tests")
    assert set(tests.after) == {"core-together", "configuration", "worked-examples", "ci-cd"}


def test_its_ownership_is_proved_and_a_conflict_that_is_put_in_is_named(tmp_path: Path) -> None:
    proof = review(plan("four-workers")).proof
    assert (proof.owners, proof.patterns, proof.conflicts) == (4, 21, ())
    assert proof.pairs == 5 * 6 + 5 * 4 + 5 * 6 + 6 * 4 + 6 * 6 + 4 * 6 + 21 * 3
    text = (FOLDER / "four-workers.toml").read_text()
    changed = tmp_path / "changed.toml"
    changed.write_text(text.replace('"src/pwsa/**", "data/**"]', '"src/pwsa/**", "data/**", "src/gpu/finance/*.cu"]'))
    conflict, *others = review(load(changed)).proof.conflicts
    assert {other.one.who for other in others} == {
        f"tasks {name} of owner gpu-infra"
        for name in (
            "mixed-precision", "matrix-multiply", "kernel-fusion", "multi-stream", "feed-forward", "top-p-sampling",
        )
    }  # fmt: skip
    assert conflict.text == (
        "owner gpu-infra and owner apps-1 both own what src/gpu/** and src/gpu/finance/*.cu have in common"
    )
    changed.write_text(text.replace('name = "molecules"\n', 'name = "molecules"\nclaims = ["src/gpu/molecules.cu"]\n'))
    (conflict,) = review(load(changed)).proof.conflicts
    assert conflict.text == (
        "tasks molecules of owner apps-1 claim src/gpu/molecules.cu, which overlaps src/gpu/** of owner gpu-infra"
    )


def test_a_circle_that_is_put_in_is_named(tmp_path: Path) -> None:
    text = (FOLDER / "four-workers.toml").read_text()
    changed = tmp_path / "changed.toml"
    changed.write_text(text.replace('name = "gguf-loader"\n', 'name = "gguf-loader"\nafter = ["entropy-validation"]\n'))
    with pytest.raises(SpecError) as caught:
        load(changed)
    assert str(caught.value) == (
        f"{changed}: tasks go in a circle: entropy-validation -> gguf-loader -> kv-cache -> kernel-digamma -> "
        "entropy-validation"
    )


def test_what_another_worker_would_bring() -> None:
    """The kernels take as long as they take, so a second one for the infrastructure moves nothing; one for the core
    would."""
    assert simulate(plan("four-workers", workers__gpu="2"), 2, rounds=0).schedule.length / HOUR == 472
    shorter = simulate(plan("four-workers", tasks__ksg__estimate="50h"), 2, rounds=0)
    assert shorter.schedule.length / HOUR == 462


def test_its_interval_is_of_its_estimates() -> None:
    spread = simulate(plan("four-workers"), 2, rounds=60).spread
    assert spread is not None
    assert 0.9 * 460 + 8 < spread.low / HOUR < spread.middle / HOUR < spread.high / HOUR < 1.25 * 460 + 16
    kernel = next(step for step in plan("four-workers").steps if step.name == "kernel-ksg")
    assert kernel.wait == Estimate(8 * HOUR, 12 * HOUR, 16 * HOUR)


# -- the others --------------------------------------------------------------------------------------------------------


def test_single_node() -> None:
    spec = plan("single-node-phase-2")
    gates = [step for step in spec.steps if step.gate is not None]
    work = [step for step in spec.steps if step.gate is None]
    assert (len(work), len(gates), len(spec.outline.groups), len(spec.outline.milestones)) == (34, 4, 5, 4)
    assert sum(suite.planned for suite in spec.outline.tests.values()) == 114
    runs = {step.name: step.total for step in work if step.command is not None}
    planned = {f"test-{name}": suite.planned for name, suite in spec.outline.tests.items()}
    assert runs == {**planned, "validation": 24}
    days = dict.fromkeys("ABCDE", 0.0)
    for step in work:
        if step.command is None and step.group is not None and step.estimate is not None:
            days[step.group] += step.estimate.likely / (8 * HOUR)
    assert days == {"A": 8, "B": 11, "C": 14, "D": 12, "E": 19}
    assert {name: (owner.effort or 0) / (40 * HOUR) for name, owner in spec.outline.owners.items()} == {
        "performance": 3.0, "lead": 3.8, "qa": 2.0, "devops": 1.1, "writer": 0.6,
    }  # fmt: skip
    found = simulate(spec, 2)
    late = {one.name for one in found.milestones if one.slack is not None and one.slack < -8 * HOUR}
    assert late == {"M3", "M4"}, "its people have more to do than there are days"


def test_cpu_revolution_never_has_two_on_the_core() -> None:
    spec = plan("cpu-revolution")
    found = simulate(spec, 2)
    names = {step.name: at for at, step in enumerate(spec.steps)}
    first, second = (found.schedule.tasks(names[name])[0] for name in ("core-vectorised", "core-on-blas"))
    start, end = found.schedule.start, found.schedule.end
    assert end[first] <= start[second] or end[second] <= start[first]
    assert [one.slack >= 0 for one in found.milestones if one.slack is not None] == [True] * 3
    gates = [step.gate for step in spec.steps if step.gate is not None]
    good = {"tests_failed": 0, "speedup": 600, "largest_error": 1e-13}
    for gate in gates:
        assert decide(gate, good, {}).decided == "go"
        assert decide(gate, {**good, "largest_error": 1e-11}, {}).decided == "hold"
        assert decide(gate, {**good, "largest_error": 1e-8}, {}).decided == "stop"
        assert decide(gate, {**good, "speedup": 5}, {}).decided == "pivot"


def test_augur_is_3435_agents_in_twelve_teams() -> None:
    spec = plan("augur")
    sizes = {pool.name: pool.size for pool in spec.pools}
    assert sizes == {"microagents": 3000, "koshas-domain": 363, "koshas-prime": 72}
    assert len(spec.outline.teams) == 12
    assert {lane.name: lane.limit for lane in spec.outline.lanes.values()} == {"local": 1, "cloud": 10}
    of = {step.name: (step.lane, step.total) for step in spec.steps if step.lane is not None}
    assert of == {
        "baseline-observed": ("cloud", 3000), "designed": ("cloud", 363), "approved": ("local", 72),
        "observed": ("cloud", 3000), "evidence": ("local", 1),
    }  # fmt: skip
    teams = {argument["team"] for argument in spec.steps[0].arguments}
    assert teams == set(spec.outline.teams)
    found = simulate(spec, 2)
    assert found.schedule.length == pytest.approx(300 * 0.02 + 0.05 + 37 * 0.001 + 72 * 0.001 + 300 * 0.001 + 0.052)


def test_coordination_has_a_gate_after_each_step() -> None:
    spec = plan("coordination-phase-3")
    agents = [step.total for step in spec.steps if step.name.endswith("-built")]
    assert agents == [5, 5, 5, 5, 6]
    assert [step.name for step in spec.steps if step.gate is not None] == [
        "gate-pooling", "gate-batching", "gate-spawning", "gate-sharding", "gate-integration",
    ]  # fmt: skip
    found = simulate(spec, 2, decisions={"gate-batching": "pivot"})
    assert {spec.steps[step].group for step in found.schedule.skipped} == {"spawning", "sharding", "integration", None}


def printed(data: object) -> dict[str, object]:
    return {"exit_code": 0, "stdout": msgspec.json.encode(data).decode(), "stderr": ""}


@pytest.mark.parametrize(
    ("seconds", "delivered", "faster", "decided"),
    [(1.4, 1.0, 12.0, "go"), (12.0, 1.0, 12.0, "pivot"), (1.4, 0.87, 12.0, "pivot"), (1.4, 1.0, 4.0, "pivot"),
     (16.0, 1.0, 12.0, "stop"), (1.4, 0.8, 12.0, "stop")],
)  # fmt: skip
def test_what_is_decided_of_the_whole(seconds: float, delivered: float, faster: float, decided: str) -> None:
    gate = next(step.gate for step in plan("coordination-phase-3").steps if step.name == "gate-integration")
    assert gate is not None
    cells = [{"name": "none"}, {"name": "all", "seconds": {"ratio": seconds}, "delivered": delivered}]
    data = {"agents": [{"agents": 500, "cells": cells, "together": {"ratio": faster}}]}
    assert decide(gate, printed(data), {}).decided == decided
