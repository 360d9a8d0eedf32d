"""Where sessions and baselines are kept: a folder of JSON files, ``benchmarks`` beside the database of runs.

Not in the database, for three reasons. The code that is measured is often newer than the one installed, and a database
that it has migrated would be refused by the other. A session must be kept when the database is damaged, locked or on a
full disk, for it may be what shows that. And files are what a CI cache saves and restores, and what a person can read,
compare and delete. A session is written once, whole or not at all; what may change lies in ``baselines.json``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from engine.bench.guard import calibration
from engine.bench.guard.sessions import FORMAT, Session

_Kept = TypeVar("_Kept", "Session", "Baselines")

BASELINES: Final = "baselines.json"
_BASELINES_FORMAT: Final = 1
LAST_GOOD: Final = "last-good"
"""The name of the baseline that moves by itself."""
_GOOD: Final = ("fine", "improved", "first")
"""What a cell must have been for a session to be its next baseline. One that is slightly worse is not: five percent
after five percent would go unseen for ever.
"""


class HistoryError(Exception):
    """What is kept can't be read or written, or is not there. The text is one line."""


class Pinned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A baseline that somebody named."""

    session: str
    at: float


class Baselines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people have decided.

    Attributes:
        named: by name.
        accepted: sessions whose cells count as good, whatever was found of them.
    """

    format: int = _BASELINES_FORMAT
    named: dict[str, Pinned] = {}
    accepted: list[str] = []


def default_folder() -> Path:
    """``benchmarks`` beside the default database. Not made."""
    from engine.store.places import default_database

    return default_database().parent / "benchmarks"


class History:
    """All sessions of one folder, read once. Raises `HistoryError` for what is there and can't be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.baselines = _baselines(folder)
        self.sessions = sorted(
            (_read(path) for path in files(folder) if path.name != BASELINES), key=lambda session: session.began
        )

    def find(self, name: str) -> Session:
        """The session whose id begins so, or "last". Raises `HistoryError`."""
        if name == "last" and self.sessions:
            return self.sessions[-1]
        found = [session for session in self.sessions if name and session.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        if not self.sessions:
            raise HistoryError(f"no sessions in {self.folder} yet: shoal bench, or shoal bench gate")
        raise HistoryError(f"{'several sessions begin with' if found else 'no session'} {name!r}: shoal bench history")

    def named(self, name: str) -> Session:
        """The session that a name was given to. Raises `HistoryError`."""
        pinned = self.baselines.named.get(name)
        if pinned is None:
            known = ", ".join([LAST_GOOD, *sorted(self.baselines.named)])
            raise HistoryError(f"no baseline {name!r}; known: {known}")
        return self.find(pinned.session)

    def last_good(self, session: Session, cell: str) -> Session | None:
        """The newest session of the same suite, size and machine in which the cell was good.

        Of what goes as the machine does, one of a time when that was as fast as it is now, if there is one.

        A regression is never among them unless it was accepted, and no session that the gate has not judged.
        """
        good = [other for other in reversed(self.like(session)) if self._good(other, cell)]
        now = session.cell(cell)
        if now is None or not now.clocked:
            return next(iter(good), None)
        as_fast = (other for other in good if abs(calibration.moved(other.speed, session.speed)) <= calibration.STEADY)
        return next(as_fast, next(iter(good), None))

    def like(self, session: Session) -> list[Session]:
        """Sessions of the same suite, size and machine, without other code beside them, the oldest first."""
        return [
            other
            for other in self.sessions
            if (other.suite, other.quick, other.fingerprint) == (session.suite, session.quick, session.fingerprint)
            and other.id != session.id
            and not other.against
        ]

    def _good(self, session: Session, cell: str) -> bool:
        found = session.cell(cell)
        if found is None or (found.clocked and not session.steady):
            return False  # of a machine that was not steady such a figure says nothing, and would stand for ever
        if session.id in self.baselines.accepted:
            return True
        seen = session.seen.get(cell)
        return seen is not None and seen.state in _GOOD


def keep(folder: Path, session: Session) -> Path:
    """Write a session down. Raises `HistoryError`."""
    path = place(folder, session)
    with _told(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, msgspec.json.format(msgspec.json.encode(session), indent=1))
    return path


def place(folder: Path, session: Session) -> Path:
    """The file of a session."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(session.began))
    return folder / f"{stamp}-{session.suite}-{session.id}.json"


def pin(folder: Path, name: str, session: str) -> None:
    """Give a session a name, or under `LAST_GOOD` accept what was found of it. Raises `HistoryError`."""
    with _told(folder), _alone(folder):
        found = _baselines(folder)
        if name == LAST_GOOD:
            accepted = [other for other in found.accepted if other != session]
            found = msgspec.structs.replace(found, accepted=[*accepted, session])
        else:
            found = msgspec.structs.replace(found, named={**found.named, name: Pinned(session, time.time())})
        _write(folder / BASELINES, msgspec.json.format(msgspec.json.encode(found), indent=1))


def files(folder: Path) -> list[Path]:
    """Those that may be sessions, and the one of baselines. Raises `HistoryError`."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HistoryError(f"can't read {folder}: {error.strerror}") from None


def _read(path: Path) -> Session:
    return _decoded(path, Session, "session of shoal bench")


def _baselines(folder: Path) -> Baselines:
    path = folder / BASELINES
    return _decoded(path, Baselines, "list of baselines") if path.exists() else Baselines()


class _Versioned(msgspec.Struct):
    format: int


_FORMATS: Final[dict[type, int]] = {Session: FORMAT, Baselines: _BASELINES_FORMAT}


def _decoded(path: Path, kind: type[_Kept], what: str) -> _Kept:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HistoryError(f"can't read {path}: {error.strerror}") from None
    try:
        written, known = msgspec.json.decode(data, type=_Versioned).format, _FORMATS[kind]
        if written > known:
            raise HistoryError(f"{path} was written by a newer Shoal (format {written}, this one knows {known})")
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise HistoryError(f"{path} is no {what}, or a damaged one ({why}): move it away") from None


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HistoryError(f"can't write to {folder}: {error.strerror}") from None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes the baselines meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing, readable by this user alone."""
    descriptor, partly = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".partly")
    try:
        with open(descriptor, "wb") as file:
            file.write(data + b"\n")
            file.flush()
            os.fsync(descriptor)
        os.replace(partly, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partly)
        raise
