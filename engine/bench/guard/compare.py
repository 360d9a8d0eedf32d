"""A session beside what it is to be measured by: an estimate and a verdict for each cell, or why not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from engine.bench.guard import calibration, decide
from engine.bench.guard.cells import Cell
from engine.bench.guard.decide import Estimate, Verdict


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of the machine between the two sessions.

    Attributes:
        alike: it is the same kind of machine.
        moved: by how much it is slower now, as the logarithm of the ratio.
        drift: by how much it moved from the beginning to the end of a session, the larger of both.
    """

    alike: bool = True
    moved: float = 0.0
    drift: float = 0.0

    @property
    def steady(self) -> bool:
        """Whether neither session has seen it change."""
        return self.drift <= calibration.STEADY


@dataclass(frozen=True, slots=True)
class Basis:
    """What a cell is measured by.

    Attributes:
        cell: of the baseline; None for a cell that has none yet.
        machine: between the two sessions.
        between: the variance of sessions beyond that of their rounds.
        in_turns: it is another code, measured beside it in the same session.
        why: it can't be compared, for people; "" if it can.
    """

    cell: Cell | None
    machine: Machine = Machine()
    between: float = 0.0
    in_turns: bool = False
    why: str = ""


def estimates(cells: Iterable[Cell], bases: Mapping[str, Basis]) -> tuple[dict[str, Estimate], dict[str, Verdict]]:
    """By name, how much worse cells are, and what is to be said of those that can't be compared."""
    found: dict[str, Estimate] = {}
    others: dict[str, Verdict] = {}
    for cell in cells:
        basis = bases[cell.name]
        if basis.cell is None:
            others[cell.name] = Verdict("unmeasured", why=basis.why) if basis.why else Verdict("first")
            continue
        try:
            found[cell.name] = _estimated(cell, basis)
        except ValueError as error:
            others[cell.name] = Verdict("unmeasured", why=str(error))
    return found, others


def verdicts(cells: Sequence[Cell], bases: Mapping[str, Basis]) -> dict[str, Verdict]:
    """A verdict for each cell, its re-run included in it where it has one."""
    found, others = estimates(cells, bases)
    reruns = {cell.name: alone for cell in cells if cell.name in found and (alone := again(cell)) is not None}
    confirming, _ = estimates(reruns.values(), bases)
    before = {name: basis.cell for name, basis in bases.items() if basis.cell is not None}
    judged = decide.judge(found, confirming, before) | others
    return {cell.name: judged[cell.name] for cell in cells}


def _estimated(cell: Cell, basis: Basis) -> Estimate:
    assert basis.cell is not None
    return in_turns(cell) if basis.in_turns else estimate(basis.cell, cell, basis.machine, basis.between)


def estimate(before: Cell, now: Cell, machine: Machine, between: float) -> Estimate:
    """How much worse a cell is than it was in another session.

    What was measured beside something is compared by its ratio to that, which a slow machine does not change; one that
    was not steady does, and by that the estimate may be off. What had nothing beside it is compared as it is, and then
    the machine must not have changed by more than 3 %; by what it has changed, the estimate may be off.

    Raises ValueError, with a line for people, if it can't be compared.
    """
    if unlike := now.unlike(before):
        raise ValueError(unlike)
    if now.clocked:
        if not machine.alike:
            raise ValueError("the machine is another one, and there is nothing beside it")
        if not machine.steady:
            raise ValueError("the machine was not steady, and there is nothing beside it")
        if abs(machine.moved) > calibration.STEADY:
            slower = "slower" if machine.moved > 0 else "faster"
            by = decide.ratio(abs(machine.moved)) - 1
            raise ValueError(f"the machine is {by:.0%} {slower} than it was, and there is nothing beside it")
        bias = abs(machine.moved)
    else:
        bias = machine.drift if now.beside and not machine.steady else 0.0
    return decide.unpaired(before.levels(), now.levels(), bias, between)


def in_turns(now: Cell) -> Estimate:
    """How much worse a cell is than that of another code, measured beside it in the same session. Raises ValueError."""
    levels = now.levels()
    return decide.paired([0.0] * len(levels), levels)


def again(cell: Cell) -> Cell | None:
    """The re-run of a cell alone; None if it has none."""
    if not cell.again:
        return None
    since = len(cell.samples["ours"]) - cell.again * cell.repeat
    return msgspec.structs.replace(cell, samples={side: values[since:] for side, values in cell.samples.items()})


def as_before(now: Cell) -> Cell:
    """The other code's side of a cell, as a cell of its own."""
    return msgspec.structs.replace(now, samples={"ours": now.samples[now.beside]})
