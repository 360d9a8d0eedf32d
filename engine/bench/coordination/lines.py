"""The findings as lines: what is wanted, what each mechanism brings, and what each combination takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.bench.ablation.effects import Effect
from engine.bench.coordination.findings import Findings
from engine.bench.coordination.findings import Line as Combination
from engine.bench.lines import Figure, Line, figures, of_effect, of_factor, wanted

_ALONE: Final = "none of them"


def lines(found: Findings) -> list[Line]:
    """Of one number of agents."""
    return [*_wanted(found), *_brought(found), *_combinations(found)] if found.lines else []


def _wanted(found: Findings) -> Iterator[Line]:
    every = next((line for cell, line in found.lines.items() if cell.on == frozenset(found.flags)), None)
    if every is None:
        return
    for one in found.wanted:
        marks: tuple[float | None, float | None] = (None, None)
        if one.unit == "x":
            marks = one.must_at, one.aim_at
            told = of_factor(found.impact.together, _ALONE) | {"rounds": every.seconds.rounds}
        elif one.unit == "s":
            told = of_effect(every.seconds)
        else:
            told = {"value": one.value, "rounds": every.seconds.rounds}
        yield Line(
            part=f"{found.agents:,} agents", name=one.what, title=one.what, unit="" if one.unit == "x" else one.unit,
            must=wanted(one.must, marks[0]), aim=wanted(one.aim, marks[1]),
            cell="" if one.unit == "%" else _cell(found, "all"), **told,
        )  # fmt: skip


def _brought(found: Findings) -> Iterator[Line]:
    impact = found.impact

    def line(part: str, name: str, effect: Effect, beside: str, cell: str = "") -> Line:
        return Line(
            part=f"{found.agents:,} agents, {part}", name=name, title=name, rounds=effect.rounds, cell=cell,
            **of_factor(effect, beside),
        )  # fmt: skip

    for flag, effect in impact.alone.items():
        yield line("each mechanism alone", flag.replace("_", " "), effect, _ALONE, _cell(found, flag))
    for flag, effect in impact.among.items():
        told = flag.replace("_", " ")
        yield line("each beside all others", told, effect, f"all but {told}", _cell(found, "all"))
    if impact.together is not None:
        yield line("together", "all of them", impact.together, _ALONE, _cell(found, "all"))
    if impact.interaction is not None:
        yield line("together", "beyond the product of each", impact.interaction, "the product of each alone")


def _combinations(found: Findings) -> Iterator[Line]:
    nothing = next((line for cell, line in found.lines.items() if not cell.on), None)
    for cell, line in found.lines.items():
        faster = found.faster.get(cell)
        yield Line(
            part=f"{found.agents:,} agents, combinations", name=cell.name, title=cell.name.replace("_", " "), unit="s",
            figures=_besides(line), cell=_cell(found, cell.name), **of_effect(line.seconds),
            **of_factor(faster, _ALONE, None if nothing is None else nothing.seconds.ratio),
        )  # fmt: skip


def _besides(line: Combination) -> dict[str, Figure]:
    return figures(
        {
            "start": (line.start, "s"), "tasks": (line.tasks, "s"),
            **{f"answer {name}": (value, "s") for name, value in line.answers.items()},
            "delivered": (line.delivered, "%"), "messages": (line.messages, "/s"), "cpu": (line.processor, "s"),
            "memory": (line.memory, "B"), "own": (line.own, "B"), "fds": (line.descriptors, ""),
        }
    )  # fmt: skip


def _cell(found: Findings, name: str) -> str:
    """As the history has it."""
    return cell_name(found.agents, name)


def cell_name(agents: int, combination: str) -> str:
    """What the history calls the samples of a combination."""
    return f"{agents}-{combination.replace(' ', '-')}"
