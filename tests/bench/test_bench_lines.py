"""What suites have found as lines: factors, where what is wanted lies, and what is derived of cells alone."""

from __future__ import annotations

import math

import bench_sessions as made
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bench.catalogue import ALL
from engine.bench.guard import derived
from engine.bench.guard.sessions import Session
from engine.bench.lines import Line, at, bound, factor, of_finding, planned
from engine.bench.rows import SUITES, Limit, Row
from engine.bench.verdicts import judge


def row(*must: Limit, unit: str = "s", peer: str = "Pool", aim: tuple[Limit, ...] = ()) -> Row:
    return Row("r", "row", unit, peer, {}, {}, must=must, aim=aim)


def found(row_: Row, ours: list[float], theirs: list[float] | None = None, **more: float) -> Line:
    samples = [{"value": value, **more} for value in ours]
    peer = [{"value": value} for value in theirs or []]
    return of_finding(judge(row_, "row", samples, peer, {}), ours)


def test_every_suite_is_in_the_catalogue() -> None:
    assert {suite.name for suite in ALL} == {*SUITES, "coordination", "peers", "scaling", "alerts"}


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_a_factor_is_above_1_for_better_whatever_is(ours: float, theirs: float) -> None:
    low, high = factor("low", ours / theirs), factor("high", ours / theirs)
    assert low is not None
    assert high is not None
    assert low * high == pytest.approx(1)
    assert (low > 1) == (ours < theirs) or math.isclose(ours, theirs)


@pytest.mark.parametrize("ratio", [None, 0.0, -1.0, math.inf, math.nan])
def test_no_factor(ratio: float | None) -> None:
    assert factor("low", ratio) is None


def test_a_row_with_a_peer_is_beside_it() -> None:
    line = found(row(Limit("ratio", "<", 0.5, "half"), Limit("ours", "<", 9.0, "< 9 s")), [1, 2, 4], [4, 4, 4])
    assert (line.beside, line.value, line.other, line.of) == ("Pool", 2, 4, "beside")
    assert (line.factor, line.factor_low, line.factor_high) == (2, 1, 4)
    assert (line.low, line.high) == (1, 4)
    assert line.must is not None
    assert (line.must.at, line.must.reached, line.must.certain) == (2.0, False, False), "half is not below half"


def test_of_rates_more_is_better() -> None:
    line = found(row(Limit("ratio", ">", 5.0, "> 5x"), unit="/s"), [80, 90, 100], [10, 10, 10])
    assert (line.factor, line.factor_low, line.factor_high) == (9, 8, 10)
    assert line.must is not None
    assert line.must.at == 5.0


def test_a_row_without_one_is_beside_what_it_must_be() -> None:
    alone = row(Limit("ours", "<", 9.0, "< 9 s"), peer="", aim=(Limit("ours", "<", 4.5, "< 4.5 s"),))
    line = found(alone, [2.0, 3.0, 4.5])
    assert (line.of, line.factor, line.factor_low, line.factor_high) == ("must", 3.0, 2.0, 4.5)
    assert (bound(alone), at(alone, alone.must), at(alone, alone.aim)) == (9.0, 1.0, 2.0)
    more = row(Limit("ours", ">=", 0.5, ">= 50 %"), unit="%", peer="")
    assert found(more, [0.9]).factor == pytest.approx(1.8)
    assert found(row(peer=""), [1.0]).factor is None


def test_what_is_wanted_of_something_else_lies_nowhere() -> None:
    line = found(row(Limit("peak", "<=", 2.0, "peak <= 2")), [1, 1, 1], [2, 2, 2], peak=3.0)
    assert line.must is not None
    assert (line.must.at, line.must.reached) == (None, False)
    assert line.figures["peak"].value == 3.0


def test_values_that_have_no_ratio_have_no_factor() -> None:
    assert found(row(Limit("ours", "<", 2.0, "flat"), peer="", unit="B"), [0.0]).factor is None


def test_lines_of_all_suites_can_be_written_and_read() -> None:
    for session in made.all_sessions({"submit": 1.18}):
        lines = derived.lines(session)
        assert lines
        keys = [(line.part, line.name) for line in lines]
        assert len(set(keys)) == len(keys)
        names = {cell.name for cell in session.cells}
        for line in lines:
            assert line.cell in ("", *names), f"{session.suite} has no cell {line.cell}"
            assert line.factor is None or line.of
            assert line.factor_low is None or line.factor is None or line.factor_low <= line.factor * (1 + 1e-9)
        again = msgspec.json.decode(msgspec.json.encode(session), type=Session)
        assert again == session


def test_lines_of_the_gate_say_what_cells_alone_say() -> None:
    """As the suite itself says, but for what is wanted of figures that are no samples."""
    whole = made.session_of("speed", 4)
    alone = derived.lines(msgspec.structs.replace(whole, lines=[]))
    assert [line.name for line in alone] == [line.name for line in whole.lines]
    for cell, line in zip(alone, whole.lines, strict=True):
        if line.name == "help":  # ten pairs in a round, which the gate takes for one
            continue
        assert cell.factor == pytest.approx(line.factor)
        assert (cell.factor_low, cell.factor_high) == pytest.approx((line.factor_low, line.factor_high))
        assert (cell.value, cell.other, cell.beside, cell.of) == (line.value, line.other, line.beside, line.of)
        if cell.name != "array":
            assert (cell.must, cell.aim) == (line.must, line.aim)
    assert next(line for line in alone if line.name == "array").must is None


def test_coordination_says_what_each_brings_alone_and_beside_the_others() -> None:
    lines = made.session_of("coordination", 3).lines
    parts = list(dict.fromkeys(line.part for line in lines if line.part.startswith("500")))
    assert parts == [
        "500 agents", "500 agents, each mechanism alone", "500 agents, each beside all others", "500 agents, together",
        "500 agents, combinations",
    ]  # fmt: skip
    by_name = {(line.part, line.name): line for line in lines}
    assert by_name["500 agents, each mechanism alone", "pooling"].factor == pytest.approx(9.1, rel=0.1)
    batching = by_name["500 agents, each beside all others", "batching"]
    assert (batching.beside, batching.note) == ("all but batching", "no measurable effect here")
    wanted = by_name["500 agents", "faster than with none of them"]
    assert wanted.must is not None
    assert wanted.aim is not None
    assert (wanted.must.at, wanted.aim.at) == (5.0, 10.0)


def test_peers_have_what_is_wanted_beside_each() -> None:
    lines = {line.cell: line for line in made.session_of("peers", 3).lines}
    for cell, must, aim in (("submit-executor", 5.0, 10.0), ("submit-dask", 60.0, None), ("submit-ray", 20.0, None),
                            ("map-pool", 0.7, 1.0), ("coordinate-loky", 1.0, None)):  # fmt: skip
        line = lines[cell]
        assert line.must is not None
        assert (line.must.at, line.aim.at if line.aim else None) == (must, aim)
    assert lines["submit-joblib"].must is None


def test_a_row_is_planned_as_it_is_found() -> None:
    for row_ in SUITES["speed"]:
        before = planned(row_, quick=False)
        line = next(line for line in made.session_of("speed", 4).lines if line.name == row_.name)
        assert (before.title, before.unit, before.beside) == (line.title, line.unit, line.beside)
        assert before.must_at == (line.must.at if line.must else None)
