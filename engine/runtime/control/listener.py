"""Where readers come in: a socket file of this user's alone, and who is at the other end by the kernel's word."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from engine.stream import places

_CREDENTIALS = struct.Struct("3i")


@dataclass(slots=True, frozen=True)
class Peer:
    """A process at the other end of a connection, as it was when it connected."""

    pid: int
    uid: int

    @property
    def trusted(self) -> bool:
        """Whether it may watch and command this process: it is of the same user, or of root."""
        return self.uid in (os.getuid(), 0)

    @property
    def text(self) -> str:
        """For people: ``ada (pid 4711, shoal)``. The process is likely to be gone when somebody reads it."""
        try:
            user = pwd.getpwuid(self.uid).pw_name
        except KeyError:
            user = f"uid {self.uid}"
        try:
            name = Path(f"/proc/{self.pid}/comm").read_text(errors="replace").strip()
        except OSError:  # it has left already
            name = ""
        return f"{user} (pid {self.pid}, {name})" if name and name.isprintable() else f"{user} (pid {self.pid})"


def peer_of(sock: socket.socket) -> Peer:
    """Who connected (unix(7), SO_PEERCRED)."""
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid)


def listen(name: str) -> tuple[socket.socket, Path]:
    """A socket that listens at a path of its own: the file is this user's alone (0600), and so is the folder.

    Raises OSError where it can't be made.
    """
    while True:
        folder = places.runtime_folder()
        places.sweep(folder)
        # Under another name until it listens: a bound socket that does not would look like a dead engine's.
        path, draft = folder / f"{name}.sock", folder / f"{name}.new"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            listener.setblocking(False)
            listener.bind(str(draft))
            os.chmod(draft, 0o600)  # the folder is 0700: nobody else could have come in between
            listener.listen(64)
            os.rename(draft, path)
        except FileNotFoundError:  # the last of the other engines has just taken the folder away
            listener.close()
        except OSError:
            listener.close()
            raise
        else:
            return listener, path
