"""Early and late times, slack, critical paths, ranks and gains, against all chains counted one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.analysis.gains import gains, longest_without
from engine.plan.analysis.network import Network, seconds_of, work_of
from engine.plan.analysis.rank import set_priorities, upward_ranks
from engine.plan.analysis.times import critical_path, times
from engine.plan.effort import Estimate, exactly
from engine.plan.steps import Step


def step(name: str, seconds: float | None, *after: str, tasks: int = 1, wait: float | None = None) -> Step:
    return Step(
        name,
        total=tasks,
        after=list(after),
        estimate=None if seconds is None else exactly(seconds),
        wait=None if wait is None else exactly(wait),
    )


DIAMOND = [step("a", 2), step("b", 3, "a"), step("c", 5, "a"), step("d", 1, "b", "c"), step("e", 7)]


@st.composite
def networks(draw: st.DrawFn) -> list[Step]:
    count = draw(st.integers(1, 7))
    seconds = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    found = []
    for number in range(count):
        after = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        found.append(step(str(number), seconds[number], *map(str, sorted(after))))
    return draw(st.permutations(found))


def chains(network: Network) -> list[list[int]]:
    """All chains from a node that comes after nothing to one that nothing comes after."""
    found = [[node] for node in range(len(network.names)) if not network.before[node]]
    whole = []
    while found:
        chain = found.pop()
        if not network.after[chain[-1]]:
            whole.append(chain)
        found.extend([*chain, other] for other in network.after[chain[-1]])
    return whole


def length(network: Network, chain: list[int]) -> float:
    return sum(network.seconds[node] for node in chain)


def test_a_diamond_by_hand() -> None:
    network = Network.of(DIAMOND)
    found = times(network)
    assert found.length == 8
    assert found.early_start == [0, 2, 2, 7, 0]
    assert found.late_start == [0, 4, 2, 7, 1]
    assert [found.slack(node) for node in range(5)] == [0, 2, 0, 0, 1]
    assert [network.names[node] for node in critical_path(network, found)] == ["a", "c", "d"]
    assert upward_ranks(network) == [8, 4, 6, 1, 7]
    assert longest_without(network, found) == [7, 8, 7, 7, 8]
    assert gains(network, found) == [1, 0, 1, 1, 0]
    assert gains(network, found, 10) == [1, 0, 1, 1, 0], "e is next"


@given(networks())
def test_against_all_chains(steps: list[Step]) -> None:
    network = Network.of(steps)
    found = times(network)
    every = chains(network)
    assert found.length == max(length(network, chain) for chain in every)
    path = critical_path(network, found)
    assert path in every
    assert length(network, path) == found.length
    without = longest_without(network, found)
    for node in range(len(steps)):
        through = max(length(network, chain) for chain in every if node in chain)
        assert found.slack(node) == found.length - through
        assert without[node] == max((length(network, chain) for chain in every if node not in chain), default=0)
    for less in (1.0, 2.5):
        for node, gain in enumerate(gains(network, found, less)):
            shorter = [*network.seconds]
            shorter[node] = max(0.0, shorter[node] - less)
            changed = times(Network(network.names, network.before, network.after, network.order, shorter))
            assert gain == pytest.approx(found.length - changed.length)


@given(networks())
def test_who_comes_before_has_the_higher_rank(steps: list[Step]) -> None:
    network = Network.of(steps)
    ranks = upward_ranks(network)
    assert all(ranks[node] >= ranks[other] for node in range(len(steps)) for other in network.after[node])
    set_priorities(steps, network)
    for one, rank in zip(steps, ranks, strict=True):
        for other, less in zip(steps, ranks, strict=True):
            assert (one.priority > other.priority) == (rank > less)


def test_what_a_set_of_tasks_takes() -> None:
    assert seconds_of(step("a", 3, tasks=10)) == 3, "all at once"
    assert seconds_of(step("a", 3, tasks=10), 4) == 9
    assert seconds_of(step("a", 3, tasks=10, wait=2), 4) == 11
    assert seconds_of(step("a", None)) == 0
    assert work_of(step("a", 3, tasks=10, wait=2)) == 30
    assert seconds_of(Step("a", estimate=Estimate(1, 2, 9))) == 2
    assert Network.of([step("a", 3, tasks=10)], {"a": 5}).seconds == [6]


def test_a_long_chain_and_a_wide_fan_take_a_moment() -> None:
    count = 20_000
    chain = [step(f"c{n}", 1, *([f"c{n - 1}"] if n else [])) for n in range(count)]
    fan = [step(f"f{n}", 1, "c0") for n in range(count)]
    network = Network.of([*chain, *fan])
    found = times(network)
    assert found.length == count
    assert sum(gains(network, found)) == count
