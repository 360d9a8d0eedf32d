"""What is known of agents, and which of them a filter shows."""

from __future__ import annotations

import pytest
from agent_views import row_of, shown, small
from screen_fleets import crowd, table_of

from engine.stream.types import ABSENT, BUSY, DEAD, DRAINING, IDLE
from tui.agent_listing import AgentFilter, AgentListing, wanted
from tui.agents import Layout, Roster, pools_of
from tui.view import AgentTable, View


@pytest.fixture
def view() -> View:
    """Two pools with a gap of places between them."""
    return crowd({"micro": 30, "prime": 12})


# -- what is known -----------------------------------------------------------------------------------------------------


def test_places_have_names_across_gaps() -> None:
    layout = Layout.of([("a", 0, 2), ("b/c", 4, 2)])
    assert list(layout.names) == ["a/0", "a/1", "", "", "b/c/0", "b/c/1"]
    assert layout.places == {"a/0": 0, "a/1": 1, "b/c/0": 4, "b/c/1": 5}
    assert [layout.pool(place) for place in range(7)] == ["a", "a", "", "", "b/c", "b/c", ""]


def test_states_are_those_of_this_moment_but_for_what_the_engine_knows_better() -> None:
    layout = Layout.of([("a", 0, 6)])
    rows = [row_of(f"a/{n}", state) for n, state in enumerate(["idle", "draining", "draining", "draining", "busy"])]
    roster = Roster.of(layout, AgentTable(tuple(rows), 1.0), bytes([BUSY, BUSY, IDLE, DEAD, 9]))
    assert list(roster.states) == [BUSY, DRAINING, DRAINING, DEAD, ABSENT, ABSENT]
    assert list(roster.at(bytes([IDLE, DEAD, DEAD, DEAD])).states) == [IDLE, DEAD, DEAD, DEAD, BUSY, ABSENT]


def test_without_states_those_of_the_details_are_shown() -> None:
    roster = Roster.of(Layout.of([("a", 0, 3)]), AgentTable((row_of("a/1", "starting"),), 1.0), b"")
    assert roster.column("state", [0, 1, 2]) == ["absent", "starting", "absent"]
    assert roster.listed() == [1]


def test_a_pool_without_details_is_listed_by_its_states(view: View) -> None:
    assert view.frame is not None
    layout = Layout.of(pools_of(view.frame.pools))
    table = table_of(view, wanted("prime"))
    cells = bytearray(view.cells)
    cells[3] = ABSENT
    roster = Roster.of(layout, table, bytes(cells))
    assert roster.listed("micro") == [0, 1, 2, *range(4, 30)]
    assert roster.listed("prime") == list(range(30, 42))
    assert roster.column("done", [0, 30])[0] is None
    assert roster.column("done", [0, 30])[1] == table.rows[0].done


def test_agents_of_whom_a_table_knows_nothing_are_gone() -> None:
    view = small(bytes([BUSY, ABSENT, IDLE]), row_of("a/0"), row_of("a/2"), row_of("zz/7"))
    listing = AgentListing()
    listing.take(view)
    assert shown(listing) == "0 2"


# -- filters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "0 1 2 3"),
        ("  ", "0 1 2 3"),
        ("state=busy", "0 2"),
        ("state!=busy", "1 3"),
        ("failed>0", "2 3"),
        ("failed>0, state=busy", "2"),
        ("memory>=1M", "1"),
        ("task~FIT", "0 2"),
        ("fit", "0 2"),
        ("FIT 2", "0 2"),
        ("a/3", "3"),
        ("fit, failed=0", "0"),
        ("nobody", ""),
        ("state=", "0 1 2 3"),
        ("pool=b", ""),
        ("shard=0|7", "0 1 2 3"),
    ],
)
def test_filters(text: str, found: str) -> None:
    rows = (
        row_of("a/0", task="fit[12]"), row_of("a/1", "idle", memory=2 << 20), row_of("a/2", task="fit[3]", failed=1),
        row_of("a/3", "idle", failed=4),
    )  # fmt: skip
    listing = AgentListing()
    listing.take(small(bytes([BUSY, IDLE, BUSY, IDLE]), *rows))
    listing.narrow(AgentFilter.read(text))
    assert shown(listing) == found
    assert listing.there == 4


@pytest.mark.parametrize("text", ["stat=busy", "failed>", "failed>many", "state>busy", "failed~1", ",x=3"])
def test_a_filter_that_cannot_be_read_says_why(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        AgentFilter.read(text)
    assert "\n" not in str(raised.value)


def test_what_nobody_knows_is_named(view: View) -> None:
    bare = Roster.of(Layout.of([("a", 0, 1)]), None, bytes([BUSY]))
    assert AgentFilter.read("done>1,state=busy").unknown(bare) == "done"
    assert AgentFilter.read("state=busy,pool=a,agent~a").unknown(bare) == ""
    assert view.frame is not None
    full = Roster.of(Layout.of(pools_of(view.frame.pools)), view.agents, view.cells)
    assert AgentFilter.read("done>1").unknown(full) == ""
