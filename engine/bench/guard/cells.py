"""What a session has measured, cell by cell: every sample of it, and how it is to be compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from engine.bench.rows import Row
from engine.bench.statistics import median
from engine.stream.benchmarks import Better

_FLOORS: Final = {"s": 1e-3, "/s": 50.0, "B": 262_144.0, "x": 0.01, "%": 0.005}
"""By unit, a change too small to be any of ours: the clock, the scheduler and the allocator make as much."""
_OWN_FLOORS: Final = {"round-trip": 2e-6}
"""Of cells whose sample is the median of many: that of a thousand is known better than any of them."""
_CLOCKED: Final = ("s", "/s")
"""Units of what goes as fast as the machine does. Shares, and bytes, do not."""


class Cell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that was measured in a session, again and again, on each of its sides.

    Attributes:
        name: the same in every session.
        metric: for people.
        unit: of the values: "s", "/s", "B", "x" or "%".
        better: which values are.
        floor: a change of less, in the unit, is none.
        work: what was done, as text: cells of other work are not comparable.
        repeat: pairs in each round. They are not told apart: what disturbs a round disturbs all of them.
        samples: by side, "ours" and whatever it was measured beside, in the order in which they were taken.
        again: how many rounds at the end of them are of a re-run.
    """

    name: str
    metric: str
    unit: str
    better: Better
    floor: float
    samples: dict[str, list[float]]
    work: str = ""
    repeat: int = 1
    again: int = 0

    def __post_init__(self) -> None:
        if not self.samples.get("ours") or self.repeat < 1:
            raise ValueError(f"cell {self.name!r} has no samples")

    @property
    def beside(self) -> str:
        """The other side, "" for none."""
        return next((side for side in self.samples if side != "ours"), "")

    @property
    def clocked(self) -> bool:
        """Whether it goes as the machine does: nothing was measured beside it, and it is a matter of time."""
        return not self.beside and self.unit in _CLOCKED

    @property
    def rounds(self) -> int:
        """How many it has."""
        return len(self.samples["ours"]) // self.repeat

    def value(self) -> float:
        """The median of our side. Raises ValueError for no samples."""
        return median(self.samples["ours"])

    def levels(self) -> list[float]:
        """How bad it was, round by round: the natural logarithm of the value, by that of the other side if there is
        one, and with its sign turned where more is better. Twice as bad is always ln 2 more.

        Raises ValueError for values that have no logarithm.
        """
        sides = [self.samples["ours"]]
        if self.beside:
            sides.append(self.samples[self.beside])
        if any(not (value > 0 and math.isfinite(value)) for side in sides for value in side):
            raise ValueError("values of 0 or less have no ratio")
        if len({len(side) for side in sides}) > 1:
            raise ValueError("its sides were not measured equally often")
        sign = 1 if self.better == "low" else -1
        logs = [
            sign * (math.log(values[0]) - (math.log(values[1]) if self.beside else 0.0))
            for values in zip(*sides, strict=True)
        ]
        whole = range(0, len(logs) // self.repeat * self.repeat, self.repeat)
        return [math.fsum(logs[at : at + self.repeat]) / self.repeat for at in whole]

    def unlike(self, other: Cell) -> str:
        """Why the two can't be compared, "" if they can."""
        if (self.unit, self.better) != (other.unit, other.better):
            return "its unit was another one"
        if self.work != other.work:
            return "it was of another size"
        if self.beside != other.beside:
            return f"it was measured beside {other.beside or 'nothing'}, not {self.beside or 'nothing'}"
        return ""

    def and_again(self, more: Cell) -> Cell:
        """With the rounds of a re-run after its own."""
        samples = {side: [*values, *more.samples[side]] for side, values in self.samples.items()}
        return msgspec.structs.replace(self, samples=samples, again=self.again + more.rounds)


def of_row(
    row: Row, title: str, samples: Mapping[str, Sequence[Mapping[str, Any]]], size: Mapping[str, Any], repeat: int
) -> Cell:
    """The cell of a row. `size`: the arguments of its measurement.

    Raises ValueError for samples that are no numbers.
    """
    # How much work a second takes is counted anew each time, for both sides together.
    work = {name: value for name, value in size.items() if name != "iterations"}
    values = {side: [float(one["value"]) for one in found] for side, found in samples.items()}
    if not all(math.isfinite(value) for side in values.values() for value in side):
        raise ValueError("it measured what is no number")
    return Cell(
        name=row.name, metric=title, unit=row.unit, better=row.better,
        floor=_OWN_FLOORS.get(row.name, _FLOORS.get(row.unit, 0.0)), work=json.dumps(work, sort_keys=True),
        repeat=repeat, samples=values,
    )  # fmt: skip
