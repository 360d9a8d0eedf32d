"""Which combinations of mechanisms are measured: none, each alone, all, and all but each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination.

    Attributes:
        name: "none", the mechanism that is alone, "all", or "all but" one.
        on: what is switched on.
    """

    name: str
    on: frozenset[str]


def cells(flags: Sequence[str]) -> list[Cell]:
    """The 2k + 2 combinations of k mechanisms; fewer of two or one, where some are the same. The baseline is first.

    Raises ValueError for no mechanism, or one that is named twice.
    """
    if not flags or len(set(flags)) < len(flags):
        raise ValueError("mechanisms are one or more, each named once")
    every = frozenset(flags)
    found = [
        Cell("none", frozenset()),
        *(Cell(flag, frozenset((flag,))) for flag in flags),
        Cell("all", every),
        *(Cell(f"all but {flag}", every - {flag}) for flag in flags),
    ]
    first: dict[frozenset[str], Cell] = {}
    for cell in found:
        first.setdefault(cell.on, cell)
    return list(first.values())
