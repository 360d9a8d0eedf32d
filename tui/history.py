"""What a run looked like over the last two minutes, thinned to one value of each series each half second. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

STEP: Final = 0.5
"""Seconds of the run in one value."""
KEPT: Final = 240
"""Values kept of a series."""
_COVERS: Final = 4
"""Steps for which what is told still holds though nothing came: a rate looks back two seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Some series by their names, over the same steps."""

    steps: tuple[Mapping[str, float], ...] = ()
    """The values of each step, the oldest first; empty where nothing was told. The last one is still averaged."""
    last: int = -1
    """Number of the newest step: the elapsed time in steps."""
    samples: int = 0
    """How often the newest step was told of."""

    def add(self, elapsed: float, values: Mapping[str, float]) -> History:
        """This history and one look more; `elapsed`: seconds since the run began."""
        index = int(elapsed / STEP)
        if self.steps and index <= self.last:
            before, samples = self.steps[-1], self.samples + 1
            mean = {
                name: before[name] + (value - before[name]) / samples if name in before else value
                for name, value in values.items()
            }
            return History((*self.steps[:-1], {**before, **mean}), self.last, samples)
        unseen = index - self.last - 1 if self.steps else 0
        known = min(unseen, _COVERS)
        blank = min(unseen - known, KEPT)
        steps = (*self.steps, *[_NOTHING] * blank, *[values] * (known + 1))
        return History(steps[-KEPT:], index, 1)

    def series(self, name: str, last: int = KEPT) -> list[float]:
        """The last values of one series, the oldest first; NaN where nobody told."""
        return [step.get(name, math.nan) for step in self.steps[-last:]]

    def names(self) -> list[str]:
        """Of all series, in the order in which they came up."""
        return list(dict.fromkeys(name for step in self.steps for name in step))


_NOTHING: Final[Mapping[str, float]] = {}
