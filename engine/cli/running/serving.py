"""What an engine behind a screen says to the process that started it for one, by a pipe: that it has looked at what was
asked for and begins, then where it listens; then it closes the pipe.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_ACCEPTED: Final = b"\n"


def accept(pipe: int | None) -> None:
    """There is nothing to be objected to what was asked for, but what only its imports may show. May be said again.
    `pipe`: a descriptor; None where there is no screen.
    """
    if pipe is not None:
        with contextlib.suppress(OSError):
            os.write(pipe, _ACCEPTED)


def listen(pipe: int, path: Path) -> None:
    """The engine listens at `path`; this is the last that is said."""
    with contextlib.suppress(OSError):
        os.write(pipe, str(path).encode())
    os.close(pipe)


def place(said: bytes) -> Path | None:
    """Where it listens, of all that was said; None if it ended before that."""
    path = said.lstrip(_ACCEPTED)
    return Path(path.decode()) if path else None
