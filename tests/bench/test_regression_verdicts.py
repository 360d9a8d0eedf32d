"""From levels to verdicts: what is called a regression, and what is not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bench.guard import compare, decide, student
from engine.bench.guard.cells import Cell, of_row
from engine.bench.guard.compare import Basis, Machine
from engine.bench.guard.decide import Estimate, Verdict
from engine.bench.rows import SUITES

NOISE = (0.004, -0.011, 0.007, 0.013, -0.006, -0.002, 0.009, -0.014)
"""Logarithms, of a round each."""


def cell(*values: float, beside: tuple[float, ...] = (), **more: Any) -> Cell:
    samples = {"ours": list(values)} | ({"peer": list(beside)} if beside else {})
    usual: dict[str, Any] = {
        "name": "c", "metric": "cell", "unit": "B", "better": "low", "floor": 0.0, "samples": samples,
    }  # fmt: skip
    return Cell(**usual | more)


def noisy(factor: float = 1.0, shift: int = 0, rounds: int = 8) -> list[float]:
    return [factor * math.exp(NOISE[(at * 3 + shift) % len(NOISE)]) for at in range(rounds)]


def judged(before: Cell, now: Cell, machine: Machine | None = None) -> Verdict:
    return compare.verdicts([now], {"c": Basis(before, machine or Machine())})["c"]


# -- Student's distribution --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freedom", "outside", "t"),
    [  # from tables
        (1, 0.05, 12.706), (2, 0.05, 4.303), (5, 0.05, 2.571), (7, 0.001, 5.408), (10, 0.01, 3.169),
        (30, 0.05, 2.042), (1e7, 0.05, 1.95996),
    ],
)  # fmt: skip
def test_tables_of_students_distribution(freedom: float, outside: float, t: float) -> None:
    assert student.two_sided(t, freedom) == pytest.approx(outside, rel=1e-3)
    assert student.quantile(outside, freedom) == pytest.approx(t, rel=1e-3)


def test_students_distribution_of_one_degree_is_cauchys() -> None:
    for t in (0.0, 0.1, 1.0, 3.0, 250.0):
        assert student.two_sided(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(t), abs=1e-12)


@given(st.floats(0.3, 500), st.floats(1e-9, 0.999))
def test_the_quantile_is_the_inverse(freedom: float, outside: float) -> None:
    assert student.two_sided(student.quantile(outside, freedom), freedom) == pytest.approx(outside, rel=1e-6)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -1.0, 2.0])
def test_a_probability_lies_between_0_and_1(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        student.quantile(wrong, 3)


# -- levels ------------------------------------------------------------------------------------------------------------


def test_levels_are_of_ratios_and_upwards_is_worse() -> None:
    assert cell(2.0, 4.0, beside=(1.0, 1.0)).levels() == pytest.approx([math.log(2), math.log(4)])
    assert cell(2.0, 4.0, unit="/s", better="high").levels() == pytest.approx([-math.log(2), -math.log(4)])
    assert cell(1.0, 4.0, 9.0, 9.0, 5.0, repeat=2).levels() == pytest.approx([math.log(2), math.log(9)])


@pytest.mark.parametrize("values", [(0.0, 1.0), (-1.0, 1.0), (math.inf, 1.0)])
def test_what_has_no_logarithm_has_no_level(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no ratio"):
        cell(*values).levels()


def test_the_better_direction_of_each_row() -> None:
    known = {row.name: row.better for rows in SUITES.values() for row in rows}
    assert {name for name, which in known.items() if which == "high"} == {
        "submit", "map", "recorder-rows", "recorder-single", "recorder-blocks", "watch-work", "watch-work-all",
        "tui-work", "pool-hits", "throughput-1000", "throughput-10000", "throughput-100000",
    }  # fmt: skip


def test_a_cell_of_a_row() -> None:
    row = next(row for row in SUITES["speed"] if row.name == "overhead-10ms")
    samples = {side: [{"value": 1.0, "more": 2}] for side in ("ours", "peer")}
    found = of_row(row, "title", samples, {"tasks": 600, "iterations": 12345}, 1)
    assert (found.samples, found.work) == ({"ours": [1.0], "peer": [1.0]}, '{"tasks": 600}')
    with pytest.raises(ValueError, match="no number"):
        of_row(row, "title", {"ours": [{"value": math.nan}]}, {}, 1)


# -- estimates ---------------------------------------------------------------------------------------------------------


def test_trimmed_means_by_hand() -> None:
    # Eight values lose one at each end; winsorised they are 1 1 2 3 4 5 6 6, whose squares about 3.5 sum up to 30.
    found = decide.unpaired([0.0] * 8, [0, 1, 2, 3, 4, 5, 6, 100])
    assert found.effect == pytest.approx(3.5)
    assert found.error == pytest.approx(math.sqrt(30 / (6 * 5)))
    assert found.freedom == 5


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=30), st.floats(-1, 1))
def test_a_shift_is_found_as_it_is(values: list[float], shift: float) -> None:
    found = decide.paired(values, [value + shift for value in values])
    assert found.effect == pytest.approx(shift, abs=1e-9)
    assert found.low <= found.effect <= found.high


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=20), st.lists(st.floats(-1, 1), min_size=3, max_size=20))
def test_worse_one_way_is_better_the_other_way(left: list[float], right: list[float]) -> None:
    there, back = decide.unpaired(left, right), decide.unpaired(right, left)
    assert there.effect == pytest.approx(-back.effect, abs=1e-12)
    assert there.p == pytest.approx(back.p, rel=1e-6, abs=1e-12)
    assert there.low == pytest.approx(-back.high, abs=1e-9)


@given(
    st.lists(st.floats(-1, 1), min_size=5, max_size=20), st.floats(1, 1e6), st.integers(0, 19),
    st.sampled_from([-1, 1]),
)  # fmt: skip
def test_one_round_gone_wild_moves_it_no_further_than_its_neighbours(
    values: list[float], far: float, at: int, sign: int
) -> None:
    wild = list(values)
    wild[at % len(values)] = sign * far
    found = decide.unpaired([0.0] * 8, wild)
    assert -1 <= found.effect <= 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_rounds(count: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        decide.unpaired([1.0] * 8, [1.0] * count)
    verdict = judged(cell(*noisy()), cell(*noisy(rounds=count))) if count else None
    assert verdict is None or (verdict.state, "too few" in verdict.why) == ("unmeasured", True)


def test_a_bias_widens_it_and_makes_it_less_sure() -> None:
    found = Estimate(0.12, 0.01, 7, 8)
    biased = Estimate(0.12, 0.01, 7, 8, bias=0.02)
    assert biased.low == pytest.approx(found.low - 0.02)
    assert biased.p == pytest.approx(Estimate(0.10, 0.01, 7, 8).p)
    assert Estimate(0.02, 0.0, 7, 8, bias=0.03).p == 1.0


@given(st.dictionaries(st.text("abcdef", min_size=1), st.floats(0, 1), min_size=1, max_size=20))
def test_holms_correction(ps: dict[str, float]) -> None:
    found = decide.holm(ps)
    assert min(found.values()) == pytest.approx(min(1.0, len(ps) * min(ps.values())))
    for name, p in ps.items():
        assert p <= found[name] <= 1
        for other, q in ps.items():
            assert p > q or found[name] <= found[other]


def test_eight_rounds_can_pass_whatever_the_number_of_cells() -> None:
    # The trap: two-sided, ranks of eight pairs can't give less than 0.0078, which twenty cells make 0.16.
    rounds = decide.paired([0.0] * 8, [0.15 + noise for noise in NOISE])
    assert rounds.p * 20 < 0.001


# -- verdicts ----------------------------------------------------------------------------------------------------------


def again(now: Cell, factor: float) -> Cell:
    return now.and_again(cell(*noisy(factor, 2, 16)))


def test_a_regression_is_confirmed() -> None:
    before, now = cell(*noisy()), cell(*noisy(1.15, 1))
    assert judged(before, now).state == "suspected"
    confirmed = judged(before, again(now, 1.15))
    assert (confirmed.state, confirmed.confirmed) == ("regression", True)
    assert confirmed.estimate is not None
    assert confirmed.estimate.low < math.log(1.15) < confirmed.estimate.high


def test_a_re_run_that_does_not_say_so_confirms_nothing() -> None:
    now = again(cell(*noisy(1.6, 1)), 1.0)
    assert judged(cell(*noisy()), now).state != "regression"
    # Even if all rounds together are far beyond 10 %: the re-run has none of it.
    now = cell(*noisy(1.6, 1, 60)).and_again(cell(*noisy(1.0, 2, 8)))
    found = judged(cell(*noisy()), now)
    assert (found.state, found.confirmed) == ("suspected", False)


@pytest.mark.parametrize(("factor", "state"), [(1.05, "slightly worse"), (1.0, "fine"), (0.95, "fine")])
def test_less_than_ten_percent_is_none(factor: float, state: str) -> None:
    assert judged(cell(*noisy()), again(cell(*noisy(factor, 1)), factor)).state == state


def test_an_improvement_is_told() -> None:
    assert judged(cell(*noisy()), again(cell(*noisy(0.8, 1)), 0.8)).state == "improved"


def test_what_is_below_its_floor_is_none() -> None:
    before = cell(*noisy(1e-6), floor=1e-3, unit="s", beside=(1.0,) * 8)
    now = cell(*noisy(2e-6, 1), floor=1e-3, unit="s", beside=(1.0,) * 8)
    rerun = cell(*noisy(2e-6, 1), floor=1e-3, unit="s", beside=(1.0,) * 8)
    assert judged(before, now.and_again(rerun)).state == "fine"


def test_of_a_rate_the_floor_is_taken_of_what_it_falls_to() -> None:
    before = cell(*noisy(1000), unit="/s", better="high", floor=120.0, beside=(1.0,) * 8)
    now = cell(*noisy(870, 1), unit="/s", better="high", floor=120.0, beside=(1.0,) * 8)
    assert judged(before, now.and_again(now)).state == "regression"


def test_too_noisy_to_say_is_not_fine() -> None:
    wild = [math.exp(30 * noise) for noise in NOISE]
    assert judged(cell(*wild), cell(*wild[::-1])).state == "unsure"


def test_many_cells_ask_for_more() -> None:
    values = [1.0, 1.1, 1.25, 1.02, 1.3, 1.17, 1.21, 1.2]
    before = {f"c{at}": cell(*noisy(), name=f"c{at}") for at in range(40)}
    nows = {name: cell(*values, name=name).and_again(cell(*values, name=name)) for name in before}
    alone = compare.verdicts([nows["c0"]], {"c0": Basis(before["c0"])})["c0"]
    others = [cell(*noisy(1.0, 1), name=name) for name in before if name != "c0"]
    among = compare.verdicts([nows["c0"], *others], {name: Basis(found) for name, found in before.items()})["c0"]
    assert alone.p < among.p == pytest.approx(40 * alone.p)


def test_in_turns_with_another_code() -> None:
    pairs = [math.exp(20 * noise) for noise in NOISE]  # the machine swings by a quarter, for both
    ours = [1.2 * value * math.exp(0.2 * noise) for value, noise in zip(pairs, reversed(NOISE), strict=True)]
    now = Cell(name="c", metric="", unit="s", better="low", floor=0.0, samples={"ours": ours, "against": pairs})
    basis = Basis(compare.as_before(now), in_turns=True)
    assert compare.verdicts([now.and_again(now)], {"c": basis})["c"].state == "regression"


# -- other machines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (Machine(alike=False), "another one"), (Machine(drift=0.05), "not steady"),
        (Machine(moved=math.log(1.05)), "5% slower"), (Machine(moved=-math.log(1.05)), "5% faster"),
    ],
)  # fmt: skip
def test_what_goes_as_the_machine_does_wants_the_same_machine(machine: Machine, why: str) -> None:
    slow = judged(cell(*noisy(), unit="s"), cell(*noisy(1.3), unit="s"), machine)
    assert (slow.state, why in slow.why) == ("unmeasured", True)
    # A ratio to what was measured beside it does not, and bytes do not.
    beside: tuple[float, ...]
    for unit, beside in (("s", (1.0,) * 8), ("B", ())):
        now, rerun = (cell(*noisy(1.3, shift), unit=unit, beside=beside) for shift in (1, 2))
        found = judged(cell(*noisy(), unit=unit, beside=beside), now.and_again(rerun), machine)
        assert found.state == "regression"


def test_by_what_the_machine_has_moved_it_may_be_off() -> None:
    found = judged(cell(*noisy(), unit="s"), cell(*noisy(1.01, 1), unit="s"), Machine(moved=0.02)).estimate
    assert found is not None
    assert found.bias == 0.02


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"unit": "s"}, "its unit was another one"), ({"better": "high"}, "its unit was another one"),
        ({"work": "{}"}, "it was of another size"),
        ({"beside": (1.0,) * 8}, "it was measured beside nothing, not peer"),
    ],
)  # fmt: skip
def test_cells_of_other_work_are_not_compared(other: dict[str, Any], why: str) -> None:
    assert judged(cell(*noisy()), cell(*noisy(), **other)) == Verdict("unmeasured", why=why)


def test_one_that_is_new_is_the_first() -> None:
    assert compare.verdicts([cell(*noisy())], {"c": Basis(None)})["c"].state == "first"
