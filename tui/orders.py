"""What was asked of an engine, and has not been answered yet; and what many agents are still to be told. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.stream.types import Reply

IN_FLIGHT = 8
"""Orders of a round that are under way at a time: an engine listens to a hundred a second, and to others, too."""


@dataclass(slots=True)
class Round:
    """The same order to many, one after the other."""

    name: str
    total: int
    waiting: deque[str] = field(default_factory=deque)
    open: int = 0
    """Sent, and not answered."""
    done: int = 0
    refused: int = 0
    why: str = ""
    """Why the last one was."""

    @property
    def summary(self) -> str:
        """What came of it, in one line."""
        whom = f"{self.done:,} of {self.total:,}" if self.done < self.total else f"{self.done:,}"
        text = f"{self.name}: {whom} agents"
        return f"{text}; {self.refused:,} not: {self.why}" if self.refused else text


class Orders:
    """The numbers of requests whose answers people wait for."""

    def __init__(self) -> None:
        self._open: dict[int, Round | None] = {}
        self._rounds: list[Round] = []

    def sent(self, number: int, of: Round | None = None) -> None:
        """A request went out, by itself or as one of a round."""
        self._open[number] = of
        if of is not None:
            of.open += 1

    def begin(self, name: str, whom: Sequence[str]) -> None:
        """The same order to many: `due` says when."""
        self._rounds.append(Round(name, len(whom), deque(whom)))

    def due(self) -> tuple[Round, str] | None:
        """The next of a round that is to be sent now, and to whom; None: not yet, or none."""
        if sum(of is not None for of in self._open.values()) >= IN_FLIGHT:
            return None
        for round_ in self._rounds:
            if round_.waiting:
                return round_, round_.waiting.popleft()
        return None

    def answered(self, replies: Sequence[Reply]) -> list[Reply]:
        """The answers among these that were still awaited, each once; of a round, one for all once it is over."""
        found = []
        for reply in replies:
            if reply.id not in self._open:
                continue
            round_ = self._open.pop(reply.id)
            if round_ is None:
                found.append(reply)
                continue
            round_.open -= 1
            if reply.ok:
                round_.done += 1
            else:
                round_.refused, round_.why = round_.refused + 1, reply.text
        return [*found, *self._over()]

    def _over(self) -> list[Reply]:
        """What came of rounds that are over by now."""
        over = [round_ for round_ in self._rounds if not round_.waiting and not round_.open]
        self._rounds = [round_ for round_ in self._rounds if round_.waiting or round_.open]
        return [Reply(0, not round_.refused, round_.summary) for round_ in over]

    @property
    def progress(self) -> str:
        """How far rounds have come, "" where there are none: ``recycle 120/3,000``."""
        return "  ".join(f"{round_.name} {round_.done + round_.refused:,}/{round_.total:,}" for round_ in self._rounds)

    def halt(self) -> list[Reply]:
        """Send no more of any round. Those that nobody has to answer for are over."""
        for round_ in self._rounds:
            round_.waiting.clear()
        return self._over()

    def forget(self) -> None:
        """Another engine numbers anew."""
        self._open.clear()
        self._rounds.clear()
