"""What there is a number of, for all pools together: places in lanes, bytes of memory. Tasks take of it while they run.

It is taken with all else that a task needs, or not at all (`claims`), and kept for who was passed over too often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.core.claims import Key, Reservation
    from engine.core.lines import Queue

UNLIMITED: Final = 1 << 62


class Counted:
    """Something of which there is so much and no more.

    Attributes:
        limit: how much there is.
        most: the limit; or what was used when a smaller one was set, until that has run to its end; or what somebody
            takes who runs alone.
        used: how much of it is taken.
        holders: what each batch has taken, by its number; a batch is one agent's.
        reserved: how much is kept for whom.
        queues: who waits for it, by pool and by how much each of them takes.
    """

    __slots__ = ("holders", "limit", "most", "name", "queues", "reserved", "used")

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = self.most = limit
        self.used = 0
        self.holders: dict[int, int] = {}
        self.reserved: dict[Reservation, int] = {}
        self.queues: dict[tuple[int, int], Queue] = {}

    def part(self, amount: int) -> int:
        """How much must be free for somebody who takes `amount`."""
        return amount

    def full(self, amount: int, key: Key, mine: Reservation | None) -> bool:
        """Whether there is not so much left. `key`: of the task that wants it; `mine`: what it has reserved itself."""
        kept = 0
        if self.reserved:
            kept = sum(self.part(some) for who, some in self.reserved.items() if who is not mine and who.key < key)
        return self.used + kept + self.part(amount) > self.limit

    def take(self, batch: int, amount: int) -> None:
        """A batch has so much from now on. `full` must not be so."""
        self.holders[batch] = amount
        self.used += amount
        if self.used > self.most:
            self.most = self.used

    def give_back(self, batch: int) -> None:
        """Nothing of a batch is out any more."""
        self.used -= self.holders.pop(batch)
        if self.most != self.limit:
            self.most = max(self.limit, self.used)

    def set_limit(self, limit: int) -> None:
        """What is above a smaller one runs to its end."""
        self.limit, self.most = limit, max(limit, self.used)


class Lane(Counted):
    """A limit on how many tasks run at a time, of any pool: each takes one place."""

    __slots__ = ()

    def full(self, amount: int, key: Key, mine: Reservation | None) -> bool:
        """As `Counted` has it: asked most often where nothing is kept."""
        return self.used >= self.limit if not self.reserved else super().full(amount, key, mine)


class Memory(Counted):
    """Bytes that tasks say they take. Who takes more than there is by now waits for all of it, and runs alone."""

    __slots__ = ()

    def part(self, amount: int) -> int:
        """As `Counted` has it."""
        return min(amount, self.limit)
