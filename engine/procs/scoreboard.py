"""The scoreboard: one memfd mapped by all processes of a run, a row an agent, and each agent's outcome ring.

A row is sixteen 8-byte cells. Each cell has one writer, which stores it whole, without a lock: the agent its own, the
host those it is said to own. So telemetry costs no message, and the row of a dead agent says which task killed it.

Layout: the rows, padded to a page, then the rings one after another. Plain stores are enough where a store is seen in
program order (x86-64) or after the system call that announces it; a record's checksum covers a reader that comes
without announcement.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Final

CELLS: Final = 16
ROW: Final = CELLS * 8

STATE: Final = 0
"""absent 0, starting 1, idle 2, busy 3, draining 4, dead 5 (as `engine.stream.types.AGENT_STATES`); dead and starting
by the host.
"""
PID: Final = 1
"""Written by the host."""
GENERATION: Final = 2
"""Written by the host."""
BATCH: Final = 3
"""Batch that runs, 0 for none."""
OFFSET: Final = 4
"""Task that runs in that batch: its offset + 1, 0 between tasks.

Written after BATCH and START, so that blame is never early.
"""
START: Final = 5
"""When that task began, CLOCK_MONOTONIC in ns."""
DONE: Final = 6
FAILED: Final = 7
GROUP: Final = 8
"""Process group of the command that runs, 0 for none.

Written by the command's own process before it execs, cleared by the agent.
"""
MEMORY: Final = 9
"""What the agent last said of its memory, as `engine.procs.weight.packed` has it: pages of its own, and all those it
held that come from no file. At its start written by the host."""
HEAD: Final = 10
"""Bytes ever written to the ring."""
BUSY: Final = 11
"""Nanoseconds ever spent in tasks."""
TAIL: Final = 12
"""Bytes ever taken from the ring. Written by the host."""
HELD: Final = 13
"""Offset + 1 of the first outcome of the running batch that is not in the ring yet, 0 for none."""
ASK: Final = 14
"""What the host's signal asks for, as bits: `ASK_FLUSH`, `ASK_SOFT`, `ASK_REST`; above them, from `ASK_BATCH` on, the
lower half of the number of the batch that it is about. Written by the host.
"""
PONG: Final = 15
"""Number of the last `Ping` that the agent has answered."""

ASK_FLUSH: Final = 1
"""Write the outcomes that are held back, though a task runs."""
ASK_SOFT: Final = 2
"""Raise `SoftTimeout` in the task that runs."""
ASK_REST: Final = 4
"""Give back what has not begun of the batch that runs, if it still is the one that is meant."""
ASK_BATCH: Final = 8


def asking(bits: int, batch: int) -> int:
    """What to write into `ASK`."""
    return (batch & 0xFFFFFFFF) << ASK_BATCH | bits


_PAGE: Final = mmap.PAGESIZE
_LOW: Final = 0 if sys.byteorder == "little" else 7


def rows_bytes(rows: int) -> int:
    """Bytes of the rows, whole pages."""
    return -(-rows * ROW // _PAGE) * _PAGE


def ring_capacity(rows: int) -> int:
    """Bytes of each ring: about 64 MiB in all, a power of two from 8 to 256 KiB.

    Only pages that are written cost memory.
    """
    share = (64 << 20) // max(rows, 1)
    return max(8 << 10, min(256 << 10, 1 << (share.bit_length() - 1)))


class Scoreboard:
    """One process's view of the shared memory.

    Attributes:
        cells: all cells of all rows, as native unsigned 8-byte integers.
        memory: the whole mapping, for the rings.
    """

    def __init__(self, fd: int, rows: int, capacity: int) -> None:
        """Map the memory behind `fd`, which may be closed afterwards."""
        self.rows = rows
        self.capacity = capacity
        self._mapped = mmap.mmap(fd, size(rows, capacity))
        self.memory = memoryview(self._mapped)
        self.cells = self.memory[: rows_bytes(rows)].cast("Q")

    def get(self, row: int, cell: int) -> int:
        """One cell of one row."""
        return self.cells[row * CELLS + cell]

    def set(self, row: int, cell: int, value: int) -> None:
        """Store one cell; only for its one writer."""
        self.cells[row * CELLS + cell] = value

    def column(self, cell: int, first: int = 0, stop: int | None = None) -> list[int]:
        """One cell of every row, or of rows first..stop-1."""
        stop = self.rows if stop is None else stop
        return self.cells[first * CELLS + cell : stop * CELLS : CELLS].tolist()

    def low_bytes(self, cell: int, first: int, stop: int) -> bytes:
        """The lowest byte of one cell of rows first..stop-1: of states, all there is of them."""
        return bytes(self.memory[first * ROW + cell * 8 + _LOW : stop * ROW : ROW])

    def ring(self, row: int) -> memoryview:
        """The memory of a row's ring."""
        at = rows_bytes(self.rows) + row * self.capacity
        return self.memory[at : at + self.capacity]

    def close(self) -> None:
        """Unmap. Views handed out before must be gone."""
        self.cells.release()
        self.memory.release()
        self._mapped.close()


def size(rows: int, capacity: int) -> int:
    """Bytes of a scoreboard with its rings."""
    return rows_bytes(rows) + rows * capacity


def create(rows: int, capacity: int) -> int:
    """A new scoreboard's memfd, all zero."""
    fd = os.memfd_create("shoal-scoreboard", os.MFD_CLOEXEC)
    os.ftruncate(fd, size(rows, capacity))
    return fd
