"""A task that is sent before the core has heard of it: the books are the same as if it had come the usual way."""

from __future__ import annotations

from typing import Any

from cores import finish, fleet, take
from hypothesis import given
from hypothesis import strategies as st

from engine.core.actions import Send
from engine.core.core import Core
from engine.core.invariants import check
from engine.core.tasks import Options

PLAIN = Options()


def books(core: Core) -> dict[str, Any]:
    """All that is counted."""
    counted = ("submitted", "done", "failed", "accepted", "redelivered", "stale", "cancelled", "queued", "eager")
    found: dict[str, Any] = {name: getattr(core, name) for name in counted}
    pool, shard = core.pools[0], core.shards[0]
    for owner in (pool, shard):
        for name in owner.__dataclass_fields__:
            value = getattr(owner, name)
            if isinstance(value, int | float | None):
                found[f"{type(owner).__name__}.{name}"] = value
    found["ranges"] = {number: (one.count, bytes(one.state), one.function) for number, one in core.ranges.items()}
    found["batches"] = {
        number: (one.range.id, one.first, one.count, one.shard, one.sent, one.since, one.found)
        for number, one in core.batches.items()
    }
    return found


def usual(core: Core, now: float) -> Send:
    core.submit(1, 1)
    (sent,) = take(core, Send, now)
    return sent


def alone(core: Core, now: float) -> Send:
    shard = core.place_for_one(0)
    assert shard is not None
    sent = core.sent_one(1, 0, PLAIN, shard, core.next_batch(), now)
    core.take(now)
    return sent


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10**9)), max_size=20))
def test_it_is_as_if_it_had_come_the_usual_way(steps: list[tuple[bool, int]]) -> None:
    one, other = fleet(2), fleet(2)
    for at, (way, nanoseconds) in enumerate(steps):
        sent = usual(one, float(at)), (alone if way else usual)(other, float(at))
        assert books(one) == books(other)
        assert (sent[0].batch, sent[0].range, sent[0].shard, sent[0].count) == (
            sent[1].batch, sent[1].range, sent[1].shard, sent[1].count,
        )  # fmt: skip
        for core, send in zip((one, other), sent, strict=True):
            finish(core, send, nanoseconds=nanoseconds)
            core.take(float(at))
            check(core)
        assert books(one) == books(other)


def test_one_whose_agent_dies_is_sent_again() -> None:
    core = fleet(2)
    sent = alone(core, 1.0)
    core.agent_down(1.0, 0, 1, [(sent.batch, 0)], "", "it died")
    (again,) = take(core, Send, 1.0)
    assert again.range == sent.range
    finish(core, again)
    check(core)
    assert (core.done, core.redelivered) == (1, 1)


def test_there_is_no_place_where_it_would_have_to_wait() -> None:
    core = fleet(1)
    assert core.place_for_one(0) is not None
    core.submit(1, 1)
    assert core.place_for_one(0) is None  # another one waits
    (sent,) = take(core, Send, 1.0)
    assert core.place_for_one(0) is None  # the agent is busy
    finish(core, sent)
    assert core.place_for_one(0) is not None
    core.paused = True
    assert core.place_for_one(0) is None
    core.paused = False
    core.admit(1)
    assert core.place_for_one(0) is None
    core.admit(None)
    core.drain()
    assert core.place_for_one(0) is None


def test_there_is_no_place_without_an_agent() -> None:
    core = fleet(1)
    core.agent_down(1.0, 0, 1, [], "", "it died")
    assert core.place_for_one(0) is None
