"""Plans under a virtual clock: by hand where they are small, and by what must hold of any."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.patterns import overlaps
from engine.plan.analysis.network import Network
from engine.plan.analysis.times import times
from engine.plan.effort import Calendar, Estimate, exactly
from engine.plan.model import Claim, Gate, Lane, Milestone, Outline, Owner
from engine.plan.simulation.draws import Shape, drawn
from engine.plan.simulation.gains import gains
from engine.plan.simulation.gantt import ASCII, draw
from engine.plan.simulation.model import model_of
from engine.plan.simulation.schedule import BUSY
from engine.plan.simulation.simulate import Simulation, simulate
from engine.plan.simulation.spread import quantile, rounds_for
from engine.plan.steps import RunSpec, SpecError, Step
from engine.settings.types import PoolSettings

WEEK = Calendar(day=2.0, week=10.0)


def step(name: str, seconds: float | None, *after: str, **more: Any) -> Step:
    given = {"call": "m:f", "total": 1, "after": list(after), **more}
    return Step(name, estimate=None if seconds is None else exactly(seconds), **given)


def plan(*steps: Step, workers: int = 1, **outline: Any) -> RunSpec:
    pools = [PoolSettings(size=workers)]
    return RunSpec("p", pools, list(steps), outline=Outline(calendar=WEEK, **outline))


def starts(found: Simulation, name: str) -> list[float]:
    number = next(at for at, node in enumerate(found.model.nodes) if node.name == name)
    tasks = found.schedule.tasks(number)
    return sorted(found.schedule.start[tasks.start : tasks.stop])


def told(found: Simulation) -> list[tuple[str, int, float, float, str]]:
    names = [node.name for node in found.model.nodes]
    return [(names[link.step], link.task, link.start, link.end, link.why) for link in found.chain]


# -- by hand -----------------------------------------------------------------------------------------------------------

DIAMOND = (step("a", 2), step("b", 3, "a"), step("c", 5, "a"), step("d", 1, "b", "c"))


def test_one_worker_does_one_thing_after_the_other() -> None:
    found = simulate(plan(*DIAMOND), 1)
    assert found.schedule.length == 11
    assert told(found) == [
        ("a", 0, 0, 2, "beginning"), ("b", 0, 2, 5, "after"), ("c", 0, 5, 10, "worker"), ("d", 0, 10, 11, "after"),
    ]  # fmt: skip
    (load,) = found.loads
    assert (load.work, load.share, load.weeks) == (11, 1.0, (10, 1))


def test_two_workers_do_two() -> None:
    found = simulate(plan(*DIAMOND, workers=2), 1)
    assert found.schedule.length == 8
    assert [name for name, *_ in told(found)] == ["a", "c", "d"]
    assert found.loads[0].share == 11 / 16


def test_what_is_urgent_goes_first() -> None:
    found = simulate(plan(step("x", 1), step("a", 2), step("b", 3, priority=1)), 1)
    assert (starts(found, "b"), starts(found, "x"), starts(found, "a")) == ([0], [3], [4])


def test_owners_have_workers_of_their_own() -> None:
    owners = {"o": Owner("o", workers=2), "half": Owner("half", workers=1, capacity=5.0), "none": Owner("none")}
    people = {"call": None, "owner": "o"}
    found = simulate(
        plan(
            step("a", 4, total=3, **people), step("b", 4, total=2, **people),
            step("c", 3, call=None, owner="half"), step("d", 3, owner="none"), step("e", 3), owners=owners,
        ),
        1,
    )  # fmt: skip
    assert starts(found, "a") + starts(found, "b") == [0, 0, 4, 4, 8]
    assert (found.schedule.finish[2], found.schedule.finish[4]) == (6, 6), "half a week takes twice as long"
    assert {load.resource.name: (load.work, load.resource.workers) for load in found.loads} == {
        "o": (20, 2), "half": (3, 1), "main": (6, 1),
    }  # fmt: skip


def test_a_wait_passes_whoever_works() -> None:
    found = simulate(plan(step("a", 2), step("b", 1, "a", wait=exactly(3)), step("c", 4)), 1)
    assert told(found) == [
        ("a", 0, 0, 2, "beginning"), ("c", 0, 2, 6, "worker"), ("b", 0, 6, 7, "worker"),
    ]  # fmt: skip
    found = simulate(plan(step("a", 2), step("b", 1, "a", wait=exactly(5)), step("c", 4)), 1)
    assert told(found) == [("a", 0, 0, 2, "beginning"), ("b", -1, 2, 7, "after"), ("b", 0, 7, 8, "after")]


def test_what_nobody_works_on_takes_no_worker() -> None:
    found = simulate(plan(step("long", 9), step("answer", None, call=None, wait=exactly(2)), step("m", 0, "answer")), 1)
    assert found.schedule.finish == [9, 2, 2]
    assert found.schedule.length == 9


def test_claims_exclude_and_share() -> None:
    alone, shared = Claim("src/*/x"), Claim("src/a/**", shared=True)
    found = simulate(
        plan(
            step("a", 2, claims=(alone,)), step("b", 2, claims=(shared,)), step("c", 2, claims=(shared,)),
            step("d", 3, claims=(Claim("src/b/y"),)), workers=4,
        ),
        1,
    )  # fmt: skip
    assert [starts(found, name) for name in "abcd"] == [[0], [2], [2], [0]]
    assert [link[:1] + link[4:] for link in told(found)] == [("a", "beginning"), ("c", "claim")]


def test_each_task_of_a_set_has_claims_of_its_own() -> None:
    claims = (Claim("db-{x}"),)
    arguments = [{"x": value} for value in (1, 2, 1, 1)]
    found = simulate(plan(step("a", 2, total=4, arguments=arguments, keywords=True, claims=claims), workers=9), 1)
    assert starts(found, "a") == [0, 0, 2, 4]


def test_a_lane_holds_back_whoever_does_it() -> None:
    lanes = {"local": Lane("local", 1), "cloud": Lane("cloud", 2)}
    owners = {"o": Owner("o", workers=3)}
    found = simulate(
        plan(
            step("a", 2, total=2, lane="local"), step("b", 1, total=4, lane="cloud"),
            step("c", 1, lane="local", owner="o"), workers=9, lanes=lanes, owners=owners,
        ),
        1,
    )  # fmt: skip
    assert starts(found, "a") + starts(found, "c") == [0, 2, 4]
    assert starts(found, "b") == [0, 0, 1, 1]


def test_a_gate_that_does_not_let_go_ends_what_follows() -> None:
    spec = plan(
        step("a", 2), step("g", None, "a", call=None, gate=Gate()), step("b", 3, "g"), step("c", 9, "b"),
        step("other", 1), milestones={"m": Milestone("m", target=1.0, tasks=("a",)), "n": Milestone("n", tasks=("c",))},
    )  # fmt: skip
    found = simulate(spec, 1)
    assert found.schedule.length == 15
    assert [(one.name, one.at, one.slack) for one in found.milestones] == [("m", 2, -1), ("n", 15, None)]
    found = simulate(spec, 1, decisions={"g": "pivot"})
    assert (found.schedule.length, found.schedule.skipped) == (3, {2, 3})
    assert [one.at for one in found.milestones] == [2, None]
    with pytest.raises(SpecError, match="no gate 'a'; known: g"):
        simulate(spec, 1, decisions={"a": "stop"})


def test_too_many_tasks_are_refused() -> None:
    with pytest.raises(SpecError, match="6,000,000 tasks are more than are simulated: 5,000,000 at the most"):
        model_of(plan(step("a", 1, total=6_000_000)), 1)


def test_agents_that_nobody_needs_are_not_hired() -> None:
    """Regression: a billion agents of a pool took as much memory, whatever they had to do."""
    found = simulate(plan(step("a", 1, total=3), workers=10**9), 1)
    assert found.schedule.length == 1
    assert found.loads[0].share == pytest.approx(3e-9)


# -- what must hold of any ---------------------------------------------------------------------------------------------

NAMES = ("db", "src/a", "src/b", "src/*", "src/**")


@st.composite
def plans(draw: st.DrawFn, needs: bool = True) -> RunSpec:
    count = draw(st.integers(1, 7))
    steps = []
    claims = st.lists(st.builds(Claim, st.sampled_from(NAMES), st.booleans()), max_size=2, unique_by=lambda c: c.what)
    for number in range(count):
        after = draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set()
        steps.append(
            step(
                str(number), draw(st.integers(0, 4)), *map(str, sorted(after)), total=draw(st.integers(1, 3)),
                wait=draw(st.sampled_from([None, None, exactly(1), exactly(3)])), priority=draw(st.integers(0, 2)),
                owner=draw(st.sampled_from([None, "o"])), claims=tuple(draw(claims)) if needs else (),
                lane=draw(st.sampled_from([None, None, "l", "k"])) if needs else None,
            )
        )  # fmt: skip
    workers = draw(st.integers(1, 3))
    owners = {"o": Owner("o", workers=draw(st.integers(1, 2)))}
    lanes = {"l": Lane("l", 1), "k": Lane("k", 2)}
    return plan(*steps, workers=workers, owners=owners, lanes=lanes)


def together(found: Simulation, which: list[bool]) -> int:
    """How many tasks of some steps ever run at the same moment."""
    schedule = found.schedule
    moments = []
    for task in range(len(schedule.start)):
        if which[schedule.step_of(task)] and schedule.end[task] > schedule.start[task]:
            moments += [(schedule.start[task], 1), (schedule.end[task], -1)]
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


@given(plans())
def test_no_limit_is_ever_passed(spec: RunSpec) -> None:
    found = simulate(spec, 1)
    schedule, nodes = found.schedule, found.model.nodes
    for number, before in enumerate(found.model.before):
        ready = max((schedule.finish[other] for other in before), default=0.0)
        assert schedule.ready[number] == ready
        waits = nodes[number].wait
        assert schedule.begin[number] == ready + (0.0 if waits is None else waits.likely)
        for task in schedule.tasks(number):
            assert schedule.start[task] >= schedule.begin[number]
            assert schedule.end[task] == schedule.start[task] + nodes[number].work.likely
    for at, resource in enumerate(found.model.resources):
        assert together(found, [node.resource == at for node in nodes]) <= resource.workers
    for lane, limit in found.model.lanes.items():
        assert together(found, [node.lane == lane for node in nodes]) <= limit
    tasks = [(task, schedule.step_of(task)) for task in range(len(schedule.start))]
    for place, (one, first) in enumerate(tasks):
        for other, second in tasks[:place]:
            if any(
                overlaps(mine.what, theirs.what) and not (mine.shared and theirs.shared)
                for mine in nodes[first].claims for theirs in nodes[second].claims
            ):  # fmt: skip
                assert schedule.end[one] <= schedule.start[other] or schedule.end[other] <= schedule.start[one]


@given(plans())
def test_the_chain_goes_from_the_beginning_to_the_end(spec: RunSpec) -> None:
    found = simulate(spec, 1)
    chain = found.chain
    assert (chain[0].start, chain[0].why, chain[-1].end) == (0, "beginning", found.schedule.length)
    for one, other in pairwise(chain):
        assert one.end == other.start
        assert other.why != "beginning"
        if other.why == "worker":
            assert found.model.nodes[one.step].resource == found.model.nodes[other.step].resource


@given(plans(needs=False))
def test_nobody_is_idle_while_somebody_waits_for_a_worker(spec: RunSpec) -> None:
    found = simulate(spec, 1)
    schedule, nodes = found.schedule, found.model.nodes
    for task in range(len(schedule.start)):
        number = schedule.step_of(task)
        if schedule.start[task] > schedule.begin[number]:
            assert schedule.why[task] == BUSY
            moment = (schedule.begin[number] + schedule.start[task]) / 2
            busy = sum(
                schedule.start[other] <= moment < schedule.end[other]
                and nodes[schedule.step_of(other)].resource == nodes[number].resource
                for other in range(len(schedule.start))
            )
            resource = nodes[number].resource
            assert resource is not None
            assert busy == min(found.model.resources[resource].workers, sum(
                node.tasks for node in nodes if node.resource == resource
            ))  # fmt: skip


@given(plans(needs=False))
def test_with_all_the_workers_it_is_the_critical_path(spec: RunSpec) -> None:
    for pool in range(len(spec.pools)):
        spec.pools[pool] = PoolSettings(size=1000)
    spec.outline.owners.clear()
    for one in spec.steps:
        one.owner = None
    found = simulate(spec, 1)
    assert found.schedule.length == times(Network.of(spec.steps)).length


@given(plans())
def test_no_plan_is_shorter_than_its_path_or_its_work(spec: RunSpec) -> None:
    found = simulate(spec, 1)
    assert found.schedule.length >= times(Network.of(spec.steps)).length
    for load in found.loads:
        assert load.work <= found.schedule.length * load.resource.workers
        assert sum(load.weeks) == pytest.approx(load.work)
        assert all(week <= WEEK.week * load.resource.workers for week in load.weeks)
    work = sum(node.tasks * node.work.likely for node in found.model.nodes)
    assert sum(load.work for load in found.loads) == pytest.approx(work)


@given(plans(), st.floats(0.5, 3))
def test_what_a_shorter_step_brings_is_what_a_shorter_plan_would_take(spec: RunSpec, less: float) -> None:
    found = simulate(spec, 1)
    moved = gains(found.model, found.schedule.length, range(len(spec.steps)), less)
    for number, one in enumerate(spec.steps):
        assert one.estimate is not None
        seconds = one.estimate.likely
        if seconds > less:  # else the step has no work at all then, and takes no worker
            one.estimate = exactly(seconds - less)
            assert moved[number] == pytest.approx(found.schedule.length - simulate(spec, 1).schedule.length)
            one.estimate = exactly(seconds)


# -- chance ------------------------------------------------------------------------------------------------------------


def uncertain() -> RunSpec:
    spec = plan(step("a", 2), step("b", 3, "a"), step("c", 5, "a"), step("d", 1, "b", "c"), workers=2)
    spec.steps[1].estimate = Estimate(1, 3, 20)
    spec.steps[2].estimate = Estimate(4, 5, 9)
    return spec


@pytest.mark.parametrize("shape", ["pert", "triangular"])
def test_what_is_uncertain_has_an_interval(shape: Shape) -> None:
    found = simulate(uncertain(), 1, rounds=300, seed=5, shape=shape)
    spread = found.spread
    assert spread is not None
    assert found.schedule.length == 8, "what is most likely"
    assert 2 + 4 + 1 <= spread.low < spread.middle < spread.high <= 2 + 20 + 1
    assert spread.low < spread.mean < spread.high
    assert (spread.critical[0], spread.critical[3]) == (1, 1)
    assert spread.critical[1] + spread.critical[2] == pytest.approx(1)
    assert 0.1 < spread.critical[1] < 0.9
    assert simulate(uncertain(), 1, rounds=300, seed=5, shape=shape).spread == spread
    assert simulate(uncertain(), 1, rounds=300, seed=6, shape=shape).spread != spread


def test_what_is_certain_has_none() -> None:
    assert simulate(plan(*DIAMOND), 1).spread is None
    assert simulate(uncertain(), 1, rounds=0).spread is None
    assert (rounds_for(10), rounds_for(10_000), rounds_for(100_000)) == (200, 40, 0)


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 10), st.integers())
def test_draws_stay_within_their_estimate(low: float, more: float, most: float, seed: int) -> None:
    from random import Random

    estimate = Estimate(low, low + more, low + more + most)
    shapes: tuple[Shape, ...] = ("pert", "triangular")
    for shape in shapes:
        draw_one = drawn(Random(seed), shape)
        for _ in range(5):
            assert estimate.low <= draw_one(estimate) <= estimate.high * (1 + 1e-12)


def test_draws_have_the_mean_of_their_shape() -> None:
    from random import Random

    estimate = Estimate(1, 2, 9)
    for shape, mean in (("pert", (1 + 4 * 2 + 9) / 6), ("triangular", (1 + 2 + 9) / 3)):
        draw_one = drawn(Random(1), shape)  # type: ignore[arg-type]
        found = [draw_one(estimate) for _ in range(20_000)]
        assert sum(found) / len(found) == pytest.approx(mean, rel=0.02)


def test_quantiles_lie_between() -> None:
    assert [quantile([1.0, 2.0, 4.0], share) for share in (0, 0.25, 0.5, 1)] == [1, 1.5, 2, 4]
    assert quantile([3.0], 0.9) == 3


# -- the chart ---------------------------------------------------------------------------------------------------------


def test_a_chart_by_hand() -> None:
    spec = plan(
        step("a", 4), step("b", 3, "a", wait=exactly(2)), step("c", 5, "a"), step("d", 2, "c"),
        milestones={"m": Milestone("m", target=12.0, tasks=("c",))},
    )  # fmt: skip
    assert draw(spec, simulate(spec, 1), 40, ASCII) == [
        "     0           5 s         10 s",
        "  a |##########                        |",
        "  b |         .....-------#########    |",
        "  c |         #############            |",
        "  d |                     --------#####|",
        "m   |                     *       o    |",
    ]
