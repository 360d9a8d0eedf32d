"""Combinations of mechanisms, and what is made of their rounds."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bench.ablation.cells import cells
from engine.bench.ablation.effects import effect, impact, log_ratios

FLAGS = ("pooling", "batching", "spawning", "sharding")
names = st.lists(st.text("abcdefgh", min_size=1, max_size=3), min_size=1, max_size=6, unique=True)
logs = st.lists(st.floats(-5, 5), min_size=2, max_size=12)
times = st.floats(1e-3, 1e3)


@given(names)
def test_every_combination_is_there_once(flags: list[str]) -> None:
    found = cells(flags)
    count = len(flags)
    assert len(found) == {1: 2, 2: 4}.get(count, 2 * count + 2)
    assert len({cell.on for cell in found}) == len({cell.name for cell in found}) == len(found)
    assert {len(cell.on) for cell in found} <= {0, 1, count - 1, count}
    assert found[0].on == frozenset()


def test_none_alone_all_and_all_but_each() -> None:
    assert [cell.name for cell in cells(FLAGS)] == [
        "none", *FLAGS, "all", *(f"all but {flag}" for flag in FLAGS),
    ]  # fmt: skip
    assert {cell.name: cell.on for cell in cells(FLAGS)}["all but pooling"] == {"batching", "spawning", "sharding"}
    for wrong in ([], ["a", "a"]):
        with pytest.raises(ValueError, match=r"^mechanisms are "):
            cells(wrong)


def test_an_interval_of_students() -> None:
    """Mean 0.2 of four values with standard deviation 0.1: t(0.975, 3) is 3.1824."""
    spread = 0.1 * math.sqrt(3 / 4)
    found = effect([0.2 - spread, 0.2 + spread, 0.2 - spread, 0.2 + spread])
    assert found.ratio == pytest.approx(math.exp(0.2))
    assert found.low == pytest.approx(math.exp(0.2 - 3.18245 * 0.1 / 2), rel=1e-4)
    assert found.high == pytest.approx(math.exp(0.2 + 3.18245 * 0.1 / 2), rel=1e-4)
    assert found.deviation == pytest.approx(spread)
    assert found.measurable is True
    assert effect([-0.1, 0.2, -0.2, 0.15]).measurable is False


@given(logs)
def test_the_other_way_round_is_the_inverse(values: list[float]) -> None:
    one, other = effect(values), effect([-value for value in values])
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert one.low is not None
    assert one.high is not None
    assert other.low == pytest.approx(1 / one.high)
    assert one.low <= one.ratio * (1 + 1e-12)
    assert one.ratio <= one.high * (1 + 1e-12)
    assert one.measurable == other.measurable


def test_one_round_has_no_interval() -> None:
    found = effect([math.log(2)])
    assert found.ratio == pytest.approx(2)
    assert (found.low, found.high, found.rounds) == (None, None, 1)
    assert found.measurable is None
    with pytest.raises(ValueError, match=r"^no rounds have no effect$"):
        effect([])


@given(st.lists(st.tuples(times, times, st.floats(0.1, 10)), min_size=2, max_size=10))
def test_what_slows_a_whole_round_down_cancels(rounds: list[tuple[float, float, float]]) -> None:
    plain = log_ratios([a for a, _, _ in rounds], [b for _, b, _ in rounds])
    slowed = log_ratios([a * slow for a, _, slow in rounds], [b * slow for _, b, slow in rounds])
    assert slowed == pytest.approx(plain, abs=1e-9)


@given(
    st.lists(st.floats(0.2, 20), min_size=4, max_size=4), st.floats(0.2, 5),
    st.lists(times, min_size=2, max_size=6),
)  # fmt: skip
def test_factors_are_found_again(factors: list[float], beyond: float, baseline: list[float]) -> None:
    """Each mechanism has its factor, and all four together one beyond the product."""

    def seconds(on: frozenset[str], base: float) -> float:
        fast = math.prod(factor for flag, factor in zip(FLAGS, factors, strict=True) if flag in on)
        return base / fast / (beyond if len(on) == len(FLAGS) else 1)

    found = impact(FLAGS, {cell.on: [seconds(cell.on, base) for base in baseline] for cell in cells(FLAGS)})
    assert found.together is not None
    assert found.interaction is not None
    for flag, factor in zip(FLAGS, factors, strict=True):
        assert found.alone[flag].ratio == pytest.approx(factor)
        assert found.among[flag].ratio == pytest.approx(factor * beyond)
    assert found.together.ratio == pytest.approx(math.prod(factors) * beyond)
    assert found.interaction.ratio == pytest.approx(beyond)
    assert found.interaction.low == pytest.approx(beyond)
    assert found.interaction.rounds == len(baseline)


def test_what_was_not_measured_is_left_out() -> None:
    samples = {cell.on: [2.0, 3.0] for cell in cells(FLAGS) if cell.name not in ("batching", "all but sharding")}
    found = impact(FLAGS, samples)
    assert list(found.alone) == ["pooling", "spawning", "sharding"]
    assert list(found.among) == ["pooling", "batching", "spawning"]
    assert found.together is not None
    assert found.interaction is None
    assert impact(FLAGS, {}).together is None
    with pytest.raises(ValueError, match="a combination that there is not"):
        impact(FLAGS, {frozenset(("pooling", "batching")): [1.0]})
    with pytest.raises(ValueError, match="can't be paired"):
        impact(["one"], {frozenset(): [1.0, 2.0], frozenset(["one"]): [1.0]})
    with pytest.raises(ValueError, match="have no ratio"):
        log_ratios([1.0], [0.0])


@given(st.integers(2, 12), st.floats(0.01, 1))
def test_the_interval_narrows_as_rounds_are_added(pairs: int, spread: float) -> None:
    widths = []
    for count in (pairs, pairs + 3):
        found = effect([spread, -spread] * count)
        assert found.low is not None
        assert found.high is not None
        widths.append(math.log(found.high / found.low))
    assert all(later < earlier for earlier, later in pairwise(widths))
