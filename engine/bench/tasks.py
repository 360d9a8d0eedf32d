"""What the measured pools run. Importable by name, as `multiprocessing` wants it, and loads next to nothing."""

from __future__ import annotations

import fcntl
import math
import os
import time
from typing import TypeVar

_T = TypeVar("_T")

ARRIVED = "arrived"
"""A FIFO in the folder of `meet`: each task writes a byte into it."""
GATE = "gate"
"""A file in that folder: its exclusive lock holds all tasks back."""


def identity(value: _T) -> _T:
    """Return `value`."""
    return value


def eight_bytes(number: int) -> bytes:
    """`number` as bytes."""
    return number.to_bytes(8)


def pid(_: object) -> int:
    """The process that runs this."""
    return os.getpid()


def work(iterations: int) -> int:
    """A loop that computes and touches no memory: its number of iterations is the work, whatever the clock says."""
    state = 1
    for _ in range(iterations):
        state = (state * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
    return state


def burn(_: object) -> None:
    """Compute until somebody kills it."""
    while True:
        work(1_000_000)


def nap(number: int) -> None:
    """Wait for some two seconds, some numbers much longer than others."""
    # By hand: every agent would load `random` for it, at ten times the cost of the nap.
    share = (((number * 2_654_435_761) >> 7) % 9_973 + 0.5) / 9_973
    time.sleep(2.0 * math.exp(0.235 * math.log(share / (1 - share)) - 0.08))


def wait(_: object) -> None:
    """Wait until somebody kills it."""
    while True:
        time.sleep(3600)


def begun_after(seconds: float) -> float:
    """Sleep if there is something to; return when this began, by `time.monotonic`, the same for all processes."""
    begun = time.monotonic()
    if seconds:
        time.sleep(seconds)
    return begun


def finished_after(seconds: float) -> float:
    """Sleep if there is something to; return when that was over, by `time.monotonic`."""
    if seconds:
        time.sleep(seconds)
    return time.monotonic()


def meet(folder: str) -> int:
    """Say that this process has a task, and hold it until the gate opens: so no process can have two.

    Returns the process's id.
    """
    arrived = os.open(os.path.join(folder, ARRIVED), os.O_WRONLY)
    os.write(arrived, b".")
    os.close(arrived)
    gate = os.open(os.path.join(folder, GATE), os.O_RDONLY)
    fcntl.flock(gate, fcntl.LOCK_SH)
    os.close(gate)
    return os.getpid()
