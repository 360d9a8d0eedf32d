"""A plan in several messages: cut by those who tell it, put together by those who hear it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from planned_views import OUTLINE, now_of, running_now, step_of

from engine.stream.plans import GateNow, MilestoneNow, PlanNow, PlanOutline, PlanSeen, now_parts, outline_parts
from engine.stream.types import MESSAGE_MAX, encoder, to_reader

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

COUNT = 5_000
ROOM = MESSAGE_MAX - 1_000


def large() -> tuple[PlanOutline, PlanNow]:
    steps = tuple(step_of(f"step-{n}", tuple(range(max(0, n - 20), n)), title="x" * 200) for n in range(COUNT))
    nows = tuple(now_of(n, "waiting", starts=n / 3, ends=n / 2, slack=0.5, rank=n / 7, gain=1.0) for n in range(COUNT))
    return PlanOutline(0, COUNT, steps, "Large"), PlanNow(1.5, nows, True, 2.5, tuple(range(500)))


def heard(messages: Sequence[PlanOutline | PlanNow]) -> PlanSeen:
    seen = PlanSeen()
    for message in messages:
        again = to_reader.decode(encoder.encode(message))
        assert isinstance(again, PlanOutline | PlanNow)
        seen = seen.heard(again)
    return seen


def test_a_small_one_is_one_message_each() -> None:
    assert outline_parts(OUTLINE, ROOM) == [OUTLINE]
    now = running_now()
    assert now_parts(now, ROOM) == [now]
    seen = heard([OUTLINE, now])
    assert seen.complete
    assert (seen.steps, seen.now, seen.outline, seen.told) == (OUTLINE.steps, now.steps, OUTLINE, now)


def test_a_large_one_fits_messages_and_is_whole_in_the_end() -> None:
    outline, now = large()
    parts: list[PlanOutline | PlanNow] = [*outline_parts(outline, ROOM), *now_parts(now, ROOM)]
    assert len(parts) > 10
    assert all(len(encoder.encode(part)) <= MESSAGE_MAX for part in parts)
    seen = heard(parts)
    assert seen.complete
    assert seen.now == now.steps
    assert seen.told is not None
    assert (seen.told.chain, seen.told.ends) == (now.chain, 2.5)


def test_what_comes_with_the_first_part_has_its_room() -> None:
    outline, now = large()
    outline = msgspec.structs.replace(outline, groups=tuple((f"{n}" * 60, "t" * 200) for n in range(100, 200)))
    now = msgspec.structs.replace(
        now, gates=tuple(GateNow(n, "hold", ("r" * 200,) * 4, True) for n in range(100)),
        milestones=tuple(MilestoneNow(n, n, n, n, 1.5, False, 2.5) for n in range(100)),
    )  # fmt: skip
    parts: list[PlanOutline | PlanNow] = [*outline_parts(outline, ROOM), *now_parts(now, ROOM)]
    assert all(len(encoder.encode(part)) <= MESSAGE_MAX for part in parts)
    seen = heard(parts)
    assert seen.complete
    assert (seen.outline and seen.outline.groups, seen.told and seen.told.gates) == (outline.groups, now.gates)


def test_as_long_as_something_is_missing_it_is_not_complete() -> None:
    outline, now = large()
    parts: list[PlanOutline | PlanNow] = [*outline_parts(outline, ROOM), *now_parts(now, ROOM)]
    for left_out in (0, 1, len(parts) - 1):
        assert not heard([part for number, part in enumerate(parts) if number != left_out]).complete


def test_where_one_step_changes_the_other_messages_are_the_same_bytes() -> None:
    _, now = large()
    steps = list(now.steps)
    steps[4_321] = msgspec.structs.replace(steps[4_321], state="running", running=3)
    later = now_parts(msgspec.structs.replace(now, steps=tuple(steps)), ROOM)
    before = now_parts(now, ROOM)
    assert len(before) == len(later)
    assert sum(encoder.encode(one) != encoder.encode(other) for one, other in zip(before, later, strict=True)) == 1


def test_changes_alone_leave_the_rest_as_it_was() -> None:
    now = running_now()
    seen = heard([OUTLINE, now])
    changed = now_of(5, "ready")
    after = seen.heard(PlanNow(now.at + 1, (changed,), True, None))
    assert after.now == (*now.steps[:5], changed, *now.steps[6:])
    assert after.complete
    assert after.told is not None
    assert after.told.at == now.at + 1


def test_a_run_without_a_plan_says_so() -> None:
    seen = heard([PlanOutline(0, 0, ()), PlanNow(1.0, (), True)])
    assert seen.complete
    assert not seen.steps
