"""Parameters of plans, and what else is set in them from outside.

A plan that has ``[parameters]`` may write ``${name}`` in any of its texts. A text that is nothing else becomes the
parameter's value, of whatever type; within a longer one it is written out. ``$${`` stands for ``${``. In a plan without
parameters, texts are what they are.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from engine.plan.steps import SpecError
from engine.settings.fields import SWITCHES, nearest, shown

Raw: TypeAlias = dict[str, Any]
"""A plan file as TOML has it."""

_PLACE: Final = re.compile(r"\$(\$\{|\{([^{}]*)\})")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORKERS: Final = "workers"
_ALIASES: Final = {"pools": "agents", "owners": "workers"}
"""What ``workers.NAME`` sets, by the table that has the name."""


def declared(where: str, raw: Raw) -> dict[str, Any]:
    """The parameters of one file. Raises `SpecError` for one that can't be."""
    found = raw.get("parameters", {})
    if not isinstance(found, dict):
        raise SpecError(f"{where}: parameters is a table, written [parameters]")
    for name, value in found.items():
        if not _NAME.fullmatch(name):
            raise SpecError(f"{where}: a parameter has a name such as n or max_depth, not {shown(name)}")
        if not isinstance(value, bool | int | float | str | list):
            raise SpecError(f"{where}: parameter {name} is a number, a text, true or false, or a list of these")
    return found


def assigned(name: str, default: Any, text: str) -> Any:
    """The value of a parameter that ``--set`` gives as text: of the type of its default. Raises `SpecError`."""
    text = text.strip()
    try:
        if isinstance(default, bool):
            return SWITCHES[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
        if isinstance(default, list):
            found = literal(text)
            if not isinstance(found, list):
                raise ValueError
            return found
    except (KeyError, ValueError):
        kind = {bool: "true or false", int: "a whole number", float: "a number", list: "a list such as [1, 2]"}
        raise SpecError(f"--set {name}: parameter {name} is {kind[type(default)]}, not {shown(text)}") from None
    return text


def literal(text: str) -> Any:
    """A value as TOML has it, or else the text itself."""
    try:
        found = tomllib.loads(f"v = {text}")
    except (ValueError, RecursionError):
        return text
    return found["v"] if len(found) == 1 else text


def filled(where: str, value: Any, parameters: Mapping[str, Any]) -> Any:
    """The same with the parameters' values in its texts. Raises `SpecError` for a name that is none."""
    if isinstance(value, str):
        return _text(where, value, parameters) if "${" in value else value
    if isinstance(value, dict):
        return {key: filled(where, one, parameters) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(where, one, parameters) for one in value]
    return value


def _text(where: str, text: str, parameters: Mapping[str, Any]) -> Any:
    def of(name: str) -> Any:
        if name not in parameters:
            known = nearest(name, parameters)
            raise SpecError(f"{where}: no parameter {name!r}{known} ($${{ stands for ${{)")
        return parameters[name]

    whole = _PLACE.fullmatch(text)
    if whole is not None and whole[2] is not None:
        return of(whole[2])
    return _PLACE.sub(lambda found: "${" if found[2] is None else _written(of(found[2])), text)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def assign(raws: Iterable[tuple[str, Raw]], key: str, text: str) -> None:
    """Set a value by its dotted name in the file that has its table: ``owners.gpu.workers=2``, or ``workers.gpu=2`` for
    an owner or a pool, or ``tasks.NAME.estimate=3h``. Raises `SpecError`.

    `raws`: the files, each with how it is called. A name may be cut off where it stays the only one.
    """
    files = list(raws)
    first, _, rest = key.partition(".")
    value = literal(text.strip())
    if first == _WORKERS:
        table = _entity(files, key, rest, tuple(_ALIASES))
        table[1][_ALIASES[table[0]]] = value
        return
    name, dot, field = rest.rpartition(".")
    if not dot or not name or not field:
        raise SpecError(f"--set {key}: write TABLE.NAME.KEY=VALUE, such as tasks.build.estimate=3h, or workers.NAME=2")
    _entity(files, key, name, (first,))[1][field] = value


def _entity(files: list[tuple[str, Raw]], key: str, name: str, tables: tuple[str, ...]) -> tuple[str, Raw]:
    """The table of what is called `name`, and the name of the table that it is in."""
    found: dict[str, tuple[str, Raw]] = {}
    for table in tables:
        for _, raw in files:
            for one, content in _named(raw.get(table)):
                found.setdefault(one, (table, content))
    if name in found:
        return found[name]
    longer = [one for one in found if name and one.startswith(name)]
    if len(longer) == 1:
        return found[longer[0]]
    what = " or ".join(table.removesuffix("s") for table in tables)
    if longer:
        raise SpecError(f"--set {key}: {name!r} may be {' or '.join(map(repr, longer))}")
    if not found and tables[0] not in _ALIASES:
        raise SpecError(f"--set {key}: the plan has no table {tables[0]!r} of what has names")
    raise SpecError(f"--set {key}: no {what} {name!r}{nearest(name, found)}")


def _named(table: Any) -> list[tuple[str, Raw]]:
    if isinstance(table, dict):
        return [(name, content) for name, content in table.items() if isinstance(content, dict)]
    if isinstance(table, list):
        return [(str(one["name"]), one) for one in table if isinstance(one, dict) and "name" in one]
    return []
