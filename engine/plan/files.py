"""The files that a plan is made of: itself, and what it includes; each once, those that are included before."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.plan.parameters import Raw
from engine.plan.steps import SpecError
from engine.settings.fields import shown


@dataclass(slots=True)
class File:
    """One of them.

    Attributes:
        path: as the user would name it.
        raw: its tables as TOML has them.
        text: all that is written there.
    """

    path: Path
    raw: Raw
    text: str


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
    except ValueError:  # a NUL in the name of a file that is included
        raise SpecError(f"{shown(str(path))} is no name of a file") from None


def files_of(path: Path, text: str, known: Mapping[str, str] | None = None) -> list[File]:
    """A plan and the files that it includes, itself last.

    `known`: texts of those that are included, by their paths, as they were once; None: as they are now. Raises
    `SpecError`.
    """
    found: dict[str, File] = {}
    _take(path, text, known, found, [])
    return list(found.values())


def _take(path: Path, text: str, known: Mapping[str, str] | None, found: dict[str, File], within: list[str]) -> None:
    raw = _parsed(path, text)
    here = os.path.abspath(path)
    for name in _includes(path, raw):
        other = path.parent / name
        real = os.path.abspath(other)
        if real in (here, *within):
            circle = [*within[within.index(real) :], here] if real in within else [here]
            told = " -> ".join(os.path.relpath(one, os.path.dirname(here)) for one in (*circle, real))
            raise SpecError(f"{path}: files include each other in a circle: {told}")
        if real in found:
            continue
        if known is not None and real not in known:
            raise SpecError(f"{path}: what it includes as {name!r} was not kept")
        _take(other, read(other) if known is None else known[real], known, found, [*within, here])
    found[here] = File(path, raw, text)


def _parsed(path: Path, text: str) -> Raw:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of more digits than Python reads
        raise SpecError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: not TOML: nested too deeply") from None


def _includes(path: Path, raw: Raw) -> list[str]:
    found = raw.get("include", [])
    if not isinstance(found, list) or not all(isinstance(name, str) and name for name in found):
        raise SpecError(f"{path}: include is a list of names of files")
    return found
