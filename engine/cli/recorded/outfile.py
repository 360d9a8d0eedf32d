"""Where an export goes: standard output, or a file that is there only once it is whole."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from engine.cli.recorded.recorded import StoreProblem


@contextlib.contextmanager
def written(out: str | None, database: Path) -> Iterator[BinaryIO]:
    """Open `out` to be written; None and ``-`` are standard output.

    A file takes its place once it is whole, so that what is cut off never passes for an export. Raises `StoreProblem`
    where it can't be written, or is the database itself.
    """
    if out in (None, "-"):
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(str(out))
    real = Path(os.path.realpath(path))  # of a link, what it leads to
    part = real.with_name(f".{real.name}.{os.getpid()}.part")
    try:
        if path.exists() and os.path.samefile(path, database):
            raise StoreProblem(f"{path} is the database itself")
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):  # a device, a named pipe
            with open(path, "wb") as stream:
                yield stream
            return
        with open(part, "wb") as stream:
            yield stream
        part.replace(real)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise StoreProblem(f"can't write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
