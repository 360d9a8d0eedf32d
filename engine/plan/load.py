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

from engine.plan.steps import PoolSpec, RunSpec, SpecError, Step


class PoolTable(msgspec.Struct, forbid_unknown_fields=True):
    """``[pools.NAME]``."""

    agents: int | str = "auto"
    shards: int | str = "auto"
    preload: list[str] = []
    warmup: str | None = None


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
    retries: int = 0
    report: bool = False


class PlanFile(msgspec.Struct, forbid_unknown_fields=True):
    """A whole plan."""

    tasks: list[TaskTable]
    name: str | None = None
    batch_max: int = 500
    pools: dict[str, PoolTable] = {}


_TABLES: dict[str, type[msgspec.Struct]] = {"": PlanFile, "pools": PoolTable, "tasks": TaskTable, "over": RangeTable}


def load(path: Path) -> RunSpec:
    """Read a plan. Raises `SpecError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such plan") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not a text file (byte {error.start} is no UTF-8)") from None
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not TOML: {error}") from None
    try:
        plan = msgspec.convert(raw, PlanFile)
    except msgspec.ValidationError as error:
        raise SpecError(f"{path}: {_explain(str(error))}") from None
    return _check(path, plan)


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


def _count(path: Path, where: str, value: int | str) -> int | None:
    if value == "auto":
        return None
    if isinstance(value, str):
        raise SpecError(f'{path}: {where} is a number or "auto", not {value!r}')
    if value < 1:
        raise SpecError(f"{path}: {where} is at least 1, not {value}")
    return value


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f": did you mean {close[0]!r}?" if close else f"; known: {', '.join(known) or 'none'}"


def _check(path: Path, plan: PlanFile) -> RunSpec:
    if not plan.tasks:
        raise SpecError(f"{path}: no tasks")
    if plan.batch_max < 1:
        raise SpecError(f"{path}: batch_max is at least 1, not {plan.batch_max}")
    pools = [
        PoolSpec(
            name, _count(path, f"agents of pool {name!r}", table.agents),
            _count(path, f"shards of pool {name!r}", table.shards), table.preload, table.warmup,
        )
        for name, table in plan.pools.items()
    ] or [PoolSpec()]  # fmt: skip
    names = [pool.name for pool in pools]
    steps: list[Step] = []
    for number, table in enumerate(plan.tasks, 1):
        where = f"{path}: tasks {number} ({table.name!r})"
        earlier = [step.name for step in steps]
        if table.name in earlier:
            raise SpecError(f"{where}: there is another task set of that name")
        if (table.call is None) == (table.command is None):
            raise SpecError(f"{where}: give either call or command")
        if table.call is not None and not _is_reference(table.call):
            raise SpecError(f"{where}: call is written module:function, not {table.call!r}")
        pool = table.pool or names[0]
        if pool not in names:
            raise SpecError(f"{where}: no pool {pool!r}{_nearest(pool, names)}")
        for other in [*table.after, *([table.gather] if table.gather else [])]:
            if other not in earlier:
                raise SpecError(f"{where}: no earlier tasks {other!r}{_nearest(other, earlier)}")
        if table.timeout is not None and not 0 < table.timeout < math.inf:
            raise SpecError(f"{where}: timeout is a number of seconds above 0, not {table.timeout}")
        if table.retries < 0:
            raise SpecError(f"{where}: retries is at least 0, not {table.retries}")
        steps.append(_step(path, where, table, pool))
    return RunSpec(plan.name or path.stem, pools, steps, plan.batch_max, [str(path.parent.resolve())])


def _is_reference(text: str) -> bool:
    module, colon, name = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in [*module.split("."), *name.split(".")])


def _step(path: Path, where: str, table: TaskTable, pool: str) -> Step:
    step = Step(
        table.name, pool, table.call, table.command, after=list(table.after), gather=table.gather,
        timeout=table.timeout, retries=table.retries, report=table.report,
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
