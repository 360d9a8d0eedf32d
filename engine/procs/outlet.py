"""The way of an agent's outcomes to its host: the ring, or the channel for what does not fit it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from array import array
from typing import Any, Final

import msgspec

from engine.procs import mail
from engine.procs.failures import failure
from engine.procs.ring import Writer
from engine.procs.scoreboard import CELLS, DONE, FAILED, Scoreboard
from engine.wire import channel, frames, values
from engine.wire.memory import Parcel

BELL: Final = 0x02
"""First byte of a message to the host: there are records in the ring."""

REST: Final = 0x05
"""First byte of a message to the host: the end of a batch is given back."""
GIVEN: Final = struct.Struct("<BQIQ")
"""That message: its first byte, the batch, the offset from which on it is given back, and the nanoseconds that the task
before that has run by now."""

_QUIET_NS: Final = 5_000_000
"""No second bell within this time: the host looks by itself soon enough."""
_BUSY_NS: Final = 300_000
"""Between two bells of an agent that goes from one very short batch to the next: the host has the next ones ready
before the last is over, and is not woken for each.
"""
_AGAIN: Final = 0.005
"""Seconds until a message is tried again that the kernel had no memory or no room for descriptors for."""


class Outlet:
    """An agent's end of its ring and its channel.

    Attributes:
        told: the engine was told itself what came of the last `direct` batch.
    """

    def __init__(self, board: Scoreboard, row: int, sock: socket.socket) -> None:
        self._cells = board.cells
        self._base = row * CELLS
        self._ring = Writer(board, row)
        self._sock = sock
        self._belled = 0
        self._caller: socket.socket | None = None
        self._direct = False
        self.told = False

    def emit(
        self,
        batch: int,
        first: int,
        results: list[Any],
        ends: array[int],
        errors: list[frames.Failure],
        began: int,
        last: bool = False,
        plain: bool = False,
    ) -> None:
        """Write the outcomes of tasks that ran one after the other.

        Args:
            batch: their batch.
            first: offset of the first.
            results: what `values.hold` made of each result, None where a task failed.
            ends: when each ended and the next one began, CLOCK_MONOTONIC in ns.
            errors: what the failed ones say.
            began: when the first began, CLOCK_MONOTONIC in ns.
            last: they are the last of their batch: the bell will be rung in any case.
            plain: all results are known to be of plain kinds, and none is large.
        """
        parcels: list[Parcel] = []
        written = values.write_plain(results, plain)
        column = values.write_held(results, parcels) if written is None else written
        column = values.fit(column, parcels, frames.FRAME_MAX - (64 << 10))  # long strings may need a parcel
        count = len(results)
        try:
            fds = [parcel.fd for parcel in parcels]
        except OSError as error:  # the tasks have used up all that this process may open
            self._emit_alone(batch, first, results, ends, errors, began, last, error)
            return
        cells, base = self._cells, self._base
        head = frames.HEAD.pack(batch, first, count, began)
        body = frames.Outcomes(msgspec.Raw(column), ends.tobytes(), errors, written is not None)
        record = head + frames.encode(body)
        if errors:
            cells[base + FAILED] += len(errors)
        cells[base + DONE] += count - len(errors)
        if self._direct and self._tell(record, fds):
            return
        if parcels or not self._ring.write(record):
            # Through the channel, behind what the ring held at this moment; it blocks while the host has no room, as it
            # should.
            prefix = bytes((frames.RECORD,)) + self._ring.head.to_bytes(8, "little")
            while not channel.send(self._sock, (prefix, record), fds):
                time.sleep(_AGAIN)
            return
        try:
            if not last and (now := time.monotonic_ns()) - self._belled > _QUIET_NS:
                self.bell(now)
        except RecursionError:  # in the midst of a task, see `Tasks._asked`: what is written is written
            pass

    def _emit_alone(
        self, batch: int, first: int, results: list[Any], ends: array[int], errors: list[frames.Failure], began: int,
        last: bool, why: OSError,
    ) -> None:  # fmt: skip
        """Write outcomes one by one, because not all of them can be sent: a single one that can't fails."""
        if len(results) == 1:
            self.emit(batch, first, [None], ends, [failure(first, "result", why)], began, last)
            return
        for at, result in enumerate(results):
            failed = [error for error in errors if error.offset == first + at]
            start = ends[at - 1] if at else began
            self.emit(batch, first + at, [result], ends[at : at + 1], failed, start, last and at == len(results) - 1)

    def give_back(self, batch: int, offset: int, nanoseconds: int) -> None:
        """Tell the host that the tasks of a batch from `offset` on will not be run here. To be sent before the outcome
        of the last task that is: by that the host knows that the batch is over."""
        message = GIVEN.pack(REST, batch, offset, nanoseconds)
        while not channel.send(self._sock, (message,)):
            time.sleep(_AGAIN)

    def silent(self, now: int) -> bool:
        """Whether the bell was not rung for so long that it should be, whatever else there is to do."""
        return now - self._belled > _BUSY_NS

    def open(self, caller: Parcel) -> None:
        """The engine, which has the agent on loan, listens at the other end of this channel."""
        if self._caller is not None:
            self._caller.close()
            self._caller = None
        with contextlib.suppress(OSError):  # the tasks have used up all that this process may open
            self._caller = socket.socket(fileno=os.dup(caller.fd))

    def direct(self) -> None:
        """The batch that begins now, of one task, comes from the engine itself, which is to hear what comes of it."""
        self._direct, self.told = True, False

    def _tell(self, record: bytes, fds: list[int]) -> bool:
        """Tell the engine itself. False if that can't be: it will ask the host."""
        self._direct = False
        if self._caller is not None and mail.opened():  # its messages go through the host: this would overtake them
            self._caller.close()
            self._caller = None
        try:
            while self._caller is not None and not channel.send(self._caller, (record,), fds):
                time.sleep(_AGAIN)
        except (OSError, channel.Closed):  # a task has closed it
            return False
        self.told = self._caller is not None
        return self.told

    def bell(self, now: int) -> None:
        """Have the host look at the ring."""
        self._belled = now
        channel.send(self._sock, (bytes((BELL,)),))
