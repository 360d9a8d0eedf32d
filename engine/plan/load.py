"""Plan files: TOML into a `RunSpec`, with errors that name the file, the place, and the nearest known name."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from engine.plan.steps import RunSpec, SpecError, Step
from engine.settings.fields import is_reference, nearest
from engine.settings.pools import pool_value
from engine.settings.resolve import resolve
from engine.settings.sources import NOTHING, Source
from engine.settings.types import PoolSettings, Settings


class PoolTable(msgspec.Struct, forbid_unknown_fields=True):
    """``[pools.NAME]``: `PoolSettings` under the names they have in plans, checked when they are made of it."""

    agents: Any = None
    min: Any = None
    max: Any = None
    shards: Any = None
    preload: Any = ()
    warmup: Any = None
    init: Any = None
    warmup_timeout: Any = None
    max_idle: Any = None
    max_tasks: Any = None
    max_bytes: Any = None
    memory_limit: Any = None


_RENAMED = {"agents": "size", "min": "min_size", "max": "max_size"}
"""Keys of `PoolTable` whose field of `PoolSettings` has another name."""


class RangeTable(msgspec.Struct, forbid_unknown_fields=True):
    """``{ from = 0, to = 200 }`` or ``{ from = 0, to = 200, step = 2 }``: both ends included."""

    from_: int = msgspec.field(name="from")
    to: int
    step: int = 1


class TaskTable(msgspec.Struct, forbid_unknown_fields=True):
    """``[[tasks]]``."""

    name: str
    call: str | None = None
    command: list[str] | None = None
    pool: str | None = None
    arguments: dict[str, Any] = {}
    """Keyword arguments that all tasks share."""
    files: dict[str, str] = {}
    """Keyword arguments that are paths, relative to the plan."""
    over: dict[str, list[Any] | RangeTable] = {}
    """Keyword arguments to vary: one task for each combination, the last varying fastest."""
    items: list[Any] | None = None
    """One task for each, as its one argument."""
    after: list[str] = []
    gather: str | None = None
    timeout: float | None = None
    soft_timeout: float | None = None
    retries: int = 0
    retry_on: list[str] = []
    crash_limit: int = 5
    priority: int = 0
    report: bool = False


class PlanFile(msgspec.Struct, forbid_unknown_fields=True):
    """A whole plan."""

    tasks: list[TaskTable]
    name: str | None = None
    batch_max: Any = None
    """The setting ``batch_max_size``, by a name of its own."""
    settings: dict[str, Any] = {}
    """``[settings]``, by the names of `engine.settings.types.Settings`."""
    pools: dict[str, PoolTable] = {}


_TABLES: dict[str, type[msgspec.Struct]] = {"": PlanFile, "pools": PoolTable, "tasks": TaskTable, "over": RangeTable}


def load(path: Path, command_line: Source = NOTHING) -> RunSpec:
    """Read a plan, and resolve the settings it is run with. Raises `SpecError`, and `SettingsError` for a setting."""
    return parse(path, read(path), command_line)


def read(path: Path) -> str:
    """The text of a plan. Raises `SpecError`."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such plan") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not a text file (byte {error.start} is no UTF-8)") from None
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from None


def parse(path: Path, text: str, command_line: Source = NOTHING, settings: Settings | None = None) -> RunSpec:
    """A plan that was read from `path`, which names of files in it are relative to.

    `settings`: those to run it with, None to resolve them. Raises as `load`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not TOML: {error}") from None
    try:
        plan = msgspec.convert(raw, PlanFile)
    except msgspec.ValidationError as error:
        raise SpecError(f"{path}: {_explain(str(error))}") from None
    spec = _check(path, plan, command_line, settings)
    spec.text = text
    return spec


def _explain(error: str) -> str:
    """msgspec's words, with the nearest known key where one is unknown."""
    what, _, where = error.partition(" - at `$")
    place = where.rstrip("`").lstrip(".") or "the top level"
    if "unknown field `" in what:
        unknown = what.split("`")[1]
        parts = re.sub(r"\[[^]]*\]", "", place).split(".")
        last = next((part for part in reversed(parts) if part in _TABLES), "")
        known = [field.encode_name for field in msgspec.structs.fields(_TABLES[last])]
        close = difflib.get_close_matches(unknown, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
        return f"unknown key {unknown!r} in {place}: {hint}"
    return f"{what} in {place}"


def _settings(path: Path, plan: PlanFile) -> Source:
    values = dict(plan.settings)
    names = {name: f"{name} in [settings]" for name in values}
    if plan.batch_max is not None:
        if "batch_max_size" in values:
            raise SpecError(f"{path}: batch_max and batch_max_size in [settings] are the same: leave one out")
        values["batch_max_size"], names["batch_max_size"] = plan.batch_max, "batch_max"
    return Source(values, names, path)


def _pool(path: Path, name: str, table: PoolTable) -> PoolSettings:
    values: dict[str, Any] = {}
    for key in PoolTable.__struct_fields__:
        field = _RENAMED.get(key, key)
        try:
            values[field] = pool_value(field, getattr(table, key))
        except ValueError as error:
            raise SpecError(f"{path}: {key} of pool {name!r} is {error}") from None
    return PoolSettings(name=name, **values)


def _check(path: Path, plan: PlanFile, command_line: Source, settings: Settings | None) -> RunSpec:
    if not plan.tasks:
        raise SpecError(f"{path}: no tasks")
    if settings is None:
        settings = resolve(command_line, _settings(path, plan)).settings
    pools = [_pool(path, name, table) for name, table in plan.pools.items()] or [PoolSettings()]
    names = [pool.name for pool in pools]
    steps: list[Step] = []
    for number, table in enumerate(plan.tasks, 1):
        where = f"{path}: tasks {number} ({table.name!r})"
        earlier = [step.name for step in steps]
        if table.name in earlier:
            raise SpecError(f"{where}: there is another task set of that name")
        if (table.call is None) == (table.command is None):
            raise SpecError(f"{where}: give either call or command")
        if table.call is not None and not is_reference(table.call):
            raise SpecError(f"{where}: call is written module:function, not {table.call!r}")
        pool = table.pool or names[0]
        if pool not in names:
            raise SpecError(f"{where}: no pool {pool!r}{nearest(pool, names)}")
        for other in [*table.after, *([table.gather] if table.gather else [])]:
            if other not in earlier:
                raise SpecError(f"{where}: no earlier tasks {other!r}{nearest(other, earlier)}")
        _check_limits(where, table)
        steps.append(_step(path, where, table, pool))
    files = [str((path.parent / file).resolve()) for table in plan.tasks for file in table.files.values()]
    return RunSpec(plan.name or path.stem, pools, steps, settings, [str(path.parent.resolve())], files)


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


def _step(path: Path, where: str, table: TaskTable, pool: str) -> Step:
    step = Step(
        table.name, pool, table.call, table.command, after=list(table.after), gather=table.gather,
        timeout=table.timeout, soft_timeout=table.soft_timeout, retries=table.retries, retry_on=table.retry_on,
        crash_limit=table.crash_limit, priority=table.priority, report=table.report,
    )  # fmt: skip
    if table.gather is not None:
        step.after = list(dict.fromkeys([*table.after, table.gather]))
        if table.over or table.items is not None or table.arguments or table.files:
            raise SpecError(f"{where}: gather gives the arguments, so there can be no others")
        step.total = 1
        return step
    if table.items is not None:
        if table.over or table.arguments or table.files:
            raise SpecError(f"{where}: give either items or keyword arguments")
        if not table.items:
            raise SpecError(f"{where}: items is empty")
        step.arguments, step.total = table.items, len(table.items)
        return step
    if table.command is not None and (table.over or table.arguments or table.files):
        raise SpecError(f"{where}: a command runs over items")
    shared = dict(table.arguments)
    for name, file in table.files.items():
        found = (path.parent / file).resolve()
        if not found.exists():
            raise SpecError(f"{where}: no such file: {found}")
        shared[name] = str(found)
    columns = {name: _values(where, name, value) for name, value in table.over.items()}
    twice = shared.keys() & columns.keys()
    if twice:
        raise SpecError(f"{where}: {sorted(twice)[0]!r} is given twice")
    step.arguments = Combinations(shared, columns)
    step.keywords = True
    step.total = math.prod(len(column) for column in columns.values())
    if table.command is not None:
        step.arguments, step.keywords = [None], False
    return step


def _values(where: str, name: str, value: list[Any] | RangeTable) -> list[Any] | range:
    if isinstance(value, RangeTable):
        if value.step == 0:
            raise SpecError(f"{where}: the step of {name!r} is 0")
        column: list[Any] | range = range(value.from_, value.to + (1 if value.step > 0 else -1), value.step)
    else:
        column = value
    try:
        count = len(column)
    except OverflowError:  # of a range that nobody lives to see the end of
        raise SpecError(f"{where}: {name!r} has too many values") from None
    if not count:
        raise SpecError(f"{where}: {name!r} has no values")
    return column


class Combinations:
    """Keyword arguments for every combination of the columns, made as they are asked for."""

    def __init__(self, shared: Mapping[str, Any], columns: Mapping[str, list[Any] | range]) -> None:
        self._shared = dict(shared)
        self._columns = dict(columns)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._vary(list(self._columns.items()), self._shared)

    def _vary(self, columns: list[tuple[str, list[Any] | range]], found: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Not by itertools.product: that makes lists of the columns first, and a range may be longer than memory."""
        if not columns:
            yield dict(found)
            return
        name, column = columns[0]
        for value in column:
            yield from self._vary(columns[1:], {**found, name: value})
