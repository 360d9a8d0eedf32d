"""Where agents stand on the fleet map, and the steps from one to another."""

from __future__ import annotations

import random

import pytest

from tui.places import CARD, GLYPH, HALF, LARGE, ROOMY, TILE, Plan, Pool, height_of, next_in, plan

SIZES = [(3000, 363, 72), (300, 99, 36), (8,), (1, 1), (0, 5), (40_000, 3)]


def pools_of(*sizes: int) -> list[Pool]:
    """Pools one after the other."""
    return [(f"pool-{place}", sum(sizes[:place]), size) for place, size in enumerate(sizes)]


def agents_in(planned: Plan) -> list[int]:
    """Every agent that has a place."""
    return [agent for row in planned.rows for agent in range(row.first, row.end)]


@pytest.mark.parametrize("monochrome", [False, True])
@pytest.mark.parametrize(("width", "height"), [(56, 6), (70, 31), (76, 9), (116, 18), (196, 30), (20, 3)])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_agent_has_one_place(sizes: tuple[int, ...], width: int, height: int, monochrome: bool) -> None:
    planned = plan(pools_of(*sizes), width, height, monochrome)
    assert agents_in(planned) == list(range(sum(sizes)))
    assert height_of(planned) <= height
    assert not (monochrome and planned.scale.half)
    room = (width - planned.labels) // planned.scale.wide * planned.scale.stack
    assert all(row.end - row.first <= room for row in planned.rows)
    assert all(len(name) + len(size) < planned.labels for name, size in planned.lines)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("width", "height"), [(56, 6), (70, 31), (116, 18)])
def test_what_stands_under_a_cell_is_what_has_its_place_there(sizes: tuple[int, ...], width: int, height: int) -> None:
    planned = plan(pools_of(*sizes), width, height, False)
    for agent in random.Random(1).sample(range(sum(sizes)), min(200, sum(sizes))):
        place = planned.place_of(agent)
        assert place is not None
        assert agent in planned.agents_of(place)
        assert agent in planned.among(agent)
        row = planned.rows[place.row]
        for x in range(planned.labels + place.column * planned.scale.wide, width)[: planned.scale.wide]:
            assert agent in planned.agents_at(x, row.line)
    assert planned.place_of(sum(sizes)) is None
    assert not planned.agents_at(planned.labels - 1, 0)
    assert not planned.agents_at(planned.labels, height + 5)


def test_the_fewer_agents_the_larger_they_are() -> None:
    def scale(agents: int, monochrome: bool = False) -> object:
        return plan(pools_of(agents), 70, 20, monochrome).scale

    assert [scale(agents) for agents in (8, 40, 150, 400, 1000, 2400)] == [CARD, LARGE, TILE, ROOMY, GLYPH, HALF]
    assert [scale(agents, True) for agents in (8, 1000)] == [ROOMY, GLYPH]


def test_agents_share_places_where_there_are_too_many_and_as_few_as_will_do() -> None:
    planned = plan(pools_of(3000, 363, 72), 78, 11, False)
    assert planned.scale.half
    assert planned.scale.per == 3
    assert len(plan(pools_of(3000, 363, 72), 78, 40, False).rows) > len(planned.rows)


def test_small_pools_are_named_in_one_line() -> None:
    planned = plan([("micro", 0, 3000), ("prime", 3000, 72)], 70, 31, False)
    names = [line for line in planned.lines if any(line)]
    assert names[:2] == [("micro", ""), ("", "3,000")]
    assert names[-1] == ("prime", " 72")


def test_pools_that_find_no_line_are_counted() -> None:
    planned = plan(pools_of(*[10] * 9), 60, 4, False)
    assert planned.unseen == (6, 60)
    assert height_of(planned) == 4


def test_no_pool_and_no_agent_is_no_map() -> None:
    assert plan([], 60, 4, False).rows == ()
    assert plan(pools_of(0), 60, 4, False).rows == ()


@pytest.fixture
def halves() -> Plan:
    """300 and 99 agents, two in a cell, 22 columns in a row."""
    planned = plan(pools_of(300, 99), 29, 11, False)
    assert planned.scale == HALF
    assert planned.rows[0].end == 44
    return planned


def test_to_the_side_it_goes_row_by_row_through_the_whole_fleet(halves: Plan) -> None:
    at, seen = 0, [0]
    while (after := halves.aside(at, 1)) != at:
        at = after
        seen.append(at)
    assert seen == [agent for row in halves.rows for agent in range(row.first, row.end, 2)]
    back = [at]
    while (before := halves.aside(at, -1)) != at:
        at = before
        back.append(at)
    assert back == seen[::-1]
    assert halves.aside(1, 1) == 3  # the lower half stays the lower one
    assert halves.aside(1, -1) == 1


def test_down_and_up_it_keeps_the_column(halves: Plan) -> None:
    assert halves.beneath(10, 1) == 11
    assert halves.beneath(11, 1) == 44 + 10
    assert halves.beneath(44 + 10, -1) == 11
    assert halves.beneath(10, -1) == 10
    end = halves.last
    assert halves.beneath(end, 1) == end
    at, column = 0, 0
    while (under := halves.beneath(at, 1)) != at:
        at = under
    place = halves.place_of(at)
    assert place is not None
    assert (place.row, place.column) == (len(halves.rows) - 1, column)


def test_shorter_rows_are_met_at_their_end(halves: Plan) -> None:
    last_of_first_pool = halves.rows[6]
    assert last_of_first_pool.end == 300
    above = halves.rows[5].first + 42
    at = halves.beneath(halves.beneath(above, 1), 1)
    assert at == 298
    assert halves.beneath(298, 1) == 299


def test_from_pool_to_pool(halves: Plan) -> None:
    assert halves.pool_from(17, 1) == 300
    assert halves.pool_from(350, 1) == 300
    assert halves.pool_from(350, -1) == 300
    assert halves.pool_from(300, -1) == 0
    assert halves.pool_from(0, -1) == 0


def test_from_nowhere_every_step_leads_to_the_first(halves: Plan) -> None:
    assert halves.aside(5000, 1) == halves.beneath(5000, -1) == halves.pool_from(5000, 1) == 0
    assert halves.among(5000) == range(5000, 5001)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_no_step_leaves_the_fleet(sizes: tuple[int, ...]) -> None:
    chance = random.Random(3)
    planned = plan(pools_of(*sizes), 60, 9, False)
    at = planned.rows[0].first
    for _ in range(400):
        step = chance.choice([planned.aside, planned.beneath, planned.pool_from])
        at = step(at, chance.choice([-1, 1]))
        place = planned.place_of(at)
        assert place is not None
        assert planned.agents_of(place).start == at


def test_the_next_in_a_state_goes_round_the_end() -> None:
    cells = bytes([3, 5, 3, 3, 5, 1])
    assert next_in(cells, (5,), None, 1) == 1
    assert next_in(cells, (5,), 1, 1) == 4
    assert next_in(cells, (5,), 4, 1) == 1
    assert next_in(cells, (5, 1), 4, 1) == 5
    assert next_in(cells, (5,), None, -1) == 4
    assert next_in(cells, (5,), 4, -1) == 1
    assert next_in(cells, (5,), 1, -1) == 4
    assert next_in(cells, (2,), 1, 1) is None
    assert next_in(bytes([5]), (5,), 0, 1) == 0
