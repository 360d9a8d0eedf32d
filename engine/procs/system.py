"""The few calls of Linux that Python does not wrap."""

from __future__ import annotations

import _signal
import ctypes
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

# Looked up and given its types here, before any fork: what ctypes makes of that later, each agent has of its own.
_libc = ctypes.CDLL(None)
_prctl, _prctl_text = _libc["prctl"], _libc["prctl"]
_prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_prctl_text.argtypes = (ctypes.c_int, ctypes.c_char_p)

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PF_EXITING = 0x4


Handler = Callable[[int, FrameType | None], None]


def handler(number: int) -> Any:
    """What handles a signal in Python, as `signal.getsignal`; but that makes an enum of it each time."""
    return _signal.getsignal(number)


def handle(number: int, what: Handler | None) -> None:
    """Handle a signal, None: as by default. As `signal.signal`, whose enums cost every agent 50 pages of its own."""
    _signal.signal(number, _signal.SIG_DFL if what is None else what)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that forked it ends. `parent`: its pid, taken before the fork.

    The kernel's word is not retroactive, so a parent that is gone already ends this process here.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def set_name(name: str) -> None:
    """Name of this process in ps and top, 15 bytes at the most."""
    _prctl_text(_PR_SET_NAME, name.encode()[:15])


def adopt_orphans() -> None:
    """Make descendants whose parent dies children of this process, so that it can find and end them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Direct children of a process, [] where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as listed:
            return [int(child) for child in listed.read().split()]
    except (OSError, ValueError):
        return []


def status(pid: int) -> list[bytes]:
    """What proc_pid_stat(5) tells of a process, from its state letter on; [] if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()
    except OSError:
        return []


def is_exiting(pid: int) -> bool:
    """Whether a process has ended, or is about to: it gives up its descriptors before it counts as ended."""
    fields = status(pid)
    return not fields or fields[0] in (b"Z", b"X") or bool(int(fields[6]) & _PF_EXITING)


def is_stopped(pid: int) -> bool:
    """Whether a signal, or a debugger, has stopped a process."""
    return status(pid)[:1] in ([b"T"], [b"t"])


def threads() -> int:
    """Threads of this process."""
    return len(os.listdir("/proc/self/task"))
