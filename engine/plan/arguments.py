"""The arguments of the tasks of a set: shared ones, those that vary, items."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.plan.steps import SpecError, Step
from engine.plan.tables import RangeTable, TaskTable


def give_arguments(step: Step, where: str, table: TaskTable, folder: Path) -> None:
    """Have a step do what its table says of arguments. `folder`: that names of files are relative to.

    Raises `SpecError`.
    """
    if table.gather is not None:
        if table.over or table.items is not None or table.arguments or table.files or table.results:
            raise SpecError(f"{where}: gather gives the arguments, so there can be no others")
        step.total = 1
        return
    if table.items is not None:
        if table.over or table.arguments or table.files or table.results:
            raise SpecError(f"{where}: give either items or keyword arguments")
        if not table.items:
            raise SpecError(f"{where}: items is empty")
        step.arguments, step.total = table.items, len(table.items)
        return
    if table.command is not None and (table.over or table.arguments or table.files or table.results):
        raise SpecError(f"{where}: a command runs over items")
    shared = dict(table.arguments)
    for name, file in table.files.items():
        shared[name] = str(_found(where, folder, file))
    columns = {name: _values(where, name, value) for name, value in table.over.items()}
    for one, other in ((shared, columns), (shared, table.results), (columns, table.results)):
        twice = one.keys() & other.keys()
        if twice:
            raise SpecError(f"{where}: {sorted(twice)[0]!r} is given twice")
    step.arguments = Combinations(shared, columns)
    step.keywords = True
    step.total = math.prod(len(column) for column in columns.values())
    if table.command is not None:
        step.arguments, step.keywords = [None], False


def _found(where: str, folder: Path, file: str) -> Path:
    try:
        found = (folder / file).resolve()
        there = found.exists()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL, a circle of links, a name that is too long
        raise SpecError(f"{where}: no such file: {file!r} ({error})") from None
    if not there:
        raise SpecError(f"{where}: no such file: {found}")
    return found


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
