"""The list of agents without any screen: in what order, where the cursor is, who is marked."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from agent_views import later, row_of, shown, small
from screen_fleets import crowd, table_of

from engine.stream.types import BUSY, DEAD, IDLE, Condition, Frame, PoolView
from tui.agent_listing import AgentFilter, AgentListing, ordered, wanted
from tui.agents import Layout, Roster
from tui.view import AgentTable, Replaying, View


@pytest.fixture
def view() -> View:
    """Two pools with a gap of places between them."""
    return crowd({"micro": 30, "prime": 12})


# -- order -------------------------------------------------------------------------------------------------------------


def test_equals_stay_in_their_order_and_the_unknown_come_last() -> None:
    rows = (row_of("a/0", memory=5), row_of("a/1", memory=0), row_of("a/2", memory=5), row_of("a/3", memory=9))
    roster = Roster.of(Layout.of([("a", 0, 4)]), AgentTable(rows, 1.0), bytes([BUSY] * 4))
    assert ordered(roster, [0, 1, 2, 3], "memory", True) == [3, 0, 2, 1]
    assert ordered(roster, [0, 1, 2, 3], "memory", False) == [0, 2, 3, 1]
    assert ordered(roster, [0, 1, 2, 3], "agent", True) == [3, 2, 1, 0]


def test_dead_agents_are_the_first_when_sorted_by_state() -> None:
    listing = AgentListing()
    listing.take(small(bytes([BUSY, DEAD, IDLE, DEAD])))
    listing.sort("state", True)
    assert shown(listing) == "1 3 0 2"


@pytest.mark.parametrize(
    "field",
    ["agent", "pool", "state", "task", "running", "done", "failed", "memory", "busy", "restarts", "pid", "shard"],
)
@pytest.mark.parametrize("descending", [False, True])
def test_every_order_has_everybody_once(view: View, field: str, descending: bool) -> None:
    listing = AgentListing()
    listing.take(view)
    listing.sort(field, descending)
    assert sorted(listing.names()) == sorted(row.agent for row in view.agents.rows) if view.agents else False


# -- the cursor --------------------------------------------------------------------------------------------------------


def by_done(*done: int) -> View:
    """A pool whose agents have done so much."""
    return small(bytes([BUSY] * len(done)), *(row_of(f"a/{n}", done=count) for n, count in enumerate(done)))


def test_the_cursor_follows_its_agent_and_the_agent_stays_in_its_line() -> None:
    listing = AgentListing()
    listing.take(by_done(*range(40)))
    listing.sort("done", True)
    listing.sight(10)
    listing.put(12)
    assert list(listing.sight(10)) == list(range(3, 13))
    assert listing.current == "a/27"
    listing.take(by_done(*range(27), 100, *range(28, 40)))
    assert (listing.current, listing.at) == ("a/27", 0)
    listing.take(by_done(*range(27), 4, *range(28, 40)))
    assert listing.current == "a/27"
    assert listing.at == listing.order.index(27)
    assert listing.at in listing.sight(10)


def test_a_cursor_that_nobody_moved_stays_at_the_top() -> None:
    listing = AgentListing()
    listing.take(by_done(1, 2, 3))
    listing.sort("done", True)
    assert listing.current == "a/2"
    listing.take(by_done(9, 2, 3))
    assert (listing.current, listing.at, listing.top) == ("a/0", 0, 0)
    listing.move(0)
    listing.take(by_done(1, 2, 3))
    assert (listing.current, listing.at) == ("a/0", 2)
    listing.first()
    assert listing.current == "a/2"
    listing.take(by_done(9, 2, 3))
    assert listing.current == "a/0"


def test_while_the_order_is_held_nobody_moves_and_who_goes_is_taken_out() -> None:
    listing = AgentListing()
    listing.take(by_done(4, 3, 2, 1))
    listing.sort("done", True)
    listing.put(1)
    listing.held = True
    listing.take(by_done(1, 2, 3, 4))
    assert shown(listing) == "0 1 2 3"
    gone = by_done(1, 2, 3, 4)
    assert gone.agents is not None
    listing.take(replace(gone, agents=replace(gone.agents, rows=gone.agents.rows[:1] + gone.agents.rows[2:])))
    assert shown(listing) == "0 2 3"
    assert listing.current == "a/2"
    listing.held = False
    listing.renew()
    assert shown(listing) == "3 2 0"
    assert listing.current == "a/2"


@pytest.mark.parametrize(
    ("at", "gone", "then"), [(1, {1}, "a/2"), (3, {3}, "a/2"), (1, {1, 2, 3}, "a/0"), (0, {0}, "a/1")]
)
def test_the_cursor_goes_to_the_nearest_when_its_agent_vanishes(at: int, gone: set[int], then: str) -> None:
    view = by_done(1, 2, 3, 4)
    listing = AgentListing()
    listing.take(view)
    listing.put(at)
    assert view.agents is not None
    rows = tuple(row for n, row in enumerate(view.agents.rows) if n not in gone)
    listing.take(replace(view, agents=AgentTable(rows, 2.0)))
    assert listing.current == then


def test_nobody_is_left() -> None:
    view = by_done(1, 2)
    listing = AgentListing()
    listing.take(view)
    listing.put(1)
    listing.mark()
    listing.take(replace(view, agents=None, cells=bytes(2), replay=Replaying(1.0, 0.0, 2.0, 1.0, True)))
    assert (listing.current, listing.names(), listing.targets(), list(listing.sight(5))) == ("", [], [], [])
    listing.move(1)
    listing.mark()
    listing.take(view)
    assert listing.current in ("a/0", "a/1")


def test_pools_that_grow_move_nobody_off_the_cursor() -> None:
    def grown(extent: int) -> View:
        view = crowd({"a": 8, "b": 4})
        assert view.frame is not None
        first, second = view.frame.pools
        pools = (msgspec.structs.replace(first, size=extent), second)
        return replace(view, frame=msgspec.structs.replace(view.frame, pools=pools), agents=None)

    listing = AgentListing()
    listing.take(grown(4))
    assert listing.find("b/2")
    listing.mark()
    listing.put(listing.order.index(listing.roster.layout.places["b/2"]))
    listing.take(grown(8))
    assert listing.current == "b/2"
    assert listing.targets() == ["b/2"]
    assert len(listing.order) == 12
    assert not listing.find("b/9")


def test_sight_is_never_empty_and_has_the_cursor(view: View) -> None:
    listing = AgentListing()
    listing.take(view)
    for height in (1, 2, 7, 41, 42, 100):
        for at in (0, 1, 20, 41, 99):
            listing.put(at)
            sight = listing.sight(height)
            assert listing.at in sight
            assert len(sight) == min(height, 42)


def test_scrolling_takes_the_cursor_along_only_where_it_must(view: View) -> None:
    listing = AgentListing()
    listing.take(view)
    listing.put(5)
    listing.scroll(3, 10)
    assert (listing.top, listing.at) == (3, 5)
    listing.scroll(9, 10)
    assert (listing.top, listing.at) == (12, 12)
    listing.scroll(-99, 10)
    assert (listing.top, listing.at) == (0, 9)
    listing.scroll(99, 10)
    assert (listing.top, listing.at) == (32, 32)


# -- marks -------------------------------------------------------------------------------------------------------------


def test_marks_are_of_agents_and_go_with_them() -> None:
    view = by_done(1, 2, 3, 4)
    listing = AgentListing()
    listing.take(view)
    listing.put(2)
    listing.mark()
    assert listing.current == "a/3"
    listing.put(0)
    listing.mark()
    assert listing.targets() == ["a/0", "a/2"]
    listing.sort("done", True)
    assert listing.targets() == ["a/0", "a/2"]
    listing.narrow(AgentFilter.read("a/3"))
    assert listing.targets() == ["a/0", "a/2"]
    assert view.agents is not None
    listing.take(replace(view, agents=AgentTable(view.agents.rows[1:], 2.0)))
    assert listing.targets() == ["a/2"]
    listing.narrow(AgentFilter())
    listing.find("a/2")
    listing.mark()
    assert listing.targets() == ["a/1"]


# -- which table -------------------------------------------------------------------------------------------------------


def test_a_table_of_somebody_else_leaves_the_list_as_it_was(view: View) -> None:
    listing = AgentListing()
    listing.take(view)
    before = listing.order
    one = replace(view, agents=AgentTable((row_of("micro/3"),), 2.0, (Condition("agent", "=", ["micro/3"]),)))
    listing.take(one)
    assert listing.order == before
    assert listing.roster.rows[5] is not None
    listing.take(replace(view, agents=None))
    assert listing.roster.rows[5] is not None


def test_another_pool_is_listed_at_once_and_its_details_come_later(view: View) -> None:
    listing = AgentListing()
    listing.take(replace(view, agents=table_of(view, wanted(None))))
    listing.put(7)
    listing.show("prime")
    assert listing.current == "prime/0"
    assert len(listing.order) == 12
    listing.take(replace(view, agents=table_of(view, wanted("prime"))))
    assert listing.there == 12
    listing.show("micro")
    assert len(listing.order) == 30
    assert listing.roster.rows[0] is None
    listing.take(replace(view, agents=table_of(view, wanted("micro"))))
    assert listing.roster.rows[0] is not None


def test_a_replay_lists_by_states_alone(view: View) -> None:
    listing = AgentListing()
    listing.take(view)
    listing.take(replace(view, agents=None, replay=Replaying(1.0, 0.0, 2.0, 1.0, True)))
    assert listing.roster.told == frozenset()
    assert len(listing.order) == 42


def test_states_alone_make_another_order_once_a_second() -> None:
    listing = AgentListing()
    view = small(bytes([BUSY, IDLE, BUSY]), size=3)
    listing.take(view)
    listing.narrow(AgentFilter.read("state=busy"))
    assert shown(listing) == "0 2"
    listing.take(later(view, 0.3, cells=bytes([IDLE, BUSY, BUSY])))
    assert shown(listing) == "0 2"
    listing.take(later(view, 1.1, cells=bytes([IDLE, BUSY, IDLE])))
    assert shown(listing) == "1"


def test_the_agents_of_another_run_are_others(view: View) -> None:
    listing = AgentListing()
    listing.take(view)
    listing.put(9)
    listing.mark()
    assert view.hello is not None
    other = msgspec.structs.replace(view.hello, run="beef")
    listing.take(replace(view, hello=other, agents=None, frame=None, cells=b""))
    assert listing.names() == []
    listing.take(replace(view, hello=other, agents=None))
    assert (listing.at, listing.targets()) == (0, ["micro/0"])
    assert listing.roster.told == frozenset()


def test_views_without_pools_are_borne() -> None:
    listing = AgentListing()
    listing.take(View())
    view = crowd({"a": 2})
    assert view.frame is not None
    frame: Frame = msgspec.structs.replace(view.frame, pools=())
    listing.take(replace(view, frame=frame))
    assert listing.names() == []
    pool = PoolView("a", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    listing.take(replace(view, frame=msgspec.structs.replace(view.frame, pools=(pool,)), cells=b""))
    assert listing.names() == []
