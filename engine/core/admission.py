"""Whether more work may be begun, by the memory that is left: the engine stops before the kernel starts killing.

Pure: what was measured goes in, and how many batches may be sent comes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from engine.core.actions import Happened

SHARE: Final = 0.05
"""Of the memory, to be kept free where nobody says how much ..."""
MOST: Final = 2 << 30
"""... but no more bytes than this."""
AGAIN: Final = 0.25
"""Share of the reserve that must be free beside it before all is well again ..."""
AT_MOST: Final = 0.02
"""... but no more of the memory than this."""
STALLED: Final = 0.10
"""Share of the last ten seconds in which every process that had something to do waited for memory (`full avg10` of the
kernel's pressure stall information), from which on memory counts as short ..."""
GOES_AGAIN: Final = 0.05
"""... and below which it does no more."""
_NEAR: Final = 0.5
"""Share of the memory that is free, from which on nobody waits for it: what stalls then has a limit of its own."""
_FREE: Final = 1024
"""Batches that may be sent between two looks, from which on they are not counted any more."""


SOONEST: Final = 0.1
LATEST: Final = 1.0
"""Seconds between two looks, at the least and at the most."""
_FILLED: Final = 16 << 30
"""Bytes a second that nobody fills memory by: it would take every lane of a large machine."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much memory is left of one of the limits that hold for us."""

    available: int
    """Bytes that can be had without swapping."""
    total: int
    """Bytes, of which these are left."""
    stalled: float = 0.0
    """Share of the last ten seconds in which all that had something to do waited for memory."""
    group: str = ""
    """The cgroup that has this limit; "" for the machine."""


class Admission:
    """Decides, from one look to the next.

    Attributes:
        quota: batches that may be sent until the next look; None: any number.
        low: memory is short.
        rest: seconds until the next look: before that, what was left at the last one can't have been used up.
    """

    def __init__(self, reserve: int | None) -> None:
        """`reserve`: bytes that are to stay free of each limit; None for a share of it, 0 to look at nothing."""
        self.quota: int | None = None
        self.low = False
        self.rest = SOONEST
        self._reserve = reserve
        self._step = 0

    @property
    def off(self) -> bool:
        """Nothing is looked at."""
        return self._reserve == 0

    def keep(self, reserve: int | None) -> Happened | None:
        """Go by another reserve, as `Admission` takes it, from the next look on. What there is to say of that: nobody
        looks any more, and memory was short."""
        self._reserve = reserve
        if not self.off:
            return None
        was_low, self.low, self.quota = self.low, False, None
        text = "memory is not looked at any more: tasks are begun again"
        return Happened("info", "memory.ok", text) if was_low else None

    def reserve(self, room: Room) -> int:
        """Bytes that are to stay free of a limit."""
        if self._reserve is not None:
            return min(self._reserve, room.total)
        return min(MOST, int(SHARE * room.total))

    def look(self, rooms: Iterable[Room], out: int) -> Happened | None:
        """See how much is left, while `out` batches are out. What there is to say, if something has changed.

        While memory is short nothing is sent, but for one batch at a time where nothing runs whose end could free
        some. Once there is more, few are sent at first, and twice as many after each look: what those before them take
        does not show at once.
        """
        short, over = None, True
        tightest: Room | None = None
        for room in rooms:
            if self._short(room):
                short = short or room
            over = over and self._over(room)
            if tightest is None or self._left(room) < self._left(tightest):
                tightest = room
        told: Happened | None = None
        if short is not None and not self.low:
            self.low = True
            told = self._told_low(short)
        elif self.low and over:
            self.low, self._step = False, 1
            told = self._told_ok(tightest)
        elif not self.low and self.quota is not None:
            self._step *= 2
        if self.low:
            self.quota = 0 if out else 1
        else:
            self.quota = self._step if 0 < self._step < _FREE else None
        if self.quota is not None or tightest is None:
            self.rest = SOONEST
        else:
            self.rest = min(LATEST, max(SOONEST, self._left(tightest) / _FILLED))
        return told

    def _left(self, room: Room) -> int:
        return room.available - self.reserve(room)

    def _short(self, room: Room) -> bool:
        return self._left(room) < 0 or (room.stalled >= STALLED and room.available < _NEAR * room.total)

    def _over(self, room: Room) -> bool:
        reserve = self.reserve(room)
        enough = reserve + min(AGAIN * reserve, AT_MOST * room.total)
        return room.available >= min(enough, room.total) and (
            room.stalled < GOES_AGAIN or room.available >= _NEAR * room.total
        )

    def _told_low(self, room: Room) -> Happened:
        left, reserve = _left(room), self.reserve(room)
        if room.available < reserve:
            text = f"{left}, less than the {size(reserve)} that are to stay free"
        else:
            text = f"{left}, and for {room.stalled:.0%} of the last 10 s all that ran waited for memory"
        text += ": tasks wait until there is more, and are begun one at a time where none runs"
        return Happened("warning", "memory.low", text, self._data(room))

    def _told_ok(self, room: Room | None) -> Happened:
        if room is None:  # the kernel does not say any more
            return Happened("info", "memory.ok", "memory is not measured any more: tasks are begun again")
        return Happened("info", "memory.ok", f"{_left(room)}: tasks are begun again", self._data(room))

    def _data(self, room: Room) -> dict[str, object]:
        return {
            "available": room.available, "limit": room.total, "reserve": self.reserve(room), "stalled": room.stalled,
            "cgroup": room.group or None,
        }  # fmt: skip


def _left(room: Room) -> str:
    where = f" of cgroup {room.group}" if room.group else ""
    return f"{size(room.available)} of the {size(room.total)} of memory{where} are left"


def size(number: int) -> str:
    """Bytes as people read them."""
    return f"{number / 2**30:.1f} GiB" if number >= 1 << 30 else f"{number / 2**20:.0f} MiB"
