"""The files of a plan as one: what each of them says of tasks and tables, and where it says so."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine.plan.files import File
from engine.plan.parameters import assign, assigned, declared, filled
from engine.plan.steps import SpecError
from engine.plan.tables import NAMED, TABLES, PlanFile, TaskTable


@dataclass(slots=True)
class Sourced:
    """A table of tasks."""

    table: TaskTable
    where: str
    """As an error about it begins."""
    folder: Path


@dataclass(slots=True)
class Whole:
    """A plan with all that it includes.

    Attributes:
        plan: its tables; `PlanFile.tasks` is empty.
        files: by the name of a table and of what is in it, the file that says so.
        parameters: those in force.
        used: names that were set from outside, and were of the plan.
    """

    path: Path
    plan: PlanFile
    tasks: list[Sourced]
    files: dict[tuple[str, str], Path]
    parameters: dict[str, Any] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)

    def where(self, table: str, name: str) -> str:
        """As an error about something that has a name begins."""
        return f"{self.files.get((table, name), self.path)}: {table.removesuffix('s')} {name!r}"


def combine(files: list[File], given: Mapping[str, str]) -> Whole:
    """One plan of its files, the last of which is the plan itself.

    `given`: what is set from outside. Names with a dot must be of the plan; others may be of something else. Raises
    `SpecError`.
    """
    parameters, used = _parameters(files, given)
    raws = [(str(file.path), file.raw) for file in files]
    if parameters:
        for file in files:
            where = str(file.path)
            file.raw = {
                key: value if key in ("parameters", "include") else filled(where, value, parameters)
                for key, value in file.raw.items()
            }
        raws = [(str(file.path), file.raw) for file in files]
    for key, text in given.items():
        if "." in key:
            assign(raws, key, text)
            used[key] = text
    several = len(files) > 1
    found = _joined(files[-1].path, [(file.path, _converted(file, several)) for file in files])
    found.parameters, found.used = parameters, used
    return found


def _parameters(files: Iterable[File], given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Those of the plan win over those of what it includes, and what is given over both."""
    found: dict[str, Any] = {}
    for file in files:
        found.update(declared(str(file.path), file.raw))
    used = {name: text for name, text in given.items() if name in found}
    for name, text in used.items():
        found[name] = assigned(name, found[name], text)
    return found, used


def _converted(file: File, several: bool) -> PlanFile:
    raw = {"tasks": [], **file.raw} if several else file.raw
    try:
        return msgspec.convert(raw, PlanFile)
    except msgspec.ValidationError as error:
        raise SpecError(f"{file.path}: {_explain(str(error))}") from None


def _explain(error: str) -> str:
    """msgspec's words, with the nearest known key where one is unknown."""
    what, _, where = error.partition(" - at `$")
    place = where.rstrip("`").lstrip(".") or "the top level"
    if "unknown field `" in what:
        unknown = what.split("`")[1]
        parts = re.sub(r"\[[^]]*\]", "", place).split(".")
        last = next((part for part in reversed(parts) if part in TABLES), "")
        known = [one.encode_name for one in msgspec.structs.fields(TABLES[last])]
        close = difflib.get_close_matches(unknown, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
        return f"unknown key {unknown!r} in {place}: {hint}"
    return f"{what} in {place}"


def _joined(path: Path, plans: list[tuple[Path, PlanFile]]) -> Whole:
    """Tasks, risks and shared paths one after the other; what has a name once; else the plan's own word."""
    tasks: list[Sourced] = []
    places: dict[tuple[str, str], Path] = {}
    own = plans[-1][1]
    for file, plan in plans:
        folder = file.parent
        tasks.extend(
            Sourced(table, f"{file}: tasks {number} ({table.name!r})", folder)
            for number, table in enumerate(plan.tasks, 1)
        )
        for table in NAMED:
            for name in getattr(plan, table):
                if (table, name) in places:
                    raise SpecError(f"{file}: [{table}.{name}] is in {places[table, name]}, too: leave one out")
                places[table, name] = file
    if len(plans) > 1:
        changed: dict[str, Any] = {
            name: {key: value for _, plan in plans for key, value in getattr(plan, name).items()}
            for name in (*NAMED, "settings")
        }
        for name in ("risks", "shared"):
            changed[name] = [value for _, plan in plans for value in getattr(plan, name)]
        for name in ("order", "batch_max", "calendar", "uncertainty", "merge"):
            changed[name] = next((v for _, plan in reversed(plans) if (v := getattr(plan, name)) is not None), None)
        own = msgspec.structs.replace(own, **changed)
    return Whole(path, msgspec.structs.replace(own, tasks=[]), tasks, places)
