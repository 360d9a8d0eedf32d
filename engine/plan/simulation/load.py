"""How busy everybody is, in all and week by week."""

from __future__ import annotations

import msgspec

from engine.plan.simulation.model import Model
from engine.plan.simulation.resources import Resource
from engine.plan.simulation.schedule import Schedule

MOST_WEEKS = 520
"""Weeks that are told apart; a plan of more years is told in all."""


class Load(msgspec.Struct, frozen=True):
    """Of one who works."""

    resource: Resource
    work: float
    """Seconds of work that they did."""
    share: float
    """Of what they could have done until the end of all."""
    weeks: tuple[float, ...]
    """Seconds of work in each week; () where the plan has too many."""


def loads(model: Model, schedule: Schedule) -> list[Load]:
    """Of all resources, in their order."""
    week = model.calendar.week
    count = int(-(-schedule.length // week)) if schedule.length <= MOST_WEEKS * week else 0
    by_week = [[0.0] * count for _ in model.resources]
    work = [0.0] * len(model.resources)
    for number, node in enumerate(model.nodes):
        if node.resource is None or number in schedule.skipped:
            continue
        rate = model.resources[node.resource].rate
        bins = by_week[node.resource]
        for task in schedule.tasks(number):
            start, end = schedule.start[task], schedule.end[task]
            work[node.resource] += (end - start) / rate
            at = int(start // week)
            while count and start < end:
                stop = min(end, (at + 1) * week)
                bins[at] += (stop - start) / rate
                start, at = stop, at + 1
    found = []
    for number, resource in enumerate(model.resources):
        whole = resource.workers * schedule.length / resource.rate
        share = work[number] / whole if whole else 0.0
        found.append(Load(resource, work[number], share, tuple(by_week[number])))
    return found
