"""A host's eye on its agents: who runs too long, holds too much, stands still, or keeps results back.

`Watch.working` is called every few milliseconds while somebody works: it reads shared memory first, and asks the kernel
only where that leaves a doubt.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from typing import Final

from engine.procs.scoreboard import (
    ASK,
    ASK_FLUSH,
    ASK_REST,
    ASK_SOFT,
    BATCH,
    CELLS,
    HELD,
    OFFSET,
    PONG,
    START,
    Scoreboard,
    asking,
)  # fmt: skip
from engine.procs.slots import Slot
from engine.procs.system import status
from engine.procs.weight import Scales
from engine.wire import frames

COMMAND_GRACE: Final = 5.0
"""Seconds beyond its timeout that a command task has to end by its agent's own hand."""
_LOOK_CLOSELY: Final = 0.5
"""Seconds between two questions to the kernel about one agent."""
_ASK_AGAIN: Final = 0.05
"""Seconds until an agent is asked again for what it has not done: it may have had no hand free. Doubled each time, as
each signal may interrupt a system call of C code."""
_PINGS: Final = 16
"""Idle agents asked for a sign of life at once."""


def _stat(pid: int) -> tuple[str, int]:
    """State letter and processor time, in ticks, of a process; ("X", 0) if it is gone."""
    fields = status(pid)
    return (fields[0].decode(), int(fields[11]) + int(fields[12])) if fields else ("X", 0)


class Watch:
    """Looks at agents, and has those killed that must go."""

    def __init__(
        self, board: Scoreboard, care: frames.Care, commands: set[int], kill: Callable[[Slot, str, str], None]
    ) -> None:
        """`commands`: functions that keep to their timeout by themselves. `kill` gets an agent, why, and a text."""
        self._board = board
        self._cells = board.cells
        self.care = care
        self._commands = commands
        self._kill = kill
        self._closely = min(_LOOK_CLOSELY, care.stuck / 4)
        self._ping = 0
        self._pinged = time.monotonic()
        self.scales = Scales(board)

    def starting(self, slot: Slot, now: float) -> None:
        """An agent that is not up yet."""
        care = self.care
        began = self._cells[slot.row * CELLS + START] * 1e-9
        if began:
            if care.warmup_timeout and now - began > care.warmup_timeout:
                text = f"its imports and initializer took longer than {care.warmup_timeout:g} s"
                self._kill(slot, "start", text)
        elif care.spawn_timeout and self._stands_still(slot, now, care.spawn_timeout):
            self._kill(slot, "spawn", f"it stood still for {care.spawn_timeout:g} s while it started")

    def working(self, slot: Slot, now: float) -> None:
        """An agent that has a batch."""
        current = slot.current
        if current is None or slot.doomed:
            return
        cells, base, stuck = self._cells, slot.row * CELLS, self.care.stuck
        if cells[base + BATCH] != current.id or not cells[base + OFFSET]:
            if now - slot.given > stuck and self._stands_still(slot, now, stuck):
                self._kill(slot, "health", f"it did not begin what it was given for {stuck:g} s")
            return
        offset, started = cells[base + OFFSET], cells[base + START] * 1e-9
        age = now - started
        if current.stops and offset - 1 in current.stops:
            self._kill(slot, "cancelled", "the task was cancelled")
            return
        if current.timeout:
            grace = COMMAND_GRACE if current.function in self._commands else 0.0
            if age > current.timeout + grace and self._still(slot, current.id, offset):
                slot.judged = current.id, offset
                self._kill(slot, "timeout", "")
                return
        wanted = ASK_SOFT if current.soft and age > current.soft else 0
        held = cells[base + HELD]
        if held and offset > held and age > self.care.flush_after:
            wanted |= ASK_FLUSH
        if current.rest and offset < current.size:
            wanted |= ASK_REST
        if wanted:
            self._ask(slot, current.id, offset, wanted, now)
        limit = self.care.memory_limit
        if limit and (own := self.scales.above(slot, limit, now)) and self._still(slot, current.id, offset):
            slot.judged = current.id, offset
            text = f"held {own >> 20} MiB of memory of its own, more than its limit of {limit >> 20} MiB"
            self._kill(slot, "memory", text)
        elif age > stuck and now - slot.progress > self._closely and self._stopped(slot, now):
            self._kill(slot, "health", f"it was stopped by a signal for {stuck:g} s")

    def _still(self, slot: Slot, batch: int, offset: int) -> bool:
        """Whether it is this task that runs, after what was seen of its agent."""
        base = slot.row * CELLS
        return (self._cells[base + BATCH], self._cells[base + OFFSET]) == (batch, offset)

    def _ask(self, slot: Slot, batch: int, offset: int, bits: int, now: float) -> None:
        """Have an agent do something while its task runs, again and again until it is done, or the task is over.

        Once is not enough for a soft timeout either: a signal that comes just before a system call which waits is not
        looked at until that ends.
        """
        pause = _ASK_AGAIN
        if slot.asked[:2] == (batch, offset):
            if not bits & ~slot.asked[2]:
                again, pause = slot.ask_again
                if now < again:
                    return
                pause *= 2
            bits |= slot.asked[2]  # it may not have looked yet
        slot.asked, slot.ask_again = (batch, offset, bits), (now + pause, pause)
        self._cells[slot.row * CELLS + ASK] = asking(bits, batch)
        signal.pidfd_send_signal(slot.pidfd, signal.SIGURG)

    def idle(self, slots: Iterable[Slot], now: float) -> None:
        """Ask some agents that wait for work for a sign of life; end those that gave none since the last time."""
        stuck = self.care.stuck
        if now - self._pinged < stuck:
            return
        self._pinged = now
        asked = 0
        for slot in list(slots):
            if slot.pinged:
                if self._cells[slot.row * CELLS + PONG] == slot.pinged:
                    slot.pinged = 0
                elif self._stands_still(slot, now, stuck):
                    self._kill(slot, "health", f"it gave no sign of life for {stuck:g} s")
            elif asked < _PINGS and not len(slot.outbox):
                asked += 1
                self._ping += 1
                slot.pinged, slot.progress, slot.seen = self._ping, now, -1
                slot.outbox.put(frames.encode(frames.Ping(self._ping)))

    def _stands_still(self, slot: Slot, now: float, seconds: float) -> bool:
        """Whether a process has neither run nor wanted to for so long.

        One that waits for a processor gets on as well as it can.
        """
        if now - slot.progress < self._closely:
            return False
        state, ticks = _stat(slot.pid)
        if state == "R" or (ticks != slot.seen and state != "X"):
            slot.progress, slot.seen = now, ticks
            return False
        return now - slot.progress > seconds

    def _stopped(self, slot: Slot, now: float) -> bool:
        state, _ = _stat(slot.pid)
        if state not in ("T", "t"):
            slot.progress = now
            return False
        return now - slot.progress > self.care.stuck
