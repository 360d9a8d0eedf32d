"""The snapshots: whose they are, and by which versions they are drawn."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import pytest

_DRAWN_BY: Final = ("textual", "rich", "pygments", "syrupy", "pytest-textual-snapshot")
"""Another version of one of these draws other pictures, or puts them elsewhere."""
_LEFT_OUT: Final = str.maketrans("", "", '\\/?*:|"<>')
"""What a file's name can't have in it; syrupy leaves it out of the names of tests."""

_NAMES: dict[str, set[str]] = {}


def collected(item: pytest.Item) -> None:
    """Remember a test that compares with snapshots."""
    if "snap_compare" in getattr(item, "fixturenames", ()):
        _NAMES.setdefault(item.path.stem, set()).add(item.name.translate(_LEFT_OUT))


def names() -> Mapping[str, Collection[str]]:
    """Of all tests that compare with snapshots, by their modules: of those modules that were collected."""
    return _NAMES


def unused(folder: Path, tests: Mapping[str, Collection[str]], modules: Collection[str]) -> list[str]:
    """Snapshots in a folder, by their paths in it, that no test compares with any more.

    Args:
        tests: names of the tests, by module; modules that are not there are not looked at.
        modules: all that there are: a folder of another one is of nobody.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        module, name = path.parent.name, path.stem
        first = re.sub(r"\.\d+$", "", name)  # a test may take several
        mine = tests.get(module)
        known = path.suffix == ".svg" and path.parent.parent == folder and module in modules
        if not known or (mine is not None and name not in mine and first not in mine):
            found.append(str(path.relative_to(folder)))
    return found


def drawn_by_others(constraints: Path) -> str:
    """Which versions here are not those that snapshots are drawn by, in words; "" if all are."""
    wanted = {}
    for line in constraints.read_text().splitlines():
        name, pinned, version = line.partition("==")
        if pinned:
            wanted[name.strip().lower().replace("_", "-")] = version.strip()
    told = []
    for name in _DRAWN_BY:
        here = importlib.metadata.version(name)
        if name not in wanted:
            told.append(f"{name} is not pinned in {constraints.name}")
        elif here != wanted[name]:
            told.append(f"{name} {here} is not {wanted[name]}, which {constraints.name} says")
    return "; ".join(told)
