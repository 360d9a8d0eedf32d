"""Which run is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.stream.client import StreamError
from engine.stream.live import Live, choose
from engine.stream.types import STREAM_VERSION, Hello


def live(run: str, name: str, stem: str = "") -> Live:
    return Live(Path(f"/run/{stem or run}.sock"), Hello(STREAM_VERSION, run, name, 1, 0.0))


FOUND = [
    live("abc1", "fit"),
    live("abd2", "fit"),
    live("e3", "scan", "e3-2"),
    live("scan", "x"),
    Live(Path("/r/ff00-1.sock")),
]


@pytest.mark.parametrize(
    ("text", "run"),
    [("abc1", "abc1"), ("abc", "abc1"), ("e", "e3"), ("scan", "scan"), ("x", "scan"), ("last", "abc1"), ("ff", "ff00")],
)
def test_a_run_is_named_by_id_its_beginning_or_its_name(text: str, run: str) -> None:
    assert choose(FOUND, text).run == run


@pytest.mark.parametrize(
    ("found", "text", "why"),
    [
        ([], None, "no run is going on"),
        ([], "last", "no run is going on"),
        ([], "abc", "no run 'abc' is going on; none is"),
        (FOUND, None, r"5 runs are going on, say which one: abc1 \(fit\), .*ff00$"),
        (FOUND, "ab", r"'ab' could be abc1 \(fit\) or abd2 \(fit\)"),
        (FOUND, "fit", r"'fit' could be abc1 \(fit\) or abd2 \(fit\)"),
        (FOUND[:1], "", "an empty name is no run's"),
        ([], " ", "an empty name is no run's"),
        (FOUND, "zz", "no run 'zz' is going on; going on: abc1"),
    ],
)
def test_a_run_that_is_not_told_apart(found: list[Live], text: str | None, why: str) -> None:
    with pytest.raises(StreamError, match=why):
        choose(found, text)


def test_the_only_one_needs_no_name() -> None:
    assert choose(FOUND[2:3], None).run == "e3"
