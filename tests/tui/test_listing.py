"""Columns, rows and lines of lists, without any screen."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui import format as fmt
from tui.widgets.columns import Column, aligned, fitting, ruled, table, titles, with_bar, wrapped
from tui.widgets.lines import Line
from tui.widgets.listing import Heading, Item, held
from tui.widgets.scrolling import clamp, reveal

COLUMNS = (
    Column("a", "a", 5, 100),
    Column("b", "long title", 4, 50, right=True),
    Column("c", "c", 6, 90, grow=2, most=20),
    Column("d", "d", 3, 70, grow=1),
)


def text_of(line: Line) -> str:
    return "".join(text for text, _ in line)


@given(st.integers(1, 200), st.integers(1, 3))
def test_columns_never_take_more_than_there_is(width: int, gap: int) -> None:
    places = fitting(COLUMNS, width, gap)
    assert places
    end = places[-1].left + places[-1].width
    assert end <= max(width, 5)
    kept = {place.column.name for place in places}
    for column in COLUMNS:  # whoever is shown is worth more than whoever is not
        if column.name not in kept:
            assert all(column.keep < place.column.keep for place in places)
    for one, other in pairwise(places):
        assert other.left == one.left + one.width + gap
    if width >= 40:
        assert end == width, "what may grow takes the rest"
        assert next(place.width for place in places if place.column.name == "c") <= 20


def test_titles_and_cells_stand_below_each_other() -> None:
    places = fitting(COLUMNS, 40)
    assert text_of(titles(places, "b", True)) == "a     ▼lo… c                   d        "
    assert text_of(titles(places, "a")).startswith("a▲ ")
    assert [aligned("1234567", place) for place in places[:2]] == ["1234…", "123…"]
    assert aligned("日本語", places[0]) == "日本…", "wide characters count as two"
    lines = table(COLUMNS, [{"a": ("x", ""), "b": ("7", "strong")}], 40, 1)
    assert text_of(lines[1]) == f"x{'7':>9}{'':30}"
    assert {cell_len(text_of(line)) for line in lines} == {40}


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.integers(2, 40))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    wanted = fmt.clean(text)
    assert "".join(lines).replace(" ", "") == wanted.replace(" ", "")


def test_words_are_kept_whole_where_they_can_be() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("a " + "b" * 12, 5) == ["a bbb", "bbbbb", "bbbb"]
    assert wrapped("", 5) == [""]


def test_a_heading_has_a_line_to_the_edge_and_a_part_of_the_bar() -> None:
    assert text_of(ruled((("firing", "strong"),), 12)) == "firing ─────"
    assert text_of(ruled((("firing 123", ""),), 12)) == "firing 123"
    assert text_of(with_bar((("x", ""),), 5, "│")) == "x   │"
    assert with_bar((("x", ""),), 5, " ") == (("x", ""),)


KEYS = st.lists(st.text("abcdef", min_size=1, max_size=2), max_size=12, unique=True)


@given(KEYS, KEYS, st.integers(0, 12))
def test_held_rows_stay_where_they_were(before: list[str], now: list[str], cut: int) -> None:
    items: list[Item[int]] = [(key, number) for number, key in enumerate(now)]
    items[cut:cut] = [Heading((("more", ""),))]
    found = held(before, items)
    assert sorted(map(repr, found)) == sorted(map(repr, items)), "nothing is lost, and nothing is twice"
    at = next(place for place, item in enumerate(found) if isinstance(item, Heading))
    sections = found[:at], found[at + 1 :]
    parts = now[:cut], now[cut:]
    for section, part in zip(sections, parts, strict=True):
        keys = [item[0] for item in section if not isinstance(item, Heading)]
        assert keys == [key for key in before if key in part] + [key for key in part if key not in before]


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 20))
def test_a_row_is_revealed_by_moving_as_little_as_can_be(top: int, at: int, height: int) -> None:
    found = reveal(top, at, height)
    assert found <= at < found + height
    if top <= at < top + height:
        assert found == top
    assert 0 <= clamp(found, 51, height) <= max(0, 51 - height)
