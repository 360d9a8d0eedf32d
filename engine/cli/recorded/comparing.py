"""Two recorded runs side by side: ratios of what can be compared, with intervals where the record allows. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from engine.cli.recorded import intervals
from engine.cli.words import number, printable
from engine.store.queries import QUANTILES
from tui.archive import Figure

if TYPE_CHECKING:
    from engine.cli.recorded.throughput import Throughput
    from engine.store.queries import Run, Spread

_ONE_VALUE: Final = "one value each"
_FEW: Final = "too few tasks"


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared of one run.

    Attributes:
        times: of its tasks, in seconds.
        rates: its throughput stretch by stretch, None where nothing was sampled, or not for long.
        memory: bytes that its agents held, at the most.
        agents: that it began with.
    """

    run: Run
    times: Spread
    rates: Throughput | None
    memory: int | None
    deaths: int
    redelivered: int
    agents: int


def figures(left: Side, right: Side) -> tuple[Figure, ...]:
    """The figures of both, and what the right one's are of the left one's."""
    return (
        _throughput(left, right),
        *_quantiles(left, right),
        _failures(left, right),
        _plain("time", "seconds", left.run.seconds, right.run.seconds, "less"),
        _plain("tasks", "count", left.run.tasks, right.run.tasks, ""),
        _plain("agents", "count", left.agents, right.agents, ""),
        _plain("agents died", "count", left.deaths, right.deaths, "less"),
        _plain("redelivered", "count", left.redelivered, right.redelivered, "less"),
        _plain("peak memory", "bytes", left.memory, right.memory, "less"),
    )


def _over(run: Run) -> int:
    return run.done + run.failed


def _throughput(left: Side, right: Side) -> Figure:
    values = left.run.rate, right.run.rate
    if not values[0] or not values[1]:
        return Figure("throughput", "rate", *values, "more", note="nothing was done")
    ratio = values[1] / values[0]
    note = "resumed: a gap" if left.run.resumed or right.run.resumed else ""
    # The last stretch may be cut short.
    off = None if note else intervals.of_rates(*(side.rates.rates[:-1] if side.rates else () for side in (left, right)))
    if off is None:
        return Figure("throughput", "rate", *values, "more", ratio, note=note or "too short to say")
    return Figure("throughput", "rate", *values, "more", ratio, ratio * off.low, ratio * off.high)


def _quantiles(left: Side, right: Side) -> Iterator[Figure]:
    told = [side.times.told(QUANTILES).quantiles for side in (left, right)]
    for share in QUANTILES:
        name, values = f"task time p{share * 100:.10g}", (told[0][share], told[1][share])
        if values[0] is None or values[1] is None:
            yield Figure(name, "seconds", *values, "less", note=_FEW)
            continue
        if not values[0] or not values[1]:
            yield Figure(name, "seconds", *values, "less", note="0 has no ratio")
            continue
        ratio = values[1] / values[0]
        found = [_between(side.times, share) for side in (left, right)]
        if found[0] is None or found[1] is None:
            yield Figure(name, "seconds", *values, "less", ratio, note=_FEW)
            continue
        low, high = intervals.of_quantiles(found[0], found[1])
        yield Figure(name, "seconds", *values, "less", ratio, low, high)


def _between(times: Spread, share: float) -> intervals.Interval | None:
    """Where the true quantile of times lies, such that a ratio of two of them is sure enough."""
    ranks = intervals.ranks(times.count, share, intervals.each())
    if ranks is None:
        return None
    found = times.at(ranks)
    return intervals.Interval(found[ranks[0]], found[ranks[1]])


def _failures(left: Side, right: Side) -> Figure:
    sides = [(side.run.failed, _over(side.run)) for side in (left, right)]
    shares = [failed / over if over else None for failed, over in sides]
    values = shares[0], shares[1]
    if values[0] is None or values[1] is None:
        return Figure("failed", "ratio", *values, "less", note="no task was over")
    found = intervals.of_failures(sides[0], sides[1])
    if found is None:
        least = min(over for _, over in sides)
        most = intervals.most_of_none(least)
        return Figure("failed", "ratio", *values, "less", note=f"both below {most * 100:.2g}%")
    ratio = values[1] / values[0] if values[0] else None
    note = "" if ratio is not None else "none before"
    return Figure("failed", "ratio", *values, "less", ratio, found.low, found.high, note)


def _plain(
    name: str, unit: str, left: float | None, right: float | None, better: Literal["more", "less", ""]
) -> Figure:
    """A figure of which each run has one value, which says nothing of how much it would differ the next time."""
    if left is None or right is None:
        return Figure(name, unit, left, right, better, note="not measured")
    return Figure(name, unit, left, right, better, right / left if left else None, note=_ONE_VALUE)


def differences(left: Side, right: Side) -> tuple[tuple[str, str, str], ...]:
    """What was not the same in both, of what they were begun with: what makes their figures hard to compare."""
    sides = [_begun(side) for side in (left, right)]
    names = dict.fromkeys([*sides[0], *sides[1]])
    return tuple(
        (name, sides[0].get(name, "-"), sides[1].get(name, "-"))
        for name in names
        if sides[0].get(name) != sides[1].get(name)
    )


def _begun(side: Side) -> dict[str, str]:
    run = side.run
    return {
        "name": printable(run.name), "command": printable(shlex.join(run.command)), "tasks": number(run.tasks),
        "shoal": run.version, **facts(run.config), **{f"machine {k}": v for k, v in facts(run.machine).items()},
    }  # fmt: skip


def facts(found: Mapping[str, Any]) -> dict[str, str]:
    """Values as people read them, by name; settings one by one."""
    plain = {name: given for name, given in found.items() if name != "settings"} | (found.get("settings") or {})
    return {
        name: printable(given if isinstance(given, str) else msgspec.json.encode(given).decode())
        for name, given in plain.items()
        if given is not None
    }
