"""All agents of a run, called page by page: what a list of them needs. Pure: it is told the time and the answers."""

from __future__ import annotations

from typing import Final

import msgspec

from engine.stream.types import PAGE_MAX, AgentRow, Condition, Reply
from tui.view import AgentTable

EVERY: Final = 1.0
"""Seconds between two roll-calls of a thousand agents or fewer; of more, as many times as long."""
_PATIENCE: Final = 5.0
"""Seconds after which an answer is not awaited any more."""


class AgentRoll:
    """One roll-call after the other."""

    def __init__(self) -> None:
        self._wish: tuple[Condition, ...] | None = None
        self._rows: list[AgentRow] = []
        self._due = 0.0
        self._number: int | None = None
        self._asked = 0.0

    def forget(self) -> None:
        """Begin from the start, at once, when somebody asks again."""
        self._wish, self._rows, self._due, self._number = None, [], 0.0, None

    def next(self, wish: tuple[Condition, ...], now: float) -> int | None:
        """The offset of the page to ask for now; None: none."""
        if wish != self._wish:
            self.forget()
            self._wish = wish
        if self._number is not None:
            if now - self._asked < _PATIENCE:
                return None
            self._rows = []
        return len(self._rows) if now >= self._due else None

    def asked(self, number: int, now: float) -> None:
        """The page was asked for by a request of this number."""
        self._number, self._asked = number, now

    def wait(self, now: float) -> float:
        """Seconds until `next` may want something, if nothing is heard before."""
        until = self._asked + _PATIENCE if self._number is not None else self._due
        return max(0.0, until - now)

    def awaits(self, reply: Reply) -> bool:
        """Whether that is the answer that is awaited."""
        return reply.id == self._number

    def heard(self, reply: Reply, now: float) -> AgentTable | None:
        """An answer; the table, if that was the last one it needed."""
        self._number = None
        try:
            page = msgspec.convert(reply.data["rows"], list[AgentRow]) if reply.ok else []
            total = int(reply.data["total"]) if reply.ok else 0
        except (KeyError, TypeError, ValueError):
            page, total = [], 0
        self._rows += page
        if page and len(self._rows) < total:
            return None
        rows, self._rows = tuple(self._rows), []
        self._due = now + EVERY * max(1.0, len(rows) / (2 * PAGE_MAX))
        return AgentTable(rows, now, self._wish or ())
