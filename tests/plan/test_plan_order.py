"""The order of what comes after each other, and the circles in it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.order import Circle, followers, topological

GRAPHS = st.integers(1, 12).flatmap(
    lambda count: st.lists(st.lists(st.integers(0, count - 1), max_size=4), min_size=count, max_size=count)
)


@given(GRAPHS)
def test_an_order_or_a_circle(before: list[list[int]]) -> None:
    try:
        order = topological(before)
    except Circle as error:
        path = error.path
        assert path[0] == path[-1]
        assert len(path) > 1
        assert len(set(path[:-1])) == len(path) - 1, "nothing is in it twice"
        for one, other in itertools.pairwise(path):
            assert one in before[other]
    else:
        place = {number: at for at, number in enumerate(order)}
        assert sorted(order) == list(range(len(before)))
        assert all(place[other] < place[number] for number, others in enumerate(before) for other in others)


def test_what_may_come_in_any_order_comes_by_its_number() -> None:
    assert topological([[2], [], [], [1]]) == [1, 2, 0, 3]
    assert followers([[2], [], [], [1]]) == [[], [3], [0], []]


def test_long_chains_take_no_stack() -> None:
    count = 50_000
    assert topological([[n + 1] if n + 1 < count else [] for n in range(count)])[0] == count - 1
    with pytest.raises(Circle) as caught:
        topological([[(n + 1) % count] for n in range(count)])
    assert len(caught.value.path) == count + 1
