"""A command on a real pseudo-terminal that it has for itself: what it writes, and what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import time
from pathlib import Path
from typing import Any, Final

from processes import wait_for
from pseudo import Pseudo

_CONTROL = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
_MODES: Final = (1000, 1003, 1004, 1006, 1015, 1049, 2004)
"""What a full screen asks of a terminal, and must take back: mouse, focus, the other screen, pasting in brackets."""


class FullScreen(Pseudo):
    """A command on a pseudo-terminal, and everything it has written."""

    def __init__(
        self, arguments: list[str], cwd: Path | None = None, *, width: int = 100, height: int = 30, **env: str
    ) -> None:
        super().__init__(arguments, cwd, width, height, env)
        self.raw = b""
        self.hung_up = False

    def read(self) -> None:
        """Take in what was written."""
        while not self.hung_up and select.select([self.master], [], [], 0)[0]:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            self.raw += data

    @property
    def text(self) -> str:
        """All that was written, without what a terminal obeys."""
        return _CONTROL.sub(b"", self.raw).decode("utf-8", "replace")

    def shows(self, what: str, since: int = 0) -> bool:
        """Whether a text was written, after so many bytes."""
        self.read()
        return what in _CONTROL.sub(b"", self.raw[since:]).decode("utf-8", "replace")

    def wait_to_show(self, what: str, since: int = 0) -> None:
        """Until a text is written."""
        try:
            wait_for(lambda: self.shows(what, since), what=what)
        except BaseException:
            print(self.text[-3000:])
            raise

    def hang_up(self) -> None:
        """As if the window was closed."""
        self.hung_up = True
        os.close(self.master)

    def wait(self, seconds: float = 30.0) -> int:
        """Take in all that is written until it ends; its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
            select.select([] if self.hung_up else [self.master], [], [], 0.02)
        self.read()
        return self.process.wait(1)

    def not_restored(self) -> list[str]:
        """What a terminal would be left with: modes that were set and not taken back, by name."""
        found = [name for name, now, was in zip(_PARTS, self.attributes(), self.before, strict=True) if now != was]
        found += [
            f"mode {mode}"
            for mode in _MODES
            if self.raw.rfind(b"\x1b[?%dh" % mode) > self.raw.rfind(b"\x1b[?%dl" % mode)
        ]
        if self.raw.rfind(b"\x1b[?25l") > self.raw.rfind(b"\x1b[?25h"):
            found.append("cursor hidden")
        if self.raw.rfind(b"\x1b[?7l") > self.raw.rfind(b"\x1b[?7h"):
            found.append("lines not wrapped")
        if self.raw.rfind(b"\x1b[>") > self.raw.rfind(b"\x1b[<u"):
            found.append("keys of kitty")
        return found

    def attributes(self) -> list[Any]:
        """Of the terminal, as it is now."""
        return termios.tcgetattr(self.master)

    def has_room(self) -> bool:
        """Whether anything more could be written, though nobody reads."""
        slave = os.open(self.name, os.O_WRONLY | os.O_NOCTTY)
        try:
            return bool(select.select([], [slave], [], 0)[1])
        finally:
            os.close(slave)

    def seconds_used(self) -> float:
        """Of processors, so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes it has of its own."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """End it."""
        self.end()
        if not self.hung_up:
            with contextlib.suppress(OSError):
                os.close(self.master)


_PARTS: Final = ("input", "output", "control", "local", "input speed", "output speed", "characters")
