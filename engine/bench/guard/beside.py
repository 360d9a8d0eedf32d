"""Two sessions side by side, whatever the gate would make of them: how much each cell has changed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.bench.guard import calibration, compare, decide, fingerprint
from engine.bench.guard.cells import Cell
from engine.bench.guard.decide import Estimate
from engine.bench.guard.sessions import Session


@dataclass(frozen=True, slots=True)
class Beside:
    """A cell of either session.

    Attributes:
        left, right: the cell; None where a session has none.
        estimate: by how much it is worse in the right one; None where that can't be said.
        why: that can't be said, for people.
    """

    name: str
    left: Cell | None
    right: Cell | None
    estimate: Estimate | None = None
    why: str = ""

    @property
    def unit(self) -> str:
        """Of its values."""
        return next((cell.unit for cell in (self.right, self.left) if cell is not None), "")

    @property
    def factor(self) -> tuple[float, float, float] | None:
        """How many times better the right one is, and the interval of that."""
        found = self.estimate
        if found is None:
            return None
        return decide.ratio(-found.effect), decide.ratio(-found.high), decide.ratio(-found.low)


def beside(left: Session, right: Session) -> list[Beside]:
    """All cells of both, in the order of the left one."""
    machine = compare.Machine(
        alike=left.fingerprint == right.fingerprint,
        moved=calibration.moved(left.speed, right.speed),
        drift=max(abs(left.drift), abs(right.drift)),
    )
    names = dict.fromkeys(cell.name for session in (left, right) for cell in session.cells)
    return [_beside(name, left.cell(name), right.cell(name), machine) for name in names]


def _beside(name: str, left: Cell | None, right: Cell | None, machine: compare.Machine) -> Beside:
    if left is None or right is None:
        return Beside(name, left, right, why=f"not in {'A' if left is None else 'B'}")
    try:
        return Beside(name, left, right, compare.estimate(left, right, machine, 0.0))
    except ValueError as error:
        return Beside(name, left, right, why=str(error))


def banners(left: Session, right: Session) -> list[str]:
    """What is to be known before the figures are believed."""
    found = []
    if different := fingerprint.differences(left.machine, right.machine):
        found.append(f"UNLIKE MACHINES: {different}")
    if left.quick != right.quick or left.suite != right.suite:
        kinds = [f"{'quick ' if one.quick else ''}{one.suite}" for one in (left, right)]
        found.append(f"A is a session of {kinds[0]}, B of {kinds[1]}")
    found += [f"the machine was not steady while {name} was measured" for name, one in (("A", left), ("B", right))
              if not one.steady]  # fmt: skip
    return found


def differences(left: Session, right: Session) -> Iterator[tuple[str, str, str]]:
    """What was not the same: a name, and how it was in each."""
    if left.code != right.code:
        yield "code", left.code, right.code
    yield from _different("machine ", left.machine, right.machine)
    yield from _different("", left.packages, right.packages)
    yield from _different("", left.settings, right.settings)
    speeds = [f"{session.speed * 1e3:.2f} ms" for session in (left, right)]
    if abs(calibration.moved(left.speed, right.speed)) > calibration.STEADY:
        yield "calibration", speeds[0], speeds[1]


def _different(prefix: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield f"{prefix}{name}", _text(left.get(name)), _text(right.get(name))


def _text(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)
