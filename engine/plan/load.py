"""Plan files: TOML into a `RunSpec`, with errors that name the file, the place, and the nearest known name."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from engine.plan.combine import Whole, combine
from engine.plan.files import files_of, read
from engine.plan.gates import sources
from engine.plan.model import Lane, Milestone, Outline
from engine.plan.names import Members, check_names, near, set_order
from engine.plan.outline import outline_of
from engine.plan.steps import RunSpec, SpecError, Step
from engine.plan.tables import PoolTable
from engine.plan.tasks import Maker
from engine.settings.fields import fields
from engine.settings.pools import pool_value
from engine.settings.resolve import resolve
from engine.settings.sources import NOTHING, Source
from engine.settings.types import PoolSettings, Settings

__all__ = ["load", "parse", "read"]

_RENAMED = {"agents": "size", "min": "min_size", "max": "max_size"}
"""Keys of `PoolTable` whose field of `PoolSettings` has another name."""


def load(path: Path, command_line: Source = NOTHING, *, set: Mapping[str, str] | None = None) -> RunSpec:  # noqa: A002
    """Read a plan, and resolve the settings it is run with. Raises `SpecError`, and `SettingsError` for a setting.

    `set`: what is set from outside, as text: parameters of the plan by their names, values in it by dotted names, and
    settings.
    """
    return parse(path, read(path), command_line, set=set)


def parse(
    path: Path,
    text: str,
    command_line: Source = NOTHING,
    settings: Settings | None = None,
    *,
    set: Mapping[str, str] | None = None,  # noqa: A002
    included: Mapping[str, str] | None = None,
) -> RunSpec:
    """A plan that was read from `path`, which names of files in it are relative to.

    `settings`: those to run it with, None to resolve them. `included`: the texts of what it includes, by path, None to
    read them. Raises as `load`.
    """
    given = dict(set or {})
    with _no_collection():
        files = files_of(path, text, included)
        spec = _spec(combine(files, given), command_line, given, settings)
    spec.text = text
    spec.included = {str(file.path.absolute()): file.text for file in files[:-1]}
    spec.path = list(dict.fromkeys(str(file.path.parent.resolve()) for file in reversed(files)))
    return spec


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hundreds of thousands of tables are made, and kept: to look through them again and again doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _spec(whole: Whole, command_line: Source, given: Mapping[str, str], settings: Settings | None) -> RunSpec:
    path, plan = whole.path, whole.plan
    if not whole.tasks:
        raise SpecError(f"{path}: no tasks")
    for name in whole.parameters:
        if name in fields():
            raise SpecError(f"{path}: parameter {name!r} has the name of a setting: choose another one")
    for name in given if whole.parameters else ():
        if name not in whole.used and name not in fields():
            known = near(name, [*whole.parameters, *fields()]) or f"; parameters: {', '.join(whole.parameters)}"
            raise SpecError(f"--set {name}: neither a parameter of {path} nor a setting{known}")
    if settings is None:  # else they have the limits of its lanes
        settings = resolve(_rest(command_line, given, whole.used), _settings(whole)).settings
    pools = [_pool(whole, name, table) for name, table in plan.pools.items()] or [PoolSettings()]
    names = [pool.name for pool in pools]
    outline = _with_lanes(outline_of(whole, names), whole, settings)
    check_names(whole)
    maker = Maker(whole, outline, names)
    steps = [maker.step(sourced) for sourced in whole.tasks]
    outline = _ordered(whole, outline, steps)
    files = [str((sourced.folder / file).resolve()) for sourced in whole.tasks for file in sourced.table.files.values()]
    spec = RunSpec(plan.name or path.stem, pools, steps, settings, files=files, outline=outline)
    spec.assigned = dict(whole.used)
    if outline.order == "longest-first":
        from engine.plan.analysis.network import Network
        from engine.plan.analysis.rank import set_priorities

        set_priorities(steps, Network.of(steps))
    return spec


def _with_lanes(outline: Outline, whole: Whole, settings: Settings) -> Outline:
    """With the limits of lanes that hold here, and those lanes that only the settings know and tasks name."""
    limits = settings.lanes
    named = {one.table.lane for one in whole.tasks} | {group.lane for group in whole.plan.groups.values()}
    own = {
        name: msgspec.structs.replace(lane, limit=limits.get(name, lane.limit)) for name, lane in outline.lanes.items()
    }
    more = {name: Lane(name, limit) for name, limit in limits.items() if name in named and name not in own}
    return msgspec.structs.replace(outline, lanes=own | more)


def _rest(command_line: Source, given: Mapping[str, str], used: Mapping[str, str]) -> Source:
    """What is set from outside and not of the plan is a setting."""
    values: dict[str, Any] = {name: value for name, value in command_line.values.items() if name not in used}
    names = dict(command_line.names)
    for name, text in given.items():
        if name not in used and name not in values:
            values[name], names[name] = text, f"--set {name}"
    return Source(values, names, command_line.file)


def _settings(whole: Whole) -> Source:
    values = dict(whole.plan.settings)
    names = {name: f"{name} in [settings]" for name in values}
    if whole.plan.batch_max is not None:
        if "batch_max_size" in values:
            raise SpecError(f"{whole.path}: batch_max and batch_max_size in [settings] are the same: leave one out")
        values["batch_max_size"], names["batch_max_size"] = whole.plan.batch_max, "batch_max"
    if whole.plan.lanes:
        if "lanes" in values:
            raise SpecError(f"{whole.path}: lanes in [settings] are written [lanes.NAME], with a limit")
        values["lanes"], names["lanes"] = {name: lane.limit for name, lane in whole.plan.lanes.items()}, "lanes"
    return Source(values, names, whole.path)


def _pool(whole: Whole, name: str, table: PoolTable) -> PoolSettings:
    values: dict[str, Any] = {}
    for key in PoolTable.__struct_fields__:
        field = _RENAMED.get(key, key)
        try:
            values[field] = pool_value(field, getattr(table, key))
        except ValueError as error:
            file = whole.files.get(("pools", name), whole.path)
            raise SpecError(f"{file}: {key} of pool {name!r} is {error}") from None
    return PoolSettings(name=name, **values)


def _ordered(whole: Whole, outline: Outline, steps: list[Step]) -> Outline:
    """The steps come after each other as they are to, and the outline knows the members of its milestones."""
    plan = whole.plan
    direct: dict[str, list[str]] = {}
    for sourced, step in zip(whole.tasks, steps, strict=True):
        table = sourced.table
        others = (table.gather, *table.results.values(), *(sources(step.gate) if step.gate is not None else ()))
        found = [*table.after, *(other for other in others if other is not None)]
        direct[step.name] = list(dict.fromkeys(found))
    members = Members(steps, direct)
    known = [*direct, *plan.groups]
    for name, milestone in plan.milestones.items():
        for one in milestone.tasks:
            if one not in direct and one not in plan.groups:
                where = whole.where("milestones", name)
                raise SpecError(f"{where}: no tasks {one!r}{near(one, known)}")
            for task in [one] if one in direct else members.of.get(one, []):
                members.add(name, task)
    _check_sources(whole, steps, direct)
    for one, place in _mentioned(whole):
        if one not in direct and one not in plan.groups:
            raise SpecError(f"{place}: no tasks {one!r}{near(one, known)}")
    set_order(whole, steps, members, direct)
    _check_gates(whole, steps)
    milestones: dict[str, Milestone] = {
        name: msgspec.structs.replace(milestone, tasks=tuple(dict.fromkeys(members.of.get(name, ()))))
        for name, milestone in outline.milestones.items()
    }
    return msgspec.structs.replace(outline, milestones=milestones)


def _check_sources(whole: Whole, steps: list[Step], direct: Mapping[str, Any]) -> None:
    """Results are of tasks, and of nothing else that has a name."""
    for sourced, step in zip(whole.tasks, steps, strict=True):
        table = sourced.table
        of = sources(step.gate) if step.gate is not None else ()
        if step.name in of:
            raise SpecError(f"{sourced.where}: gate: of names another task; without it, its own result is looked at")
        for other in (table.gather, *table.results.values(), *of):
            if other is not None and other not in direct:
                raise SpecError(f"{sourced.where}: no tasks {other!r}{near(other, direct)}")


def _mentioned(whole: Whole) -> Iterator[tuple[str, str]]:
    """Tasks and groups that are named beside tasks, each with the place."""
    for number, risk in enumerate(whole.plan.risks, 1):
        yield from ((one, f"{whole.path}: risks {number}") for one in risk.tasks)
    for name, suite in whole.plan.tests.items():
        yield from ((one, whole.where("tests", name)) for one in suite.tasks)


def _check_gates(whole: Whole, steps: list[Step]) -> None:
    """A gate that does nothing itself knows whose result it looks at."""
    for sourced, step in zip(whole.tasks, steps, strict=True):
        gate = step.gate
        if gate is None or gate.of is not None or step.call is not None or step.command is not None:
            continue
        about = [one for one in (*gate.go, *gate.pivot, *gate.stop) if one.result is not None and one.of is None]
        if about and len(step.after) != 1:
            raise SpecError(f"{sourced.where}: gate does not say of which tasks the result is: add of")
