"""What a plan says beside its tasks, checked: owners, lanes, groups, milestones and the rest of `model.Outline`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.plan.claims import spelled
from engine.plan.combine import Whole
from engine.plan.effort import HOUR, NO_TIME, Calendar, Estimate, exactly, parse_effort
from engine.plan.model import (
    REQUESTS,
    Group,
    Lane,
    Merge,
    Milestone,
    Outline,
    Owner,
    RequestKind,
    Risk,
    Suite,
    Team,
)
from engine.plan.steps import SpecError
from engine.plan.tables import EstimateTable
from engine.settings.fields import nearest

_MOST: Final = 10**9


def estimate_of(where: str, key: str, given: str | float | EstimateTable, calendar: Calendar) -> Estimate:
    """An estimate as it is written. Raises `SpecError`."""

    def seconds(what: str, value: object) -> float:
        try:
            return parse_effort(value, calendar)
        except ValueError as error:
            raise SpecError(f"{where}: {what} is {error}") from None

    if not isinstance(given, EstimateTable):
        return exactly(seconds(key, given))
    low, high = seconds(f"low of {key}", given.low), seconds(f"high of {key}", given.high)
    likely = (low + high) / 2 if given.likely is None else seconds(f"likely of {key}", given.likely)
    if not low <= likely <= high:
        raise SpecError(f"{where}: {key} has low, likely and high in this order, from the least to the most")
    return Estimate(low, likely, high)


def outline_of(whole: Whole, pools: Iterable[str]) -> Outline:
    """All of it but what tasks add to it: members of milestones are as they are written. Raises `SpecError`."""
    plan = whole.plan
    known = list(pools)
    calendar = _calendar(whole)
    owners = {name: _owner(whole, name, calendar) for name in plan.owners}
    teams = {
        name: Team(name, table.title, _known(whole.where("teams", name), "owner", table.owners, owners))
        for name, table in plan.teams.items()
    }
    lanes = {name: _lane(whole, name, known) for name in plan.lanes}
    for label in {label for lane in lanes.values() for label in lane.labels}:
        twice = [name for name, lane in lanes.items() if label in lane.labels]
        if len(twice) > 1:
            where = whole.where("lanes", twice[1])
            raise SpecError(f"{where}: label {label!r} leads to lane {twice[0]!r}, too: leave one out")
    requests = {kind: RequestKind(kind) for kind in REQUESTS}
    for name, wanted in plan.requests.items():
        where = whole.where("requests", name)
        by = wanted.answered_by
        if by is not None:
            _known(where, "owner", [by], owners)
        within = NO_TIME if wanted.within is None else estimate_of(where, "within", wanted.within, calendar)
        requests[name] = RequestKind(name, by, within)
    merge = Merge()
    if plan.merge is not None:
        order = _known(f"{whole.path}: order of [merge]", "owner", plan.merge.order, owners)
        if len(set(order)) < len(order):
            raise SpecError(f"{whole.path}: order of [merge] names an owner twice")
        merge = Merge(order, plan.merge.then)
    return Outline(
        title=plan.title,
        calendar=calendar,
        order=plan.order or "as-written",
        owners=owners,
        teams=teams,
        groups={name: _group(whole, name) for name in plan.groups},
        lanes=lanes,
        milestones={name: _milestone(whole, name, calendar) for name in plan.milestones},
        requests=requests,
        tests={name: _suite(whole, name) for name in plan.tests},
        risks=tuple(_risk(whole, number) for number in range(len(plan.risks))),
        merge=merge,
        shared=_patterns(f"{whole.path}: shared", plan.shared),
        parameters=whole.parameters,
    )


def uncertainty_of(whole: Whole) -> tuple[float, float] | None:
    """The factors for estimates that are one number; None: there are none. Raises `SpecError`."""
    table = whole.plan.uncertainty
    if table is None:
        return None
    if not (0 < table.low <= 1 <= table.high < math.inf):
        raise SpecError(f"{whole.path}: uncertainty has a low of at most 1 (and above 0), and a high of at least 1")
    return table.low, table.high


def _calendar(whole: Whole) -> Calendar:
    table = whole.plan.calendar
    if table is None:
        return Calendar()
    if not 0 < table.day <= table.week <= 168:
        raise SpecError(f"{whole.path}: [calendar] has hours: a day above 0, a week of at least a day, at most 168")
    return Calendar(table.day * HOUR, table.week * HOUR)


def _owner(whole: Whole, name: str, calendar: Calendar) -> Owner:
    where, table = whole.where("owners", name), whole.plan.owners[name]
    _name(where, name)
    _least(where, "workers", table.workers, 1)
    amounts: dict[str, float | None] = {}
    for key in ("capacity", "effort"):
        given = getattr(table, key)
        amounts[key] = None if given is None else estimate_of(where, key, given, calendar).likely
    if amounts["capacity"] == 0:
        raise SpecError(f"{where}: capacity is above 0: who gets nothing done ends nothing")
    if amounts["capacity"] is not None and table.workers is None:
        raise SpecError(f"{where}: capacity is what its workers get done: say how many there are")
    paths, reads = _patterns(where, table.paths), _patterns(where, table.reads)
    return Owner(name, table.title, table.workers, amounts["capacity"], amounts["effort"], paths, reads)


def _lane(whole: Whole, name: str, pools: list[str]) -> Lane:
    where, table = whole.where("lanes", name), whole.plan.lanes[name]
    _name(where, name)
    _least(where, "limit", table.limit, 1)
    if table.pool is not None:
        _known(where, "pool", [table.pool], pools)
    return Lane(name, table.limit, tuple(table.labels), table.pool)


def _group(whole: Whole, name: str) -> Group:
    where, table = whole.where("groups", name), whole.plan.groups[name]
    _name(where, name)
    weeks = table.weeks
    if weeks is None:
        return Group(name, table.title)
    if len(weeks) != 2 or not 1 <= weeks[0] <= weeks[1] <= 10_000:
        raise SpecError(f"{where}: weeks is the first and the last one, such as [1, 3]")
    return Group(name, table.title, (weeks[0], weeks[1]))


def _milestone(whole: Whole, name: str, calendar: Calendar) -> Milestone:
    where, table = whole.where("milestones", name), whole.plan.milestones[name]
    _name(where, name)
    target = None if table.target is None else estimate_of(where, "target", table.target, calendar).likely
    return Milestone(name, table.title, target)


def _suite(whole: Whole, name: str) -> Suite:
    where, table = whole.where("tests", name), whole.plan.tests[name]
    _name(where, name)
    _least(where, "planned", table.planned, 0)
    if table.coverage is not None and not 0 <= table.coverage <= 1:
        raise SpecError(f"{where}: coverage is a share from 0 to 1, not {table.coverage}")
    return Suite(name, table.planned, table.coverage, tuple(table.tasks))


def _risk(whole: Whole, number: int) -> Risk:
    table = whole.plan.risks[number]
    return Risk(table.text, table.likelihood, table.impact, tuple(table.tasks), table.mitigation)


def _least(where: str, key: str, number: int | None, least: int) -> None:
    if number is not None and not least <= number <= _MOST:
        raise SpecError(f"{where}: {key} is a whole number of at least {least} and at most {_MOST:,}, not {number}")


def _name(where: str, name: str) -> None:
    if not name or not name.isprintable():
        raise SpecError(f"{where}: a name is of one line, and not empty")


def _patterns(where: str, texts: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(map(spelled, texts)))
    except ValueError as error:
        raise SpecError(f"{where}: {error}") from None


def _known(where: str, what: str, names: Iterable[str], known: Mapping[str, Any] | list[str]) -> tuple[str, ...]:
    found = tuple(names)
    for name in found:
        if name not in known:
            raise SpecError(f"{where}: no {what} {name!r}{nearest(name, known)}")
    return found
