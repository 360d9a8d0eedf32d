"""How many tasks were over in each stretch of a run, from samples of how many were by then. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from engine.store.queries import Run, Sample

_STEPS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
"""Seconds that a stretch may be long."""
_MOST: Final = 60


class Throughput(NamedTuple):
    """Tasks a second, stretch by stretch."""

    seconds: int
    """How long a stretch is."""
    rates: list[float]
    """Of each, from the beginning of the run on; the last may be cut short."""


def step_for(seconds: float) -> int:
    """How long stretches should be in so long a run: a minute, unless that gives fewer than five or more than 60."""
    fitting = [step for step in _STEPS if seconds / step <= _MOST]
    if not fitting:
        return math.ceil(seconds / 86400 / _MOST) * 86400
    return 60 if 60 in fitting and seconds >= 300 else fitting[0]


def of_run(run: Run, samples: Sequence[Sample], now: float) -> Throughput | None:
    """The rates of a recorded run. `samples`: of the whole run, in order of time; `now`: where it may still go on."""
    # A minute's row has what was so at its end.
    points = [(one.at if one.samples == 1 else one.at + 60, one.done + one.failed) for one in samples]
    ended = now if run.ended is None else run.ended
    points = [(min(at, ended), count) for at, count in points]
    if not run.resumed:  # after a resumption its engine's own count is another one
        points.append((ended, run.done + run.failed))
    return throughput(points, run.started, ended)


def throughput(points: Sequence[tuple[float, int]], began: float, ended: float) -> Throughput | None:
    """The rates between two moments. `points`: moments, in order, and how many tasks were over by then; a number that
    is smaller than the one before counts from a new beginning, as it does where a run was resumed.

    None where there are too few of them to say anything.
    """
    times, counts = [began], [0.0]
    base = last = 0
    for at, count in points:
        if count < last:
            base += last
        last = count
        if at > times[-1]:
            times.append(at)
            counts.append(float(base + count))
        else:
            counts[-1] = float(base + count)
    ended = max(ended, times[-1])
    step = step_for(ended - began)
    if len(times) < 3 or ended - began < 2 * step:
        return None
    stretches = max(1, math.ceil((ended - began) / step - 1e-6))
    edges = [*(began + number * step for number in range(stretches)), ended]
    over = [_at(times, counts, edge) for edge in edges]
    rates = [
        (after - before) / (until - since)
        for before, after, since, until in zip(over, over[1:], edges, edges[1:], strict=False)
    ]  # fmt: skip
    return Throughput(step, rates)


def _at(times: Sequence[float], counts: Sequence[float], moment: float) -> float:
    place = bisect_right(times, moment)
    if place == len(times):
        return counts[-1]
    if place == 0:
        return counts[0]
    since, until = times[place - 1], times[place]
    return counts[place - 1] + (counts[place] - counts[place - 1]) * (moment - since) / (until - since)
