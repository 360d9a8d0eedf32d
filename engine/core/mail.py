"""Messages between agents: a bounded box for each row of the scoreboard, in order, at most once or at least once.

A box belongs to the row, not to the process: what waits for an agent that died is read by its successor.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

BOUND: Final = 1_000
"""Messages that may wait in a box."""
ROOM: Final = 256 << 20
"""Bytes that may wait in a box, unless it is one message alone."""
WINDOW: Final = 32
"""Messages handed to an agent that it has not acknowledged."""


@dataclass(slots=True)
class Letter:
    """One message on its way."""

    sender: int
    """Row of the agent that sent it."""
    number: int
    """The sender's own count."""
    sure: bool
    """At least once; else at most once."""
    body: Any
    """Whatever the runtime makes of it."""
    size: int = 0
    """Bytes that it takes."""


@dataclass(slots=True)
class Box:
    """What waits for one row."""

    waiting: deque[Letter] = field(default_factory=deque)
    crowd: deque[Letter] = field(default_factory=deque)
    """Sure letters that found the box full: their senders wait, or have given up. One of each at the most."""
    out: deque[Letter] = field(default_factory=deque)
    """Handed over and not acknowledged."""
    size: int = 0
    """Bytes of what waits and what was handed over."""
    generation: int = 0
    """Of the agent that reads it, 0 while none does."""


@dataclass(slots=True, frozen=True)
class Deliver:
    """Hand a letter to the agent of a row."""

    row: int
    generation: int
    letter: Letter


@dataclass(slots=True, frozen=True)
class Taken:
    """Tell a sender that its sure letter is in the box."""

    row: int
    number: int


class Mail:
    """All boxes of a run. Stimuli return what is to be done, in order.

    Attributes:
        sent: letters that were put into a box.
        delivered: letters that were acknowledged, or handed over where that is all that was asked.
        redelivered: letters to be handed over again, because their reader died.
        dropped: letters that found a full box, or whose reader died, and that were sent at most once.
    """

    def __init__(self, bound: int = BOUND, window: int = WINDOW, room: int = ROOM) -> None:
        self.sent = 0
        self.delivered = 0
        self.redelivered = 0
        self.dropped = 0
        self._bound = bound
        self._window = window
        self._room = room
        self._boxes: dict[int, Box] = {}

    def post(self, to: int, letter: Letter) -> list[Deliver | Taken]:
        """A letter comes in for a row.

        Who sends a sure one does nothing else until it is taken. So one in the crowd whose sender sends another has
        been given up by it: the new one takes its place.
        """
        box = self._boxes.setdefault(to, Box())
        if letter.sure:
            self._leave(box, letter.sender)
            box.crowd.append(letter)
            return [*self._let_in(box), *self._hand_over(to, box)]
        if box.crowd or not self._has_room(box, letter):
            self.dropped += 1
            return []
        return [*self._put(box, letter), *self._hand_over(to, box)]

    def opened(self, row: int, generation: int) -> list[Deliver | Taken]:
        """The agent of a row begins to read its box. It may say so twice."""
        box = self._boxes.setdefault(row, Box())
        if box.generation == generation:
            return []
        todo = self._take_back(box)
        box.generation = generation
        return [*todo, *self._hand_over(row, box)]

    def acknowledged(self, row: int, generation: int, count: int) -> list[Deliver | Taken]:
        """An agent has read the next `count` letters that it was handed."""
        box = self._boxes.get(row)
        if box is None or box.generation != generation:
            return []
        for _ in range(min(count, len(box.out))):
            box.size -= box.out.popleft().size
            self.delivered += 1
        return [*self._let_in(box), *self._hand_over(row, box)]

    def closed(self, row: int) -> list[Deliver | Taken]:
        """The agent of a row is gone."""
        box = self._boxes.get(row)
        if box is not None:
            box.generation = 0
        todo: list[Deliver | Taken] = []
        for to, other in self._boxes.items():  # nobody waits for these to be taken any more
            if self._leave(other, row):
                todo += [*self._let_in(other), *self._hand_over(to, other)]
        return todo if box is None else [*todo, *self._take_back(box)]

    def clear(self) -> None:
        """Nobody reads any more: let go of everything."""
        self._boxes.clear()

    def depth(self, row: int) -> int:
        """Letters that wait for a row, handed over or not."""
        box = self._boxes.get(row)
        return 0 if box is None else len(box.waiting) + len(box.out) + len(box.crowd)

    def _has_room(self, box: Box, letter: Letter) -> bool:
        count = len(box.waiting) + len(box.out)
        return not count or (count < self._bound and box.size + letter.size <= self._room)

    def _leave(self, box: Box, sender: int) -> bool:
        """Take out of a crowd what a sender has in there; whether there was any."""
        if not box.crowd:
            return False
        staying = deque(letter for letter in box.crowd if letter.sender != sender)
        left = len(staying) < len(box.crowd)
        box.crowd = staying
        return left

    def _let_in(self, box: Box) -> list[Deliver | Taken]:
        """Those of the crowd for whom there is room now: at once, or what is sent later would overtake them."""
        todo: list[Deliver | Taken] = []
        while box.crowd and self._has_room(box, box.crowd[0]):
            todo += self._put(box, box.crowd.popleft())
        return todo

    def _put(self, box: Box, letter: Letter) -> list[Deliver | Taken]:
        box.waiting.append(letter)
        box.size += letter.size
        self.sent += 1
        return [Taken(letter.sender, letter.number)] if letter.sure else []

    def _hand_over(self, row: int, box: Box) -> list[Deliver | Taken]:
        todo: list[Deliver | Taken] = []
        while box.generation and box.waiting and len(box.out) < self._window:
            letter = box.waiting.popleft()
            box.out.append(letter)
            todo.append(Deliver(row, box.generation, letter))
        return todo

    def _take_back(self, box: Box) -> list[Deliver | Taken]:
        """The reader is gone: what it had not acknowledged is read by the next one, if it is worth that."""
        sure = [letter for letter in box.out if letter.sure]
        box.size -= sum(letter.size for letter in box.out if not letter.sure)
        self.redelivered += len(sure)
        self.dropped += len(box.out) - len(sure)
        box.waiting.extendleft(reversed(sure))
        box.out.clear()
        return self._let_in(box)
