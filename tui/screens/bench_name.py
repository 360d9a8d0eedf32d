"""A name for a session, to be a baseline of the gate."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from tui.bench.record import LAST_GOOD
from tui.commands import Command, bindings
from tui.screens.writing import WritingScreen


def read(text: str) -> str:
    """A name as people write it. Raises ValueError with one line that says what is wrong."""
    name = text.strip()
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise ValueError("a name is of letters, digits, '-', '_' and '.'")
    return name


class BenchNameScreen(WritingScreen[str]):
    """Asks for a name."""

    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("bench-name.leave", "escape", "leave", "Leave", "Give it none", 90, "esc", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    def __init__(self, session: str) -> None:
        """`session`: its id."""
        told = (
            f"The gate compares with it by that name. {LAST_GOOD} accepts what was found of it: from now on that "
            "is good, regressions included."
        )
        super().__init__(f"Which name is session {session} to have?", told, "", "enter gives it   esc leaves it")

    def read(self, text: str) -> str:
        """As above."""
        return read(text)
