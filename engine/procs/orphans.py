"""What dead agents leave behind: process groups, and children that the kernel gave to their host."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Container

from engine.procs import system
from engine.procs.scoreboard import GROUP, Scoreboard
from engine.procs.slots import Slot


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
