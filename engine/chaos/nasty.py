"""Tasks that misbehave in every way we know of, run in agents. Whoever comes back from it returns `answer`."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import gc
import os
import random
import resource
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from engine.procs.scoreboard import HEAD, OFFSET
from engine.procs.tasks import Tasks
from engine.wire import frames, values

OUTPUT: Final = 100 << 20
"""Bytes that `shout` writes."""
LARGE: Final = 500 << 20
"""Bytes that `large` returns, where the machine has the memory for it."""

EFFECTS: Final = "SHOAL_CHAOS_EFFECTS"
"""Variable that names the file in which tasks note that they begin; none do where it is not set."""
T = TypeVar("T")

_NO_MORE: Final = (errno.EAGAIN, errno.EPIPE, errno.ENOTCONN, errno.ECONNRESET)
"""Why nothing more can be said by a channel."""
_kept: list[Any] = []
"""What tasks leak."""


def _noted(task: Callable[[int], T]) -> Callable[[int], T]:
    """A task that notes in the file of effects that it begins, if that can be opened: its name, `n`, and when."""

    @functools.wraps(task)
    def noting(n: int) -> T:
        if path := os.environ.get(EFFECTS):
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    os.write(fd, f"{task.__name__} {n} {time.time():.6f}\n".encode())
                finally:
                    os.close(fd)
        return task(n)

    return noting


def answer(n: int) -> int:
    """What every task returns that returns."""
    return n * 7 + 1


@_noted
def steady(n: int) -> int:
    """An ordinary task of a few milliseconds, some of which it works for."""
    until = time.monotonic() + 0.002
    while time.monotonic() < until:
        pass
    time.sleep(0.004 * (n % 5))
    return answer(n)


@_noted
def quick(n: int) -> int:
    """A trivial task: many travel together."""
    return answer(n)


def is_poison(n: int) -> bool:
    """Which of the tasks of `mixed` end their agent."""
    return n % 397 == 211


@_noted
def mixed(n: int) -> int:
    """Trivial, but for a few among them that kill."""
    return _end(n) if is_poison(n) else answer(n)


def _end(n: int) -> int:
    """End this process, in one of several ways."""
    match n % 5:
        case 0:
            os.kill(os.getpid(), signal.SIGKILL)
        case 1:
            ctypes.string_at(0)
        case 2:
            os._exit(0)
        case 3:
            os.abort()
        case _:
            os._exit(3)
    time.sleep(60)  # it is not alive that long
    return answer(n)


@_noted
def poison(n: int) -> int:
    """End the agent."""
    return _end(n)


@_noted
def complain(n: int) -> int:
    """Raise."""
    raise ValueError(f"task {n} never goes well")


@_noted
def swell(n: int) -> int:
    """Hold ever more memory, until somebody ends it."""
    while True:
        _kept.append(b"x" * (8 << 20))
        time.sleep(0.002)


@_noted
def overdraw(n: int) -> int:
    """Ask for more memory than this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 33, hard))
    try:
        return len(bytearray(1 << 34))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@_noted
def hoard(n: int) -> int:
    """Open files until there is no descriptor left, and close none."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    with contextlib.suppress(OSError):
        while True:
            _kept.append(os.open(os.devnull, os.O_RDONLY))
    return answer(n)


@_noted
def breed(n: int) -> int:
    """Leave children behind, one of them in a session of its own with a child."""
    for number in range(3):
        if os.fork() == 0:
            if number == 0:
                os.setsid()
                if os.fork() == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
            os._exit(0)
    return answer(n)


@_noted
def alone(n: int) -> int:
    """Fork where no more processes are allowed; whoever may do anything may do that, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
    try:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    except BlockingIOError:
        pass
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    return answer(n)


@_noted
def deaf(n: int) -> int:
    """Block every signal that can be blocked, for good."""
    _block_signals()
    time.sleep(0.05)
    return answer(n)


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


@_noted
def shout(n: int) -> int:
    """Write a lot to standard output."""
    line = b"shout " * 170 + b"\n"
    block = line * (len(line) and 1024)
    left = OUTPUT
    while left > 0:
        left -= os.write(1, block)
    return answer(n)


class Large:
    """A large value with a short text, which travels in memory of its own."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        import pickle

        return Large, (pickle.PickleBuffer(self.data),)

    def __repr__(self) -> str:
        return f"Large({memoryview(self.data).nbytes})"


@_noted
def large(n: int) -> Large:
    """Return as many bytes as `n` says."""
    return Large(bytearray(n))


@_noted
def endless(n: int) -> int:
    """Never end: asleep, at work, or deaf to signals."""
    if n % 3 == 2:
        _block_signals()
    while True:
        if n % 3 != 1:
            time.sleep(1)


def sockets() -> list[socket.socket]:
    """Those that this process has open, the channel to its host among them; still to be detached. No descriptor is
    needed for it: there may be none left.
    """
    found = []
    for fd in range(3, 256):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found.append(socket.socket(fileno=fd))
    return found


@_noted
def hang_up(n: int) -> int:
    """Close the channel to the host, or shut it down first."""
    for end in sockets():
        if n % 2:
            end.shutdown(socket.SHUT_RDWR)
        end.close()
    return answer(n)


@_noted
def corrupt(n: int) -> int:
    """Say by the channel what this task is about to say, with the byte `n` of it wrong, or of what comes then if there
    are not so many: whatever is made of that must be right all the same. The bytes of the result are left as they are,
    for a lie that is well told is believed of the task that tells it.
    """
    tasks = next(one for one in gc.get_objects() if type(one) is Tasks)
    column = values.encode([answer(n)])
    batch, offset = tasks._batch, tasks._cells[tasks._base + OFFSET] - 1
    now = time.monotonic_ns()
    body = frames.encode(frames.Outcomes(msgspec.Raw(column), now.to_bytes(8, sys.byteorder), [], True))
    prefix = bytes((frames.RECORD,)) + tasks._cells[tasks._base + HEAD].to_bytes(8, "little")
    message = bytearray(prefix + frames.HEAD.pack(batch, offset, 1, now - 1000) + body)
    at = n % len(message)
    result = message.index(column)
    if not result <= at < result + len(column):
        message[at] ^= 0xFF
    for end in sockets():
        try:
            end.send(message, socket.MSG_DONTWAIT)
        except OSError as error:
            if error.errno not in _NO_MORE:
                raise
        end.detach()
    time.sleep(0.05)  # time to be found out
    return answer(n)


@_noted
def babble(n: int) -> int:
    """Say what no agent says, by the channel to the host: single bytes, short messages, long ones."""
    dice = random.Random(n)
    for end in sockets():
        for _ in range(40):
            size = dice.choice((0, 1, 1, 1, 2, 9, 40, 400))
            data = dice.randbytes(size)
            if dice.random() < 0.5:  # the first byte says what it is: those that mean something come seldom
                data = bytes([dice.choice((0x01, 0x02, 0x03, 0x04, 0xC1))])[:size] + data[1:]
            try:
                end.send(data, socket.MSG_DONTWAIT)
            except OSError as error:
                if error.errno not in _NO_MORE:
                    raise
                break
        end.detach()
    return answer(n)
