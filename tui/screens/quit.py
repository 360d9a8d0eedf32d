"""The question before leaving: the run can go on without anybody looking."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

Choice: TypeAlias = Literal["detach", "stop", "stay"]


class QuitScreen(ModalScreen[Choice]):
    """Detach, stop, or stay."""

    CSS_PATH: ClassVar[str] = "quit.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "choose('detach')", "Detach", id="quit.detach"),
        Binding("s", "choose('stop')", "Stop", id="quit.stop"),
        Binding("escape,q", "choose('stay')", "Stay", id="quit.stay"),
        Binding("up,k", "app.focus_previous", show=False, id="quit.up"),
        Binding("down,j", "app.focus_next", show=False, id="quit.down"),
    ]

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
