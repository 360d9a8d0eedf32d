"""How the rest of a plan may go, by what is left of each set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.analysis.network import Network
from engine.plan.analysis.outlook import Rest, outlook
from engine.plan.order import followers, topological

pytestmark = pytest.mark.usefixtures("nothing_switched_off")


def network(before: list[list[int]]) -> Network:
    names = [f"s{number}" for number in range(len(before))]
    return Network(names, before, followers(before), topological(before), [0.0] * len(before))


DIAMOND = [[], [0], [0], [1, 2]]


def test_before_anything_it_is_the_critical_path() -> None:
    found = outlook(network(DIAMOND), [Rest(1, 2.0), Rest(1, 5.0), Rest(1, 3.0), Rest(1, 1.0)])
    assert found.length == 8.0
    assert found.chain == [0, 1, 3]
    assert found.starts == [0.0, 2.0, 2.0, 7.0]
    assert found.slack == [0.0, 0.0, 2.0, 0.0]
    assert found.ranks == [8.0, 6.0, 4.0, 1.0]
    assert found.gains == [1.0, 1.0, 0.0, 1.0]


def test_what_is_over_takes_no_time_and_the_chain_goes_back_through_what_ended_last() -> None:
    rests = [Rest(0, ended=3.0), Rest(0, ended=9.0), Rest(0, ended=11.0), Rest(1, 1.0)]
    found = outlook(network(DIAMOND), rests)
    assert found.length == 1.0
    assert found.chain == [0, 2, 3]


def test_when_all_is_over_the_chain_is_what_was() -> None:
    rests = [Rest(0, ended=3.0), Rest(0, ended=9.0), Rest(0, ended=4.0), Rest(0, ended=10.0)]
    found = outlook(network(DIAMOND), rests)
    assert (found.length, found.chain) == (0.0, [0, 1, 3])


@pytest.mark.parametrize(
    ("rest", "seconds"),
    [
        (Rest(0, 5.0), 0.0),
        (Rest(1, 5.0), 5.0),
        (Rest(10, 5.0, workers=2), 25.0),
        (Rest(2, 5.0, workers=4), 5.0),
        (Rest(1, 5.0, running=2.0), 3.0),
        (Rest(1, 5.0, running=7.0), 0.0),
        (Rest(1, 5.0, wait=3.0), 8.0),
        (Rest(1), 0.0),
        (Rest(1, wait=3.0), 3.0),
        (Rest(3, 1.0, workers=0), 3.0),
    ],
)
def test_what_is_left_of_a_set(rest: Rest, seconds: float) -> None:
    assert rest.seconds == seconds


def test_nothing_at_all() -> None:
    found = outlook(network([]), [])
    assert (found.length, found.chain) == (0.0, [])


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=1, max_size=12),
    st.lists(st.integers(0, 20), min_size=12, max_size=12),
)
def test_the_chain_is_as_long_as_all_of_it(after: list[list[int]], takes: list[int]) -> None:
    before = [sorted({one % number for one in some}) if number else [] for number, some in enumerate(after)]
    found = outlook(network(before), [Rest(1, float(takes[number])) for number in range(len(before))])
    assert sum(takes[number] for number in found.chain) == pytest.approx(found.length)
    for one, other in zip(found.chain, found.chain[1:], strict=False):
        assert one in before[other]
    assert all(found.slack[number] == 0 for number in found.chain)
