"""Whether the engine of a run that is said to be running still lives, or its recorder.

Who sees its processes goes by these: by pid, boot and the tick in which it began. Who does not, because it died in
another container, say, asks for a lock: on a file beside the database, which engine and recorder hold as long as they
live and which the kernel lets go of, however they end. It is on one byte of that file for each time that the run was
resumed, so whoever is about to resume it has another one than the engine before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import struct
from pathlib import Path
from typing import Final

_LOCK: Final = struct.Struct("hhqqi4x")
"""The kernel's ``struct flock``: type, from where (0: the beginning), first byte, how many (0: all), whose."""
_LOCKED: Final = "locked"
"""Last word of an identity whose process holds the lock of its run."""
_UNSEEN: Final = "-"
_CAREFUL: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A file of that name may be somebody else's: a link, or a pipe."""


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _space() -> str:
    """The pid namespace; `_UNSEEN` where /proc shows the processes of another one. Raises OSError."""
    return os.readlink("/proc/self/ns/pid") if os.readlink("/proc/self") == str(os.getpid()) else _UNSEEN


def identity(pid: int, locked: bool = False) -> str:
    """What tells a process from later ones with its pid: boot, pid namespace, clock tick of its start; and whether it
    holds the lock of its run.

    An empty text where there is no such process. Where none can be seen, it says so of one that has the lock.
    """
    try:
        if (space := _space()) == _UNSEEN:
            return f"{_boot()} {_UNSEEN} {_UNSEEN} {_LOCKED}" if locked else ""
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may contain anything
        if fields[0] in (b"Z", b"X"):  # dead, and waiting for its parent to notice
            return ""
        found = f"{_boot()} {space} {int(fields[19])}"
        return f"{found} {_LOCKED}" if locked else found
    except (OSError, ValueError, IndexError):
        return ""


def is_gone(db: sqlite3.Connection, run: str, resumed: int, pid: int, known: str) -> bool:
    """Whether the engine of a run, which had this `identity`, is certainly gone; if it can't be seen from here, its
    recorder, too. `db`: the database, and `resumed`: how often the run was resumed, as it says there.
    """
    old = known.split(" ")
    if len(old) < 3:
        return not os.path.exists(f"/proc/{pid}")
    try:
        boot, space = _boot(), _space()
    except OSError:
        return False
    if old[0] != boot:
        return True
    if old[1] == space != _UNSEEN:
        return identity(pid) != " ".join(old[:3])
    database = _file(db)
    return _LOCKED in old[3:] and database is not None and _is_free(lock_file(database, run), resumed)


def _file(db: sqlite3.Connection) -> Path | None:
    """Where a database is; None for one in memory."""
    (path,) = (row[2] for row in db.execute("PRAGMA database_list") if row[1] == "main")
    return Path(path) if path else None


def lock_file(database: Path, run: str) -> Path:
    """Where the file is that the lock of a run is on, whether or not there is one."""
    path = Path(os.path.realpath(database))
    return path.with_name(f"{path.name}.{run}.lock")


def _is_free(path: Path, resumed: int) -> bool:
    """Whether the file is there, and nobody has the lock. It is only asked for: taken, it would be in the way."""
    try:
        fd = os.open(path, os.O_RDONLY | _CAREFUL)
    except OSError:
        return False
    try:
        found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, resumed, 1, 0))
        return bool(_LOCK.unpack(found)[0] == fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(fd)


class Life:
    """The lock of a run, held until this is closed or every process that has it has ended.

    Attributes:
        held: False where the file system grants none.
    """

    def __init__(self, database: Path, run: str, resumed: int) -> None:
        self._path = lock_file(database, run)
        self._fd = -1
        with contextlib.suppress(OSError):
            self._take(resumed)

    @property
    def held(self) -> bool:
        """As above."""
        return self._fd >= 0

    def _take(self, resumed: int) -> None:
        """Raises OSError."""
        while self._fd < 0:
            # To be read only: or else its file system could not be made read-only as long as the run goes on.
            fd = os.open(self._path, os.O_RDONLY | os.O_CREAT | _CAREFUL, 0o600)
            try:
                # Shared between engine and recorder. Waited for: whoever removes the file has all of it for a moment.
                fcntl.fcntl(fd, fcntl.F_OFD_SETLKW, _LOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, resumed, 1, 0))
                if self._is_there(fd):
                    fd, self._fd = -1, fd
            finally:
                if fd >= 0:
                    os.close(fd)

    def _is_there(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._path.lstat())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Give it back; who is the last one removes the file. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        os.close(fd)
        try:
            fd = os.open(self._path, os.O_RDWR | _CAREFUL)
        except OSError:  # somebody else has removed it
            return
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            if self._is_there(fd):
                self._path.unlink()
        except OSError:
            pass  # somebody else has it, too
        finally:
            os.close(fd)


def forget(db: sqlite3.Connection, run: str) -> None:
    """Remove what a run that has crashed has left beside the database, unless somebody has its lock."""
    database = _file(db)
    if database is not None and lock_file(database, run).exists():
        Life(database, run, 0).close()


def sweep(db: sqlite3.Connection) -> None:
    """Runs that say they are running while their engine is gone have crashed: when they were last seen.
    Raises sqlite3.Error.

    Their recorder was killed too, or the machine went down.
    """
    query = "SELECT id, resumed, pid, process FROM runs WHERE status = 'running'"
    gone = [tuple(row) for row in db.execute(query).fetchall() if is_gone(db, *row)]
    if gone:
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(  # another process may have resumed it meanwhile
                "UPDATE runs SET status = 'crashed', ended = max(started, seen) "
                "WHERE id = ? AND status = 'running' AND resumed = ? AND pid = ? AND process = ?",
                gone,
            )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
    for run, *_ in gone:
        forget(db, run)
