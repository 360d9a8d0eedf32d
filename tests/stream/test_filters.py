"""Conditions on rows, as people write them and as readers send them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.stream import filters
from engine.stream.types import AgentRow, Condition, encoder, to_engine


def kept(text: str, **row: Any) -> bool:
    return all(filters.test(condition)(row[condition.field]) for condition in filters.parse(text))


@pytest.mark.parametrize(
    ("text", "row", "fits"),
    [
        ("state=busy", {"state": "busy"}, True),
        ("state=BUSY", {"state": "busy"}, True),
        ("state=busy", {"state": "idle"}, False),
        ("state=busy|idle", {"state": "idle"}, True),
        ("state~us", {"state": "busy"}, True),
        ("state!=busy|idle", {"state": "idle"}, False),
        ("state!=busy|idle", {"state": "dead"}, True),
        ("task~FIT", {"task": "refit[3]"}, True),
        ("task~x|fit", {"task": "refit[3]"}, True),
        ("task=", {"task": ""}, True),
        ("failed>0", {"failed": 1}, True),
        ("failed > 0", {"failed": 0}, False),
        ("failed>=0", {"failed": 0}, True),
        ("failed<1", {"failed": 0}, True),
        ("failed<=1", {"failed": 2}, False),
        ("failed=1|2", {"failed": 2}, True),
        ("failed!=1|2", {"failed": 2}, False),
        ("memory>=1.5G", {"memory": 3 << 29}, True),
        ("memory>1k", {"memory": 1024}, False),
        ("memory<1 MiB", {"memory": 1024}, True),
        ("offset=-1", {"offset": -1}, True),
        ("state=busy,pool=io", {"state": "busy", "pool": "io"}, True),
        ("state=busy, pool=io", {"state": "busy", "pool": "main"}, False),
    ],
)
def test_conditions(text: str, row: dict[str, Any], fits: bool) -> None:
    assert kept(text, **row) == fits


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no condition such as"),
        ("busy", "no condition such as"),
        ("state=busy,", "no condition such as"),
        ("stat=busy", "no field 'stat'; known: agent, pool,"),
        ("failed>many", "'many' is no number"),
        ("failed>", "'' is no number"),
        ("failed~1", "can't be compared by '~'"),
        ("state<busy", "can't be compared by '<'"),
        ("state=foo", "no state 'foo'; known: absent, starting, idle, busy, draining, dead"),
        ("state!=busy|ilde", "no state 'ilde'; known"),
    ],
)
def test_what_is_no_condition_is_told_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        filters.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "condition",
    [
        Condition("nope", "=", ["x"]),
        Condition("state", "like", ["x"]),
        Condition("state", "=", []),
        Condition("state", "=", [1.0]),
        Condition("state", "=", ["busy", "foo"]),
        Condition("failed", "=", ["x"]),
        Condition("failed", "<", [1.0, "x"]),
        Condition("__class__", "=", ["x"]),
    ],
)
def test_conditions_of_strange_readers_are_refused(condition: Condition) -> None:
    with pytest.raises(ValueError, match=r"."):
        filters.test(condition)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        conditions = filters.parse(text)
    except ValueError:
        return
    for condition in conditions:
        fits = filters.test(condition)
        assert fits("x" if filters.FIELDS[condition.field] is str else 1) in (True, False)


def test_every_field_of_a_row_can_be_asked_for() -> None:
    assert set(filters.FIELDS) == set(AgentRow.__struct_fields__)


def test_conditions_travel() -> None:
    from engine.stream.types import Page

    page = Page(1, "agents", filters.parse("state=busy,failed>=2"), "running", True, 10, 20)
    assert to_engine.decode(encoder.encode(page)) == page
