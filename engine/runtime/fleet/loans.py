"""Agents that the engine has on loan from their hosts.

A task that comes alone, while its shard has nothing else to do, is a matter of waking one process after the other:
host, agent, host. Once several have come that way, the engine asks the host for an agent that waits, gives such tasks
to it by the host's own end of its channel, and hears what comes of them by another, with nobody in between.

It is a loan, and the host goes on to see to the agent's life. Before anything else is said to the host, the agent is
handed back, with the batch that it runs if it runs one: so whatever else a host can be told to do with its agents, it
does as ever. So it is when the task takes long, and when nothing comes any more.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from engine.runtime.fleet.loop import Loop
from engine.wire import channel, frames
from engine.wire.memory import Parcel

AFTER: Final = 8
"""Tasks that must have come alone, one after the other, before an agent is asked for."""
_SELDOM: Final = 1024
"""The same, at the most, where loans were of no use."""
_WORTH: Final = 32
"""Tasks that make a loan worth what it took."""
LONG: Final = 0.1
"""Seconds that a task may run before its agent is handed back with it: hosts look after those."""
IDLE: Final = 1.0
"""Seconds without a task after which an agent is handed back."""


class Hearer(Protocol):
    """Who hears of outcomes."""

    def record(self, row: int, record: bytes | memoryview, parcels: list[Parcel]) -> None:
        """An agent has outcomes, or what it takes for some."""

    def distrust(self, row: int, batch: int, error: BaseException) -> None:
        """An agent has said of a batch what can't be read."""

    def repeat(self, row: int, batch: int) -> None:
        """What an agent said of a batch is lost, because there was no descriptor left for it: it is to run again."""


class Loan:
    """One agent on loan.

    Attributes:
        batch: what it was given, and has told nothing of; 0 for nothing.
    """

    __slots__ = ("batch", "function", "generation", "known", "line", "outbox", "receiver", "row", "served", "shard",
                 "since")  # fmt: skip

    def __init__(
        self, shard: int, lent: frames.Lent, sock: socket.socket, line: socket.socket, view: memoryview
    ) -> None:
        """`sock`: the host's end of its channel; `line`: by which it tells what comes of tasks; `view`: a buffer that
        any frame fits."""
        self.shard = shard
        self.row, self.generation = lent.row, lent.generation
        self.outbox = channel.Outbox(sock)
        self.line = line
        self.receiver = channel.Receiver(line, view)
        self.known: set[int] = set()
        """Functions that it was told of."""
        self.batch = self.function = 0
        self.since = time.monotonic()
        """When it was given that, or has told of the last."""
        self.served = 0

    def give(self, batch: int, function: int, data: bytes, parcels: list[Parcel]) -> bool:
        """Give it a batch, by its message. False if its channel has no room: then it has not got it, and takes no
        more."""
        self.outbox.put(data, parcels)
        if len(self.outbox):
            return False
        self.batch, self.function = batch, function
        self.since = time.monotonic()
        self.served += 1
        return True

    def close(self) -> None:
        """Give the descriptors back."""
        self.outbox.sock.close()
        self.line.close()


class Loans:
    """All of a fleet's.

    Attributes:
        out: agents on loan, by shard: one at a time.
        due: when `tick` is to be called, by the monotonic clock; None: it need not.
    """

    def __init__(self, loop: Loop, hearer: Hearer, put: Callable[[int, bytes], None], view: memoryview) -> None:
        """`put` sends a message to the host of a shard; `view`: a buffer that any frame fits."""
        self.out: dict[int, Loan] = {}
        self.due: float | None = None
        self._loop = loop
        self._hearer = hearer
        self._put = put
        self._view = view
        self._back: dict[int, Loan] = {}
        """Handed back with a batch of which their agents will tell us, by row."""
        self._alone: dict[int, int] = {}
        """Tasks that came alone, one after the other, by shard."""
        self._after: dict[int, int] = {}
        """After how many of them an agent is asked for, where that is not `AFTER`."""
        self._asked: dict[int, bool] = {}
        """Shards whose hosts were asked for an agent, and whether nothing was said to them since."""

    # -- tasks that come alone ----------------------------------------------------------------------------------------

    def take(self, shard: int) -> Loan | None:
        """Who is to have a task that has come alone; None: it goes to the host, as any other."""
        loan = self.out.get(shard)
        return loan if loan is not None and not loan.batch else None

    def alone(self, shard: int) -> None:
        """A task that has come alone was sent to its host."""
        count = self._alone[shard] = self._alone.get(shard, 0) + 1
        if count >= self._after.get(shard, AFTER) and shard not in self._asked:
            self._put(shard, frames.encode(frames.Lend()))
            self._asked[shard] = True

    def other(self, shard: int) -> None:
        """A batch that has not come alone was sent there."""
        self._alone[shard] = 0

    def before(self, shard: int) -> None:
        """Something else is about to be said to a host: it has its agent back before, and need not lend another."""
        if shard in self.out:
            self.end(shard)
        elif shard in self._asked:
            self._asked[shard] = False

    # -- what hosts say -----------------------------------------------------------------------------------------------

    def lent(self, shard: int, frame: frames.Lent, parcels: list[Parcel]) -> None:
        """A host lends an agent."""
        loan = None
        wanted = self._asked.pop(shard, False)
        if wanted and parcels:
            try:
                loan = self._begin(shard, frame, parcels[0])
            except OSError:  # no descriptor is left for it
                pass
        if loan is None:
            self._later(shard)
            self._put(shard, frames.encode(frames.HandBack(frame.row, frame.generation, 0, 0)))
            return
        old = self._back.pop(frame.row, None)
        if old is not None:
            self._close(old)
        self.out[shard] = loan
        self._loop.watch(loan.line.fileno(), partial(self._hear, loan), quiet=True)
        self.due = loan.since + LONG if self.due is None else self.due

    def _begin(self, shard: int, frame: frames.Lent, parcel: Parcel) -> Loan | None:
        """Raises OSError."""
        sock = socket.socket(fileno=os.dup(parcel.fd))
        try:
            ours, theirs = channel.pair()
        except OSError:
            sock.close()
            raise
        sock.setblocking(False)  # as it is for its host
        ours.setblocking(False)
        loan = Loan(shard, frame, sock, ours, self._view)
        loan.outbox.put(frames.encode(frames.Direct()), [Parcel(theirs.detach())])
        if len(loan.outbox):
            loan.close()
            return None
        return loan

    def down(self, row: int, generation: int, shard: int) -> int:
        """An agent is gone, as its host says. What it had told is heard; then the batch that it had from us alone, 0 if
        it had none."""
        for loan in (self.out.get(shard), self._back.get(row)):
            if loan is not None and (loan.row, loan.generation) == (row, generation):
                self._hear_out(loan)
                lent = self.out.get(shard) is loan
                self._drop(loan)
                return loan.batch if lent else 0
        return 0

    def lost(self, shard: int) -> None:
        """A host is gone, and its agents with it: what they had told is heard."""
        self._asked.pop(shard, None)
        found = self.out.get(shard)
        for loan in [
            *([] if found is None else [found]),
            *(loan for loan in self._back.values() if loan.shard == shard),
        ]:
            self._hear_out(loan)
            self._drop(loan)

    # -- what agents say ----------------------------------------------------------------------------------------------

    def _hear(self, loan: Loan) -> None:
        self._heard(loan)

    def _heard(self, loan: Loan) -> bool:
        """Hear what came of a task. False if there is nothing more to hear for now, or ever."""
        try:
            received = loan.receiver.receive()
        except channel.Closed:  # it is dead, or a task has closed what it found: its host will find out
            if self.out.get(loan.shard) is loan:
                self.end(loan.shard)
            self._drop(loan)
            return False
        except channel.Starved:
            self._starve(loan)
            return False
        except ValueError as error:
            self._hearer.distrust(loan.row, loan.batch, error)
            self._drop(loan)
            return False
        if received is None:
            return False
        record, parcels = received
        batch = loan.batch
        try:
            found, first, count, _ = frames.HEAD.unpack_from(record)
            if not batch or found != batch or first or count != 1:
                raise ValueError("outcomes of a batch that it does not run")
        except (ValueError, struct.error) as error:
            self._hearer.distrust(loan.row, batch, error)
            self._drop(loan)
            return False
        loan.batch, loan.since = 0, time.monotonic()
        self._hearer.record(loan.row, record, parcels)
        if self._back.get(loan.row) is loan:
            self._put(loan.shard, frames.encode(frames.Over(loan.row, loan.generation, batch)))
            self._drop(loan)
        return True

    def _starve(self, loan: Loan) -> None:
        """The caller's program has opened so much that a large result is lost. Its agent has done nothing wrong."""
        batch = loan.batch
        if self.out.get(loan.shard) is loan:
            self.end(loan.shard)
        self._drop(loan)
        if batch:
            self._put(loan.shard, frames.encode(frames.Over(loan.row, loan.generation, batch)))
            self._hearer.repeat(loan.row, batch)

    def _hear_out(self, loan: Loan) -> None:
        while loan.line.fileno() >= 0 and self._heard(loan):
            pass

    # -- the end of a loan --------------------------------------------------------------------------------------------

    def end(self, shard: int) -> None:
        """A host has its agent back."""
        loan = self.out.pop(shard)
        if loan.served >= _WORTH:
            self._after[shard], self._alone[shard] = AFTER, 0
        else:
            self._later(shard)
        self._put(shard, frames.encode(frames.HandBack(loan.row, loan.generation, loan.batch, loan.function)))
        if loan.batch:
            self._back[loan.row] = loan
        else:
            self._close(loan)

    def _later(self, shard: int) -> None:
        """Asking was of no use: another agent is asked for after twice as many tasks."""
        self._after[shard] = min(_SELDOM, 2 * self._after.get(shard, AFTER))
        self._alone[shard] = 0

    def tick(self, now: float) -> None:
        """Hand back those whose tasks take long, and those for which none comes."""
        if self.due is None or now < self.due:
            return
        for loan in list(self.out.values()):
            if now - loan.since >= (LONG if loan.batch else IDLE):
                self.end(loan.shard)
        self.due = now + LONG if self.out else None

    def _drop(self, loan: Loan) -> None:
        if self.out.get(loan.shard) is loan:
            del self.out[loan.shard]
        if self._back.get(loan.row) is loan:
            del self._back[loan.row]
        self._close(loan)

    def _close(self, loan: Loan) -> None:
        fd = loan.line.fileno()
        if fd >= 0:
            self._loop.unwatch(fd)
            loan.close()

    def close(self) -> None:
        """Give everything back; nothing is heard any more."""
        for shard in list(self.out):
            self.end(shard)
        for loan in list(self._back.values()):
            self._drop(loan)
        self._asked.clear()
