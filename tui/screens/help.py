"""What the keys do here: made of the commands that hold, and of what the panel in focus says of itself."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Markdown, Static

from tui.commands import SCREENS, Command, bindings
from tui.widgets.keys import active
from tui.widgets.lines import Panel

_KEY_WIDTH = 14


class HelpScreen(ModalScreen[None]):
    """Help for what has the focus."""

    CSS_PATH: ClassVar[str] = "help.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("help.close", "escape,q,question_mark", "dismiss", "Close", "Back", 90, "esc", palette=False),
        Command("help.up", "k", "scroll(-1)", "", "Up", palette=False),
        Command("help.down", "j", "scroll(1)", "", "Down", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    def __init__(self, about: Screen[Any]) -> None:
        """Help for a screen, as it is now."""
        super().__init__()
        focused = about.focused
        self._words = focused.HELP if isinstance(focused, Panel) else ""
        self._title = str(focused.border_title or "").strip() if isinstance(focused, Panel) else ""
        self._keys: dict[str, list[tuple[str, str]]] = {}
        for binding, command in active(about):
            if command.place == "app" and command.action.startswith("mode("):
                continue
            place = "everywhere" if command.place == "app" else command.place
            usual = command.keys.split(",")
            if binding.binding.key in usual:
                keys = ", ".join(self._shown(about, key) for key in usual)
            else:  # given another one by the user
                keys = about.app.get_key_display(binding.binding)
            self._keys.setdefault(place, []).append((keys, command.text))

    @staticmethod
    def _shown(about: Screen[Any], key: str) -> str:
        from textual.binding import Binding

        return about.app.get_key_display(Binding(key, "")) or key

    def compose(self) -> ComposeResult:
        """What the panel is, then the keys of each place."""
        with VerticalScroll(id="help") as box:
            box.border_title = " help "
            box.border_subtitle = " esc closes "
            if self._words:
                yield Markdown(f"**{self._title}** {self._words}".strip(), id="words")
            for place, keys in self._keys.items():
                yield Static(self._listed(place, keys), classes="place")
            digits = "  ".join(f"{number} {name}" for number, name in enumerate(SCREENS, 1))
            yield Static(Text.assemble(("screens\n", "bold"), digits), classes="place")

    @staticmethod
    def _listed(place: str, keys: list[tuple[str, str]]) -> Text:
        text = Text()
        text.append(f"{place}\n", "bold")
        for number, (shown, told) in enumerate(keys):
            text.append(f"{shown:<{_KEY_WIDTH}} ", "bold")
            text.append(told + ("\n" if number < len(keys) - 1 else ""))
        return text

    def action_scroll(self, lines: int) -> None:
        """Up or down."""
        self.query_one("#help", VerticalScroll).scroll_relative(y=lines, animate=False)
