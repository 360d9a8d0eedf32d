"""What the machine is short of, and what the engine's own process takes: read from /proc and the control groups.

A value that this machine does not tell is None.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from engine.runtime.fleet import memory

Resource: TypeAlias = Literal["cpu", "memory", "io"]
RESOURCES: Final[tuple[Resource, ...]] = ("cpu", "memory", "io")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_CGROUPS: Final = "/sys/fs/cgroup"


def pressure(text: str) -> float | None:
    """The share of the last 10 s, 0 to 1, in which something waited for a resource, from its file in /proc/pressure
    (Documentation/accounting/psi.rst of the kernel)."""
    for line in text.splitlines():
        kind, *told = line.split()
        if kind == "some":
            for part in told:
                name, _, value = part.partition("=")
                if name == "avg10":
                    return float(value) / 100
    return None


def throttled(text: str) -> float | None:
    """Seconds for which a control group was not let run, from its cpu.stat (of version 2, or of version 1)."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "throttled_usec":
            return int(value) / 1e6
        if name == "throttled_time":
            return int(value) / 1e9
    return None


def groups(text: str) -> dict[str, str]:
    """The control group of a process by controller, "" for version 2, from its /proc/PID/cgroup (cgroups(7))."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _text(path: str | Path) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


class Readings:
    """Of this machine and this process.

    Attributes:
        pressures: by resource, as `pressure` has it.
        throttled: as `throttled` has it, of this process's group.
        memory: bytes in use, and bytes there are, as `engine.runtime.fleet.memory.held` has it.
        resident: bytes of this process.
        max_fds: descriptors that it may have open.
    """

    def __init__(self) -> None:
        self.pressures: dict[Resource, float | None] = dict.fromkeys(RESOURCES)
        self.throttled: float | None = None
        self.memory: tuple[int, int] | None = None
        self.resident = 0
        self.max_fds = 0
        of = groups(_text("/proc/self/cgroup"))
        self._cpu = _first(_places(of, "cpu", "cpu.stat"), lambda text: throttled(text) is not None)
        self._groups = memory.cgroups()

    def read(self) -> None:
        """Look again; some 0.1 ms."""
        for name in RESOURCES:
            self.pressures[name] = pressure(_text(f"/proc/pressure/{name}"))
        if self._cpu is not None:
            self.throttled = throttled(_text(self._cpu))
        self.memory = memory.held(self._groups)
        statm = _text("/proc/self/statm").split()
        self.resident = int(statm[1]) * _PAGE if len(statm) > 1 else 0
        self.max_fds = resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    @property
    def processor_time(self) -> float:
        """Seconds of processor time of this process."""
        return time.process_time()


def _places(of: Mapping[str, str], controller: str, name: str) -> list[str]:
    """Where a file of a process's group may lie: of version 2, and of version 1, where the root may be its own."""
    found = []
    if "" in of:
        found += [f"{_CGROUPS}{of['']}/{name}", f"{_CGROUPS}/unified{of['']}/{name}"]
    if controller in of:
        found += [f"{_CGROUPS}/{controller}{of[controller]}/{name}", f"{_CGROUPS}/{controller}/{name}"]
    return found


def _first(paths: Iterable[str], fits: object) -> str | None:
    for path in paths:
        text = _text(path)
        if text and callable(fits) and fits(text):
            return path
    return None
