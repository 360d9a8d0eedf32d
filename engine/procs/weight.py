"""What an agent holds of memory of its own, found out at little cost.

Agents share most of what they have in memory with the image they were forked from, so their resident bytes say little.
Their own is what would be free without them: pages that they have written and share with nobody, in memory or swapped
out. Files that they have only read do not count: the kernel takes those back by itself. The kernel adds this up page by
page (`smaps_rollup`: 0.1 ms, 1 ms with numba loaded, and 10 ms for each GiB), so it is asked only where cheaper figures
(`statm`: 5 µs) leave a doubt.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from engine.procs.scoreboard import CELLS, MEMORY, Scoreboard

if TYPE_CHECKING:
    from engine.procs.slots import Slot

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_OWN: Final = (b"\nPrivate_Dirty:", b"\nPrivate_Hugetlb:", b"\nSwapPss:")
HALF: Final = 32
"""Bits of a cell `MEMORY` below those that are pages of its own."""
_MASK: Final = (1 << HALF) - 1

_SECOND: Final = 1_000_000_000
_LATEST: Final = 30 * _SECOND
"""Between two reports of an agent that has something to do: what it writes of the image shows in no cheaper figure."""
_WORTH: Final = 4 << 20
"""Bytes by which what an agent holds has changed when that is worth a report sooner."""
_SHARE: Final = 100
"""The part of an agent's time, as 1/so many, that its reports may take."""

_SELDOM: Final = 5.0
"""Seconds after which an agent is weighed anew that holds more than its limit, though most of it may be shared."""
_HOST_SHARE: Final = 20
"""The part of a host's time, as 1/so many, that it spends on weighing one agent, and on such as may well be innocent.
"""


def _read(path: str) -> bytes:
    """A short file of the kernel's. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def held(who: int | str) -> tuple[int, int]:
    """What a process holds: all its resident bytes, and those of them that come from no file, both with what it shares.
    Zeros if it is gone. `who`: a pid, or ``self``.
    """
    try:
        fields = _read(f"/proc/{who}/statm").split()
        resident, files = int(fields[1]), int(fields[2])
    except (OSError, IndexError, ValueError):
        return 0, 0
    return resident * PAGE, (resident - files) * PAGE


def own(who: int | str) -> int:
    """Bytes of a process's own. Where the kernel does not tell, all that come from no file; 0 if it is gone."""
    try:
        text = _read(f"/proc/{who}/smaps_rollup")
    except OSError:
        text = b""
    if _OWN[0] not in text:
        return held(who)[1]
    found = 0
    for name in _OWN:
        if (at := text.find(name)) >= 0:
            found += int(text[at + len(name) : text.index(b"kB", at)])
    return found << 10


def packed(mine: int, anonymous: int) -> int:
    """What goes into `MEMORY`: bytes of an agent's own, and those it held at that moment that come from no file."""
    return (mine // PAGE & _MASK) << HALF | anonymous // PAGE & _MASK


def unpacked(cell: int) -> tuple[int, int]:
    """What `packed` was given, in whole pages."""
    return (cell >> HALF) * PAGE, (cell & _MASK) * PAGE


def together(cells: Iterable[int]) -> int:
    """Bytes of their own that agents with these cells hold, as far as they have said; 0: none has yet."""
    return PAGE * sum(cell >> HALF for cell in cells)


class Report:
    """An agent's own word on what it holds, in its row: now and then, between two batches."""

    def __init__(self, board: Scoreboard, row: int) -> None:
        self._cells = board.cells
        self._at = row * CELLS + MEMORY
        self._next = 0
        self._latest = 0

    def look(self, now: int) -> None:
        """Report if it is time to. `now`: CLOCK_MONOTONIC in ns."""
        if now < self._next:
            return
        if not self._next:  # at first it holds what its host knows of
            self._next, self._latest = now + _SECOND, now + _LATEST
            return
        self._next = now + _SECOND
        _, anonymous = held("self")
        _, before = unpacked(self._cells[self._at])
        if abs(anonymous - before) < _WORTH and now < self._latest:
            return
        begun = time.monotonic_ns()
        self._cells[self._at] = packed(own("self"), anonymous)
        self._next = now + max(_SECOND, _SHARE * (time.monotonic_ns() - begun))
        self._latest = now + _LATEST


class Scales:
    """By which a host finds agents that hold too much."""

    def __init__(self, board: Scoreboard) -> None:
        self._cells = board.cells
        self._turn = 0.0
        """When the next one may be weighed that is not under suspicion."""

    def above(self, slot: Slot, limit: int, now: float, *, surely: bool = False) -> int:
        """Bytes of an agent's own if that are more than `limit`, else 0.

        The kernel is asked if it has grown by what it may since it was weighed last, by itself or here; and now and
        then, if it holds more than the limit altogether, as it may have written to what it shared. `surely`: as often
        as there is a doubt, whatever it costs.
        """
        resident, anonymous = held(slot.pid)
        if resident <= limit:
            return 0
        said = self._cells[slot.row * CELLS + MEMORY]
        if said != slot.said:  # it has reported meanwhile
            slot.said = said
            slot.weight = unpacked(said)
        mine, before = slot.weight
        if mine + anonymous - before > limit:
            if not surely and now < slot.weigh_next:
                return 0
        elif now < max(slot.weighed + _SELDOM, self._turn):
            return 0
        begun = time.monotonic()
        mine = own(slot.pid)
        pause = _HOST_SHARE * (time.monotonic() - begun)
        slot.weight, slot.weighed = (mine, anonymous), now
        slot.weigh_next = self._turn = now + pause
        return mine if mine > limit else 0
