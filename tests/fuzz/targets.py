"""What is fed: every place that reads what another process, a file or a person may have written.

Each target takes bytes, and raises one of the errors it is documented to raise, or nothing.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import msgspec
from fuzz.fed_files import STORED, Feed, databases, items, plans, recordings

from engine.procs import agent, scoreboard
from engine.procs.host import Host
from engine.procs.ring import Reader, RingBroken, Writer
from engine.procs.scoreboard import HEAD, TAIL, Scoreboard
from engine.procs.slots import Held, Slot
from engine.runtime import results
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.fleet.hearing import Hearing
from engine.runtime.fleet.jobs import Group, Items, Job
from engine.runtime.fleet.nest import Image
from engine.runtime.fleet.specs import PoolSpec
from engine.runtime.options import RunOptions
from engine.runtime.run import Run
from engine.settings.types import PoolSettings
from engine.store import messages
from engine.store.schema import StoreError, open_database
from engine.store.writer import Writer as StoreWriter
from engine.stream.types import (
    UNREADABLE,
    Command,
    Condition,
    Page,
    Subscribe,
    encoder,
    to_engine,
    to_reader,
)  # fmt: skip
from engine.wire import channel, frames, values

Target = Callable[[Path], AbstractContextManager[tuple[list[bytes], Feed]]]
"""Opened with a folder of its own; gives good inputs, and where to put bad ones."""

_encode = msgspec.msgpack.Encoder().encode


def record(batch: int, count: int, first: int = 0) -> bytes:
    """A record as an agent writes it."""
    ends = array.array("Q", range(1, count + 1)).tobytes()
    failed = [frames.Failure(0, "exception", "ValueError", "no", "Traceback", b"")]
    body = frames.Outcomes(msgspec.Raw(values.encode([None, *range(1, count)])), ends, failed, True)
    return frames.HEAD.pack(batch, first, count, 0) + frames.encode(body)


_CARE = frames.Care()
_CONFIG = frames.HostConfig("main", 0, 2, 8192, 2, 1, [], b"", _CARE)
_COLUMN = msgspec.Raw(values.encode([1, "two", 3.0, None, values.Ext(1, b"x")]))
_TO_HOST = [
    frames.Define(1, "m:f", b""), frames.Work(1, 1, False, 0.5, 1, 5, _COLUMN, 0.1), frames.Spawn([(0, 1)]),
    frames.Kill([(0, 1)], "timeout"), frames.Recall([1]), frames.RetireIdle(1), frames.StopTask(1, 0), frames.Stop(),
    frames.Leave(0, 1, "recycled"), frames.Mind(_CARE), frames.Lend(), frames.HandBack(0, 1, 1, 1),
    frames.Over(0, 1, 1),
    frames.MailPools(0, 1, {"main": (0, 2)}), frames.MailTaken(0, 1, 1), frames.Delivered(0, 1, 1, _COLUMN),
]  # fmt: skip
_FROM_HOST = [
    frames.AgentsUp([(0, 1, 77)]), frames.AgentDown(0, 1, 77, -9, "", [(1, 0)], "last words", 1 << 20),
    frames.Lent(0, 1), frames.Returned([(1, 0, 0)]), frames.Output([(0, 77, 1, "line")], 0),
    frames.SpawnFailed(0, 1, "no"),
    frames.MailOpened(0, 1), frames.Posted(0, 1, 1, 1, True, _COLUMN), frames.MailRead(0, 1, 1),
]  # fmt: skip
_REQUESTS = [
    Subscribe(1, ["frames", "cells"], 2.0),
    Page(2, "agents", [Condition("state", "=", ["busy"])], "running", True, 0, 9),
    *(Command(3, name, list(args)) for name, *args in (
        ("pause",), ("resume",), ("drain",), ("stop",), ("scale", "main", "1..2"), ("recycle", "main/0"),
        ("kill", "main/1"), ("set", "batch_size", "3"), ("silence", "rule", "60"),
    )),
]  # fmt: skip
_NURSERY = [
    frames.Prepare(frames.VERSION, ["/"], 1, "", ["m"], ["m:f"], [], [], 4096), frames.StartHost(0, _CONFIG),
    frames.Prepared("", 0, 0.1), frames.HostStarted(0, 77, ""), frames.HostExited(0, 77, -9),
]  # fmt: skip


@contextlib.contextmanager
def decoders(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """Every decoder of frames, each with every input."""
    every = [
        frames.to_host, frames.from_host, frames.to_nursery, frames.from_nursery, frames.to_mailbox, frames.to_agent,
        frames.to_begin, messages.to_recorder, messages.from_recorder, to_engine, to_reader, frames.outcomes_decoder,
    ]  # fmt: skip
    known: list[Any] = [
        *_TO_HOST,
        *_FROM_HOST,
        *_NURSERY,
        *_REQUESTS,
        STORED,
        messages.Ready(""),
        messages.Committed(7),
    ]

    def feed(data: bytes) -> None:
        for decoder in every:
            with contextlib.suppress(*UNREADABLE):
                decoder.decode(data)

    yield [*(_encode(one) for one in known), record(1, 3)[frames.HEAD.size :]], feed


class _Sink:
    def outcomes(self, group: Group) -> None:
        """Nobody wants them."""

    def ended(self, first: int, count: int, kind: str, text: str) -> None:
        """Nobody wants them."""

    def finished(self, failed: int) -> None:
        """Nobody wants it."""


@contextlib.contextmanager
def records(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """What hosts pass on of agents, as the engine takes it."""
    fleet = Fleet([PoolSpec(PoolSettings(size=2, max_size=2, shards=1), Image())])
    hearing = Hearing(fleet)
    fleet.submit(Job(1, 100, Items(list(range(100))), _Sink(), "fit"))
    try:
        yield [record(1, 3), record(1, 5, 3), record(2, 1)], lambda data: hearing.record(0, data, [])
    finally:
        fleet.close()


class _Deaf(Host):
    """A host whose agents are not killed, for there is only one and it is a pretence."""

    killed = 0

    def _kill(self, slot: Slot, why: str, text: str = "") -> None:
        self.killed += 1


@contextlib.contextmanager
def agents(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """What agents say to their host, which passes it on."""
    fd = scoreboard.create(2, 8192)
    board = Scoreboard(fd, 2, 8192)
    engine, theirs = channel.pair()
    ours, peer = channel.pair()
    ours.setblocking(False)
    host = _Deaf(theirs, msgspec.structs.replace(_CONFIG, engine=os.getpid()), board, fd)
    slot = Slot(0, 1, os.getpid(), ours, peer, board, channel.buffer(frames.RECEIVE))
    engine.setblocking(False)

    def feed(data: bytes) -> None:
        slot.doomed = False
        slot.current = Held(frames.Work(1, 1, False, 0.0, 0, 5, _COLUMN), b"", [])
        peer.send(data[:200_000])
        host._from_agent(slot)
        host._report()
        with contextlib.suppress(BlockingIOError):
            while engine.recv(1 << 18):
                pass

    try:
        said = record(1, 3)
        yield [bytes([agent.UP]), bytes([agent.BELL]), b"\x03no", b"\x04", b"\xc1" + bytes(8) + said], feed
    finally:
        host._poll._epoll.close()
        os.close(host._engine)
        for out in (*(end for end, _ in host._outputs._ends.values()), *host._outputs._writing):
            out.close()
        os.close(slot.pidfd)
        slot.reader._ring.release()
        for end in (engine, theirs, ours, peer):
            end.close()
        board.close()
        os.close(fd)


@contextlib.contextmanager
def rings(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """A ring's memory, and where its positions stand."""
    fd = scoreboard.create(1, 8192)
    board = Scoreboard(fd, 1, 8192)
    writer = Writer(board, 0)
    for count in (1, 5, 40):
        writer.write(record(1, count))
    full = struct.pack("<QQ", writer.head, 0) + bytes(board.ring(0)[: writer.head])
    reader = Reader(board, 0)

    def feed(data: bytes) -> None:
        head, tail = struct.unpack("<QQ", data[:16].ljust(16, b"\0"))
        board.cells[HEAD], board.cells[TAIL] = head, tail
        reader.tail = tail
        memory = data[16 : 16 + 8192]
        board.ring(0)[: len(memory)] = memory
        with contextlib.suppress(RingBroken):
            for _ in range(100):
                found = reader.peek()
                if found is None:
                    break
                reader.advance(found[1])

    try:
        yield [full, struct.pack("<QQ", 8192 + 100, 8192) + full[16:]], feed
    finally:
        for end in (reader, writer):
            end._ring.release()
        board.close()
        os.close(fd)


@contextlib.contextmanager
def columns(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """Columns of values, as they are opened and written down as JSON. Not what pickles in them hold, see the README."""
    good = [
        values.encode([values.Ext(1, b"x" * 40), 1, "x", None, 2.5]), values.encode([{"a": [1]}, b"b" * 300, "é"]),
        values.encode(list(range(300))), values.encode(0),
    ]  # fmt: skip

    def feed(data: bytes) -> None:
        with contextlib.suppress(*UNREADABLE, ValueError, IndexError):
            for item in values.open_column(data, []):
                results.to_json(item)

    yield good, feed


@contextlib.contextmanager
def commands(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """The control socket of a run, by a client that says anything and reads whatever comes.

    A run that is not started: commands and pages do to it whatever they do.
    """
    run = Run([PoolSpec(PoolSettings(size=2, max_size=2, shards=1), Image())], RunOptions("fuzz"))
    loop, control = run.fleet.loop, run.control
    assert control is not None
    run.fleet.hosts.close()

    def feed(data: bytes) -> None:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as client:
            client.connect(str(control.path))
            loop.step(0.0)
            with contextlib.suppress(BrokenPipeError):
                client.send(data[:100_000])
            loop.step(0.0)
        loop.step(0.0)
        loop.step(0.0)

    try:
        yield [encoder.encode(request) for request in _REQUESTS], feed
    finally:
        run.close()


@contextlib.contextmanager
def stored(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """Messages that a recorder writes down, those that can be decoded."""
    with closing(open_database(folder / "runs.db", "off")) as db:
        writer = StoreWriter(db)
        writer.write(STORED[:3], 1.0)

        def feed(data: bytes) -> None:
            with contextlib.suppress(*UNREADABLE):
                found = messages.to_recorder.decode(data)
                with contextlib.suppress(sqlite3.Error, StoreError):
                    writer.write(found, 1.0)
                assert not db.in_transaction

        yield [_encode(STORED), *(_encode([message]) for message in STORED)], feed


TARGETS: dict[str, Target] = {
    "decoders": decoders, "records": records, "agents": agents, "rings": rings, "columns": columns, "plans": plans,
    "items": items, "commands": commands, "stored": stored, "recordings": recordings, "databases": databases,
}  # fmt: skip
"""By name."""
