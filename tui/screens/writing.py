"""A question whose answer is written: what can't be one is told at once."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.glyphs import plain

T = TypeVar("T")


class WritingScreen(ModalScreen[T], Generic[T]):
    """Asks for a line; its answer is what was read of it, or None."""

    CSS_PATH: ClassVar[str] = "writing.tcss"

    def __init__(self, question: str, told: str, written: str, keys: str) -> None:
        """`told`: what it is for; `written`: what stands there, to be written over; `keys`: what they do."""
        super().__init__()
        self._question, self._told, self._written, self._keys = question, told, written, keys

    def read(self, text: str) -> T:
        """What a line says. Raises ValueError with one line that says what is wrong."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Draw the frame as everything else is drawn."""
        self.set_class(getattr(self.app, "ascii", False), "-ascii")

    def compose(self) -> ComposeResult:
        """The question, and the line to write in."""
        with Vertical(id="question"):
            yield Static(self._question, id="title", markup=False)
            yield Static(self._told, id="told", markup=False)
            yield Input(self._written, id="answer", compact=True)
            yield Static("", id="wrong", markup=False)
            yield Static(self._keys, id="keys", markup=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what is wrong with it."""
        try:
            self.read(event.value)
        except ValueError as error:
            self._tell(str(error) if event.value.strip() else "")
        else:
            self._tell("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take it, if it is one."""
        try:
            self.dismiss(self.read(event.value))
        except ValueError as error:
            self._tell(str(error))

    def _tell(self, wrong: str) -> None:
        text = f"✕ {wrong}" if wrong else ""
        self.query_one("#wrong", Static).update(plain(text) if getattr(self.app, "ascii", False) else text)

    def action_leave(self) -> None:
        """None."""
        self.dismiss(None)
