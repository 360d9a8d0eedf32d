"""The list of agents as it is drawn, line by line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from screen_fleets import spoken

from tui.agent_listing import AgentListing
from tui.view import AgentTable, Replaying, View
from tui.widgets.agent_lines import column_at, columns_for, copied, list_lines
from tui.widgets.rows import GUTTER, RowLine, thumb


def text_of(line: RowLine) -> str:
    """A line without its inks, with the gutter."""
    return (" " * GUTTER if line.row else "") + "".join(text for text, _ in line.pieces)


@pytest.mark.parametrize("detailed", [True, False])
def test_lines_are_as_wide_as_their_heading_and_fit(fleet: View, detailed: bool) -> None:
    listing = AgentListing()
    listing.take(fleet if detailed else replace(fleet, agents=None))
    for width in range(54, 200, 3):
        for shift in range(12):
            columns = columns_for(listing, width, detailed, shift).columns
            lines = list_lines(listing, columns, 9)
            widths = {cell_len(text_of(line)) for line in lines}
            assert len(widths) == 1
            assert widths.pop() <= width
            assert columns[0].field == "agent"


def test_columns_go_by_importance_and_the_sorted_one_stays(fleet: View) -> None:
    listing = AgentListing()
    listing.take(fleet)

    def fields(width: int) -> list[str]:
        return [column.field for column in columns_for(listing, width, True).columns]

    assert fields(56) == ["agent", "state", "task", "running", "done"]
    assert fields(76) == ["agent", "state", "task", "running", "done", "failed", "memory", "busy"]
    assert fields(116)[-3:] == ["restarts", "pid", "shard"]
    listing.sort("shard", False)
    assert fields(50) == ["agent", "state", "task", "running", "shard"]
    shown = columns_for(listing, 56, True, 99)
    assert shown.columns[-1].field == "shard"
    assert shown.columns[:2] == columns_for(listing, 56, True).columns[:2]


def test_the_heading_says_how_it_is_sorted(fleet: View) -> None:
    listing = AgentListing()
    listing.take(fleet)
    columns = columns_for(listing, 116, True).columns
    listing.sort("failed", True)
    assert "failed▾" in text_of(list_lines(listing, columns, 3)[0])
    listing.sort("failed", False)
    assert "failed▴" in text_of(list_lines(listing, columns, 3)[0])
    heading = text_of(list_lines(listing, columns, 3)[0])
    found = [column_at(columns, x) for x in range(len(heading))]
    assert [column.field for column in dict.fromkeys(column for column in found if column)] == [
        c.field for c in columns
    ]
    assert column_at(columns, 500) is None


def test_wide_names_and_escapes_break_no_line(fleet: View) -> None:
    assert fleet.agents is not None
    rows = list(fleet.agents.rows)
    rows[0] = msgspec.structs.replace(rows[0], task="魚群\x1b[31m[1]")
    listing = AgentListing()
    listing.take(replace(fleet, agents=AgentTable(tuple(rows), 2.0)))
    columns = columns_for(listing, 116, True).columns
    lines = [text_of(line) for line in list_lines(listing, columns, 3)]
    assert len({cell_len(line) for line in lines}) == 1
    assert "\x1b" not in lines[1]
    assert "魚群" in lines[1]


def test_the_scrollbar_says_where_one_is() -> None:
    assert thumb(10, range(10), 10) == " " * 10
    assert thumb(100, range(10), 10) == "█" + "│" * 9
    assert thumb(100, range(90, 100), 10) == "│" * 9 + "█"
    assert thumb(20, range(5, 15), 10).count("█") == 5
    assert thumb(5, range(0), 0) == ""


def test_copied_rows_are_for_spreadsheets(fleet: View) -> None:
    listing = AgentListing()
    listing.take(fleet)
    lines = [line.split("\t") for line in copied(listing.roster, [0, 301]).splitlines()]
    assert lines[0][:4] == ["agent", "pool", "state", "task"]
    assert [line[0] for line in lines[1:]] == ["micro/0", "domain/1"]
    assert len({len(line) for line in lines}) == 1
    listing.take(replace(fleet, agents=None, replay=Replaying(1.0, 0.0, 2.0, 1.0, False)))
    assert copied(listing.roster, [0]).splitlines()[0] == "agent\tpool\tstate"


def test_only_what_is_in_sight_is_formatted(fleet: View, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.widgets import agent_lines

    listing = AgentListing()
    listing.take(fleet)
    columns = columns_for(listing, 116, True).columns
    made: list[int] = []
    row_line = agent_lines.row_line

    def spy(roster: Any, place: int, *more: Any) -> Any:
        made.append(place)
        return row_line(roster, place, *more)

    monkeypatch.setattr(agent_lines, "row_line", spy)
    listing.put(200)
    list_lines(listing, columns, 11)
    assert made == list(range(191, 201))


def test_without_details_what_befell_an_agent_last_is_told(fleet: View) -> None:
    listing = AgentListing()
    listing.take(replace(spoken(fleet, "micro/1"), agents=None))
    columns = columns_for(listing, 100, False).columns
    lines = [text_of(line) for line in list_lines(listing, columns, 5)]
    assert "last event" in lines[0]
    assert lines[2].rstrip().endswith("was killed on request")
    assert lines[1].rstrip().endswith("busy")
    assert [column.field for column in columns_for(listing, 40, False).columns] == ["agent", "pool", "state"]
