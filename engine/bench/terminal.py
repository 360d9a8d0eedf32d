"""A command on a pseudo-terminal, and somebody who types there and looks at what it writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

WIDTH: Final = 120
HEIGHT: Final = 36
_KEPT: Final = 1 << 20
"""Characters of what was written that are kept."""
_CONTROL: Final = re.compile(
    r"\x1b(?:\[[0-9;:?<=>]*[ -/]*[@-~]|[\]P_^].*?(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78cDEHM])", re.S
)


class TerminalFailed(Exception):
    """What was awaited did not come. The text is one line."""


class Terminal:
    """A command whose standard streams are a terminal of `WIDTH` by `HEIGHT` cells.

    Somebody has to read what it writes, or it waits: `until` and `idle` do.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it."""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        shown = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        try:
            self._process = subprocess.Popen(
                argv, stdin=slave, stdout=slave, stderr=slave, env={**environment, **shown}, start_new_session=True
            )
        finally:
            os.close(slave)
        self.pid = self._process.pid
        self.bytes = 0
        """What it has written in all."""
        self._text = ""

    def press(self, keys: str) -> None:
        """Type; what was written before is forgotten."""
        self._text = ""
        os.write(self._master, keys.encode())

    def until(self, wanted: str, seconds: float) -> str:
        """Look until something is there that a regular expression fits, written in one go but for colours; what it is.

        Raises `TerminalFailed` if it is not there in time, or the command ends.
        """
        pattern = re.compile(wanted)
        deadline = time.perf_counter() + seconds
        while True:
            left = deadline - time.perf_counter()
            if left <= 0 or not self._look(left):
                raise TerminalFailed(f"{wanted!r} was not shown within {seconds:g} s")
            if (found := pattern.search(_CONTROL.sub("", self._text))) is not None:
                return found[0]

    def idle(self, seconds: float) -> None:
        """Let time pass, and look on. Raises `TerminalFailed` if the command ends."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            self._look(left)

    def _look(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # nobody has the other end any more
            data = b""
        if not data:
            last = _CONTROL.sub("", self._text).strip().splitlines()[-1:]
            raise TerminalFailed(f"the command ended: {''.join(last)[:200]}")
        self.bytes += len(data)
        self._text = (self._text + data.decode("utf-8", "replace"))[-_KEPT:]
        return True

    @contextlib.contextmanager
    def ignored(self) -> Iterator[None]:
        """Meanwhile another process takes all that is written, and nobody looks at it."""
        with subprocess.Popen(["cat"], stdin=self._master, stdout=subprocess.DEVNULL) as taker:
            try:
                yield
            finally:
                taker.kill()

    def close(self) -> None:
        """Hang up, and wait for its end."""
        os.close(self._master)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
