"""How much memory there is left, by the machine and by the cgroups that this process is in.

All of it together takes some 50 µs, and 30 for each cgroup that has a limit.
"""

from __future__ import annotations

from pathlib import Path

from engine.core.admission import Admission, Room
from engine.settings.types import Settings

_MEMINFO = "/proc/meminfo"
_PRESSURE = "/proc/pressure/memory"
_CACHES = ("inactive_file", "active_file", "slab_reclaimable")
"""What a cgroup is charged for and its kernel takes back before it kills: as `MemAvailable` has it for the machine."""


def number(path: str) -> int | None:
    """The number that a file of the kernel's begins with; None where there is none, or no limit."""
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read(64).split()[0])
    except (OSError, ValueError, IndexError):  # absent, or "max"
        return None


def cgroups() -> list[str]:
    """This process's cgroup (version 2) and those around it."""
    try:
        line = next(x for x in Path("/proc/self/cgroup").read_text().splitlines() if x.startswith("0::"))
    except (OSError, StopIteration):
        return []
    path = Path("/sys/fs/cgroup") / line[3:].strip("/")
    return [str(p) for p in (path, *path.parents) if str(p).startswith("/sys/fs/cgroup")]


def rooms(groups: list[str]) -> list[Room]:
    """What is left of the machine's memory, and of each limit that one of these cgroups has; nothing for what the
    kernel does not tell."""
    found = []
    machine = _machine()
    if machine is not None:
        available, total = machine
        found.append(Room(available, total, _stalled(_PRESSURE)))
    for group in groups:
        limit, used = number(f"{group}/memory.max"), number(f"{group}/memory.current")
        if limit is not None and used is not None:
            left = limit - used + min(used, _caches(group))
            found.append(Room(max(0, min(limit, left)), limit, _stalled(f"{group}/memory.pressure"), group))
    return found


def held(groups: list[str]) -> tuple[int, int] | None:
    """Bytes in use, and bytes there are: of the machine, or of the limit of one of these cgroups, whichever is fullest.
    None where that is not known."""
    found = [(max(0, room.total - room.available), room.total) for room in rooms(groups)]
    return max(found, key=lambda pair: pair[0] / max(1, pair[1]), default=None)


def for_tasks(settings: Settings, groups: list[str]) -> int | None:
    """Bytes that tasks which say how much they take may take together: what was set, else what each limit that holds
    has, less what is to stay free of it. None where nobody says."""
    if settings.memory_tasks is not None:
        return settings.memory_tasks
    keeps = Admission(settings.memory_reserve)
    return min((max(1, room.total - keeps.reserve(room)) for room in rooms(groups)), default=None)


def left() -> int:
    """Bytes that can be had without swapping, of all limits that hold. More than there can be where nobody says."""
    return min((room.available for room in rooms(cgroups())), default=1 << 62)


def share() -> float:
    """The same as a share of the machine's memory, 1 where that is not known."""
    machine = _machine()
    return 1.0 if machine is None else machine[0] / machine[1]


def _machine() -> tuple[int, int] | None:
    """Available and total bytes."""
    found: dict[str, int] = {}
    try:
        with open(_MEMINFO, encoding="ascii") as told:
            for line in told:
                name, _, value = line.partition(":")
                if name in ("MemTotal", "MemAvailable"):
                    found[name] = int(value.split()[0]) << 10
                    if len(found) == 2:
                        return found["MemAvailable"], found["MemTotal"]
    except (OSError, ValueError, IndexError):
        pass
    return None


def _stalled(path: str) -> float:
    """The share of the last ten seconds in which everything waited for memory; 0 where the kernel does not count it."""
    try:
        with open(path, encoding="ascii") as told:
            for line in told:
                if line.startswith("full "):
                    return float(line.split()[1].partition("=")[2]) / 100
    except (OSError, ValueError, IndexError):
        pass
    return 0.0


def _caches(group: str) -> int:
    found = 0
    try:
        with open(f"{group}/memory.stat", encoding="ascii") as told:
            for line in told:
                name, _, value = line.partition(" ")
                if name in _CACHES:
                    found += int(value)
    except (OSError, ValueError):
        pass
    return found
