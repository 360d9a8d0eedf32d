"""``shoal bench compare``: two sessions side by side, whatever the gate would make of them."""

from __future__ import annotations

import json
import math

import bench_sessions as made
import pytest
from commands import line, run

from engine.bench.guard import beside, history

FIRST, SECOND = made.session_of("speed", 3), made.session_of("speed", 1, slower={"submit": 1.4, "start": 0.5})


def test_what_is_better_and_what_is_worse() -> None:
    found = {one.name: one for one in beside.beside(FIRST, SECOND)}
    assert list(found) == [cell.name for cell in FIRST.cells]
    for name, factor in (("submit", 1 / 1.4), ("start", 2.0), ("map", 1.0)):
        told = found[name].factor
        assert told is not None
        middle, low, high = told
        assert low < middle < high
        assert middle == pytest.approx(factor, rel=0.12)
        assert (low > 1, high < 1) == (factor > 1, factor < 1)
    back = {one.name: one.factor for one in beside.beside(SECOND, FIRST)}
    for name, one in found.items():
        told, turned = one.factor, back[name]
        if told is not None and turned is not None:
            assert math.log(told[0]) == pytest.approx(-math.log(turned[0]))
    assert found["stream"].factor is None
    assert "too few" in found["stream"].why


def test_cells_that_are_not_in_both() -> None:
    fewer = made.session_of("speed", 2, without={"array": "gone"})
    assert next(one for one in beside.beside(FIRST, fewer) if one.name == "array").why == "not in B"
    assert next(one for one in beside.beside(fewer, FIRST) if one.name == "array").why == "not in A"


def test_what_has_nothing_beside_it_wants_the_same_machine() -> None:
    slow = made.session_of("speed", 2, calibration=(0.021, 0.021))
    found = {one.name: one for one in beside.beside(FIRST, slow)}
    assert "slower than it was" in found["start-many"].why
    assert found["start"].factor is not None
    other = made.session_of("speed", 2, fingerprint="0" * 12, machine=made.MACHINE | {"cores": "64"})
    assert "another one" in next(one for one in beside.beside(FIRST, other) if one.name == "start-many").why
    assert beside.banners(FIRST, other) == ["UNLIKE MACHINES: cores 2 then, 64 now"]
    assert ("machine cores", "2", "64") in list(beside.differences(FIRST, other))


def test_what_else_was_not_the_same() -> None:
    other = made.session_of(
        "speed", 2, settings={"batch_timeout": 0.2}, packages=made.PACKAGES | {"numpy": "3"}, quick=True,
        calibration=(0.015, 0.018),
    )  # fmt: skip
    assert beside.banners(FIRST, other) == [
        "A is a session of speed, B of quick speed", "the machine was not steady while B was measured",
    ]  # fmt: skip
    told = {name: (one, two) for name, one, two in beside.differences(FIRST, other)}
    assert told["batch_timeout"] == ("0.1", "0.2")
    assert told["numpy"] == ("2.2.6", "3")
    assert told["calibration"] == ("15.15 ms", "16.50 ms")
    assert list(beside.differences(FIRST, FIRST)) == []


def test_the_command() -> None:
    made.keep(history.default_folder(), [FIRST, SECOND])
    shown = run("bench", "compare", FIRST.id[:5])
    assert shown.exit_code == 0
    lines = {row.split()[0]: row for row in shown.stdout.splitlines()}
    assert lines["CELL"].split() == ["CELL", "A", "B", "B", "IS", "BETTER", "BY", "95", "%"]
    assert lines["submit"].endswith("  worse")
    assert lines["start"].endswith("  better")
    assert lines["map"].endswith("  not told apart")
    assert lines["code:"] == f"code: {FIRST.code} in A, {SECOND.code} in B"
    told = json.loads(run("bench", "compare", FIRST.id, SECOND.id, "--json").stdout)
    assert (told["left"], told["right"]) == (FIRST.id, SECOND.id)
    cell = next(cell for cell in told["cells"] if cell["name"] == "submit")
    assert cell["high"] < 1
    assert (cell["unit"], cell["why"]) == ("/s", "")


def test_problems_are_one_line() -> None:
    assert line(run("bench", "compare", "zz")).startswith("no sessions in ")
    made.keep(history.default_folder(), [FIRST])
    assert line(run("bench", "compare", "zz")).startswith("no session 'zz'")
