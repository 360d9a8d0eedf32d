"""Command tasks: a real argv, no shell, in a process group of its own, with its output captured and bounded."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from engine.procs import system
from engine.procs.scoreboard import CELLS, GROUP, Scoreboard

if TYPE_CHECKING:
    import subprocess

OUTPUT_MAX: Final = 1 << 20
"""Bytes kept of each of stdout and stderr; what comes after is read and counted, not kept."""
_PLACE: Final = re.compile(r"\{n?\}")
_LINGER: Final = 0.2
"""Seconds that output is still read after the command itself has ended: a child of its may hold the pipe open."""
_POLL_MAX: Final = 86_400.0
"""Seconds of one wait; poll takes no more than 24 days."""


class CommandFailed(Exception):
    """A command that did not exit with 0. `detail` is what a successful one would have returned."""

    def __init__(self, kind: str, text: str, detail: dict[str, Any]) -> None:
        super().__init__(text)
        self.kind = kind
        self.detail = detail


class _Captured:
    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.kept = bytearray()
        self.dropped = 0

    def read(self) -> bool:
        """Take in what is there; False at the end."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return True
        room = OUTPUT_MAX - len(self.kept)
        self.kept += data[:room]
        self.dropped += max(0, len(data) - room)
        return bool(data)

    def text(self) -> str:
        return self.kept.decode("utf-8", "backslashreplace")


def fill(template: list[str], item: str | None, number: int) -> list[str]:
    """The argv for one item: ``{}`` becomes the item, ``{n}`` its number from 1.

    No template holds either: the item is appended. None: the command as it is, for a step without items.

    One pass, so braces in the item stay what they are.
    """
    if item is None:
        return list(template)
    if not any("{}" in part or "{n}" in part for part in template):
        return [*template, item]
    values = {"{}": item, "{n}": str(number)}
    return [_PLACE.sub(lambda found: values[found.group()], part) for part in template]


def run(argv: list[str], timeout: float, board: Scoreboard, row: int) -> dict[str, Any]:
    """Run a command to its end.

    Raises `CommandFailed` for another exit code than 0, a signal, the timeout, or no such program.

    `timeout`: seconds, 0 for none; then the whole group is killed.
    """
    import subprocess  # not before a fork: with it comes threading, whose hook costs every child 0.4 MB

    agent = os.getpid()
    cell = row * CELLS + GROUP

    def in_child() -> None:
        os.setpgid(0, 0)
        system.die_with_parent(agent)
        board.cells[cell] = os.getpid()  # from here on, our host ends the group if the agent dies

    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=in_child
        )
    except OSError as error:
        board.cells[cell] = 0
        text = f"can't run {argv[0]!r}: {error.strerror or error}"
        raise CommandFailed("exit", text, {"exit_code": 127, "stdout": "", "stderr": text}) from None
    except ValueError as error:  # an item with a NUL byte
        raise CommandFailed("arguments", f"can't pass this to a command: {error}", {}) from None
    try:
        timed_out, out, err = _wait(process, begun + timeout if timeout else None)
    finally:
        _end_group(process)
        board.cells[cell] = 0
    code = process.returncode
    detail: dict[str, Any] = {"exit_code": code, "stdout": out.text(), "stderr": err.text()}
    if out.dropped or err.dropped:
        detail["dropped_bytes"] = out.dropped + err.dropped
    if timed_out:
        raise CommandFailed("timeout", f"took longer than its timeout of {timeout:g} s", detail)
    if code:
        last = detail["stderr"].strip().splitlines()[-1:] or [""]
        how = f"exit code {code}" if code > 0 else f"killed by {_signal_name(-code)}"
        raise CommandFailed("exit", f"{how}{': ' + last[0] if last[0] else ''}", detail)
    return detail


def _wait(process: subprocess.Popen[bytes], deadline: float | None) -> tuple[bool, _Captured, _Captured]:
    """Read both outputs until the command is over; whether it ran into the deadline."""
    assert process.stdout is not None
    assert process.stderr is not None
    streams = {pipe.fileno(): _Captured(pipe.fileno()) for pipe in (process.stdout, process.stderr)}
    out, err = streams.values()
    poller = select.poll()
    for fd in streams:
        os.set_blocking(fd, False)
        poller.register(fd, select.POLLIN)
    over = os.pidfd_open(process.pid)
    poller.register(over, select.POLLIN)
    try:
        until = deadline
        open_fds = {*streams, over}
        while open_fds:
            wait = None if until is None else min(max(0.0, until - time.monotonic()), _POLL_MAX) * 1000
            for fd, _ in poller.poll(wait):
                if fd == over:
                    until = time.monotonic() + _LINGER
                elif streams[fd].read():
                    continue
                poller.unregister(fd)
                open_fds.discard(fd)
            # After what was there has been read: on a busy machine the deadline may pass between a wait and a read.
            if open_fds and until is not None and time.monotonic() >= until:
                return over in open_fds, out, err
        return False, out, err
    finally:
        os.close(over)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal: most of them have no name
        return f"signal {number}"


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the group, reap the command, close its pipes."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has moved to another group itself
        os.kill(process.pid, signal.SIGKILL)  # not reaped yet, so the pid is its own
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
