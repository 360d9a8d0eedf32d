"""Where an engine's control socket lies, and which engines are alive.

A socket is ``RUN.sock`` in a folder of this user's alone (0700): ``$XDG_RUNTIME_DIR/shoal``, or ``/tmp/shoal-UID``
where there is no such folder, or none to write in. Some of a user's programs may have that variable and others, such as
those of cron, not: engines are looked for where either has them. Where it names an unusual folder, they are looked for
in that alone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from pathlib import Path

_USUAL = "/run/user/{}"
"""What ``XDG_RUNTIME_DIR`` is for the user of a number, where logins set it."""
_WITHOUT = "/tmp/shoal-{}"
"""The folder of the sockets without it."""
_DRAFT_AGE = 60.0
"""Seconds after which a socket that was never finished is nobody's."""


class UnsafeFolder(OSError):
    """The folder of the sockets belongs to somebody else, or others may write in it."""


def runtime_folder() -> Path:
    """The folder of the sockets, made if it was missing. Raises `UnsafeFolder` if others could plant a socket in it."""
    base = _base()
    folder = Path(_WITHOUT.format(os.getuid())) if base is None else base / "shoal"
    while True:
        with contextlib.suppress(FileExistsError):  # a file, or a link to nowhere: refused below
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # the last of the other engines has just taken it away
            found = os.lstat(folder)
            break
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UnsafeFolder(f"{folder} is not a folder of yours: remove it, or set XDG_RUNTIME_DIR")
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(folder, 0o700)
    return folder


def _base() -> Path | None:
    """The user's folder for such things, if we may have one in there: after ``su`` the variable may still name another
    user's.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base) if base and os.path.isdir(base) and os.access(base, os.W_OK | os.X_OK) else None


def _folders() -> list[Path]:
    """Where engines of this user may be, each folder safe. Raises `UnsafeFolder` as `runtime_folder`."""
    own, base, user = runtime_folder(), _base(), os.getuid()
    usual = Path(_USUAL.format(user))
    if base is not None and base != usual:
        return [own]
    others = (usual / "shoal", Path(_WITHOUT.format(user)))
    return [own, *(folder for folder in others if folder != own and _is_safe(folder))]


def _is_safe(folder: Path) -> bool:
    """Whether it is there, and nobody else can plant a socket in it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077


def answers(path: Path) -> bool:
    """Whether an engine listens behind a socket file. A file left behind by a killed engine does not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except BlockingIOError:  # alive, with a full backlog
            return True
        except OSError:
            return False
    return True


def sweep(folder: Path) -> None:
    """Remove the sockets whose engine is gone, and drafts of sockets that were never finished."""
    for path in folder.glob("*.sock"):
        if not answers(path):
            with contextlib.suppress(OSError):
                path.unlink()
    for path in folder.glob("*.new"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _DRAFT_AGE:
                path.unlink()


def live_sockets() -> list[Path]:
    """Sockets of the engines of this user that answer now, the newest first."""
    stamped: list[tuple[float, Path]] = []
    for path in (path for folder in _folders() for path in folder.glob("*.sock")):
        with contextlib.suppress(OSError):  # it may end while we look
            made = path.stat().st_mtime
            if answers(path):
                stamped.append((made, path))
    return [path for _, path in sorted(stamped, reverse=True)]
