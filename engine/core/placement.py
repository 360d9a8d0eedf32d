"""On which shard a task is placed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from engine.settings.types import Strategy

_MASK: Final = (1 << 64) - 1
PIECE: Final = 64
"""Tasks that are placed together at the most: a batch is of tasks that follow each other."""


class Place(Protocol):
    """Where a task may be placed: a shard."""

    up: int
    """Agents that can work there."""


P = TypeVar("P", bound=Place)


def mix(value: int) -> int:
    """A 64-bit number that looks random, the same for the same value: the finaliser of splitmix64 (Steele, Lea and
    Flood, OOPSLA 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def piece_size(tasks: int, shards: int) -> int:
    """Tasks to place together: so few that even a small range reaches every shard several times."""
    return max(1, min(PIECE, tasks // (8 * shards)))


class Placement:
    """One pool's way of choosing a shard, for all strategies but least-loaded, which chooses when an agent is free.

    Attributes:
        strategy: its name.
    """

    __slots__ = ("_turn", "strategy")

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self._turn = 0

    @property
    def late(self) -> bool:
        """Tasks wait in the pool's own queue, and are placed when they are sent."""
        return self.strategy == "least-loaded"

    @property
    def keyed(self) -> bool:
        """A range with a key of its own goes to one shard as a whole."""
        return self.strategy == "hash"

    def place(self, key: int, shards: Sequence[P]) -> P:
        """The shard for a key; one that works, if any does. Keys matter to ``hash`` only: the same one goes to the same
        shard as long as that works."""
        if self.strategy == "hash":
            at = mix(key)
        else:
            at = self._turn if self.strategy == "round-robin" else mix(self._turn)
            self._turn += 1
        for probe in range(len(shards)):
            shard = shards[(at + probe) % len(shards)]
            if shard.up:
                return shard
        return shards[at % len(shards)]
