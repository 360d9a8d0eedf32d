"""From samples to yes and no, and to what people read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.bench import mechanisms, ours, peers
from engine.bench.report import figure, table
from engine.bench.report import peers as other_tools
from engine.bench.rows import SUITES, Limit, Row
from engine.bench.verdicts import judge

FASTER = Limit("ratio", "<", 1.0, "faster")


def row(*must: Limit, **more: Any) -> Row:
    return Row(
        **{"name": "r", "title": "row", "unit": "s", "peer": "Pool", "size": {}, "quick": {}, "must": must} | more
    )


def samples(*values: float, **more: float) -> list[dict[str, Any]]:
    return [{"value": value, **more} for value in values]


def test_ratios_are_of_rounds_and_not_of_medians() -> None:
    # A slow round is slow for both, and says nothing about either.
    found = judge(row(FASTER), "row", samples(1, 9, 2), samples(2, 10, 4), {})
    assert (found.ours, found.peer, found.ratio) == (2, 4, 0.5)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0.5, 0.9)
    assert found.must is not None
    assert (found.must.short, found.must.text) == ("yes", "faster")


@pytest.mark.parametrize(
    ("values", "short"),
    [
        ((0.5, 0.6, 0.7), "yes"),
        ((0.5, 0.6, 1.1), "yes?"),
        ((0.9, 1.1, 1.2), "no?"),
        ((1.1, 1.2, 1.3), "no"),
        ((0.5,), "yes"),
        ((1.5,), "no"),
    ],
)
def test_a_question_mark_where_the_interval_reaches_across(values: tuple[float, ...], short: str) -> None:
    found = judge(row(FASTER), "row", samples(*values), samples(*[1.0] * len(values)), {})
    assert found.must is not None
    assert found.must.short == short


def test_every_limit_must_hold() -> None:
    both = row(Limit("ours", "<", 1.5, "< 1.5 s"), FASTER)
    slow = judge(both, "row", samples(2, 2, 2), samples(4, 4, 4), {})
    assert slow.must is not None
    assert (slow.must.reached, slow.must.certain, slow.must.text) == (False, True, "< 1.5 s, faster")
    good = judge(both, "row", samples(1, 1, 1), samples(4, 4, 4), {})
    assert good.must is not None
    assert (good.must.reached, good.must.certain) == (True, True)


def test_figures_beside_the_value_can_be_limited_too() -> None:
    peak = row(Limit("peak", "<=", 2.0, "peak <= 2 arrays"), peer="")
    for seen, reached in ((2.0, True), (2.01, False)):
        found = judge(peak, "row", samples(1, 2, p99=3), [], {"value": 9, "peak": seen, "arrays": {"a": 1}})
        assert found.must is not None
        assert found.must.reached is reached
        assert found.figures == {"p99": 3, "peak": seen}
        assert found.ours == 1.5


@pytest.mark.parametrize(
    ("op", "holds"), [("<", [True, False, False]), ("<=", [True, True, False]), (">", [False, False, True]),
                      (">=", [False, True, True])],
)  # fmt: skip
def test_limits(op: str, holds: list[bool]) -> None:
    assert [Limit("ours", op, 2, "").holds(value) for value in (1, 2, 3)] == holds


COMPARED = {
    "pool-exhausted", "pool-growth", "latency-off", "latency-1ms", "latency-10ms", "latency-500ms", "memory-100",
    "memory-500",
}  # fmt: skip
"""Rows that nothing is wanted of: they are there beside others."""


def test_every_row_has_its_measurements_and_its_sizes() -> None:
    rows = [found for suite in SUITES.values() for found in suite]
    assert len({found.name for found in rows}) == len(rows)
    for found in rows:
        assert found.measured_by in ours.MEASUREMENTS
        assert not found.peer or found.measured_by in {**peers.MEASUREMENTS, **mechanisms.PEERS}
        assert set(found.quick) <= set(found.size)
        assert found.title.format(**found.size)
        assert found.must or found.aim or found.name in COMPARED
        for limit in (*found.must, *found.aim):
            assert limit.of in (
                "ours", "ratio", "peak", "in_blocks", "elsewhere", "memory", "failed", "balance", "worst", "left",
            )  # fmt: skip
            assert found.peer or limit.of != "ratio"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00034, "s", "340 µs"), (0.0125, "s", "12.5 ms"), (1.254, "s", "1.25 s"), (123.4, "s", "123 s"),
        (409_876, "/s", "410,000/s"), (12.3, "/s", "12/s"), (14_200_000, "B", "14.2 MB"), (-300_000, "B", "-0.3 MB"),
        (None, "s", ""),
    ],
)  # fmt: skip
def test_figures_as_people_read_them(value: float | None, unit: str, text: str) -> None:
    assert figure(value, unit) == text


def test_the_table_says_what_was_found_and_what_was_not() -> None:
    rate = row(Limit("ratio", ">", 5.0, "> 5x"), unit="/s", name="submit")
    found = judge(rate, "tasks", samples(100_000, 120_000, 90_000, p99=0.1), samples(10_000, 10_000, 10_000), {})
    text = table([found], {"array": "no answer within 120 s"})
    head, line, failed, _, note = text.splitlines()
    assert head.split()[:4] == ["WHAT", "OURS", "PEER", "RATIO"]
    assert line.split() == ["tasks", "100,000/s", "10,000/s", "10x", "9-12", "(75%)", "3", ">", "5x", "yes"]
    assert failed == "array: not measured: no answer within 120 s"
    assert note == "submit: p99 100 ms"
    assert json.loads(json.dumps(found.as_data()))["ratio"] == 10


def test_other_tools_in_columns() -> None:
    text = other_tools({"ray": {"one_s": 980.0, "chunk_s": None}, "dask": {"error": "no answer\nin 180 s"}})
    head, ray, dask = text.splitlines()
    assert head.split() == ["PEER", "one_s", "chunk_s", "error"]
    assert ray.split() == ["ray", "980"]
    assert dask.split() == ["dask", "no", "answer", "in", "180", "s"]
