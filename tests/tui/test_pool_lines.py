"""The table of pools and the selected one, line by line; sizes as people write them."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from rich.cells import cell_len
from screen_fleets import crowd, manned

from engine.stream.types import PoolView
from tui.screens import acting
from tui.screens.size import read, written
from tui.view import View
from tui.widgets.lines import Line
from tui.widgets.pool_card import course_lines
from tui.widgets.pool_lines import PoolFacts, fact_lines, facts_of, size_bar, table_lines
from tui.widgets.rows import GUTTER, RowLine


def text_of(line: RowLine) -> str:
    """A line without its inks, with the gutter."""
    return (" " * GUTTER if line.row else "") + words(line.pieces)


def words(line: Line) -> str:
    """A line without its inks."""
    return "".join(text for text, _ in line)


@pytest.fixture
def fleet() -> View:
    """Three pools, one of them at its most."""
    return manned(crowd({"micro": 3000, "domain": 363, "prime": 72}))


def pool_of(**more: int) -> PoolFacts:
    """A pool of which only some numbers matter."""
    view = PoolView("a", 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return PoolFacts(msgspec.structs.replace(view, **more))


# -- the table ---------------------------------------------------------------------------------------------------------


def test_lines_are_as_wide_as_their_heading_and_fit(fleet: View) -> None:
    pools = facts_of(fleet)
    for width in range(56, 200):
        lines = table_lines(pools, 1, 0, width, 9)
        widths = {cell_len(text_of(line)) for line in lines}
        assert len(widths) == 1
        assert widths.pop() <= width - 1
        assert [line.cursor for line in lines] == [False, False, True, False, False]


def test_all_pools_are_the_sum_of_them(fleet: View) -> None:
    whole, *pools = facts_of(fleet)
    assert whole.whole
    assert fleet.frame is not None
    for name in ("busy", "queued", "done", "failed", "restarts", "maximum"):
        assert getattr(whole.view, name) == sum(getattr(pool.view, name) for pool in pools)
    assert whole.queue is not None
    assert whole.queue.exits["recycled"] == sum(pool.queue.exits["recycled"] for pool in pools if pool.queue)
    assert whole.hits is not None
    low, high = min(pool.hits or 0 for pool in pools), max(pool.hits or 0 for pool in pools)
    assert low < whole.hits < high
    assert whole.rate == fleet.frame.rate


def test_one_pool_alone_has_no_sum() -> None:
    assert [pool.view.name for pool in facts_of(manned(crowd({"default": 4})))] == ["default"]
    assert facts_of(View()) == []


def test_what_is_not_told_yet_is_a_dash(fleet: View) -> None:
    bare = facts_of(replace(fleet, queues=None, metrics=None))
    (line,) = [text_of(line) for line in table_lines(bare, 0, 1, 196, 2)[1:]]
    assert line.split()[-4:] == ["-", "-", "-", "-"]
    measured = facts_of(replace(fleet, queues=None))
    assert measured[1].hits == 0.992
    assert measured[0].hits is None


@pytest.mark.parametrize("height", [2, 3, 5])
def test_what_is_in_sight_begins_where_it_is_said_to(fleet: View, height: int) -> None:
    lines = table_lines(facts_of(fleet), 3, 4 - height + 1, 100, height)
    assert len(lines) == height
    assert lines[-1].cursor
    assert "prime" in text_of(lines[-1])


def test_the_bar_is_as_long_as_the_pool_may_get() -> None:
    pool = pool_of(busy=10, idle=5, minimum=4, maximum=20)
    bar = size_bar(pool, 20)
    assert words(tuple(bar)) == "████┃█████░░░░░     "
    assert ("┃", "strong") in bar
    assert words(tuple(size_bar(pool_of(busy=20, minimum=20, maximum=20), 10))) == "██████████"
    crowded = size_bar(pool_of(busy=30, dead=2, minimum=1, maximum=20), 10)
    assert words(tuple(crowded)).count("✕") == 1
    assert len(words(tuple(crowded))) == 10
    assert words(tuple(size_bar(pool_of(minimum=2, maximum=20), 10))) == " " * 10
    assert words(tuple(size_bar(pool_of(), 10))) == " " * 10


# -- the selected one --------------------------------------------------------------------------------------------------


def test_facts_fit_and_are_not_cut(fleet: View) -> None:
    for pool in facts_of(fleet):
        for width in range(30, 100):
            for height in (1, 4, 12):
                lines = [words(line) for line in fact_lines(pool, width, height)]
                assert len(lines) <= height
                assert all(cell_len(line) <= width for line in lines)
                assert width < 40 or not any("…" in line for line in lines)
    text = "\n".join(words(line) for line in fact_lines(facts_of(fleet)[1], 100, 12))
    assert "99.2% now" in text
    assert "recycled" in text
    assert "least-loaded" in text


def test_courses_are_of_the_pool_or_of_the_run(fleet: View) -> None:
    whole, micro, *_ = facts_of(fleet)
    for pool in (whole, micro):
        busy, queue = course_lines(fleet, pool, 60)
        assert words(busy).split()[:2] == ["busy", f"{pool.view.busy * 100 // pool.there}%"]
        assert cell_len(words(busy)) == cell_len(words(queue)) == 60
    empty = pool_of()
    assert "0%" in words(course_lines(View(), empty, 60)[0])


# -- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"), [("8", (8, 8)), (" 2..16 ", (2, 16)), ("3,000", (3000, 3000)), ("1 .. 1", (1, 1))]
)
def test_sizes_are_read_and_written(text: str, size: tuple[int, int]) -> None:
    assert read(text) == size
    assert read(written(size)) == size


@pytest.mark.parametrize("text", ["", "0", "many", "-3", "9..2", "1..2..3", "..4", "4..", "²", "1e3", "9999999999"])
def test_what_is_no_size_says_why(text: str) -> None:
    with pytest.raises(ValueError, match=r"agent|size|least"):
        read(text)


@pytest.mark.parametrize(
    ("least", "most", "steps", "size"),
    [
        (3000, 3000, 1, (3300, 3300)),
        (3000, 3000, -1, (2700, 2700)),
        (2, 16, 1, (2, 18)),
        (2, 16, -1, (2, 14)),
        (15, 16, -1, (14, 14)),
        (1, 1, 1, (2, 2)),
        (1, 1, -1, (1, 1)),
        (0, 4, 1, (1, 5)),
    ],
)
def test_pools_grow_and_shrink_by_a_tenth(least: int, most: int, steps: int, size: tuple[int, int]) -> None:
    assert acting.grown(pool_of(minimum=least, maximum=most), steps) == size


def test_questions_name_the_first_and_count_the_rest() -> None:
    assert acting.named(["a/1", "a/2"]) == "a/1, a/2"
    assert acting.named([f"a/{n}" for n in range(52)]).endswith("a/11 and 40 more")
    assert "Its task fit[7] is run again" in acting.kill_question(["a/1"], {"a/1": "fit[7]"}).told
    assert "What it runs is run again" in acting.kill_question(["a/1"], {}).told


def test_only_those_that_live_are_recycled(fleet: View) -> None:
    whole, micro, *_ = facts_of(fleet)
    assert len(acting.alive(fleet, None)) == whole.there
    names = acting.alive(fleet, "micro")
    assert len(names) == micro.there
    assert all(name.startswith("micro/") for name in names)
    assert acting.alive(View(), None) == []
