"""How often a screen is to be looked at: as asked for, less if nobody looks or the terminal can't follow. Pure."""

from __future__ import annotations

from typing import Final

from tui.preferences import RATES

UNWATCHED: Final = 1.0
"""Looks a second while the terminal has lost the focus."""
_CROWDED: Final = 6
"""Writes that wait for the terminal: more, and it is too slow for this pace."""
_CALM: Final = 30
"""Looks without anything waiting after which a faster pace is tried again."""


class Pace:
    """The rate to ask the feed for."""

    def __init__(self, asked: int) -> None:
        """`asked`: looks a second, one of `RATES`."""
        self.asked = asked
        self.focused = True
        self._limit = float(RATES[-1])
        self._calm = 0

    @property
    def hz(self) -> float:
        """Looks a second by now."""
        wanted = float(self.asked) if self.focused else min(self.asked, UNWATCHED)
        return min(wanted, self._limit)

    @property
    def held_back(self) -> bool:
        """Whether the terminal is what makes it slower."""
        return self._limit < self.asked

    def faster(self, steps: int) -> int:
        """Ask for more, or with a negative number for fewer; how many are asked for then."""
        place = min(max(RATES.index(self.asked) + steps, 0), len(RATES) - 1)
        self.asked = RATES[place]
        self._limit = float(RATES[-1])
        return self.asked

    def drawn(self, waiting: int) -> None:
        """Something was drawn; `waiting`: writes that the terminal has not taken yet."""
        if waiting > _CROWDED:
            self._limit, self._calm = max(RATES[0], min(self._limit, self.asked) / 2), 0
        elif not waiting and self._limit < RATES[-1]:
            self._calm += 1
            if self._calm >= _CALM:
                self._limit, self._calm = min(RATES[-1], self._limit * 2), 0
