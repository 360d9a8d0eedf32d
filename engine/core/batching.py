"""How many tasks make a batch: enough for about 20 ms of work, never so many that an agent starves."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Cut: TypeAlias = Literal["full", "time", "bytes", "share", "first", "rest"]
"""Why a batch has no more tasks: it has as many as it may have; as much work as one should have; as many bytes; an
agent's even share of what waits; its function's times are not known; or no more of its range were ready together."""

TARGET: Final = 0.020
"""Seconds of work a batch aims at: a frame costs some 0.1 ms all told, so this keeps its share below 1 %."""
LEAST: Final = 0.0005
"""Seconds of work that are worth a batch: shares smaller than that cost more to send than to do."""
PREFETCH_BELOW: Final = 0.050
"""Seconds of work up to which a batch may wait behind another one in an agent's own queue."""
AHEAD: Final = 0.001
"""Seconds of work beyond one batch that may wait there: a host that is woken for each batch of less costs more than
these do."""
DEEPEST: Final = 5
"""Batches that may wait there at the most."""
PROVEN: Final = 32
"""Tasks of a function that must be known before it is taken for a trivial one: the first may be the only short one."""
MOST: Final = 500
"""Tasks in one batch at the most, unless the user says otherwise, or they are trivial."""
MOST_TRIVIAL: Final = 2500
"""Trivial tasks in one batch at the most."""
WORTH: Final = 0.001
"""Seconds of work up to which trivial tasks travel in larger batches: a message costs as much as hundreds of them."""
BYTES: Final = 96 * 1024
"""Bytes of arguments in one batch, roughly; a frame's hard limit is higher."""
_MANY: Final = 8
"""Tasks whose mean time is believed at once."""
_TRIVIAL: Final = 2e-6
"""Seconds below which no task is told from another."""


class Cost:
    """What tasks of one function take, learnt from their measured times."""

    __slots__ = ("seconds", "seen")

    def __init__(self) -> None:
        self.seconds: float | None = None
        """Smoothed seconds a task, None before the first outcome."""
        self.seen = 0
        """Tasks learnt from."""

    def learn(self, seconds: float, count: int, failed: int = 0) -> None:
        """Take in that `count` tasks took `seconds` in all, `failed` of which failed.

        Slower is believed sooner, because too large a batch is what hurts. But a single trivial task that
        took long was most likely interrupted, where agents outnumber the cores: a few tasks raise the
        estimate by a bounded factor only. And what fails often does so at once, which says nothing of what
        succeeds: failures never make a function look quicker.
        """
        known = self.seconds
        count -= failed
        self.seen += count
        if not count:
            if known is None or seconds <= known * failed:
                return
            count = failed
        mean = seconds / count
        if known is None:
            self.seconds = mean
        elif mean <= known:
            self.seconds = known + 0.2 * (mean - known)
        elif count >= _MANY:
            self.seconds = known + 0.5 * (mean - known)
        else:
            self.seconds = known + 0.2 * (min(mean, 4 * max(known, _TRIVIAL)) - known)

    def at_least(self, seconds: float) -> None:
        """Take in that one task, which is not over, has run for so long while others waited behind it for nothing.

        This is believed at once and in full: what was thought of the function has just proved wrong. If it was one
        task alone, the next outcomes bring it down again soon.
        """
        if self.seconds is None or self.seconds < seconds:
            self.seconds = seconds


def most(cost: Cost) -> int:
    """Tasks of a function in one batch at the most, where the user has set no limit."""
    if cost.seconds is None or cost.seen < PROVEN:
        return MOST
    return max(MOST, min(MOST_TRIVIAL, int(WORTH / max(cost.seconds, 1e-9))))


def batch_size(cost: Cost, ready: int, agents: int, batch_max: int, item_bytes: int, target: float = TARGET) -> int:
    """Tasks for the next batch, at least 1.

    Args:
        cost: of the function. Unknown means 1: the first outcomes come soonest, and teach.
        ready: tasks of the pool that wait. Half of an agent's even share at the most goes at once, so the end
            stays even.
        agents: agents of the pool that can work.
        batch_max: the user's limit, or `most`.
        item_bytes: mean bytes of an argument, 0 for small.
        target: seconds of work that a batch aims at.
    """
    seconds = cost.seconds
    if seconds is None:
        return 1
    size = int(target / seconds) if seconds > 1e-9 else batch_max
    share = -(-ready // (2 * agents)) if agents else 1
    worth = int(LEAST / seconds) if seconds > 1e-9 else batch_max
    size = min(size, max(share, worth), batch_max)
    if item_bytes:
        size = min(size, BYTES // item_bytes)
    return max(1, size)


def why_cut(cost: Cost, size: int, limit: int, item_bytes: int, target: float, end: bool) -> Cut:
    """Why a batch has just `size` tasks. `limit`: it may have no more; `end`: no more were ready together; the others
    as for `batch_size`."""
    if size >= limit:
        return "full"
    if end:
        return "rest"
    if cost.seconds is None:
        return "first"
    if item_bytes and size >= BYTES // item_bytes:
        return "bytes"
    if size >= int(target / max(cost.seconds, 1e-9)):
        return "time"
    return "share"


def ahead(cost: Cost, count: int) -> int:
    """How many batches of so many tasks may wait behind another one in an agent's own queue; 0 if none may."""
    if cost.seconds is None:
        return 0
    seconds = cost.seconds * count
    if seconds >= PREFETCH_BELOW:
        return 0
    if cost.seen < PROVEN:
        return 1
    return min(DEEPEST, 1 + int(AHEAD / seconds)) if seconds else DEEPEST
