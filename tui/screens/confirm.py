"""The question before something that can't be taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.commands import Command, bindings

if TYPE_CHECKING:
    from tui.app import ShoalApp


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        title: of the box, with a question mark.
        told: what will happen, and to whom by name.
        yes: the word on the button.
    """

    title: str
    told: str
    yes: str

    def ask(self, app: ShoalApp, then: Callable[[], object]) -> None:
        """Ask, and do it if the answer is yes."""

        def answered(yes: bool | None) -> None:
            if yes:
                then()

        app.push_screen(ConfirmScreen(self), answered)


class ConfirmScreen(ModalScreen[bool]):
    """Yes or no; no is chosen already."""

    CSS_PATH: ClassVar[str] = "confirm.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("confirm.yes", "y", "answer(True)", "Yes", "Do it", palette=False),
        Command("confirm.no", "n,escape,q", "answer(False)", "No", "Leave it", palette=False),
        Command("confirm.up", "up,left,h,k", "app.focus_previous", "", "The other answer", palette=False),
        Command("confirm.down", "down,right,l,j", "app.focus_next", "", "The other answer", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    AUTO_FOCUS: ClassVar[str | None] = "#no"

    def __init__(self, question: Question) -> None:
        """Ask this."""
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question, and its two answers."""
        with Vertical(id="question"):
            yield Static(self._question.title, id="title", markup=False)
            yield Static(self._question.told, id="told", markup=False)
            yield Button(f"[b]y[/b]  {self._question.yes}", id="yes", compact=True)
            yield Button("[b]n[/b]  leave it", id="no", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer by mouse or enter."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """An answer by key."""
        self.dismiss(yes)
