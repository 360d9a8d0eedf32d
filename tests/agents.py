"""An agent without a host: a forked process that the test feeds and reads."""

from __future__ import annotations

import os
import signal
from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from processes import wait_for

from engine.procs import agent
from engine.procs.outlet import GIVEN, REST
from engine.procs.ring import Reader
from engine.procs.scoreboard import ASK, BATCH, HEAD, HELD, OFFSET, Scoreboard, asking, create
from engine.wire import channel, frames, values
from engine.wire.memory import Parcel

CAPACITY = 1 << 16


class Alone:
    """One agent; `records` is what it has said of its tasks: (batch, first, body, parcels)."""

    def __init__(self) -> None:
        fd = create(1, CAPACITY)
        self.board = Scoreboard(fd, 1, CAPACITY)
        os.close(fd)
        self.records: list[tuple[int, int, frames.Outcomes, list[Parcel]]] = []
        self.given_back: list[tuple[int, int, int]] = []
        """What it will not run: batch, offset, nanoseconds that the task before that had run."""
        self._finished: Counter[int] = Counter()
        self._reader = Reader(self.board, 0)
        self._sock, theirs = channel.pair()
        self._receiver = channel.Receiver(self._sock, channel.buffer(frames.RECEIVE))
        parent, null = os.getpid(), os.open(os.devnull, os.O_WRONLY)
        self.pid = os.fork()
        if self.pid == 0:
            agent.main(self.board, 0, theirs, parent, (null, null), [], b"")
        os.close(null)
        theirs.close()
        self._sock.setblocking(False)
        self._batches = 0

    def send(self, frame: Any) -> None:
        assert channel.send(self._sock, (frames.encode(frame),))

    def define(self, number: int, function: Callable[..., Any]) -> None:
        self.send(frames.Define(number, "", values.dumps(function)))

    def work(self, function: int, items: list[Any], *, star: bool = False, soft: float = 0.0) -> int:
        """Send a batch; its number."""
        self._batches += 1
        parcels: list[Parcel] = []
        column = msgspec.Raw(values.write_column([values.hold(item) for item in items], parcels))
        frame = frames.Work(self._batches, function, star, 0.0, 0, len(items), column, soft)
        assert channel.send(self._sock, (frames.encode(frame),), [parcel.fd for parcel in parcels])
        return self._batches

    def take(self) -> None:
        """Take what it has said so far, as a host does: by the channel first, and then by the ring as it stood before
        that."""
        head = self.board.get(0, HEAD)
        while True:
            try:
                received = self._receiver.receive()
            except channel.Closed:
                received = None
            if received is None:
                break
            view, parcels = received
            if view[0] == frames.RECORD:
                self._drain(int.from_bytes(view[1:9], "little"))
                self._add(bytes(view[9:]), parcels)
            elif view[0] == REST:
                _, batch, offset, nanoseconds = GIVEN.unpack(view)
                assert self._finished[batch] < offset, "no outcome is to come by which the host would see the end"
                self.given_back.append((batch, offset, nanoseconds))
        self._drain(head)

    def _drain(self, upto: int | None) -> None:
        while (found := self._reader.peek(upto)) is not None:
            self._reader.advance(found[1])
            self._add(found[0], [])

    def _add(self, record: bytes, parcels: list[Parcel]) -> None:
        batch, first, count, _ = frames.HEAD.unpack_from(record)
        body = frames.outcomes_decoder.decode(record[frames.HEAD.size :])
        assert len(array("Q", body.ends)) == count
        self.records.append((batch, first, body, parcels))
        self._finished[batch] += count

    def outcomes(self, batch: int) -> list[Any]:
        """What came of a batch's tasks so far, in order: a value, or a `frames.Failure`."""
        self.take()
        found: list[Any] = []
        for number, first, body, parcels in self.records:
            if number == batch:
                assert first == len(found)
                found += [values.unwrap(item, parcels) for item in values.open_column(body.values, parcels)]
                for failed in body.errors:
                    found[failed.offset] = failed
        return found

    def run(self, function: int, items: list[Any], *, star: bool = False, soft: float = 0.0) -> list[Any]:
        """What comes of a batch."""
        batch = self.work(function, items, star=star, soft=soft)
        wait_for(lambda: len(self.outcomes(batch)) == len(items), what="all outcomes")
        wait_for(lambda: self.board.get(0, BATCH) == 0, what="the batch to be over")
        return self.outcomes(batch)

    def ask(self, what: int, batch: int = 0) -> None:
        self.board.set(0, ASK, asking(what, batch))
        os.kill(self.pid, signal.SIGURG)

    def insist(self, what: int, batch: int, count: int) -> None:
        """Ask until a batch has so many outcomes."""

        def asked() -> bool:
            self.ask(what)
            return len(self.outcomes(batch)) == count

        wait_for(asked, what="the outcomes")

    def finish(self, what: int, batch: int, count: int) -> list[Any]:
        """Ask all the time, until a batch is over of which some may be given back; what came of the others."""

        def over() -> bool:
            self.ask(what, batch)
            found = len(self.outcomes(batch))
            return found == min([count, *(offset for number, offset, _ in self.given_back if number == batch)])

        wait_for(lambda: any(over() for _ in range(100)), what="the end of the batch")
        wait_for(lambda: self.board.get(0, BATCH) == 0, what="the batch to be over")
        return self.outcomes(batch)

    def reach(self, batch: int, offset: int) -> None:
        """Wait until a task runs."""
        wait_for(lambda: (self.board.get(0, BATCH), self.board.get(0, OFFSET)) == (batch, offset + 1))

    @property
    def held(self) -> int:
        return self.board.get(0, HELD)

    def wait(self) -> int:
        """Its exit code, or minus the signal, once it ends."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        self._sock.close()
        for _, _, _, parcels in self.records:
            for parcel in parcels:
                parcel.close()
        self.records.clear()
        del self._reader  # it has views of the board
        self.board.close()
