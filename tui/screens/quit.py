"""The question before leaving: the run can go on without anybody looking."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.commands import Command, bindings

Choice: TypeAlias = Literal["detach", "stop", "stay"]


class QuitScreen(ModalScreen[Choice]):
    """Detach, stop, or stay."""

    CSS_PATH: ClassVar[str] = "quit.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("quit.detach", "d", "choose('detach')", "Detach", "Leave; the run goes on", 90, palette=False),
        Command("quit.stop", "s", "choose('stop')", "Stop", "End the run at once, and leave", 80, palette=False),
        Command("quit.stay", "escape,q", "choose('stay')", "Stay", "Back to the screens", 70, palette=False),
        Command("quit.up", "up,k", "app.focus_previous", "", "The answer above", palette=False),
        Command("quit.down", "down,j", "app.focus_next", "", "The answer below", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    def __init__(self, name: str, told: str, *, may_stop: bool = True) -> None:
        """Ask about the run `name`; `told` says how far it is. `may_stop`: whether to end it is an answer."""
        super().__init__()
        self._may_stop = may_stop
        self._name_of_run = name
        self._told = told

    def compose(self) -> ComposeResult:
        """The question and the three answers; the harmless one is chosen already."""
        with Vertical(id="question") as box:
            box.border_title = "leave?"
            yield Static(self._name_of_run, id="run", markup=False)
            yield Static(self._told, id="told", markup=False)
            yield Button("[b]d[/b]    detach    the run goes on without you", id="detach", compact=True)
            if self._may_stop:
                yield Button("[b]s[/b]    stop      ends the run at once", id="stop", compact=True)
            yield Button("[b]esc[/b]  stay      back to the screens", id="stay", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer by mouse or enter."""
        choices: dict[str | None, Choice] = {"detach": "detach", "stop": "stop", "stay": "stay"}
        self.action_choose(choices[event.button.id])

    def action_choose(self, choice: Choice) -> None:
        """An answer by key."""
        if choice != "stop" or self._may_stop:
            self.dismiss(choice)
