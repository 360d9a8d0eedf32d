"""What to do about the dead: say how they died, end what they leave behind, save what they had finished."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from engine.procs.ring import Reader, RingBroken
from engine.procs.scoreboard import BATCH, GROUP, OFFSET, PID, STATE, Scoreboard
from engine.stream.types import Level
from engine.wire import frames

_DEAD: Final = 5
_PATIENCE: Final = 5.0


EVENTS: Final[dict[str, tuple[Level, str]]] = {
    "stopped": ("info", ""),
    "cancelled": ("info", "agent.ended"),
    "killed": ("warning", "agent.killed"),
    "recycled": ("info", "agent.recycled"),
    "retired": ("info", "agent.retired"),
}
"""Level and kind of the event for an agent's end, by why it was ended, where that is no death; "" for none."""
TOLD: Final = frozenset({"start", "spawn", "memory", "health"})
"""Why an agent was ended, where its last words are those of whoever ended it."""
_SAID: Final = {
    "timeout": "ran into the timeout of its task",
    "cancelled": "was ended with the task that it ran",
    "killed": "was killed on request",
    "recycled": "has ended, and a fresh one takes its place",
    "retired": "is retired",
}


def own_pid() -> int:
    """The engine's pid, for those who watch it."""
    return os.getpid()


def how(status: int) -> str:
    """How a process ended, for people: ``was killed by SIGKILL``, ``exited with code 3``."""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"was killed by {name}"
    return f"exited with code {status}"


def details(down: frames.AgentDown) -> dict[str, Any]:
    """What is known of an agent's end, for programs."""
    found: dict[str, Any] = {"pid": down.pid, "status": down.status, "why": down.why or "died"}
    if down.words:
        found["words"] = down.words
    if down.memory:
        found["memory"] = down.memory
    return found


def describe(down: frames.AgentDown) -> str:
    """How an agent ended, with what is known: signal or code, memory, last words."""
    if down.why in ("start", "spawn"):
        return f"could not start: {down.words}"
    if down.why in ("memory", "health"):
        return f"was killed: {down.words}"
    text = _SAID.get(down.why) or how(down.status)
    if down.memory:
        text += f", {down.memory / 2**20:.0f} MiB resident at its peak"
    words = [line.strip() for line in down.words.splitlines() if line.strip()]
    if words and not down.why:
        told = next((line for line in words if line.startswith("Fatal Python error")), words[-1])
        text += f", last words: {told[:200]}"
    return text


def await_process(pid: int, sock: socket.socket, hear: Callable[[], bool]) -> None:
    """Wait until a process we asked to end has ended, and kill it if it takes too long.

    `hear` is called while `sock` has something it still says, and returns False at the end of that.
    """
    if pid <= 0:
        return
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    try:
        fd = os.pidfd_open(pid)
    except OSError:  # gone, and buried: but its last words may wait to be heard
        while poller.poll(0) and hear():
            pass
        return
    try:
        poller.register(fd, select.POLLIN)
        deadline = time.monotonic() + _PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            ready = [found for found, _ in poller.poll(left * 1000)]
            if sock.fileno() in ready:
                if not hear():
                    poller.unregister(sock)
            elif fd in ready:
                return
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        poller.poll(1000)
    finally:
        os.close(fd)


def end_agents(board: Scoreboard, rows: Sequence[int]) -> None:
    """Wait until the agents of a dead host are gone too (the kernel kills them), and end the groups they led."""
    fds = []
    for row in rows:
        pid = board.get(row, PID)
        if not pid or board.get(row, STATE) in (0, _DEAD):
            continue
        with contextlib.suppress(OSError):  # gone already
            fds.append(os.pidfd_open(pid))
        for group in (pid, board.get(row, GROUP)):
            if group > 1:
                with contextlib.suppress(OSError):
                    os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE
    for fd in fds:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
        os.close(fd)
    for row in rows:
        board.set(row, STATE, _DEAD)


def salvage(board: Scoreboard, rows: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """The records that a dead host had not taken from its agents' rings, as (row, record)."""
    for row in rows:
        reader = Reader(board, row)
        try:
            while (found := reader.peek()) is not None:
                record, tail = found
                yield row, record
                reader.advance(tail)
        except RingBroken:
            reader.reset()


def running(board: Scoreboard, rows: Sequence[int]) -> dict[int, int]:
    """By batch, the offset of the task that a dead agent was in."""
    found = {}
    for row in rows:
        batch, offset = board.get(row, BATCH), board.get(row, OFFSET)
        if batch and offset:
            found[batch] = offset - 1
    return found
