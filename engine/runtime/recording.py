"""The line to the recorder: what happens to a run goes to another process, so that a commit never holds up the loop."""

from __future__ import annotations

import contextlib
import os
import pickle
import platform
import select
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.runtime.jobs import Group
from engine.runtime.launch import StartError, launch
from engine.runtime.limits import cores
from engine.runtime.loop import Loop
from engine.runtime.results import plain_value, to_json
from engine.store import messages
from engine.stream.types import Event
from engine.wire import channel, values

_CROWDED: Final = 256
"""Messages that may wait for the recorder before the run is asked to slow down."""
_LAST_WORDS: Final = 10.0
_START: Final = 30.0
_MESSAGE_BYTES: Final = 180_000
"""Of one message, at the most: a socket of an unprivileged user takes 212,960."""
_VALUE_BYTES: Final = 128 << 10
"""Of one result that is recorded; a longer one is only said to be large."""


def machine() -> dict[str, Any]:
    """What this machine is, for the record."""
    return {
        "cores": cores(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "host": platform.node(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


class Recording:
    """One run's recorder process and the channel to it.

    Attributes:
        lost: why nothing is recorded any more, once the recorder has died.
    """

    def __init__(self, loop: Loop, database: Path) -> None:
        """Start it. Raises `StartError`."""
        self._loop = loop
        self.lost: str | None = None
        self._ready = False
        self._flushes = 0
        self._committed = 0
        self._offset = time.time_ns() - time.monotonic_ns()
        self._process, ours = launch("engine.store.recorder", str(database), "FD", str(os.getpid()))
        self._sock: socket.socket = ours
        self._receiver = channel.Receiver(ours, channel.buffer(1 << 16))
        self._outbox = channel.Outbox(ours)
        loop.watch(ours.fileno(), self._read)

    def wait_ready(self) -> None:
        """Wait until the database is open. Raises `StartError` if it can't be."""
        deadline = time.monotonic() + _START
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        while not self._ready and self.lost is None:
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self.lost = "the recorder does not answer"
            self._read()
        if self.lost is not None:
            raise StartError(self.lost)

    @property
    def crowded(self) -> bool:
        """It has fallen behind: no new work should be admitted."""
        return len(self._outbox) > _CROWDED

    def tell(self, message: messages.ToRecorder) -> None:
        """Send a message now or later, in order."""
        self._send(messages.encode(message))

    def _send(self, data: bytes) -> None:
        if self.lost is not None:
            return
        self._outbox.put(data)
        if len(self._outbox):
            self._loop.when_room(self._sock.fileno(), self._room)

    def event(self, event: Event) -> None:
        """Record an event."""
        self.tell(messages.Happened([event]))

    def outcomes(self, job: int, base: int, group: Group) -> None:
        """Record a group of outcomes of a job, of which the range's first task has the index `base`."""
        results = group.items
        if not group.plain:
            results = [_storable(item) for item in results]
        failures = [
            messages.Failed(base + index, found.kind, found.type, found.message, found.traceback)
            for index, found in group.failures.items()
        ]
        started = (group.started + self._offset) / 1e9
        attempts = {base + index: attempt for index, attempt in group.attempts.items()}
        skipped = [base + index for index in (*group.retried, *group.gone)]
        message = messages.Finished(
            job, base + group.first, group.row, started, group.nanoseconds.tobytes(), results, failures, skipped,
            attempts,
        )  # fmt: skip
        self._finished(message)

    def _finished(self, message: messages.Finished) -> None:
        """Send a group of outcomes, in as many messages as it takes: each has a limit."""
        data = messages.encode(message)
        if len(data) <= _MESSAGE_BYTES:
            self._send(data)
            return
        count = len(message.results)
        if count == 1:
            short = [messages.Failed(f.index, f.kind, f.type, f.message[:4096], "") for f in message.failures]
            self._send(messages.encode(msgspec.structs.replace(message, results=[["large", b""]], failures=short)))
            return
        half = count // 2
        for at, stop in ((0, half), (half, count)):
            self._finished(_part(message, at, stop))

    def flush(self) -> int:
        """Have everything so far committed; the number to hand to `committed`."""
        self._flushes += 1
        self.tell(messages.Flush(self._flushes))
        return self._flushes

    def committed(self, flush: int) -> bool:
        """Whether that has happened, or never will."""
        return self._committed >= flush or self.lost is not None

    def _room(self) -> None:
        if self._outbox.flush():
            self._loop.when_room(self._sock.fileno(), None)

    def _read(self) -> None:
        try:
            while (received := self._receiver.receive()) is not None:
                answer = messages.from_recorder.decode(received[0])
                if isinstance(answer, messages.Committed):
                    self._committed = answer.number
                elif answer.error:
                    self.lost = answer.error
                else:
                    self._ready = True
        except channel.Closed:
            self._loop.unwatch(self._sock.fileno())
            if self.lost is None:
                self.lost = "the recorder died"

    def close(self, given_up: bool = False) -> None:
        """Let it commit and end, and wait for that; not for long if the user has given it up."""
        self._loop.unwatch(self._sock.fileno())
        with contextlib.suppress(OSError):
            self._sock.settimeout(_LAST_WORDS)  # what waits to be sent; unless it is stuck, in which case it is lost
            self._outbox.flush()
            self._sock.shutdown(socket.SHUT_WR)  # even if a fork of the user's holds our end
        self._sock.close()
        try:
            self._process.wait(0.2 if given_up else 60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _part(message: messages.Finished, at: int, stop: int) -> messages.Finished:
    """Tasks at..stop-1 of a group, as a group."""
    times = memoryview(message.nanoseconds).cast("Q")
    first, last = message.first + at, message.first + stop
    return messages.Finished(
        message.job, first, message.row, message.started + sum(times[:at]) / 1e9, bytes(times[at:stop]),
        message.results[at:stop], [f for f in message.failures if first <= f.index < last],
        [i for i in message.skipped if first <= i < last],
        {i: n for i, n in message.attempts.items() if first <= i < last},
    )  # fmt: skip


def _storable(item: Any) -> Any:
    if type(item) is not values.Ext:
        return item
    if item.code != values.PICKLE:
        return ["large", b""]
    try:
        text = to_json(plain_value(item))
    except pickle.UnpicklingError:
        return ["pickle", item.data]
    return ["json", text] if len(text) <= _VALUE_BYTES // 4 else ["large", b""]
