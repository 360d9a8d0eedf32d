"""What a storm does, and when: made from a seed alone, so that it can be made again.

Pure: whom each strike hits is settled by a number between 0 and 1, for who is there only shows when it is time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Role: TypeAlias = Literal["agent", "host", "nursery", "recorder", "engine"]
Deed: TypeAlias = Literal["kill", "segfault", "stop", "no descriptors", "no disk"]

ROLES: Final[tuple[Role, ...]] = ("agent", "host", "nursery", "recorder", "engine")


@dataclass(frozen=True, slots=True)
class Strike:
    """One thing that is done to one process."""

    at: float
    """Seconds after the storm began."""
    role: Role
    deed: Deed
    pick: float
    """Which one of those who are there: 0 the first, nearly 1 the last."""
    seconds: float
    """How long it lasts, where it is not for good: stopped, out of descriptors, out of disk."""


_PAUSE: Final[dict[Role, float]] = {"agent": 0.25, "host": 1.6, "nursery": 3.0, "recorder": 1.6, "engine": 4.0}
"""Mean seconds between two strikes at one of a role, but no less than half of them: who is given no time to come up
again shows nothing but that.
"""
_DEEDS: Final[dict[Role, tuple[Deed, ...]]] = {
    "agent": ("kill", "kill", "segfault", "stop", "no descriptors"),
    "host": ("kill", "segfault", "stop", "no descriptors"),
    "nursery": ("kill", "segfault", "stop", "no descriptors"),
    "recorder": ("kill", "segfault", "stop", "no descriptors", "no disk"),
    "engine": ("kill", "segfault", "stop", "no descriptors"),
}
_LASTS: Final = (0.05, 1.5)
"""Seconds that what is not for good lasts."""


def plan(seed: int, seconds: float) -> list[Strike]:
    """The strikes of a storm of so many seconds, in order."""
    found: list[Strike] = []
    for role in ROLES:
        dice = random.Random(f"{seed} {role}")  # of its own: one role more or less changes nothing for the others
        deck: list[Deed] = []
        at = dice.uniform(0.2, 1.0) * min(_PAUSE[role], seconds / 2)
        while at < seconds:
            if not deck:
                deck = list(_DEEDS[role])
                dice.shuffle(deck)
            lasts = dice.uniform(*_LASTS)
            found.append(Strike(round(at, 3), role, deck.pop(), dice.random(), round(lasts, 3)))
            at += _PAUSE[role] * (0.5 + dice.expovariate(2.0))
    return sorted(found, key=lambda strike: strike.at)
