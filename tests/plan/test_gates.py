"""What gates decide by what was found."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.gates import decide, written
from engine.plan.model import Condition, Gate

POOLING = Gate(
    go=(
        Condition(result="speedup", at_least=2),
        Condition(result="hits.rate", at_least=0.7),
        Condition(metric="memory_mb", below=100),
    ),
    pivot=(Condition(result="speedup", below=1.5), Condition(metric="memory_mb", above=200)),
    stop=(Condition(result="lost", above=0),),
)


def found(speedup: Any = 3.0, rate: Any = 0.8, lost: int = 0) -> dict[str, Any]:
    return {"speedup": speedup, "hits": {"rate": rate}, "lost": lost}


@pytest.mark.parametrize(
    ("result", "memory", "decided", "reasons"),
    [
        (
            found(),
            50.0,
            "go",
            ("speedup is 3, >= 2", "hits.rate is 0.8, >= 0.7", "memory_mb is 50, < 100"),
        ),
        (found(1.7), 50.0, "hold", ("speedup is 1.7, not >= 2",)),
        (found(1.4), 50.0, "pivot", ("speedup is 1.4, < 1.5",)),
        (found(1.4, lost=3), 250.0, "stop", ("lost is 3, > 0",)),
        (found(1.4), 250.0, "pivot", ("speedup is 1.4, < 1.5", "memory_mb is 250, > 200")),
        (
            {},
            50.0,
            "hold",
            ("speedup is not known, and was to be >= 2", "hits.rate is not known, and was to be >= 0.7"),
        ),
        (found("fast"), 50.0, "hold", ("speedup is 'fast', not >= 2",)),
        (found(float("nan")), 50.0, "hold", ("speedup is nan, not >= 2",)),
        (found(True), 50.0, "hold", ("speedup is True, not >= 2",)),
    ],
)
def test_the_first_that_holds_counts(result: Any, memory: float, decided: str, reasons: tuple[str, ...]) -> None:
    decision = decide(POOLING, result, {"memory_mb": memory})
    assert (decision.decided, decision.reasons) == (decided, reasons)


def test_without_conditions_success_is_enough() -> None:
    assert decide(Gate(), None, {}).decided == "go"


@pytest.mark.parametrize(
    ("condition", "result", "decided"),
    [
        (Condition(result="", at_most=1e-12), 1e-13, "go"),
        (Condition(result="", at_most=1e-12), 2e-12, "hold"),
        (Condition(result="1.a", equals="well"), [0, {"a": "well"}], "go"),
        (Condition(result="5", equals=1), [0], "hold"),
        (Condition(result="", equals=False), False, "go"),
        (Condition(result="", at_least=1, at_most=2), 1.5, "go"),
        (Condition(result="", at_least=1, at_most=2), 2.5, "hold"),
    ],
)
def test_where_a_result_is_found(condition: Condition, result: Any, decided: str) -> None:
    assert decide(Gate(go=(condition,)), result, {}).decided == decided


@given(st.floats(0, 5), st.floats(0, 1), st.floats(0, 300), st.integers(0, 2))
def test_a_gate_goes_only_if_all_is_well(speedup: float, rate: float, memory: float, lost: int) -> None:
    decided = decide(POOLING, found(speedup, rate, lost), {"memory_mb": memory}).decided
    assert (decided == "go") == (speedup >= 2 and rate >= 0.7 and memory < 100 and not lost)
    assert (decided == "stop") == (lost > 0)


class Contrary:
    """Nothing is to be had from it."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "good", "text"),
    [
        (np.int64(5), True, "x is 5, >= 3"),
        (np.float32(3.5), True, "x is 3.5, >= 3"),
        (np.int64(2), False, "x is 2, not >= 3"),
        (np.float32("nan"), False, "x is nan, not >= 3"),
        (10**400, True, "x is " + "1".ljust(37, "0") + "..., >= 3"),
        pytest.param(10**5000, True, "x is <int>, >= 3", id="endless"),
        (np.ones(2), False, "x is array([1., 1.]), not >= 3"),
        (True, False, "x is True, not >= 3"),
        (Contrary(), False, "x is <Contrary>, not >= 3"),
    ],
)
def test_numbers_of_all_kinds_are_compared_and_nothing_else(value: Any, good: bool, text: str) -> None:
    stop = decide(Gate(stop=(Condition(result="x", at_least=3),)), {"x": value}, {})
    go = decide(Gate(go=(Condition(result="x", at_least=3),)), {"x": value}, {})
    assert (stop.decided, go.decided) == (("stop", "go") if good else ("go", "hold"))
    assert go.reasons == (text,)


@pytest.mark.parametrize("value", [np.ones(2), Contrary()])
def test_what_can_not_be_compared_equals_nothing(value: Any) -> None:
    assert decide(Gate(go=(Condition(result="x", equals=1),)), {"x": value}, {}).decided == "hold"


def test_what_a_command_has_printed_as_json_is_its_result() -> None:
    gate = Gate(go=(Condition(result="rows.pool-hits.medians.ours", at_least=0.7),))
    rows = [{"name": "other"}, {"name": "pool-hits", "medians": {"ours": 0.9}}]
    printed = json.dumps({"rows": rows}, indent=1)
    for stdout in (printed, "said before\n" + json.dumps({"rows": rows}) + "\n"):
        assert decide(gate, {"exit_code": 0, "stdout": stdout, "stderr": ""}, {}).decided == "go"
    found = decide(gate, {"exit_code": 0, "stdout": "no JSON", "stderr": ""}, {})
    assert found.reasons == ("rows.pool-hits.medians.ours is not known, and was to be >= 0.7",)


def test_conditions_may_look_at_several_tasks() -> None:
    gate = Gate(go=(Condition(result="a", of="one", above=1), Condition(result="", of="two", equals="x")))
    assert decide(gate, None, {}, {"one": {"a": 2}, "two": "x"}).decided == "go"
    assert decide(gate, None, {}, {"one": {"a": 2}}).reasons == ("result of two is not known, and was to be = 'x'",)


def test_what_a_gate_asks_in_words() -> None:
    gate = Gate(
        go=(Condition(result="speed", at_least=2.0), Condition(metric="failed", at_most=0.0)),
        pivot=(Condition(result="speed", of="bench", below=1.5),),
    )
    assert written(gate) == ("go if all of speed >= 2; failed <= 0", "pivot if speed of bench < 1.5")
    assert written(Gate(stop=(Condition(result="", above=1.0, below=3.0),))) == ("stop if result > 1 and < 3",)
    assert written(Gate()) == ()
