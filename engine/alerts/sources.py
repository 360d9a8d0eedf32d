"""Rules from where they lie: those that come along, and the user's own."""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path

from engine.alerts.rules import BUILT_IN, Problem, RulesError, Text, parse
from engine.alerts.types import Rule

_LARGEST = 1 << 20
"""Bytes of a file of rules."""


def built_in() -> Text:
    """The file that comes along."""
    return Text(BUILT_IN, files("engine.alerts").joinpath("builtin.toml").read_text(encoding="utf-8"))


def read(path: Path) -> Text:
    """The text of a file of rules. Raises `RulesError`."""
    try:
        if path.is_dir():
            raise RulesError([Problem(str(path), "", "", "a folder, not a file of rules")])
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise RulesError([Problem(str(path), "", "", "no such file")]) from None
    except OSError as error:
        raise RulesError([Problem(str(path), "", "", error.strerror or str(error))]) from None
    if len(data) > _LARGEST:
        raise RulesError([Problem(str(path), "", "", "more than 1 MiB: not a file of rules")])
    try:
        return Text(name_of(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        text = f"not a text file (byte {error.start} is no UTF-8)"
        raise RulesError([Problem(str(path), "", "", text)]) from None


def name_of(path: Path) -> str:
    """The name that the rules of a file go by."""
    name = str(path)
    return name if name != BUILT_IN else f"./{name}"


def load(path: Path | None) -> list[Rule]:
    """The built-in rules, as the user's file changes them and adds to them. Raises `RulesError`."""
    return list(_built_in_rules()) if path is None else parse([built_in(), read(path)])


@functools.cache
def _built_in_rules() -> tuple[Rule, ...]:
    """Parsed once, for programs that make engine after engine."""
    return tuple(parse([built_in()]))
