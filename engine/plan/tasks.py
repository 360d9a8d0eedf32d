"""Tables of tasks, made steps: with what their groups and lanes give them, and all that is said of them checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.plan.arguments import give_arguments
from engine.plan.claims import claim_of
from engine.plan.combine import Sourced, Whole
from engine.plan.effort import NO_TIME, Estimate
from engine.plan.gates import gate_of
from engine.plan.model import Claim, Outline
from engine.plan.names import near
from engine.plan.outline import estimate_of, uncertainty_of
from engine.plan.steps import SpecError, Step
from engine.plan.tables import ClaimTable, GroupTable, TaskTable
from engine.settings.fields import is_reference, nearest, shown
from engine.settings.sizes import LARGEST, parse_size

_NOTHING: Final = GroupTable()
_INHERITED: Final = ("owner", "team", "pool", "lane", "milestone")
_MOST: Final = 10**9


class Maker:
    """Makes steps of one plan."""

    def __init__(self, whole: Whole, outline: Outline, pools: Sequence[str]) -> None:
        self._whole = whole
        self._outline = outline
        self._pools = pools
        self._lanes = {label: lane.name for lane in outline.lanes.values() for label in lane.labels}
        self._factors = uncertainty_of(whole)
        self._known: dict[str, Mapping[str, Any]] = {
            "owner": outline.owners, "team": outline.teams, "lane": outline.lanes, "milestone": outline.milestones,
            "pool": dict.fromkeys(pools),
        }  # fmt: skip
        for name in whole.plan.groups:
            self._check_group(name)

    def step(self, sourced: Sourced) -> Step:
        """The step of a table, but for what it comes after. Raises `SpecError`."""
        table, where = sourced.table, sourced.where
        step = Step(
            table.name, call=table.call, command=table.command, gather=table.gather, timeout=table.timeout,
            soft_timeout=table.soft_timeout, retries=table.retries, retry_on=table.retry_on,
            crash_limit=table.crash_limit, report=table.report, title=table.title, results=table.results,
            group=table.group, request=table.request,
        )  # fmt: skip
        if table.gate is not None:
            self._gate(step, where, table)
        self._check_work(step, where, table)
        self._inherit(step, where, table)
        _check_limits(where, table)
        give_arguments(step, where, table, sourced.folder)
        if table.estimate is not None:
            step.estimate = self._estimate(where, "estimate", table.estimate)
        if table.wait is not None:
            step.wait = self._estimate(where, "wait", table.wait)
        if table.request is not None:
            self._request(step, where, table.request)
        if table.memory is not None:
            step.memory = _memory(where, table.memory)
        inherited = self._whole.plan.groups[table.group].claims if table.group is not None else ()
        if table.claims or inherited:
            step.claims = _claims(where, [*inherited, *table.claims], table)
        return step

    def _check_group(self, name: str) -> None:
        where, table = self._whole.where("groups", name), self._whole.plan.groups[name]
        for key in _INHERITED:
            value = getattr(table, key)
            if value is not None and value not in self._known[key]:
                raise SpecError(f"{where}: no {key} {value!r}{nearest(value, self._known[key])}")
        if table.priority is not None and not -_MOST <= table.priority <= _MOST:
            raise SpecError(f"{where}: priority is a whole number of at most {_MOST:,} either way")

    @staticmethod
    def _gate(step: Step, where: str, table: TaskTable) -> None:
        assert table.gate is not None
        step.gate = gate_of(where, table.gate)
        if table.gate.command is not None:
            if table.call is not None or table.command is not None:
                raise SpecError(f"{where}: gate has a command, so there can be no other, and no call")
            step.command = table.gate.command
        looks = step.gate.go or step.call is not None or step.command is not None
        if not looks:
            raise SpecError(f"{where}: gate has a condition or a command, or its task a call or a command")

    @staticmethod
    def _check_work(step: Step, where: str, table: TaskTable) -> None:
        if step.call is not None and step.command is not None:
            raise SpecError(f"{where}: give either call or command")
        if step.call is None and step.command is None:
            if not any(one is not None for one in (table.estimate, table.wait, table.gate, table.request)):
                raise SpecError(f"{where}: give call or command, or an estimate where people do it")
            if table.gather is not None or table.results:
                raise SpecError(f"{where}: results are for a call, and there is none")
        if step.command is not None and not step.command:
            raise SpecError(f"{where}: command is a program and its arguments")
        if step.call is not None and not is_reference(step.call):
            raise SpecError(f"{where}: call is written module:function, not {step.call!r}")

    def _inherit(self, step: Step, where: str, table: TaskTable) -> None:
        """What the task does not say itself its group says, or its lane."""
        group = _NOTHING
        if table.group is not None:
            groups = self._whole.plan.groups
            if table.group not in groups:
                raise SpecError(f"{where}: no group {table.group!r}{near(table.group, groups)}")
            group = groups[table.group]
        found: dict[str, str | None] = {}
        for key in _INHERITED:
            value = getattr(table, key)
            if value is not None and value not in self._known[key]:
                raise SpecError(f"{where}: no {key} {value!r}{nearest(value, self._known[key])}")
            found[key] = getattr(group, key) if value is None else value
        step.owner, step.team, step.milestone = found["owner"], found["team"], found["milestone"]
        step.labels = tuple(dict.fromkeys((*group.labels, *table.labels)))
        step.lane = found["lane"] or self._lane(where, step.labels)
        lane = None if step.lane is None else self._outline.lanes[step.lane]
        step.pool = found["pool"] or (lane.pool if lane is not None else None) or self._pools[0]
        step.priority = table.priority if table.priority is not None else group.priority or 0
        if not -_MOST <= step.priority <= _MOST:
            raise SpecError(f"{where}: priority is a whole number of at most {_MOST:,} either way")

    def _lane(self, where: str, labels: Sequence[str]) -> str | None:
        found = list(dict.fromkeys(self._lanes[label] for label in labels if label in self._lanes))
        if len(found) > 1:
            raise SpecError(f"{where}: its labels lead to the lanes {' and '.join(map(repr, found))}: name one of them")
        return found[0] if found else None

    def _estimate(self, where: str, key: str, given: Any) -> Estimate:
        found = estimate_of(where, key, given, self._outline.calendar)
        return found if self._factors is None or not found.certain else found.scaled(*self._factors)

    def _request(self, step: Step, where: str, name: str) -> None:
        kinds = self._outline.requests
        if name not in kinds:
            raise SpecError(f"{where}: no request {name!r}{nearest(name, kinds)}")
        kind = kinds[name]
        if kind.answered_by is not None:
            if step.owner not in (None, kind.answered_by):
                raise SpecError(f"{where}: {name} is answered by {kind.answered_by!r}, and its owner is {step.owner!r}")
            step.owner = kind.answered_by
        if step.wait is None and kind.within != NO_TIME:
            step.wait = kind.within


def _check_limits(where: str, table: TaskTable) -> None:
    """When a task counts as failed, and what happens then."""
    for key, seconds in (("timeout", table.timeout), ("soft_timeout", table.soft_timeout)):
        if seconds is not None and not 0 < seconds < math.inf:
            raise SpecError(f"{where}: {key} is a number of seconds above 0, not {seconds}")
    for key, number, least in (("retries", table.retries, 0), ("crash_limit", table.crash_limit, 1)):
        if number < least:
            raise SpecError(f"{where}: {key} is at least {least}, not {number}")
    for name in table.retry_on:
        if not all(part.isidentifier() for part in name.split(".")):
            raise SpecError(f"{where}: retry_on is a list of names of exceptions, and {name!r} is none")


def _memory(where: str, given: Any) -> int:
    try:
        if isinstance(given, str):
            return parse_size(given)
        if isinstance(given, int) and not isinstance(given, bool) and 1 <= given < LARGEST:
            return given
    except ValueError:
        pass
    raise SpecError(f"{where}: memory is a size such as 500M or 2G, not {shown(given)}")


def _claims(where: str, given: Sequence[str | ClaimTable], table: TaskTable) -> tuple[Claim, ...]:
    names = None if table.items is not None else [*table.arguments, *table.files, *table.over]
    try:
        found = tuple(claim_of(one, names) for one in given)
    except ValueError as error:
        raise SpecError(f"{where}: {error}") from None
    twice = [claim.what for at, claim in enumerate(found) if any(claim.what == one.what for one in found[:at])]
    if twice:
        raise SpecError(f"{where}: claim {twice[0]!r} is there twice")
    return found
