"""How a user wants the screens to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

RATES: Final = (1, 2, 5, 10)
"""Looks a second that one may choose from."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What can be chosen before the screens open.

    Attributes:
        theme: its name; "" for ours.
        ascii: no glyphs beyond ASCII.
        rate: looks a second, one of `RATES`.
        read_only: nothing of the run may be changed from here.
        mouse: whether the mouse means anything.
        keys: keys of commands by their ids, in the place of those that they have.
    """

    theme: str = ""
    ascii: bool = False
    rate: int = 10
    read_only: bool = False
    mouse: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)
