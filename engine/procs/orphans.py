"""What dead agents leave behind: process groups, and children that the kernel gave to their host; and what is nobody's
any more once that host was killed, too: it is found by the mark in its environment.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Container
from typing import Final

from engine.procs import system
from engine.procs.scoreboard import GROUP, Scoreboard
from engine.procs.slots import Slot

MARK: Final = "SHOAL_FLEET"
"""Variable in the environment of everything below a fleet's nursery; its value is that fleet's own."""


def end_groups(board: Scoreboard, slot: Slot) -> None:
    """Kill what a dead agent leaves behind. Before it is reaped, so that its group's number is nobody else's."""
    for group in (slot.pid, board.get(slot.row, GROUP)):
        if group > 1:
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
    board.set(slot.row, GROUP, 0)


def reap(agents: Container[int]) -> None:
    """Reap children of this process that have ended and are no agents of its own."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in agents:
            return
        os.waitpid(found.si_pid, os.WNOHANG)


def end(pid: int, deadline: float) -> None:
    """Kill and reap what tasks have left behind in groups of their own: their children become ours, and so on.

    `pid`: of this process; `deadline` on the monotonic clock.
    """
    while (left := system.children(pid)) and time.monotonic() < deadline:
        for child in left:
            try:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def end_marked(mark: str, deadline: float) -> None:
    """Kill every process but this one that has the mark of a fleet. `deadline`: on the monotonic clock."""
    wanted = f"{MARK}={mark}".encode()
    while time.monotonic() < deadline:
        found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _has(pid, wanted)]
        if not found:
            return
        for pid in found:
            try:
                fd = os.pidfd_open(pid)
            except OSError:
                continue
            try:
                if _has(pid, wanted):  # looked at again once it is held: its number may have become another's
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
            except ProcessLookupError:
                pass
            finally:
                os.close(fd)
        time.sleep(0.005)


def _has(pid: int, wanted: bytes) -> bool:
    if pid == os.getpid():
        return False
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")  # of one that has ended it is empty
    except OSError:
        return False
