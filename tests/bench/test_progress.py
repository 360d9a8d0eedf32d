"""How far a benchmark is: steps, the time that is left, and both forms in which it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bench import run
from engine.bench.progress import Progress, narrated
from engine.bench.rows import SUITES, Limit, Row
from engine.bench.run import MeasurementFailed, Round
from engine.stream.benchmarks import Begun, Ended, Failed, Measured, Message, Planned, Said, line, read


class Clock:
    """A clock that stands still until it is told not to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(clock: Clock) -> tuple[Progress, list[Message]]:
    found: list[Message] = []
    return Progress(found.append, clock), found


def test_what_is_left_is_told_by_what_the_same_row_took() -> None:
    clock = Clock()
    progress, found = told(clock)
    progress.planned("speed", False, 2, {"quick": 3, "slow": 3})
    assert found[0] == Planned(suite="speed", quick=False, steps=6, rounds=2)
    for round_, row, took in ((0, "quick", 1.0), (0, "slow", 9.0), (1, "slow", 11.0), (1, "quick", 1.0)):
        progress.begun(round_, row)
        clock.now += took
        progress.measured({"ours": [took]})
    begun = [one for one in found if isinstance(one, Begun)]
    assert [one.step for one in begun] == [1, 2, 3, 4]
    assert begun[0].left is None, "nobody knows yet"
    assert begun[1].left == 5.0, "as if all took what the first did"
    assert begun[2].left == 2 * 1.0 + 2 * 9.0
    measured = [one for one in found if isinstance(one, Measured)]
    assert [one.seconds for one in measured] == [1.0, 9.0, 11.0, 1.0]
    assert [one.values for one in measured] == [{}, {}, {"ours": [11.0]}, {"ours": [1.0]}], "the warm-up is dropped"
    assert measured[-1].left == 1.0 + 10.0


def test_what_failed_is_not_waited_for() -> None:
    clock = Clock()
    progress, found = told(clock)
    progress.planned("speed", True, 3, {"a": 4, "b": 4})
    progress.begun(0, "a")
    clock.now = 2.0
    progress.measured()
    progress.begun(0, "b")
    clock.now = 3.0
    progress.failed("ended by signal 9")
    assert found[-1] == Failed(row="b", why="ended by signal 9", steps=5)
    progress.begun(1, "a")
    assert found[-1:] == [Begun(step=3, round=1, row="a", left=6.0)]


def test_a_rerun_knows_how_long_its_rows_take() -> None:
    clock = Clock()
    progress, found = told(clock)
    progress.planned("speed", True, 1, {"a": 1})
    progress.begun(1, "a")
    clock.now = 4.0
    progress.measured()
    progress.planned("speed", True, 2, {"a": 3}, again=True)
    progress.begun(0, "a")
    assert found[-1] == Begun(step=1, round=0, row="a", left=12.0)


def test_a_round_tells_each_step_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(function: str, side: str, size: dict[str, Any], timeout: float, code: Any = None) -> dict[str, Any]:
        if function == "bad":
            raise MeasurementFailed("gone")
        return {"value": 2.0 if side == "ours" else 4.0, "more": 1}

    monkeypatch.setattr(run, "measure", measure)
    rows = [
        Row("good", "good", "s", "Pool", {}, {}, must=(Limit("ratio", "<", 0.5, "half"),), quick_repeat=2),
        Row("once", "once", "s", "", {}, {}, rounds=1),
        Row("bad", "bad", "s", "", {}, {}),
    ]
    found: list[Message] = []
    Round(rows, 2, True, 1, Progress(found.append), suite="speed").run()
    plan, *rest = found
    assert isinstance(plan, Planned)
    assert (plan.suite, plan.steps, [row.name for row in plan.rows]) == ("speed", 7, ["good", "once", "bad"])
    assert (plan.rows[0].must, plan.rows[0].must_at, plan.rows[0].beside) == ("half", 2.0, "Pool")
    failed = [one for one in rest if isinstance(one, Failed)]
    assert failed == [Failed(row="bad", why="gone", steps=5)]
    measured = [one for one in rest if isinstance(one, Measured)]
    assert [one.values for one in measured if one.row == "good"] == [{}, *[{"ours": [2.0] * 2, "peer": [4.0] * 2}] * 2]
    assert [one.values for one in measured if one.row == "once"] == [{"ours": [2.0]}]
    assert [one.step for one in rest if isinstance(one, Begun)] == [1, 2, 3, 4, 5]


def test_lines_for_people_say_which_round_and_what_failed() -> None:
    said: list[str] = []
    progress = narrated(said.append)
    progress("before")
    progress.planned("speed", True, 1, {"a": 2})
    progress.begun(0, "a")
    progress.measured()
    progress.begun(1, "a")
    progress.failed("gone")
    assert said == ["before", "warm-up: a", "round 1/1: a", "a: gone"]


@pytest.mark.parametrize(
    "message",
    [
        Planned(suite="speed", quick=True, steps=3, rounds=1),
        Begun(step=1, round=0, row="a"),
        Measured(step=1, round=1, row="a", seconds=0.5, values={"ours": [1.0], "peer": [2.0]}, left=0.0),
        Failed(row="a", why="why", steps=2),
        Said(text="ünï\ncode"),
        Ended(code=2, session="00c0ffee", failures={"a": "why"}, verdict="no regression"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_is_one_line_of_json(message: Message) -> None:
    text = line(message)
    assert text.count(b"\n") == 1
    assert json.loads(text)["kind"] == type(message).__name__.lower()
    assert read(text) == message
    assert read(json.dumps(json.loads(text) | {"added": "later"}).encode()) == message


@given(st.binary())
def test_what_is_no_message_is_none(text: bytes) -> None:
    assert read(text) is None


def test_all_rows_can_be_told_before_they_are_measured() -> None:
    from engine.bench.lines import planned

    for rows in SUITES.values():
        for row in rows:
            found = planned(row, quick=True)
            assert found.title
            assert found.must_at is None or found.must_at > 0
            if found.must_at is not None and found.aim_at is not None:
                assert found.aim_at >= found.must_at, f"{row.name} aims at less than it must"
