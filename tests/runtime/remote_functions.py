"""What the tests of `Engine` run in agents. A module of its own, as users' functions are."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.workloads import coordination

_state: list[str] = []


@dataclass
class Point:
    x: int
    y: int


class Odd(Exception):
    """Takes two arguments."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)


class Unreadable(Exception):
    """Can be pickled but not read again."""

    def __init__(self, text: str, more: str) -> None:
        super().__init__(text)


class BreaksWhenRead:
    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _refuse() -> None:
    raise ValueError("not to be read")


class KillsWhenRead:
    """Ends the process that reads it, unless that is the caller."""

    def __init__(self, caller: int) -> None:
        self.caller = caller

    def __reduce__(self) -> tuple[Any, ...]:
        return _kill_unless, (self.caller,)


def _kill_unless(caller: int) -> None:
    if os.getpid() != caller:
        os._exit(9)


class _KillsWhenWritten:
    def __reduce__(self) -> tuple[Any, ...]:
        os._exit(9)


def same(x: Any) -> Any:
    return x


def type_name(x: Any) -> str:
    return type(x).__name__


def double(x: Any) -> Any:
    return x * 2


def raise_odd(a: int, b: int) -> None:
    raise Odd(a, b)


def raise_unreadable() -> None:
    raise Unreadable("no", "way")


def recurse() -> None:
    recurse()


def make_lock() -> Any:
    return threading.Lock()


def make_breaks_when_read() -> Any:
    return BreaksWhenRead()


def make_kills_when_written() -> Any:
    return _KillsWhenWritten()


def reciprocal(x: float) -> float:
    return 1 / x


def touch(path: str) -> None:
    Path(path).touch()


def initialise(value: str) -> None:
    _state.append(value)


def initialised(_: int) -> str:
    return _state[0]


def fail_to_initialise() -> None:
    raise OSError("no licence here")


def crash(how: str) -> None:
    coordination.crash(how)


def die_once(flag: str) -> str:
    if not os.path.exists(flag):
        Path(flag).touch()
        os.kill(os.getpid(), 9)
    return "alive"


def nap(seconds: float) -> float:
    if seconds:
        time.sleep(seconds)
    return seconds


def complain(text: str) -> None:
    print(text, file=sys.stderr)


def draw(seconds: float) -> tuple[int, float, float]:
    time.sleep(seconds)
    return os.getpid(), random.random(), time.monotonic()


class Counter:
    """A callable that is an object."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __call__(self, more: int) -> int:
        return self.value + more


def small_or_large(n: int) -> Any:
    return bytes(150_000) if n % 2 else n


def write_binary(fd: int, lines: int) -> str:
    for _ in range(lines):
        os.write(fd, b"\xff" * 4090 + b"\n")
    return "ok"


def write_binary_and_die(lines: int) -> None:
    write_binary(2, lines)
    os._exit(1)


def fork(leave: str) -> str:
    pid = os.fork()
    if pid == 0:
        if leave == "exit":
            sys.exit(0)
        return "child"
    os.waitpid(pid, 0)
    return "parent"


def leave_a_daemon() -> None:
    subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"], start_new_session=True)


def babble(message: bytes, seconds: float) -> None:
    """Write to every channel that this agent has, then wait for what comes of it."""
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as found:
                found.send(message)
        except OSError:
            pass
    time.sleep(seconds)


def wait_until(path: str) -> str:
    """Ends once there is such a file."""
    while not os.path.exists(path):
        time.sleep(0.002)
    return path


def wait_after(died: str, begun: str, path: str) -> None:
    """An initializer that lets the first agent be, and holds its successor up."""
    if os.path.exists(died):
        begin_and_wait(begun, path)


def wait_and_raise(path: str) -> None:
    wait_until(path)
    raise LookupError(path)


def raise_in_depth(depth: int) -> None:
    if depth:
        raise_in_depth(depth - 1)
    raise LookupError("at the bottom")


def raise_group() -> None:
    raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [TypeError("two")])])


def raise_noted() -> None:
    error = ValueError("noted")
    error.add_note("a note from the agent")
    raise error


def raise_chained() -> None:
    try:
        raise KeyError("the first")
    except KeyError as error:
        raise ValueError("the second") from error


def raise_this(error: BaseException) -> None:
    raise error


class HoldsALock(Exception):
    """Can't be pickled at all."""

    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


def raise_unpicklable() -> None:
    raise HoldsALock


def reciprocal_after(path: str, x: float) -> float:
    wait_until(path)
    return 1 / x


def initialise_with(*args: Any, **kwargs: Any) -> None:
    _state.append(repr((args, kwargs)))


def count_initialised(_: int) -> tuple[int, int]:
    return os.getpid(), len(_state)


def exit_in_initializer() -> None:
    sys.exit("no such day")


def nested(n: int) -> list[int]:
    from shoal import Engine

    with Engine(1, attachable=False) as inner:
        return list(inner.map(abs, range(-n, 0)))


def nested_standard(n: int) -> list[int]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as inner:
        return list(inner.map(abs, range(-n, 0)))


def fail_once(path: str) -> str:
    if not os.path.exists(path):
        Path(path).touch()
        raise LookupError(path)
    return path


def keywords(**kwargs: Any) -> dict[str, Any]:
    return kwargs


_eaten: list[bytes] = []


def eat(mebibytes: int) -> int:
    """Have this agent hold more memory for good; its pid."""
    _eaten.append(b"x" * (mebibytes << 20))
    return os.getpid()


def eat_later(mebibytes: int, gate: str) -> int:
    """Have this agent hold more memory once a file is there, when the task is long over; its pid."""

    def later() -> None:
        wait_until(gate)
        eat(mebibytes)

    threading.Thread(target=later, daemon=True).start()
    return os.getpid()


def eat_and_wait(mebibytes: int, path: str) -> None:
    eat(mebibytes)
    wait_until(path)


def eat_and_die(mebibytes: int) -> None:
    eat(mebibytes)
    os.kill(os.getpid(), signal.SIGKILL)


def began_and_ended(seconds: float) -> tuple[float, float]:
    """When this task began and ended, by the monotonic clock."""
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def eat_too_much(number: int) -> int:
    """The 100th never has enough."""
    while number == 100:
        eat(10)
    return number


def fork_and_wait() -> int:
    """How a child has ended."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def pid_of(_: Any) -> int:
    return os.getpid()


def host_of(_: Any = None) -> int:
    """Pid of the host of the agent that runs this."""
    return os.getppid()


def begin_and_wait(begun: str, path: str) -> int:
    """Say who runs this, then wait."""
    note = Path(f"{begun}.{os.getpid()}")
    note.write_text(str(os.getpid()))
    note.rename(begun)
    wait_until(path)
    return os.getpid()


def log_and_wait(log: str, name: str, path: str) -> str:
    """Write a line to a file, then wait."""
    with open(log, "a") as lines:
        lines.write(f"{name}\n")
    wait_until(path)
    return name


def log_and_raise(log: str, error: BaseException) -> None:
    with open(log, "a") as lines:
        lines.write("ran\n")
    raise error


def tidy_up(path: str, then: str) -> str:
    """Wait; if the time is up for that, wait for something else."""
    try:
        return wait_until(path)
    except TimeoutError as error:  # as code does that knows nothing of `SoftTimeout`
        wait_until(then)
        return f"{type(error).__name__}: {error}"


def tidy_up_though_deaf(seconds: float, path: str) -> str:
    """As `wait_until` for somebody whom no signal reaches at first: what came just before a wait is as good as lost."""
    heard = signal.signal(signal.SIGURG, signal.SIG_IGN)
    time.sleep(seconds)
    signal.signal(signal.SIGURG, heard)
    try:
        return wait_until(path)
    except TimeoutError as error:
        return f"{type(error).__name__}: {error}"


def sleep_if_absent(path: str) -> str:
    """As `wait_until`, asleep nearly all of the time."""
    while not os.path.exists(path):
        time.sleep(0.02)
    return path


def use_up_descriptors(size: int) -> bytes:
    """Open all that may be opened, and return so many bytes."""
    try:
        while True:
            _OPENED.append(os.dup(0))
    except OSError:
        return bytes(size)


_OPENED: list[int] = []


def extension(code: int, data: bytes) -> Any:
    """A value of the very type in which other values travel."""
    return msgspec.msgpack.Ext(code, data)
