"""Both ways of observing find the same, and what is made of that adds up."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.workloads import augur
from engine.workloads.augur import LIMIT, observe, readings


@settings(max_examples=30)
@given(st.text(max_size=8), st.integers(0, 5000), st.integers(1, 300), st.integers(2, 60))
def test_both_ways_find_the_same(team: str, agent: int, count: int, window: int) -> None:
    found = [observe(team, agent, naive, count, window)["outliers"] for naive in (True, False)]
    assert found[0] == found[1]
    series = readings(team, agent, count)
    for at in found[0]:
        before = series[at - window : at]
        assert abs(series[at] - statistics.fmean(before)) > LIMIT * statistics.pstdev(before) * (1 - 1e-9)


def test_observers_have_readings_of_their_own() -> None:
    assert readings("sales", 1) == readings("sales", 1)
    assert len({tuple(readings(team, agent)) for team in ("sales", "legal") for agent in range(20)}) == 40
    assert sum(len(observe("sales", agent, False)["outliers"]) for agent in range(20)) > 20, "something stands out"
    with pytest.raises(ValueError, match="window"):
        observe("sales", 1, True, 10, 1)


def test_the_second_way_is_ten_times_faster() -> None:
    """By its operations: of each window, the first way adds up a hundred readings, the second way two."""
    observed = [observe(team, agent, True) for team in ("sales", "legal") for agent in range(3)]
    again = [observe(team, agent, False) for team in ("sales", "legal") for agent in range(3)]
    before, after = augur.summary([], observed), augur.summary([], again[::-1])
    assert before["outliers"] == after["outliers"]
    proof = augur.evidence(before, after)
    assert proof["same"]
    assert proof["observers"] == 6
    assert proof["faster"] == before["seconds"] / after["seconds"]
    changed = [{**again[0], "outliers": [1]}, *again[1:]]
    assert not augur.evidence(before, augur.summary([], changed))["same"]


def test_what_follows_from_it() -> None:
    analysis = augur.summary([], [observe(team, 1, False) for team in ("b", "a")])
    assert [augur.design(kosha, analysis)["team"] for kosha in (1, 2, 3)] == ["a", "b", "a"]
    approvals = [augur.approve(kosha, analysis) for kosha in (1, 2)]
    told = augur.documents({"observers": 2, "outliers": 7, "faster": 12.34, "same": True}, approvals)
    assert told["text"] == (
        "2 observers found 7 outliers 12.3 times faster than at first, and agree with what was found then. "
        "2 of 2 koshas approved."
    )
