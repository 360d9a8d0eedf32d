"""Agents that a host has lent to the engine: as long as tasks come one at a time, the engine gives them to one agent
itself, and is told by that agent what came of them, so that nobody has to wake the host for either.

The host goes on to own the agent's life and death. Whatever else the engine says to it comes after `HandBack`, so
nothing but a death finds an agent on loan.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from engine.procs.queue import ShardQueue
from engine.procs.ring import RingBroken
from engine.procs.scoreboard import BATCH, Scoreboard
from engine.procs.slots import Held, Slot
from engine.wire import frames
from engine.wire.memory import Parcel

_SENT: Final = msgspec.Raw(b"")
"""In place of arguments that an agent has already."""


class Loans:
    """What a host does about them.

    Attributes:
        out: how many agents are lent.
        wanted: the engine has asked for one, and has none yet.
    """

    def __init__(
        self, board: Scoreboard, slots: Mapping[int, Slot], queue: ShardQueue,
        send: Callable[[bytes, list[Parcel]], None],
    ) -> None:  # fmt: skip
        """`slots`: the host's agents by row; `send` takes a message to the engine."""
        self.out = 0
        self.wanted = False
        self._board = board
        self._slots = slots
        self._queue = queue
        self._send = send

    def lend(self, care: frames.Care) -> None:
        """Lend the engine an agent once all wait for work, if they have no limits that a host sees to."""
        if care.max_tasks or care.max_bytes or care.memory_limit or care.fresh is not None:
            self.wanted = False
            return
        slot = self._queue.lend()
        if slot is None:
            return
        self.wanted = False
        try:
            parcel = Parcel(os.dup(slot.sock.fileno()))
        except OSError:  # no descriptor is left for it
            self._queue.ready(slot)
            return
        slot.lent = True
        slot.taken += 1
        self.out += 1
        self._send(frames.encode(frames.Lent(slot.row, slot.generation)), [parcel])

    def back(self, frame: frames.HandBack) -> Slot | None:
        """The engine hands one back, perhaps with a batch that it runs. None if it has died meanwhile."""
        slot = self._at(frame.row, frame.generation)
        if slot is None or not slot.lent:
            if frame.batch:  # it never began that; or it did, and died in it, and the engine knows that by now
                self._send(frames.encode(frames.Returned([(frame.batch, 0, 0)])), [])
            return None
        slot.lent = False
        self.out -= 1
        held = _held(frame.batch, frame.function) if frame.batch else None
        if slot.doomed:
            slot.current = held
        elif held is not None:
            self._queue.adopt(slot, held)
        elif not slot.leaving:
            self._queue.ready(slot)
        return slot

    def over(self, frame: frames.Over) -> Slot | None:
        """An agent that came back with a batch has told the engine what came of it. None if that is known."""
        slot = self._at(frame.row, frame.generation)
        if slot is None or slot.doomed or slot.current is None or slot.current.id != frame.batch:
            return None
        return slot

    def dead(self, slot: Slot) -> None:
        """One has died on loan: as far as its row says, it had this batch."""
        slot.lent = False
        self.out -= 1
        batch = self._board.get(slot.row, BATCH) or _untold(slot)
        if batch:
            slot.current = _held(batch, 0)

    def _at(self, row: int, generation: int) -> Slot | None:
        slot = self._slots.get(row)
        return slot if slot is not None and slot.generation == generation else None


def _untold(slot: Slot) -> int:
    """The batch whose outcome is in an agent's ring, because it could not tell the engine itself; 0 if none is."""
    try:
        found = slot.reader.peek()
        return 0 if found is None else int(frames.HEAD.unpack_from(found[0])[0])
    except (RingBroken, struct.error):
        return 0


def _held(batch: int, function: int) -> Held:
    return Held(frames.Work(batch, function, False, 0.0, 0, 1, _SENT, 0.0, True), b"", [])
