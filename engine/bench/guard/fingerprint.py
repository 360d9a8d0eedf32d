"""What machine a session was measured on, and in what way two of them differ."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_WORDS: Final = {
    "cpu": "processor", "stepping": "stepping of the processor", "cores": "cores", "threads": "threads a core",
    "quota": "cores that its group may use", "memory": "memory", "kernel": "kernel", "python": "Python",
    "libc": "C library", "page": "page size", "hypervisor": "hypervisor", "governor": "clock governor",
    "clocksource": "clock source", "hugepages": "huge pages",
}  # fmt: skip
"""What must be alike, in words."""
_CPU_MAX: Final = "cpu.max"
_DMI: Final = Path("/sys/class/dmi/id")


def taken(cgroup: Path | None = None) -> dict[str, str]:
    """The fields, as text; what can't be read here is ``""``. `cgroup`: the folder of our control group.

    ``cpuset`` and ``disk`` are told as well, but are no reason to call a machine another one: a container gets other
    cores each time.
    """
    info = _cpuinfo()
    group = _own_group() if cgroup is None else cgroup
    threads = _threads(info)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": info.get("model name", "") or platform.machine(),
        "stepping": "/".join(filter(None, (info.get(name, "") for name in ("cpu family", "model", "stepping")))),
        "cores": str(len(os.sched_getaffinity(0))),
        "threads": threads,
        "quota": quota(_read(group / _CPU_MAX)),
        "memory": f"{memory / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}{_build()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "page": str(os.sysconf("SC_PAGE_SIZE")),
        "hypervisor": _hypervisor(info),
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "clocksource": _read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "hugepages": _chosen(_read(Path("/sys/kernel/mm/transparent_hugepage/enabled"))),
        "cpuset": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
        "disk": _disk(),
    }


def short(fields: Mapping[str, str]) -> str:
    """Twelve hexadecimal digits that are the same for machines that are alike."""
    text = json.dumps([[name, fields.get(name, "")] for name in _WORDS])
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """In what two machines are not alike, for people; "" if they are."""
    return ", ".join(
        f"{words} {then.get(name) or 'unknown'} then, {now.get(name) or 'unknown'} now"
        for name, words in _WORDS.items()
        if then.get(name, "") != now.get(name, "")
    )


def surroundings() -> dict[str, Any]:
    """What may disturb a measurement, now: load, stalls, and time that other machines have taken."""
    stalls = _read(Path("/proc/pressure/cpu")).partition("avg10=")[2].split(" ")[0]
    stat = _read(Path("/proc/stat")).partition("\n")[0].split()
    return {
        "at": time.time(),
        "load": round(os.getloadavg()[0], 2),
        "stalled": float(stalls) if stalls else None,
        "stolen": int(stat[8]) / os.sysconf("SC_CLK_TCK") if len(stat) > 8 else None,
    }


def quota(text: str) -> str:
    """``cpu.max`` of a control group as cores; "" for no limit."""
    parts = text.split()
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or not int(parts[1]):
        return ""
    return f"{int(parts[0]) / int(parts[1]):g}"


def _build() -> str:
    """What else there is to say of an interpreter: one without the lock, or for debugging, is another one."""
    free = " without the lock" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return free + (" for debugging" if hasattr(sys, "gettotalrefcount") else "")


def _cpuinfo() -> dict[str, str]:
    """Of the first processor."""
    first = _read(Path("/proc/cpuinfo")).partition("\n\n")[0]
    lines = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _threads(info: Mapping[str, str]) -> str:
    siblings, cores = info.get("siblings", ""), info.get("cpu cores", "")
    return f"{int(siblings) / int(cores):g}" if siblings.isdecimal() and cores.isdecimal() and int(cores) else ""


def _own_group() -> Path:
    """Of version 2; a container sees its own as the root."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::"):
            found = Path("/sys/fs/cgroup") / line[3:].lstrip("/")
            if (found / _CPU_MAX).exists():
                return found
    return Path("/sys/fs/cgroup")


def _hypervisor(info: Mapping[str, str]) -> str:
    if "hypervisor" not in info.get("flags", "").split():
        return ""
    named = " ".join(filter(None, (_read(_DMI / "sys_vendor"), _read(_DMI / "product_name"))))
    return named or "some"


def _chosen(text: str) -> str:
    """``madvise`` of ``always [madvise] never``."""
    return text.partition("[")[2].partition("]")[0]


def _disk() -> str:
    """The file system that temporary databases lie on."""
    import tempfile

    place = os.path.realpath(tempfile.gettempdir())
    found = ("", "")
    for line in _read(Path("/proc/self/mounts")).splitlines():
        _, point, kind, *_ = [*line.split(), "", "", ""]
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
