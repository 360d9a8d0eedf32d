"""Messages between agents, as a task sees them: `send`, `receive` and `address`.

The first use opens a channel of its own beside the one that brings batches, so that a task may wait for a message
without anything that comes for the agent having to wait with it. Hosts and engine relay; the engine keeps what is sent
at least once until it is acknowledged.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from engine.procs.failures import SoftTimeout
from engine.wire import channel, frames, values
from engine.wire.memory import Parcel

_RAISING: Final = (signal.SIGURG, signal.SIGALRM)
"""Signals whose handlers may raise: the soft timeout, and what users do in its stead."""
_LONGEST: Final = 86_400.0
"""Seconds of one wait: poll refuses those beyond 24 days."""
_AGAIN: Final = 0.05
"""Seconds after which a channel without room is tried again: of room for descriptors under way nobody tells."""

OPEN: Final = 0x04
"""First byte of an agent's message to its host: the channel for its mail comes with it."""


class Message(NamedTuple):
    """What an agent was sent."""

    sender: str
    """Address of the agent that sent it, ``pool/number``."""
    value: Any


class NoAgent(RuntimeError):
    """Messages are for tasks: this process is no agent, or its engine has ended."""


def _wait(sock: socket.socket, event: int, seconds: float) -> bool:
    """Wait until `event` (``POLLIN`` or ``POLLOUT``), or an error, for so long; whether it came. No `select.select`:
    a task may have more open than its 1,023 descriptors.
    """
    poller = select.poll()
    poller.register(sock, event)
    return bool(poller.poll(math.ceil(1000 * max(0.0, min(seconds, _LONGEST)))))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Between these lines no signal's handler raises anything: what was taken from the channel, or said by it, is noted
    down.
    """
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _RAISING)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _RAISING)


class Mailbox:
    """This agent's end."""

    def __init__(self, row: int, generation: int) -> None:
        """Nobody knows of it yet: see `open`."""
        self._row = row
        self._generation = generation
        self._number = 0
        self._confirmed = 0
        self._unread: deque[tuple[frames.Delivered, list[Parcel]]] = deque()
        self._acknowledge = 0
        self._pools: dict[str, tuple[int, int]] = {}
        self.answered: Callable[[frames.Answered, list[Parcel]], None] = lambda frame, parcels: None
        """What hears of subtasks that are over."""
        self._theirs: socket.socket | None
        self._sock, self._theirs = channel.pair()
        self._sock.setblocking(False)
        self._receiver = channel.Receiver(self._sock, channel.buffer(frames.RECEIVE))

    def open(self, sock: socket.socket) -> None:
        """Have host and engine know of it, by the agent's channel to its host; nothing, once they do.

        Whatever interrupts it, a soft timeout above all, it goes on where it was at the next call, and says some of it
        again at the worst: both take that for nothing new.
        """
        if self._pools:
            return
        while self._theirs is not None:
            if channel.send(sock, (bytes((OPEN,)),), [self._theirs.fileno()]):
                theirs, self._theirs = self._theirs, None
                theirs.close()
            else:
                _wait(sock, select.POLLOUT, _AGAIN)
        self._send(frames.encode(frames.MailOpened(self._row, self._generation)), [])
        while not self._pools:
            self._read(None)

    def address(self) -> str:
        return self.name(self._row)

    def name(self, row: int) -> str:
        for pool, (first, size) in self._pools.items():
            if first <= row < first + size:
                return f"{pool}/{row - first}"
        return f"?/{row}"

    def row(self, to: str | int) -> int:
        pool, _, number = self.address().partition("/") if isinstance(to, int) else to.rpartition("/")
        if isinstance(to, int):
            number = str(to)
        first, size = self._pools.get(pool, (0, 0))
        if not number.isdigit() or int(number) >= size:
            known = ", ".join(f"{name}/0 to {name}/{size - 1}" for name, (_, size) in self._pools.items())
            raise ValueError(f"no agent {to!r}; there are {known}")
        return first + int(number)

    def send(self, to: str | int, value: object, sure: bool, timeout: float | None) -> None:
        row = self.row(to)
        self._number += 1
        number = self._number
        parcels: list[Parcel] = []
        column = values.write_column([values.hold(value)], parcels)
        column = values.fit(column, parcels, frames.FRAME_MAX - 1024)
        post = frames.Posted(self._row, self._generation, row, number, sure, msgspec.Raw(column))
        self._send(frames.encode(post), parcels)
        if sure:
            deadline = None if timeout is None else time.monotonic() + timeout
            while self._confirmed != number:
                if not self._read(deadline):
                    raise TimeoutError(f"the box of {self.name(row)} has been full for {timeout:g} s")

    def receive(self, timeout: float | None) -> Message:
        self.task_over()
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._unread:
            if not self._read(deadline):
                raise TimeoutError(f"no message in {timeout:g} s")
        frame, parcels = self._unread[0]
        try:
            (item,) = values.open_column(frame.column, parcels)
            value = values.unwrap(item, parcels)
        except SoftTimeout:  # it has not been read
            raise
        except BaseException:
            self._take()
            raise
        self._take()
        return Message(self.name(frame.sender), value)

    def _take(self) -> None:
        with _undisturbed():
            self._unread.popleft()
            self._acknowledge = 1

    def task_over(self) -> None:
        """What was read last has been dealt with."""
        while self._acknowledge:
            data = frames.encode(frames.MailRead(self._row, self._generation, self._acknowledge))
            with _undisturbed():
                if _sent(self._sock, data):
                    self._acknowledge = 0
            if self._acknowledge:
                _wait(self._sock, select.POLLOUT, _AGAIN)

    def say(self, data: bytes, parcels: list[Parcel]) -> None:
        """Send a frame to the engine, waiting for room if need be."""
        self._send(data, parcels)

    def hear(self, deadline: float | None) -> bool:
        """Take in one message, whatever it is; False if none came by then, by the monotonic clock."""
        return self._read(deadline)

    @property
    def pools(self) -> dict[str, tuple[int, int]]:
        """Who there was when it was opened: first row and number of rows by pool."""
        return self._pools

    @property
    def agent(self) -> tuple[int, int]:
        """Row and generation of this agent."""
        return self._row, self._generation

    def _send(self, data: bytes, parcels: list[Parcel]) -> None:
        while not _sent(self._sock, data, [parcel.fd for parcel in parcels]):
            _wait(self._sock, select.POLLOUT, _AGAIN)

    def _read(self, deadline: float | None) -> bool:
        """Take in one message; False if none came in time."""
        while not _wait(self._sock, select.POLLIN, _LONGEST if deadline is None else deadline - time.monotonic()):
            if deadline is not None and time.monotonic() >= deadline:
                return False
        with _undisturbed():
            self._take_in()
        return True

    def _take_in(self) -> None:
        try:
            received = self._receiver.receive()
        except channel.Closed:
            _orphaned()
        if received is None:
            return
        frame = frames.to_mailbox.decode(bytes(received[0]))
        match frame:
            case frames.MailPools():
                self._pools = frame.pools
            case frames.MailTaken():
                self._confirmed = frame.number
            case frames.Delivered():
                self._unread.append((frame, received[1]))
            case frames.Answered():
                self.answered(frame, received[1])


def _sent(sock: socket.socket, data: bytes, fds: Sequence[int] = ()) -> bool:
    try:
        return channel.send(sock, (data,), fds)
    except channel.Closed:
        _orphaned()


def _orphaned() -> NoReturn:
    """The host has ended, and with it its agents: at once, or a task would fail by that, and its word would be found in
    what an agent leaves behind."""
    os._exit(0)


_agent: tuple[socket.socket, int, int] | None = None
_mailbox: Mailbox | None = None


def _forked() -> None:
    """In a child of a task: it is no agent, and must not speak for one."""
    global _agent, _mailbox
    _agent = _mailbox = None


os.register_at_fork(after_in_child=_forked)


def attach(sock: socket.socket, row: int, generation: int) -> None:
    """This process is the agent of a row; `sock` is its channel to its host."""
    global _agent
    _agent = (sock, row, generation)


def opened() -> bool:
    """Whether a task of this agent has ever used its mailbox."""
    return _mailbox is not None


def box(what: str = "send, receive and address are") -> Mailbox:
    """The mailbox of this agent, opened. Raises `NoAgent` for what is for tasks alone."""
    global _mailbox
    if _mailbox is None:
        if _agent is None:
            raise NoAgent(f"{what} for tasks: this process is no agent")
        _mailbox = Mailbox(_agent[1], _agent[2])
    if _agent is not None:
        _mailbox.open(_agent[0])
    return _mailbox


def address() -> str:
    """Address of the agent that runs this task, ``pool/number``. Raises `NoAgent` outside of a task."""
    return box().address()


def send(to: str | int, value: object, *, sure: bool = False, timeout: float | None = None) -> None:
    """Send a value to another agent, or to this one. What one agent sends another arrives in order.

    Args:
        to: ``pool/number``, or the number of an agent of the same pool.
        value: anything that can be pickled.
        sure: deliver it at least once: wait until the engine has it, which keeps it until the agent has dealt with it,
            and hands it to that agent's successor if it ends before. Otherwise at most once: it is lost if 1,000
            others or 256 MiB wait for the same agent, or if that agent ends before it has dealt with it: by its death
            or with its task, but also because it is replaced after its share of work or retired.
        timeout: seconds to wait for room in a full box, with `sure`; None for as long as it takes. What found none in
            time, or whose waiting a soft timeout ended, may still arrive, unless something else is sent to that agent
            with `sure`: that takes its place.

    Raises:
        ValueError: if there is no such agent.
        TimeoutError: if the box stays full.
        NoAgent: outside of a task.
    """
    box().send(to, value, sure, timeout)


def receive(timeout: float | None = None) -> Message:
    """The next message for the agent that runs this task, waiting for it if need be.

    It counts as dealt with at the next `receive`, or when the batch of this task is over.

    Raises TimeoutError if none comes within `timeout` seconds, and `NoAgent` outside of a task.
    """
    return box().receive(timeout)


def task_over() -> None:
    """A batch is over: what its tasks have received has been dealt with."""
    if _mailbox is not None:
        _mailbox.task_over()
