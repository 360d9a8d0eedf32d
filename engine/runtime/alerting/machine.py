"""What the machine is short of, from /proc and /sys: read once a second, on the thread that does everything else."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from pathlib import Path


def runnable() -> int | None:
    """Threads of the machine that run or want to, this one left out (proc_loadavg(5))."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return max(0, int(file.read().split()[3].partition(b"/")[0]) - 1)
    except (OSError, ValueError, IndexError):
        return None


def descriptors() -> tuple[int, int]:
    """Descriptors open in this process, and as many as it may open; 0 for no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 0 if soft == resource.RLIM_INFINITY else soft
    try:
        return len(os.listdir("/proc/self/fd")) - 1, most
    except OSError:  # none is left to look with
        return most, most


def disks(paths: Iterable[Path]) -> list[Path]:
    """The folders that these files lie in, or would: one for each file system."""
    found: dict[int, Path] = {}
    for path in paths:
        folder = Path(os.path.abspath(path)).parent
        while not folder.is_dir() and folder != folder.parent:  # it is still to be made
            folder = folder.parent
        with contextlib.suppress(OSError):
            found.setdefault(os.stat(folder).st_dev, folder)
    return list(found.values())


def room(folder: Path) -> tuple[int, int] | None:
    """Bytes of a file system that are free to us, and all that we may use of it (as df(1) counts); None: not known."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    free = found.f_bavail * found.f_frsize
    return free, free + (found.f_blocks - found.f_bfree) * found.f_frsize
