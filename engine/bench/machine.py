"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any, Final

_PACKAGES: Final = ("shoal", "click", "cloudpickle", "msgspec", "multiprocess", "numpy")


def facts() -> dict[str, Any]:
    """Processor, cores, memory, kernel, Python, versions, and how busy the machine is before we begin."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "load": round(os.getloadavg()[0], 2),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def line(found: dict[str, Any]) -> str:
    """The facts for people."""
    memory = found["memory"] / 2**30
    return (
        f"{found['cpu']}, {found['cores']} cores, {memory:.0f} GiB, Linux {found['kernel']}, "
        f"Python {found['python']}, load {found['load']:g} before"
    )


def _field(path: str, name: str) -> str:
    try:
        with open(path) as file:
            return next(rest.strip() for key, _, rest in (x.partition(":") for x in file) if key.strip() == name)
    except (OSError, StopIteration):
        return ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
