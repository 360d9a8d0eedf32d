"""A command whose standard streams are a pseudo-terminal that it has for itself."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from pathlib import Path


class Pseudo:
    """A command on a terminal of which it is the foreground. Whoever reads what it writes reads `master`."""

    def __init__(self, arguments: list[str], cwd: Path | None, width: int, height: int, env: dict[str, str]) -> None:
        """`env` is added to the environment, which loses what speaks of another terminal."""
        self.master, slave = pty.openpty()
        self.resize(width, height)
        self.name = os.ttyname(slave)
        self.before = termios.tcgetattr(self.master)
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            arguments,
            stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env={**kept, "TERM": "xterm-256color", **env},
            start_new_session=True, preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(slave)

    def type(self, keys: str) -> None:
        """As if somebody pressed keys."""
        self.type_bytes(keys.encode())

    def type_bytes(self, keys: bytes) -> None:
        """As if a terminal of another encoding did, or a bad line."""
        os.write(self.master, keys)

    def resize(self, width: int, height: int) -> None:
        """As if somebody pulled at the window: whoever has the terminal is told."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def end(self) -> None:
        """Kill it, stopped or not, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
