"""A shard's queue: batches that wait, and the agents that they are given to.

A batch goes to an idle agent. Where none is, one that is known to be short may wait in a busy agent's own queue, so
that the agent need not wait for its host; if another falls idle meanwhile, what the first has not begun is taken back.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Container

from engine.procs.scoreboard import BATCH, Scoreboard
from engine.procs.slots import Held, Slot, calm
from engine.wire import frames
from engine.wire.memory import Parcel


class ShardQueue:
    """Who gets what, within one host."""

    def __init__(
        self, board: Scoreboard, crowded: Callable[[Slot], None], worn: Callable[[Slot, int], bool] | None = None
    ) -> None:
        """An empty queue.

        Args:
            board: the scoreboard.
            crowded: called when an agent's channel has no room: its outbox is to be flushed once it has.
            worn: whether an agent is to be replaced rather than be given so many tasks more; None: none ever is.
        """
        self._board = board
        self._crowded = crowded
        self._worn = worn
        self.brisk = False
        """Whether something was given, stopped or asked back that is to be looked at often (`slots.calm`). Whoever
        looks takes that back."""
        self.leaving: list[Slot] = []
        """Agents that were worn when their turn came, and have been left out since: they are to be ended."""
        self._waiting: deque[Held] = deque()
        self._functions: dict[int, tuple[bytes, list[Parcel]]] = {}
        self._idle: dict[int, Slot] = {}
        self._open: dict[int, Slot] = {}
        """Busy agents whose own queue is empty, by row; the one that has been busy longest comes first."""
        self._ahead: dict[int, Slot] = {}
        """Busy agents with batches in their own queue."""
        self._aside: dict[int, Slot] = {}
        """Busy agents whose task waits, or has waited: nothing is put behind it."""

    @property
    def idle(self) -> int:
        """Agents that wait for work."""
        return len(self._idle)

    def define(self, function: int, data: bytes, parcels: list[Parcel]) -> None:
        """Keep the message that tells an agent of a function; it is sent before its first batch of that function."""
        self._functions[function] = (data, parcels)

    def add(self, held: Held) -> None:
        """A batch to be given to some agent."""
        self._waiting.append(held)

    def ready(self, slot: Slot) -> None:
        """An agent waits for work for the first time."""
        self._idle[slot.row] = slot

    def finished(self, slot: Slot) -> None:
        """An agent is done with its batch: it goes on with the one in its own queue, or waits."""
        slot.given = slot.progress = time.monotonic()
        if self._aside:
            self._aside.pop(slot.row, None)
        if not slot.ahead:
            slot.current = None
            self._open.pop(slot.row, None)
            self._idle[slot.row] = slot
            return
        slot.current = slot.ahead.popleft()
        if not slot.ahead:
            del self._ahead[slot.row]
            self._open[slot.row] = slot

    def forget(self, slot: Slot) -> None:
        """An agent is gone, or about to go: it gets nothing more."""
        for group in (self._idle, self._open, self._ahead, self._aside):
            group.pop(slot.row, None)

    def longest_idle(self) -> Slot | None:
        """The agent that has waited longest, which gets nothing more; None if none waits."""
        for slot in self._idle.values():
            del self._idle[slot.row]
            return slot
        return None

    def lend(self) -> Slot | None:
        """The agent that fell idle last, if all are: it is given nothing until it is `ready` again, or `adopt`ed. None
        that has opened its mailbox: what it sends goes through its host, and must not come after what it returns."""
        if self._waiting or self._open or self._ahead or self._aside:
            return None
        for slot in reversed(self._idle.values()):
            if slot.mail is None:
                del self._idle[slot.row]
                return slot
        return None

    def adopt(self, slot: Slot, held: Held) -> None:
        """An agent has a batch that somebody else has given it."""
        self.brisk = True
        slot.current = held
        slot.given = slot.progress = time.monotonic()
        slot.known.add(held.function)
        self._open[slot.row] = slot

    def waiting(self) -> list[Slot]:
        """The agents that wait for work."""
        return list(self._idle.values())

    def part(self, slot: Slot) -> None:
        """An agent that works gets nothing more, and is to give back what it has not begun."""
        while slot.ahead and (held := self._take_back(slot)) is not None:
            self._waiting.append(held)
        self.brisk = True
        for held in (slot.current, *slot.ahead):
            if held is not None:
                held.rest = True

    def stand_aside(self, slot: Slot) -> None:
        """The task of an agent waits for others, for who knows how long: nothing is put behind it, and what was comes
        back into the queue."""
        while slot.ahead and (held := self._take_back(slot)) is not None:
            self._waiting.append(held)
        if self._open.pop(slot.row, None) is not None:
            self._aside[slot.row] = slot

    def stop(self, batch: int, offset: int) -> int | None:
        """A task was cancelled that nobody here may have begun. If it is a batch by itself, it is dropped and its id
        returned; else whoever comes to run it will be ended."""
        self.brisk = True
        for held in self._waiting:
            if held.id == batch:
                held.stops.add(offset)
                if held.size == 1:
                    self._waiting.remove(held)
                    return batch
                return None
        for slot in (*self._open.values(), *self._ahead.values(), *self._aside.values()):
            for theirs in (slot.current, *slot.ahead):
                if theirs is not None and theirs.id == batch:
                    theirs.stops.add(offset)
                    return batch if theirs.size == 1 and self._drop(slot, theirs) else None
        return None

    def _drop(self, slot: Slot, unwanted: Held) -> bool:
        """Take a batch out of an agent's own queue, and those that are before it there; False if it has begun it."""
        before: list[Held] = []
        found = False
        while not found and unwanted in slot.ahead and (held := self._take_back(slot)) is not None:
            found = held is unwanted
            if not found:
                before.append(held)
        self._waiting.extendleft(reversed(before))
        return found

    def dispatch(self) -> None:
        """Give out what can be given."""
        while self._waiting and self._idle:
            _, slot = self._idle.popitem()  # the one that fell idle last: its memory is the warmest
            if self._worn is not None and self._worn(slot, self._waiting[0].size):
                self.leaving.append(slot)
                continue
            slot.current = self._waiting.popleft()
            self._open[slot.row] = slot
            self._give(slot, slot.current)
        if self._waiting:
            self._prefetch()
        elif self._idle and self._ahead:
            self._even_out()

    def recall(self, rest: Container[int] = ()) -> list[int]:
        """Take back every batch that no agent has begun; their ids. Of those in `rest` that have begun, agents will be
        asked to give back the tasks that have not."""
        self.brisk = True
        back = [held.id for held in self._waiting]
        self._waiting.clear()
        for slot in list(self._ahead.values()):
            while slot.ahead and (held := self._take_back(slot)) is not None:
                back.append(held.id)
        for slot in (*self._open.values(), *self._ahead.values(), *self._aside.values()):
            for held in (slot.current, *slot.ahead):
                if held is not None and held.id in rest:
                    held.rest = True
        return back

    def given_back(self, slot: Slot, batch: int, offset: int) -> bool:
        """An agent will not run the tasks of a batch from `offset` on. False if that is known."""
        for held in (slot.current, *slot.ahead):  # it may be further than its bells have told
            if held is not None and held.id == batch and 0 < offset < held.size:
                slot.taken -= held.size - offset
                held.size, held.rest = offset, False
                return True
        return False

    def _prefetch(self) -> None:
        """Fill the queues of busy agents: one batch for each first, then another."""
        self._queue_up([*self._open.values()], 1)
        for depth in range(2, self._waiting[0].prefetch + 1 if self._waiting else 0):
            self._queue_up([slot for slot in self._ahead.values() if len(slot.ahead) < depth], depth)

    def _queue_up(self, slots: list[Slot], depth: int) -> None:
        for slot in slots:
            if not self._waiting or self._waiting[0].prefetch < depth:
                return
            held = self._waiting[0]
            if slot.parting or (slot.current is not None and slot.current.direct):
                continue
            if held.function not in slot.known or len(slot.outbox):
                continue  # its own queue must hold batches and nothing else, or there would be no taking back
            if self._worn is not None and self._worn(slot, held.size):
                continue
            self._waiting.popleft()
            slot.ahead.append(held)
            self._open.pop(slot.row, None)
            self._ahead[slot.row] = slot
            self._give(slot, held)

    def _even_out(self) -> None:
        """Give idle agents what waits behind the work of others."""
        for slot in list(self._ahead.values()):
            if not self._idle:
                return
            held = self._take_back(slot)
            if held is not None:
                _, other = self._idle.popitem()
                if self._worn is not None and self._worn(other, held.size):
                    self.leaving.append(other)
                    self._waiting.append(held)
                    return
                other.current = held
                self._open[other.row] = other
                self._give(other, held)

    def _give(self, slot: Slot, held: Held) -> None:
        self.brisk = self.brisk or not calm(slot)
        slot.taken += held.size
        slot.given = slot.progress = time.monotonic()
        if held.function not in slot.known:
            slot.known.add(held.function)
            slot.outbox.put(*self._functions[held.function])
        slot.outbox.put(held.data, held.parcels)
        if len(slot.outbox):
            self._crowded(slot)

    def _take_back(self, slot: Slot) -> Held | None:
        """The first batch in an agent's own queue that it has not begun; None if there is none, or no telling."""
        if slot.current is None or not slot.ahead or len(slot.outbox):
            return None
        if self._board.get(slot.row, BATCH) != slot.current.id:
            return None  # it may not have read the batch before this one: the next message need not be ours
        try:
            data = slot.peer.recv(frames.RECEIVE, socket.MSG_DONTWAIT | socket.MSG_TRUNC)
        except BlockingIOError:
            return None
        # It may have gone on in the meantime, and read the first itself.
        held = next(held for held in slot.ahead if held.data == data)
        slot.ahead.remove(held)
        slot.taken -= held.size
        if not slot.ahead:
            del self._ahead[slot.row]
            self._open[slot.row] = slot
        return held
