"""Where the results of a run are written: to nothing that it needs itself, and known to be possible beforehand."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from engine.plan.steps import SpecError
from engine.runtime.results import OrderedWriter


def writer_of(out: str | None, kept: list[str | int], again: bool = False) -> OrderedWriter | None:
    """Who writes results to `out`, which must be none of the files `kept`. Nothing is written, or made, by this.
    Raises `SpecError` where that can't be.

    `again`: results that are there stay until the new ones are whole.
    """
    if out is None:
        return None
    if out == "-":
        return OrderedWriter(None, sys.stdout)
    for other in kept:
        if _same_file(out, other):
            name = "standard input" if isinstance(other, int) else other
            raise SpecError(f"--out {out} would overwrite {name}, which this run uses")
    try:
        _check_writable(Path(out))
    except OSError as error:
        raise SpecError(f"can't write {out}: {error.strerror or error}") from None
    return OrderedWriter(Path(out), replaces=again)


def _same_file(out: str, other: str | int) -> bool:
    """Whether they are one file, or would be once they are made."""
    if isinstance(other, str) and os.path.realpath(out) == os.path.realpath(other):
        return True
    try:
        found = os.stat(out)
        return stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.stat(other))
    except OSError:  # at least one is not there
        return False


def _check_writable(path: Path) -> None:
    """Raise OSError if a file can't be written to, or made. It stays as it is, and absent if it is."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        folder = Path(os.path.realpath(path)).parent  # of a link that leads nowhere yet, too
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _denied(folder) from None
        return
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        path.open("ab").close()
    elif not os.access(path, os.W_OK):  # a pipe is not opened for a try: its reader would see it end
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _denied(folder: Path) -> OSError:
    """Why no file can be made there: who asks whether it may hears no more than that it may not."""
    code = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
    return OSError(code, os.strerror(code))
