"""Where the database of runs lies, and whether the engine of a run that is said to be running still lives."""

from __future__ import annotations

import os
from pathlib import Path


def default_database() -> Path:
    """``$XDG_DATA_HOME/shoal/runs.db``, ``~/.local/share/shoal/runs.db`` unless that is set. Not made."""
    from platformdirs import user_data_dir

    return Path(user_data_dir("shoal")) / "runs.db"


def prepare(path: Path) -> None:
    """Make the file, and its folder, where they are missing: readable by this user alone, for results may be
    anything.

    The files that SQLite puts beside it take its permissions. Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def identity(pid: int) -> str:
    """What tells a process from later ones with its pid: boot, pid namespace, clock tick of its start.

    An empty text where there is no such process.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may contain anything
        if fields[0] in (b"Z", b"X"):  # dead, and waiting for its parent to notice
            return ""
        return f"{_boot()} {os.readlink('/proc/self/ns/pid')} {int(fields[19])}"
    except (OSError, ValueError, IndexError):
        return ""


def is_gone(pid: int, known: str) -> bool:
    """Whether the process that had this `identity` is certainly gone.

    One in another container can't be seen from here: then False.
    """
    old = known.split(" ")
    if len(old) != 3:
        return not os.path.exists(f"/proc/{pid}")
    try:
        boot, space = _boot(), os.readlink("/proc/self/ns/pid")
    except OSError:
        return False
    if old[0] != boot:
        return True
    return old[1] == space and identity(pid) != known
