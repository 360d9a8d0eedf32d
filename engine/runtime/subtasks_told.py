"""Which tasks wait for subtasks of theirs, and for which, as people are told of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from engine.core.aside import Wait
from engine.core.tasks import FINAL, SENT
from engine.runtime.naming import task_name
from engine.stream.claims import WaitView

if TYPE_CHECKING:
    from engine.runtime.fleet.fleet import Fleet

MOST: Final = 100
"""Tasks that readers are told of."""
_NAMED: Final = 3


def waits_now(fleet: Fleet, most: int = MOST) -> tuple[WaitView, ...]:
    """Those that have waited longest come first."""
    waits = sorted(fleet.core.aside.items(), key=lambda one: one[1].since)[:most]
    behind = time.time() - time.monotonic()
    return tuple(_view(fleet, row, wait, behind) for row, wait in waits)


def _view(fleet: Fleet, row: int, wait: Wait, behind: float) -> WaitView:
    core = fleet.core
    found = core.batches[wait.batch].range
    left = []
    for number, index in wait.subtasks:
        one = core.ranges.get(number)
        if one is not None and one.state[index] not in FINAL:
            left.append((number, index, one.state[index] == SENT, core.pools[one.pool].name))
    kinds = fleet.subtasks.kinds_of(row, [number for number, _, _, _ in left])
    return WaitView(
        task_name(fleet, found.id, core.batches[wait.batch].first + wait.offset),
        core.pools[found.pool].name,
        round(wait.since + behind, 6),
        tuple(task_name(fleet, number, index) for number, index, _, _ in left[:_NAMED]),
        len(left),
        sum(sent for _, _, sent, _ in left),
        tuple(sorted({pool for _, _, _, pool in left})),
        tuple(sorted(kinds)),
    )


def lines_of(waits: tuple[WaitView, ...], now: float) -> list[str]:
    """A line for each."""
    return [_line(one, now) for one in waits]


def _line(one: WaitView, now: float) -> str:
    names = ", ".join(one.subtasks) + (f" and {one.count - len(one.subtasks):,} more" if one.count > _NAMED else "")
    kinds = f" ({', '.join(one.kinds)})" if one.kinds else ""
    runs = f"{one.sent:,} of {one.count:,} sent" if one.count != 1 else "sent" if one.sent else "ready"
    return (
        f"{one.task} waits for {names}{kinds} in {', '.join(one.pools)}, {runs}, for {max(0.0, now - one.since):.1f} s"
    )


def waits_data(fleet: Fleet) -> dict[str, Any]:
    """The same for programs, with lines for people."""
    waits = waits_now(fleet)
    told = [
        {
            "task": one.task, "pool": one.pool, "since": one.since, "subtasks": list(one.subtasks), "count": one.count,
            "sent": one.sent, "pools": list(one.pools), "kinds": list(one.kinds),
        }
        for one in waits
    ]  # fmt: skip
    count = len(fleet.core.aside)
    return {"waits": told, "count": count, "asked": dict(fleet.subtasks.asked), "lines": lines_of(waits, time.time())}
