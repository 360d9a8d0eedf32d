"""What the machine is short of, from /proc and /sys: read once a second, on the thread that does everything else."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from engine.runtime.gauges import memory

_CGROUPS: Final = "/sys/fs/cgroup"


class MemoryLimit:
    """Memory of the machine, or of the control group of this process that allows the least, if that is less.

    Both versions of control groups are known (cgroups(7)). What the kernel would give up at once, cached files that
    nobody has used lately, does not count as used.
    """

    def __init__(self, groups: str | None = None, root: str = _CGROUPS) -> None:
        """`groups`: what /proc/self/cgroup says."""
        self._folders: list[tuple[Path, str, str]] = []
        """Control groups with a limit of memory: the folder, and the names of the files of the limit and of the use."""
        if groups is None:
            groups = ""
            with contextlib.suppress(OSError):
                groups = Path("/proc/self/cgroup").read_text()
        for line in groups.splitlines():
            _, controllers, place = (*line.split(":", 2), "", "")[:3]
            top, files = Path(root), ("memory.max", "memory.current")
            if controllers:
                if "memory" not in controllers.split(","):
                    continue
                top, files = top / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
            # Of a container, its own group may be what is mounted: then the path is not to be found below it.
            found = (top / place.strip("/")).resolve()
            for folder in {found, *found.parents, top.resolve()}:
                if folder.is_relative_to(top.resolve()) and _number(folder / files[0]) is not None:
                    self._folders.append((folder, *files))

    def read(self) -> tuple[int, int]:
        """Bytes in use, and bytes there are; (0, 0) where that is not known."""
        used, most = memory()
        for folder, limit, now in self._folders:
            allowed, held = _number(folder / limit), _number(folder / now)
            if allowed is not None and held is not None and (not most or allowed < most):
                used, most = max(0, held - _unused(folder)), allowed
        return used, most


def _number(path: Path) -> int | None:
    try:
        return int(path.read_bytes())
    except (OSError, ValueError):  # absent, or "max"
        return None


def _unused(folder: Path) -> int:
    """Bytes of cached files that nobody has used lately."""
    try:
        lines = (folder / "memory.stat").read_bytes().splitlines()
    except OSError:
        return 0
    found = {name: int(value) for name, _, value in (line.partition(b" ") for line in lines) if value.isdigit()}
    return found.get(b"total_inactive_file", found.get(b"inactive_file", 0))


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
    return len(os.listdir("/proc/self/fd")) - 1, 0 if soft == resource.RLIM_INFINITY else soft


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
