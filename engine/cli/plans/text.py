"""What is told of a plan in lines of text: whether it is right, and how it went in a simulation. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from engine.cli.recorded.markdown import sparkline
from engine.cli.words import number, several
from engine.plan.effort import HOUR, effort_text, span_text
from engine.plan.model import Outline
from engine.plan.review import Review
from engine.plan.runnable import check_runnable
from engine.plan.simulation.chain import Link
from engine.plan.simulation.gains import gains
from engine.plan.simulation.simulate import Simulation
from engine.plan.steps import RunSpec, SpecError

_TOLD: Final = 12
"""Steps of a path, or contentions, that are named."""
_GAINS: Final = 5
_CHAIN: Final = 40
"""Lines of a chain."""
_WEEKS: Final = 14
"""Weeks that have a column each; more are a line of bars."""
_WAITS: Final = 8
_LONG: Final = 100.0
"""Seconds from which on a second is little."""
_TRIED: Final = 400_000
"""Tasks that are simulated once more, in all, to see what the end hangs on."""
_WHY: Final = {"beginning": "first", "after": "after", "worker": "when free", "claim": "when released"}


def check_lines(spec: RunSpec, found: Review) -> Iterator[str]:
    """All that was found but the conflicts, which are told apart."""
    outline = spec.outline
    parts = [several(found.sets, "task set"), several(found.tasks, "task")]
    if found.work:
        parts.append(f"{effort_text(found.work)} of work")
    if outline.owners:
        parts.append(several(len(outline.owners), "owner"))
    if outline.milestones:
        parts.append(several(len(outline.milestones), "milestone"))
    yield f"{spec.name}: {', '.join(parts)}"
    path = " -> ".join(_cut(found.path))
    yield _line("order", f"no circle; {span_text(found.length, outline.calendar)} at the least, by {path}")
    if found.gains:
        most = ", ".join(f"{one.name} {effort_text(one.seconds)}" for one in found.gains[:_GAINS])
        yield _line("to gain", f"at the most, if it took no time: {most}")
    for one in found.owners:
        effort = "" if one.effort is None else f" of {effort_text(one.effort)}"
        yield _line("owner", f"{one.owner}: {several(one.tasks, 'task')}, {effort_text(one.work)}{effort}")
    proof = found.proof
    if proof.patterns or proof.claims:
        told = several(len(proof.conflicts), "conflict") if proof.conflicts else "no conflict"
        compared = f"{several(proof.pairs, 'pair')} of patterns and {several(proof.claims, 'claim')} compared"
        yield _line(
            "ownership", f"{several(proof.owners, 'owner')}, {several(proof.patterns, 'pattern')}; {compared}: {told}"
        )
    if len(found.merge.order) > 1 and (not found.merge.circle or outline.merge.order):
        then = "" if outline.merge.then is None else f", then {outline.merge.then}"
        yield _line("merge", ", ".join(found.merge.order) + then)
    for clash in found.contention[:_TOLD]:
        if clash.one == clash.other:
            yield _line("one by one", f"tasks of {clash.one} exclude each other by {clash.what}")
        else:
            yield _line("one by one", f"{clash.one} and {clash.other} exclude each other by {clash.what}")
    if len(found.contention) > _TOLD:
        yield _line("one by one", f"and {len(found.contention) - _TOLD:,} more")
    for remark in found.remarks:
        yield _line("remark", remark)
    try:
        check_runnable(spec.name, spec)
    except SpecError as error:
        if not proof.conflicts:
            yield _line("run", str(error).removeprefix(f"{spec.name}: "))


def _line(head: str, text: str) -> str:
    return f"{head:<11} {text}"


def _cut(names: Sequence[str]) -> list[str]:
    if len(names) <= _TOLD:
        return list(names)
    half = _TOLD // 2
    return [*names[:half], f"({len(names) - 2 * half:,} more)", *names[-half:]]


def simulation_lines(spec: RunSpec, found: Simulation) -> Iterator[str]:
    """All but the chart."""
    outline, schedule = spec.outline, found.schedule
    length = schedule.length
    told = span_text(length, outline.calendar)
    if told != effort_text(length):
        told += f" ({effort_text(length)})"
    yield f"{spec.name}: {told}"
    spread = found.spread
    if spread is not None:
        low, middle, high = (effort_text(one) for one in (spread.low, spread.middle, spread.high))
        share = (
            f"8 of 10 of {several(spread.rounds, 'round')} end between {low} and {high}, half of them before {middle}"
        )
        yield f"with uncertain estimates, {share} (seed {spread.seed}, {spread.shape})"
    if schedule.skipped:
        names = [spec.steps[step].name for step in sorted(schedule.skipped)]
        yield f"not run, because a gate does not let them: {', '.join(_cut(names))}"
    yield ""
    yield from _chain(spec, found)
    yield ""
    yield from _loads(found, outline)
    if found.milestones:
        yield ""
        yield from _milestones(found, outline)
    for lines in (_late(spec, found), _waits(spec, found)):
        if lines:
            yield ""
            yield from lines


def _chain(spec: RunSpec, found: Simulation) -> Iterator[str]:
    moves = moved(found)
    rows = []
    for links in _runs(found.chain):
        first, last = links[0], links[-1]
        name = spec.steps[first.step].name
        if len(links) > 1:
            name += f" x{len(links)}"
        resource = found.model.nodes[first.step].resource
        who = "time passes" if first.task < 0 else "" if resource is None else found.model.resources[resource].name
        moved_by = moves.get(first.step)
        rows.append(
            (
                name, effort_text(first.start), effort_text(last.end - first.start), who, _WHY[first.why],
                "" if moved_by is None or (first.task < 0 and found.model.nodes[first.step].resource is not None)
                else _amount(moved_by),
            )
        )  # fmt: skip
    less = effort_text(shortened(found))
    heads = ("CRITICAL CHAIN", "FROM", "TAKES", "WHO", "BEGINS", f"{less} LESS: END MOVES")
    left = len(rows) - _CHAIN
    if left > 0:
        half = _CHAIN // 2
        rows = [*rows[:half], (f"({left:,} more)", "", "", "", "", ""), *rows[-half:]]
    yield from _table(heads, rows, right=(1, 2, 5))


def _amount(seconds: float) -> str:
    return effort_text(seconds) if seconds > 0 else f"{seconds:.3g} s"


def _runs(chain: Sequence[Link]) -> list[list[Link]]:
    """Links of one step that follow each other for want of workers, or for a claim, are told as one."""
    found: list[list[Link]] = []
    for link in chain:
        if found and found[-1][-1].step == link.step and found[-1][-1].task >= 0 and link.task >= 0:
            found[-1].append(link)
        else:
            found.append([link])
    return found


def moved(found: Simulation) -> dict[int, float]:
    """By step of the chain, the seconds by which the end moves if each of its tasks takes `shortened` less; of as many
    as can be tried in seconds."""
    steps = list(dict.fromkeys(link.step for link in found.chain))
    most = _TRIED // max(1, found.model.tasks)
    return gains(found.model, found.schedule.length, steps[:most], shortened(found))


def shortened(found: Simulation) -> float:
    """By how many seconds: one, or where all of it is over soon a thousandth."""
    return 1.0 if found.schedule.length >= _LONG else 1e-3


def _loads(found: Simulation, outline: Outline) -> Iterator[str]:
    weeks = max((len(load.weeks) for load in found.loads), default=0)
    columns = weeks if 1 < weeks <= _WEEKS else 0
    heads = ["WHO", "WORKERS", "WORK", "BUSY", *(f"W{week}" for week in range(1, columns + 1))]
    if weeks > _WEEKS:
        heads.append("WEEK BY WEEK")
    rows = []
    for load in found.loads:
        row = [load.resource.name, number(load.resource.workers), effort_text(load.work), f"{load.share:.0%}"]
        if columns:
            row += [_hours(load.weeks[week]) for week in range(columns)]
        elif weeks > _WEEKS:
            row.append(sparkline(load.weeks))
        rows.append(tuple(row))
    yield from _table(tuple(heads), rows, right=range(1, 4 + columns))
    if columns:
        yield f"hours of work in each week of {effort_text(outline.calendar.week)}"


def _hours(seconds: float) -> str:
    return f"{seconds / HOUR:.1f}".removesuffix(".0") if seconds else "-"


def _milestones(found: Simulation, outline: Outline) -> Iterator[str]:
    rows = []
    for one in found.milestones:
        at = "never" if one.at is None else span_text(one.at, outline.calendar)
        target = "-" if one.target is None else span_text(one.target, outline.calendar)
        slack = (
            "-"
            if one.slack is None
            else effort_text(one.slack)
            if one.slack >= 0
            else f"{effort_text(-one.slack)} late"
        )
        rows.append((one.name, number(one.tasks), at, target, slack))
    yield from _table(("MILESTONE", "SETS", "REACHED", "TARGET", "SLACK"), rows, right=range(1, 5))


def _late(spec: RunSpec, found: Simulation) -> list[str]:
    """Groups that are not done in the weeks that they are meant for."""
    schedule, week = found.schedule, spec.outline.calendar.week
    rows = []
    for group in spec.outline.groups.values():
        steps = [at for at, step in enumerate(spec.steps) if step.group == group.name and at not in schedule.skipped]
        if group.weeks is None or not steps:
            continue
        start, end = min(schedule.begin[at] for at in steps), max(schedule.finish[at] for at in steps)
        if end > group.weeks[1] * week * (1 + 1e-9):
            first, last = int(start // week) + 1, max(1, -int(-end // week))
            rows.append((group.name, "{}-{}".format(*group.weeks), f"{first}-{last}"))
    return list(_table(("LATER THAN MEANT", "WEEKS", "SIMULATED"), rows, right=(1, 2))) if rows else []


def _waits(spec: RunSpec, found: Simulation) -> list[str]:
    schedule = found.schedule
    waited = []
    for step, node in enumerate(found.model.nodes):
        if node.tasks and step not in schedule.skipped:
            seconds = schedule.waited(step)
            if seconds > 1e-9 * max(1.0, schedule.length):
                waited.append((seconds, step))
    waited.sort(key=lambda one: (-one[0], one[1]))
    rows = []
    for seconds, step in waited[:_WAITS]:
        resource = found.model.nodes[step].resource
        name = "" if resource is None else found.model.resources[resource].name
        rows.append((spec.steps[step].name, effort_text(seconds), effort_text(schedule.worked(step)), name))
    return list(_table(("READY, BUT WAITED", "WAITED", "WORKED", "WHO"), rows, right=(1, 2))) if rows else []


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> Iterator[str]:
    """Aligned columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = (
            text.rjust(width) if at in right else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
