"""The file that stands in for a database which takes nothing any more: messages one after the other, as they came.

It lies beside the database, or, where nothing can be written there, in a folder of this user's for state. The next
recorder that opens the database writes down what is in it, as if it came from an engine, and removes it. Its writer
holds a lock on it, so nobody does that too early; whatever was cut off in its last message was never confirmed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import math
import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from engine.store.messages import MESSAGE_MAX, RunBegan, ToRecorder, one_to_recorder
from engine.store.schema import StoreError
from engine.store.trust import is_own
from engine.store.writer import Writer
from engine.stream.types import UNREADABLE

_CAREFUL: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A file of that name may be somebody else's: a link, or a pipe."""
_HEAD: Final = struct.Struct("<II")
"""Before each message: its length, and its CRC-32."""
_AT_ONCE: Final = 500
"""Messages that go into the database in one transaction."""
BUSY_SECONDS: Final = 2.0
"""Between two words of how far it has come."""
_LARGE: Final = 4 << 20
"""Bytes of a file from which on that is told at once."""
_TOGETHER: Final = 1 << 20
"""Bytes that are written together."""


def folders(database: Path) -> list[tuple[Path, str]]:
    """Where such files of a database may lie, the best place first, and what their names begin with there."""
    path = database.absolute()
    base = os.environ.get("XDG_STATE_HOME", "")
    state = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    return [
        (path.parent, f"{path.name}."),
        (state / "shoal", f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}."),
    ]


class Aside:
    """Such a file, open for one run."""

    def __init__(self, database: Path, run: str, durable: bool) -> None:
        """Made, or gone on with, in the first folder that takes it. `durable`: what is written outlives the machine.

        Raises OSError.
        """
        failed: OSError | None = None
        for folder, prefix in folders(database):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path = folder / f"{prefix}{run}.aside"
                self._fd, self._end = _opened(self.path)
            except OSError as error:
                failed = failed or error
                continue
            break
        else:
            assert failed is not None
            raise failed
        self._durable = durable

    def append(self, messages: Iterable[bytes]) -> None:
        """Write messages: all, or none of them. Raises OSError."""
        at = self._end
        waiting = bytearray()
        try:
            for message in messages:
                waiting += _HEAD.pack(len(message), zlib.crc32(message)) + message
                if len(waiting) >= _TOGETHER:
                    at = self._write(waiting, at)
                    waiting.clear()
            at = self._write(waiting, at)
            if self._durable:
                os.fsync(self._fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._end)
            raise
        self._end = at

    def _write(self, data: bytes | bytearray, at: int) -> int:
        """Where what is written ends."""
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                done += os.pwrite(self._fd, view[done:], at + done)
        return at + done

    def close(self) -> None:
        """Give the lock back; the next recorder may take it in. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _opened(path: Path) -> tuple[int, int]:
    """A file to go on with, and where its last message ends. One that is damaged before that is moved out of the way:
    what is behind the damage was confirmed. Raises OSError.
    """
    while True:
        fd = _locked(path)
        try:
            end = max((end for _, end in _frames(fd)), default=0)
            if _ends(fd, end):
                os.ftruncate(fd, end)
                return fd, end
            _keep(path)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _keep(path: Path) -> Path:
    """Give a file of which not all could be taken in another name, for people to look at. Whoever does it has its lock.
    Raises OSError.
    """
    names = (path.with_name(f"{path.name}.bad{number or ''}") for number in itertools.count())
    kept = next(name for name in names if not os.path.lexists(name))
    path.rename(kept)
    return kept


def _locked(path: Path) -> int:
    """Open a file to write to, made if there is none, and lock it. Raises OSError, PermissionError if it is somebody
    else's.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | _CAREFUL, 0o600)
        try:
            if not is_own(os.fstat(fd)):
                raise PermissionError(errno.EACCES, "a file there is not ours alone to write to")
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_there(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # whoever had the lock has taken it in, and removed it


def _is_there(path: Path, fd: int) -> bool:
    """Whether a file that is open still has its name."""
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


def _frames(fd: int) -> Iterator[tuple[bytes, int]]:
    """The whole messages of a file, each with where it ends."""
    at = 0
    while True:
        head = os.pread(fd, _HEAD.size, at)
        if len(head) < _HEAD.size:
            return
        size, check = _HEAD.unpack(head)
        if not 0 < size <= MESSAGE_MAX:
            return
        data = os.pread(fd, size, at + _HEAD.size)
        if len(data) < size or zlib.crc32(data) != check:
            return
        at += _HEAD.size + size
        yield data, at


def _ends(fd: int, at: int) -> bool:
    """Whether nothing is behind the message that ends there, but for one that was cut off while it was written, and so
    was never confirmed.
    """
    left = os.fstat(fd).st_size - at
    if left > MESSAGE_MAX + _HEAD.size:
        return False
    rest = os.pread(fd, left, at)
    if len(rest) < _HEAD.size or not any(rest):  # zeros: its length outlived the machine, and it did not
        return True
    size, _ = _HEAD.unpack_from(rest)
    if not 0 < size <= MESSAGE_MAX or _HEAD.size + size <= len(rest):
        return False
    return not any(_is_message(rest, start) for start in range(1, len(rest) - _HEAD.size))


def _is_message(data: bytes, at: int) -> bool:
    """Whether a whole message begins there."""
    size, check = _HEAD.unpack_from(data, at)
    begin = at + _HEAD.size
    return 0 < size <= len(data) - begin and bool(zlib.crc32(memoryview(data)[begin : begin + size]) == check)


def waiting(database: Path, run: str | None = None) -> list[Path]:
    """Files that stand in for a database, whether or not somebody still writes them, and whosever they are. With `run`,
    only those of this one.
    """
    found = []
    for folder, prefix in folders(database):
        with contextlib.suppress(OSError):
            names = sorted(name for name in os.listdir(folder) if _is_one(name, prefix, run))
            found += [path for name in names if not (path := folder / name).is_dir()]
    return found


def _is_one(name: str, prefix: str, wanted: str | None) -> bool:
    run, _, rest = name.removeprefix(prefix).partition(".")
    return name.startswith(prefix) and run == (wanted or run or None) and rest == "aside"


def fold_in(
    database: Path,
    db: sqlite3.Connection,
    say: Callable[[str], None],
    complain: Callable[[str], None],
    run: str | None = None,
    busy: Callable[[str], None] = lambda text: None,
) -> None:
    """Write what stands in such files into the database, open as `db`, and remove them. Raises sqlite3.Error where it
    takes nothing now: then they stay.

    One that is still written to is left alone, and so is one that others may have written: a run could be resumed from
    it, whose commands and pickles are theirs. One of which not everything could be written down is kept under another
    name. With `run`, only what is of this one. `say` hears one line about each that was taken in, `complain` of all the
    others, and `busy` every few seconds how far it has come.
    """
    for path in waiting(database, run):
        try:
            fd = os.open(path, os.O_RDONLY | _CAREFUL)
        except FileNotFoundError:  # somebody else has just taken it in
            continue
        except OSError as error:
            complain(f"{path} was not taken into {database}: {error.strerror or error}")
            continue
        try:
            if not is_own(os.fstat(fd)):
                complain(f"{path} was not taken into {database}: it is not yours alone to write to")
                continue
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(path, fd):
                if wrong := _fold(path, fd, db, busy):
                    many = f" (and {len(wrong) - 1:,} things more)" if len(wrong) > 1 else ""
                    text = f"{path} was not wholly taken into {database}, and is kept as {_keep(path).name}"
                    complain(f"{text}: {wrong[0]}{many}")
                else:
                    path.unlink()
                    say(f"{path} was taken into {database}")
        except BlockingIOError:
            continue
        except (StoreError, OSError) as error:
            complain(f"{path} was not taken into {database}: {error}")
        finally:
            os.close(fd)


def _alone(db: sqlite3.Connection, message: ToRecorder) -> ToRecorder:
    """The message; a run that was resumed begins with it where the database that knew of it is no more."""
    if not isinstance(message, RunBegan) or not message.resumed:
        return message
    known = db.execute("SELECT 1 FROM runs WHERE id = ?", (message.run,)).fetchone()
    return message if known else msgspec.structs.replace(message, resumed=0)


def _fold(path: Path, fd: int, db: sqlite3.Connection, busy: Callable[[str], None]) -> list[str]:
    """Write down what a file has; what could not be, a line each. Raises sqlite3.Error or `StoreError`."""
    wrong: list[str] = []
    end = 0
    found = os.fstat(fd)
    seen, size = found.st_mtime, found.st_size
    told = -math.inf if size >= _LARGE else time.monotonic()
    writer = Writer(db, folding=True)
    batch: list[ToRecorder] = []
    (kept,) = db.execute("PRAGMA synchronous").fetchone()
    db.execute("PRAGMA synchronous = FULL")  # the file goes away afterwards
    try:
        for data, at in _frames(fd):
            if time.monotonic() - told > BUSY_SECONDS:
                told = time.monotonic()
                busy(f"taking in what was put aside in {path}: {end >> 20:,} of {size >> 20:,} MiB")
            end = at
            try:
                batch.append(_alone(db, one_to_recorder.decode(data)))
            except UNREADABLE as error:
                wrong.append(f"a message was not understood: {error}")
            if len(batch) == _AT_ONCE:
                wrong += writer.write(batch, seen)
                batch.clear()
        wrong += writer.write(batch, seen)
        if not _ends(fd, end):
            wrong.append(f"it is damaged at byte {end:,}")
        writer.tidy()
    finally:
        db.execute(f"PRAGMA synchronous = {kept}")
    return wrong
