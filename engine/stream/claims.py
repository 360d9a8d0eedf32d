"""What the stream tells of claims and lanes: who holds what, and who waits for it."""

from __future__ import annotations

import msgspec


class HolderView(msgspec.Struct, frozen=True, array_like=True):
    """A batch that holds a claim, or has a place in a lane."""

    task: str
    """``job[number]`` of the task that it is at."""
    pool: str
    since: float
    """When it was sent, in seconds since the Unix epoch."""


class ClaimView(msgspec.Struct, frozen=True, array_like=True):
    """A name, or a pattern of paths, that is held or waited for."""

    name: str
    shared: bool
    """Those who hold it share it; else one has it to itself."""
    held: int
    """Batches that hold it."""
    holders: tuple[HolderView, ...]
    """The first of them."""
    waiting: int
    """Tasks that wait for it first of all that they need."""
    next: str
    """The first of these, "" for none."""
    kept: bool = False
    """It is kept for somebody who was passed over too often."""


class LaneView(msgspec.Struct, frozen=True, array_like=True):
    """A limit on how many tasks run at a time."""

    name: str
    limit: int
    used: int
    """Batches that are out in it: above the limit only where that was lowered."""
    holders: tuple[HolderView, ...]
    """The first of them."""
    waiting: int
    """Tasks that wait for a place."""
    next: str
    """The first of these, "" for none."""


class WaitView(msgspec.Struct, frozen=True, array_like=True):
    """A task that runs, and waits for subtasks of its own: its agent's place is somebody else's meanwhile."""

    task: str
    """``job[number]``."""
    pool: str
    since: float
    """Seconds since the Unix epoch."""
    subtasks: tuple[str, ...]
    """The first of those that it waits for."""
    count: int
    """How many there are."""
    sent: int
    """Of these, those that an agent has."""
    pools: tuple[str, ...]
    """Which run them."""
    kinds: tuple[str, ...]
    """Which requests they are, if any."""


class ClaimsNow(msgspec.Struct, frozen=True, array_like=True, tag="claims"):
    """Claims and lanes at one moment: sampled, as frames are, though not as often."""

    at: float
    """Seconds since the Unix epoch."""
    lanes: tuple[LaneView, ...]
    claims: tuple[ClaimView, ...]
    """Those that most tasks wait for come first, then those that are held longest; a hundred at the most."""
    held: int
    """Names and patterns that are held, told of or not."""
    waiting: int
    """Tasks that wait for a claim, a lane or memory."""
    memory: LaneView | None = None
    """Memory that tasks say they take, `limit` and `used` in bytes; None where none says so."""
    waits: tuple[WaitView, ...] = ()
    """Tasks that wait for subtasks: those that have waited longest come first; a hundred at the most."""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to tell: no lane, nothing held, nobody who waits."""
        return not (self.lanes or self.claims or self.held or self.waiting or self.memory or self.waits)


def no_claims(at: float) -> ClaimsNow:
    """What readers are told where nobody ever claimed anything, at a moment in seconds since the Unix epoch."""
    return ClaimsNow(round(at, 6), (), (), 0, 0)
