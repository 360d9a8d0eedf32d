"""How large a pool is to be."""

from __future__ import annotations

import re
from typing import ClassVar, Final, TypeAlias

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui import format as fmt
from tui.commands import Command, bindings
from tui.glyphs import plain

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


class SizeScreen(ModalScreen[Size]):
    """Asks for a size; what can't be one is told at once."""

    CSS_PATH: ClassVar[str] = "size.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("size.leave", "escape", "leave", "Leave", "Leave it as it is", 90, "esc", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    def __init__(self, pool: str, size: Size, there: int) -> None:
        """`size`: as it is; `there`: agents that there are."""
        super().__init__()
        self._pool, self._bounds, self._there = pool, size, there

    def on_mount(self) -> None:
        """Draw the frame as everything else is drawn."""
        self.set_class(getattr(self.app, "ascii", False), "-ascii")

    def compose(self) -> ComposeResult:
        """The size as it is, to be written over."""
        with Vertical(id="question"):
            yield Static(f"How many agents for pool {self._pool}?", id="title", markup=False)
            told = f"A number, or MIN..MAX. It has {fmt.count(self._there)} now."
            yield Static(told, id="told", markup=False)
            yield Input(written(self._bounds), id="size", compact=True)
            yield Static("", id="wrong", markup=False)
            yield Static("enter sets it   esc leaves it", id="keys", markup=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what is wrong with it."""
        try:
            read(event.value)
        except ValueError as error:
            self._tell(str(error) if event.value.strip() else "")
        else:
            self._tell("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take it, if it is one."""
        try:
            self.dismiss(read(event.value))
        except ValueError as error:
            self._tell(str(error))

    def _tell(self, wrong: str) -> None:
        text = f"✕ {wrong}" if wrong else ""
        self.query_one("#wrong", Static).update(plain(text) if getattr(self.app, "ascii", False) else text)

    def action_leave(self) -> None:
        """As it is."""
        self.dismiss(None)
