"""A command on a pseudo-terminal, and the part of a terminal that shows what it has written."""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from pathlib import Path

from pseudo import Pseudo

_CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """A terminal as far as lines that are drawn anew need one: line ends, CR, CSI A (up), J and K (erase), folding.

    It keeps whatever has scrolled away; the cursor gets no higher than the last `height` rows. Raises ValueError for
    what it does not know.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._rows: list[tuple[str, bool]] = [("", False)]
        """Text of each row, and whether it goes on in the next one."""
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        """Obey."""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = _CONTROL.match(text, at)
                if match is None:
                    raise ValueError(f"{text[at : at + 10]!r} is not known here")
                self._control(match[1], match[2])
                at = match.end()
                continue
            self._put(text[at])
            at += 1

    def _control(self, numbers: str, letter: str) -> None:
        if letter == "A":
            top = max(0, len(self._rows) - self.height)
            self._row = max(top, self._row - int(numbers or 1))
        elif letter == "K":
            self._rows[self._row] = self._rows[self._row][0][: self._column], False
        elif letter == "J":
            del self._rows[self._row + 1 :]
            self._rows[self._row] = self._rows[self._row][0][: self._column], False
        elif letter != "m":
            raise ValueError(f"CSI {numbers}{letter} is not known here")

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self._column = 0
        elif letter == "\n":
            self._next(False)
        else:
            if self._column == self.width:
                self._next(True)
            text, folded = self._rows[self._row]
            text = text[: self._column].ljust(self._column) + letter + text[self._column + 1 :]
            self._rows[self._row] = text, folded
            self._column += 1

    def _next(self, folded: bool) -> None:
        self._rows[self._row] = self._rows[self._row][0], folded
        self._row += 1
        self._column = 0
        if self._row == len(self._rows):
            self._rows.append(("", False))

    def resize(self, width: int) -> None:
        """Lines are folded anew. The cursor must be at the beginning of the last line."""
        found = self._lines()
        self.width = width
        self._rows = []
        for line in found:
            parts = [line[at : at + width] for at in range(0, len(line), width)] or [""]
            self._rows += [(part, number < len(parts) - 1) for number, part in enumerate(parts)]
        self._row = len(self._rows) - 1

    def _lines(self) -> list[str]:
        found, line = [], ""
        for text, folded in self._rows:
            line += text
            if not folded:
                found.append(line)
                line = ""
        return [*found, line] if line else found

    def lines(self) -> list[str]:
        """All that stands there, folded lines put together, without the empty one that the cursor is on."""
        found = self._lines()
        return found[:-1] if found and not found[-1] else found


class Terminal(Pseudo):
    """A command on a pseudo-terminal, and what stands there."""

    def __init__(self, arguments: list[str], cwd: Path, width: int, height: int, **env: str) -> None:
        super().__init__(arguments, cwd, width, height, env)
        self.raw = ""
        self.screen = Screen(width, height)

    def show(self) -> str:
        """Take in what was written; what stands there then."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            text = data.decode("utf-8", "replace")
            self.raw += text
            self.screen.feed(text)
        return self.text

    @property
    def text(self) -> str:
        """What stands there."""
        return "\n".join(self.screen.lines())

    def agent(self) -> int:
        """The pid of one of the agents of the engine that runs there: a process without children, three below it."""

        def children(pid: int) -> list[int]:
            with contextlib.suppress(OSError):
                return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            return []

        return next(
            agent for nursery in children(self.process.pid) for host in children(nursery) for agent in children(host)
        )  # fmt: skip

    def wait(self) -> int:
        """Take in all that is written until it ends; its exit code."""
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            self.show()
            select.select([self.master], [], [], 0.02)
        self.show()
        return self.process.wait(1)

    def close(self) -> None:
        """End it."""
        self.end()
        os.close(self.master)
