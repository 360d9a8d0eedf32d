"""The history of a cell: its steps, told by the sessions that they lie between. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from engine.bench.guard import decide, trend
from engine.bench.guard.cells import Cell
from engine.bench.guard.sessions import Session
from engine.bench.statistics import median


@dataclass(frozen=True, slots=True)
class Told:
    """A step.

    Attributes:
        session: the first after it.
        effect: logarithm of the ratio, above 0 for worse.
        p: that it is none.
        text: for people.
    """

    session: str
    effect: float
    p: float
    text: str


def comparable(cell: Cell, sessions: Sequence[Session]) -> dict[str, list[float]]:
    """The levels of a cell in those sessions that have one like it, by their ids; of what goes as the machine does, by
    how fast the machine was.
    """
    found = {}
    for session in sessions:
        one = session.cell(cell.name)
        if one is None or one.unlike(cell):
            continue
        try:
            levels = one.levels()
        except ValueError:  # values that have no ratio
            continue
        speed = math.log(session.speed) if one.clocked else 0.0
        found[session.id] = [level - speed for level in levels]
    return found


def told(cell: str, sessions: Sequence[Session]) -> list[Told]:
    """The steps of a cell over sessions of one machine, suite and size, the oldest first.

    Those where it was of another size than in the last one are left out; what goes as the machine does is taken by how
    fast the machine was, by the calibration.
    """
    last = next((found for session in reversed(sessions) if (found := session.cell(cell)) is not None), None)
    if last is None:
        return []
    taken = {name: median(found) for name, found in comparable(last, sessions).items() if found}
    having, levels = [session for session in sessions if session.id in taken], list(taken.values())
    return [
        Told(
            having[step.at].id, step.effect, step.p,
            f"has become {_percent(step.effect)} with session {having[step.at].id} of "
            f"{time.strftime('%Y-%m-%d', time.localtime(having[step.at].began))} (p {step.p:.1g}, "
            f"{len(having)} sessions)",
        )
        for step in trend.steps(levels)
    ]  # fmt: skip


def _percent(effect: float) -> str:
    """Like ``6 % worse``."""
    factor = decide.ratio(abs(effect)) - 1
    return f"{factor * 100:.0f} % {'worse' if effect > 0 else 'better'}"
