"""Claims, lanes and memory as text: who has them, since when, and who waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.cli.words import duration, number, printable, several, size

if TYPE_CHECKING:
    from engine.stream.claims import ClaimsNow, HolderView, WaitView


def claim_lines(now: ClaimsNow) -> Iterator[str]:
    """All of it, for people."""
    if now.nothing:
        yield "claims: none is held, and nobody waits for one"
        return
    yield f"claims: {number(now.held)} held, {several(now.waiting, 'task')} waiting for a claim, a lane or memory"
    for lane in now.lanes:
        used = f"{number(lane.used)} of {number(lane.limit)} used{_held(lane.holders, lane.used, now.at)}"
        yield f"  lane {printable(lane.name)}: {used}{_waiting(lane.waiting, lane.next)}"
    if now.memory is not None:
        taken = f"{size(now.memory.used)} of {size(now.memory.limit)} taken"
        by = _held(now.memory.holders, len(now.memory.holders), now.at)
        yield f"  memory: {taken}{by}{_waiting(now.memory.waiting, now.memory.next)}"
    for claim in now.claims:
        how = "shared" if claim.shared else "held alone" if claim.held else "not held"
        kept = "; kept for who was passed over" if claim.kept else ""
        yield (
            f"  claim {printable(claim.name)}: {how}{_held(claim.holders, claim.held, now.at)}"
            f"{_waiting(claim.waiting, claim.next)}{kept}"
        )
    yield from (f"  {_wait(one, now.at)}" for one in now.waits)


def _held(holders: Sequence[HolderView], count: int, at: float) -> str:
    if not holders:
        return ""
    told = ", ".join(f"{printable(one.task)} for {duration(max(at - one.since, 0.0))}" for one in holders)
    more = max(count - len(holders), 0)
    return f" by {told}" + (f" and {number(more)} more" if more else "")


def _waiting(count: int, following: str) -> str:
    return f"; {several(count, 'task')} waiting, first {printable(following)}" if count else ""


def _wait(one: WaitView, at: float) -> str:
    kinds = f" ({', '.join(map(printable, one.kinds))})" if one.kinds else ""
    where = f", in {', '.join(map(printable, one.pools))}" if one.pools else ""
    return (
        f"{printable(one.task)} waits for {several(one.count, 'subtask')}{kinds}{where}, {number(one.sent)} at work, "
        f"for {duration(max(at - one.since, 0.0))}"
    )
