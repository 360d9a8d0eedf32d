"""How large a pool is to be."""

from __future__ import annotations

import re
from typing import ClassVar, Final, TypeAlias

from textual.binding import BindingType

from tui import format as fmt
from tui.commands import Command, bindings
from tui.screens.writing import WritingScreen

Size: TypeAlias = tuple[int, int]
"""Agents at the least, and at the most."""

_SIZE: Final = re.compile(r"(\d{1,9})(?:\.\.(\d{1,9}))?", re.ASCII)


def read(text: str) -> Size:
    """A size as people write it, ``8`` or ``2..16``. Raises ValueError with one line that says what is wrong."""
    match = _SIZE.fullmatch(text.replace(",", "").replace(" ", ""))
    if match is None:
        raise ValueError(f"{text.strip()!r} is no size such as 8 or 2..16")
    least, most = int(match[1]), int(match[2] or match[1])
    if least < 1:
        raise ValueError("a pool has at least one agent")
    if least > most:
        raise ValueError(f"at the least {fmt.count(least)} is more than at the most {fmt.count(most)}")
    return least, most


def written(size: Size) -> str:
    """As the engine reads it."""
    least, most = size
    return str(most) if least == most else f"{least}..{most}"


class SizeScreen(WritingScreen[Size]):
    """Asks for a size."""

    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("size.leave", "escape", "leave", "Leave", "Leave it as it is", 90, "esc", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    def __init__(self, pool: str, size: Size, there: int) -> None:
        """`size`: as it is; `there`: agents that there are."""
        told = f"A number, or MIN..MAX. It has {fmt.count(there)} now."
        super().__init__(f"How many agents for pool {pool}?", told, written(size), "enter sets it   esc leaves it")

    def read(self, text: str) -> Size:
        """As above."""
        return read(text)
