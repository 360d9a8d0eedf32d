"""Claims, lanes, and why a task does not run, as people are told of them: by the names of tasks."""

from __future__ import annotations

import time
from typing import Any, Final

from engine.core.amounts import UNLIMITED, Counted
from engine.core.claims import Resource
from engine.core.explain import Explanation, Task, explain, holders
from engine.core.wording import describe
from engine.procs.scoreboard import BATCH, OFFSET, STATE
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.naming import range_name, task_name
from engine.runtime.subtasks_told import waits_now
from engine.stream.claims import ClaimsNow, ClaimView, HolderView, LaneView
from engine.stream.types import BUSY

MOST: Final = 100
"""Claims, and lanes, that readers are told of."""
_HOLDERS: Final = 3
_CLAIM_MAX: Final = 200
"""Characters of a claim's."""
_REASONS: Final = 40
"""Reasons that are told at once."""


def explained(fleet: Fleet, number: int, index: int) -> tuple[Explanation, list[str]]:
    """Why a task does not run, and that in words. Raises IndexError for one that there is not."""
    states, batches = fleet.board.low_bytes(STATE, 0, fleet.board.rows), fleet.board.column(BATCH)
    offsets = fleet.board.column(OFFSET)
    running = {batches[row]: (row, max(0, offsets[row] - 1)) for row, state in enumerate(states) if state == BUSY}
    found = explain(fleet.core, number, index, running.get)

    def task(number: int, index: int) -> str:
        return task_name(fleet, number, index)

    def several(number: int) -> str:
        return range_name(fleet, number)

    lines = describe(found, task, several, time.monotonic())
    if found.row is not None:
        lines[0] += f" on agent {fleet.name(found.row)}"
    return found, lines


def explained_data(fleet: Fleet, found: Explanation, lines: list[str]) -> dict[str, Any]:
    """The same for programs: plain values. Times are in seconds from now back."""
    now = time.monotonic()

    def told(one: Task) -> dict[str, Any]:
        since = None if one.since is None else round(now - one.since, 3)
        return {
            "task": task_name(fleet, one.range, one.index), "name": one.name[:_CLAIM_MAX], "shared": one.shared,
            "seconds": since,
        }  # fmt: skip

    reasons = [
        {
            "kind": reason.kind, "name": reason.name[:_CLAIM_MAX], "count": reason.count, "text": reason.text,
            "tasks": [told(one) for one in reason.tasks[:_HOLDERS]],
            "after": [range_name(fleet, number) for number in reason.ranges[:_HOLDERS]],
        }
        for reason in found.reasons[:_REASONS]
    ]  # fmt: skip
    return {
        "task": task_name(fleet, found.range, found.index), "state": found.state,
        "seconds": None if found.since is None else round(now - found.since, 3),
        "agent": None if found.row is None else fleet.name(found.row), "batch": found.batch, "shard": found.shard,
        "reasons": reasons, "lines": [line[: 4 * _CLAIM_MAX] for line in lines[: _REASONS + 1]],
    }  # fmt: skip


def claims_now(fleet: Fleet) -> ClaimsNow | None:
    """All claims, lanes and waits for subtasks of this moment, as many as are told; None where nobody ever had any."""
    known = fleet.core.desk.claims
    memory = known.memory
    says = memory.limit < UNLIMITED and (memory.holders or memory.queues)
    if not known.lanes and not known.resources and not says and not fleet.subtasks.ever:
        return None
    behind = time.time() - time.monotonic()
    claims = [(one, *_waiting(one)) for one in known.resources.values() if one.holders or one.queues]
    lanes = [(lane, *_waiting(lane)) for lane in known.lanes.values()]
    more = _waiting(memory)
    claims = [(one, tasks, first) for one, tasks, first in claims if one.holders or tasks]
    claims.sort(key=lambda found: (-found[1], _since(fleet, found[0])))
    return ClaimsNow(
        round(time.time(), 6),
        tuple(_lane(fleet, lane, tasks, first, behind) for lane, tasks, first in lanes[:MOST]),
        tuple(_claim(fleet, one, tasks, first, behind) for one, tasks, first in claims[:MOST]),
        sum(bool(one.holders) for one, _, _ in claims),
        sum(tasks for _, tasks, _ in (*claims, *lanes)) + more[0],
        _lane(fleet, memory, *more, behind) if says else None,
        waits_now(fleet),
    )


def _waiting(of: Resource | Counted) -> tuple[int, tuple[int, int] | None]:
    """Tasks that wait for something, and which of them is the first."""
    firsts = [line.key for queue in of.queues.values() if (line := queue.first()) is not None]
    if not firsts:
        return 0, None
    tasks = sum(line.tasks for queue in of.queues.values() for line in queue.lines())
    return tasks, min(firsts)[1:]


def _since(fleet: Fleet, resource: Resource) -> float:
    core = fleet.core
    since = (
        core.outside[number][1] if number in core.outside else core.batches[number].sent for number in resource.holders
    )
    return min(since, default=float("inf"))


def _views(fleet: Fleet, of: Resource | Counted, behind: float) -> tuple[HolderView, ...]:
    return tuple(_view(fleet, task, behind) for task in holders(fleet.core, of, _HOLDERS))


def _view(fleet: Fleet, task: Task, behind: float) -> HolderView:
    job = fleet.job(task.range)
    pool = "" if job is None else fleet.core.pools[job.pool].name
    return HolderView(task_name(fleet, task.range, task.index), pool, round((task.since or 0.0) + behind, 6))


def _lane(fleet: Fleet, lane: Counted, tasks: int, first: tuple[int, int] | None, behind: float) -> LaneView:
    name = "" if first is None else task_name(fleet, *first)
    return LaneView(lane.name[:_CLAIM_MAX], lane.limit, lane.used, _views(fleet, lane, behind), tasks, name)


def _claim(fleet: Fleet, resource: Resource, tasks: int, first: tuple[int, int] | None, behind: float) -> ClaimView:
    name = "" if first is None else task_name(fleet, *first)
    return ClaimView(
        resource.name[:_CLAIM_MAX], resource.shared > 0, len(resource.holders), _views(fleet, resource, behind), tasks,
        name, bool(resource.reserved),
    )  # fmt: skip
