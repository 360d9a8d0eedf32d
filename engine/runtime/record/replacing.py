"""A file that is written anew beside the old one, and takes its place once it is whole."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


class Replacement:
    """The new file, not yet in its place.

    Attributes:
        fd: to write to; whoever takes it closes it.
    """

    def __init__(self, path: Path) -> None:
        """Made beside the file at `path`, or what that leads to, with its owner and mode. One of an earlier try is
        replaced. Raises OSError where that can't be: it is no regular file, has other names, or others' rights.
        """
        self._real = Path(os.path.realpath(path))
        self._part = self._real.with_name(f".{self._real.name}.part")
        found = self._real.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OSError(f"{self._real} can only be written in place")
        with contextlib.suppress(FileNotFoundError):
            self._part.unlink()
        self.fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchown(self.fd, found.st_uid, found.st_gid)
            os.fchmod(self.fd, stat.S_IMODE(found.st_mode))
        except BaseException:
            os.close(self.fd)
            self.drop()
            raise

    def settle(self) -> None:
        """It is whole, and closed: it takes its place. Raises OSError."""
        self._part.replace(self._real)

    def drop(self) -> None:
        """It comes to nothing, and the old one stays."""
        with contextlib.suppress(OSError):
            self._part.unlink()
