"""A hub of readers without an engine, and readers of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from engine.runtime.control import Control
from engine.runtime.control.listener import Peer
from engine.runtime.fleet.loop import Loop
from engine.stream.types import (
    STREAM_VERSION,
    Command,
    Event,
    Frame,
    Hello,
    MachineView,
    Page,
    Reply,
    to_reader,
)


class Nobody:
    """Answers nothing of interest."""

    def answer(self, request: Page | Command, peer: Peer) -> Reply:
        return Reply(request.id, True, "x" * 50)


@contextmanager
def controlled() -> Iterator[Control]:
    """A hub with a loop of its own."""
    loop = Loop()
    control = Control(loop, Hello(STREAM_VERSION, "r1", "r1", os.getpid(), 0.0), Nobody())
    try:
        yield control
    finally:
        control.close()
        loop.close()


def step(control: Control, times: int = 5) -> None:
    for _ in range(times):
        control._loop.step(0.0)


@contextmanager
def reader(control: Control) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as sock:
        sock.connect(str(control.path))
        sock.setblocking(False)
        step(control)
        yield sock


def heard(sock: socket.socket) -> list[object]:
    found: list[object] = []
    try:
        while data := sock.recv(1 << 18):
            found.append(to_reader.decode(data))
    except BlockingIOError:
        pass
    return found


def event(number: int, size: int = 100) -> Event:
    return Event(number, 0.0, "info", "x", "x" * size, {})


def frame(number: int) -> Frame:
    machine = MachineView(0.0, 1, 0, 1, 0.0, 1)
    return Frame(number, 0.0, 1.0, "running", 0, None, 0, 0, 0, 0, 0.0, None, 1.0, 0, 0, (), machine)
