"""Tasks that exercise a fleet without computing anything: wait, work, return, fail in every way.

Arguments may be numbers or lines of text holding one, since a task fed from a file or a pipe arrives
as text. A bad argument raises ValueError before anything happens.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

_calibration = threading.Lock()
_rate: float | None = None


def echo(x: _T) -> _T:
    """Return `x`."""
    return x


def sleep(seconds: float | str) -> float:
    """Wait without using the processor; return the seconds asked for.

    Raises ValueError if `seconds` is not a finite number, 0 or more, or text holding one.
    """
    asked = _seconds(seconds)
    time.sleep(asked)
    return asked


def spin(seconds: float | str) -> float:
    """Do the work that takes `seconds` of processor time when undisturbed; return the seconds asked for.

    The work is a number of iterations, not a stretch of time: on a crowded or slowed machine it takes
    longer, which is what makes stolen time visible. The first call in a process also calibrates,
    for about 0.1 s; `calibrate` does that beforehand.
    Raises ValueError if `seconds` is not a finite number, 0 or more, or text holding one.
    """
    asked = _seconds(seconds)
    _work(round(asked * calibrate()))
    return asked


def calibrate() -> float:
    """Return the iterations of `spin` per second of processor time, measured once per process."""
    global _rate
    with _calibration:
        if _rate is None:
            # Whatever disturbs a measurement makes it slower, so the fastest is the truest.
            _rate = max(_measured_rate() for _ in range(8))
        return _rate


def _measured_rate() -> float:
    # Processor time of this thread alone: neither other processes nor other threads of this one count.
    iterations = 2_000
    while True:
        begun = time.thread_time()
        _work(iterations)
        took = time.thread_time() - begun
        if took >= 0.005:
            return iterations / took
        iterations *= 2


def _work(iterations: int) -> int:
    state = 1
    for _ in range(iterations):
        state = (state * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
    return state


def payload(nbytes: float | str) -> bytes:
    """Return `nbytes` bytes, counting 0 to 255 over and over, so that a lost or doubled part shows.

    Raises ValueError if `nbytes` is not a whole number, 0 or more, or text holding one.
    """
    size = _number("nbytes", nbytes)
    if size != int(size) or size > sys.maxsize:
        raise ValueError(f"nbytes must be a whole number of bytes, not {nbytes!r}")
    cycles, rest = divmod(int(size), 256)
    cycle = bytes(range(256))
    return cycle * cycles + cycle[:rest]


def crash(how: str) -> None:
    """Fail in the way named `how`; see `CRASHES`.

    "exception" raises RuntimeError; "unpicklable" raises an exception that cannot be sent to another
    process; "interrupt" raises KeyboardInterrupt; "recursion" ends in RecursionError and "memory" in
    MemoryError; "exit" is ``sys.exit(3)``, "_exit" ``os._exit(3)``, "abort" ``os.abort()``; "segfault"
    reads address 0; "terminate" and "kill" send the process SIGTERM and SIGKILL.
    Raises ValueError for any other name.
    """
    way = CRASHES.get(str(how).strip())
    if way is None:
        raise ValueError(f"unknown crash {how!r}: known are {', '.join(CRASHES)}")
    way()


def _exception() -> None:
    raise RuntimeError("crash: an exception, as asked")


def _unpicklable() -> None:
    error = RuntimeError("crash: an exception that cannot be pickled, as asked")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    raise error


def _interrupt() -> None:
    raise KeyboardInterrupt("crash: an interrupt, as asked")


def _exit() -> None:
    sys.exit(3)


def _exit_at_once() -> None:
    os._exit(3)


def _segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def _send(number: signal.Signals) -> Callable[[], None]:
    def send() -> None:
        os.kill(os.getpid(), number)

    return send


def _recursion() -> None:
    _recursion()


def _memory() -> None:
    # Zeroed memory that is never touched uses up addresses, not pages: this process gets its
    # MemoryError and nobody else is pushed out of memory on the way.
    held: list[bytes] = []
    size = 1 << 30
    try:
        while True:
            held.append(bytes(size))
            size *= 2
    finally:
        held.clear()


CRASHES: dict[str, Callable[[], None]] = {
    "exception": _exception,
    "unpicklable": _unpicklable,
    "interrupt": _interrupt,
    "recursion": _recursion,
    "memory": _memory,
    "exit": _exit,
    "_exit": _exit_at_once,
    "abort": os.abort,
    "segfault": _segfault,
    "terminate": _send(signal.SIGTERM),
    "kill": _send(signal.SIGKILL),
}
"""The ways to fail that `crash` knows, by name."""


def _seconds(value: object) -> float:
    seconds = _number("seconds", value)
    if seconds > threading.TIMEOUT_MAX:
        raise ValueError(f"seconds must be below {threading.TIMEOUT_MAX:.0f}, not {value!r}")
    return seconds


def _number(name: str, value: object) -> float:
    """Return `value`, or the number its text holds; an integer stays one, so that none is rounded."""
    number = _read(value) if isinstance(value, str) else value
    if not isinstance(number, int | float) or isinstance(number, bool) or not 0 <= number < math.inf:
        raise ValueError(f"{name} must be a number, 0 or more, not {value!r}")
    return number


def _read(text: str) -> float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None
