"""What the app can do whatever is shown: themes, glyphs, help, settings, one panel alone, copies and pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from textual.app import App
from textual.widget import Widget

from tui import saving, themes
from tui.archive import ArchiveError
from tui.preferences import Preferences
from tui.screens.help import HelpScreen
from tui.screens.settings import SettingsScreen
from tui.widgets.lines import LineWidget, Panel

Outcome: TypeAlias = Literal["detached", "stopped", "ended", "lost"]
"""How a session of the screens ended: the run went on, was told to stop, was over, or was lost from sight."""


class Shell(App[Outcome]):
    """An app of ours, as yet without a run."""

    def __init__(self, preferences: Preferences) -> None:
        """Raises ValueError if there is no theme of that name."""
        super().__init__()
        self.preferences = preferences
        for theme in themes.OURS:
            self.register_theme(theme)
        self.first_theme = preferences.theme or themes.DARK.name
        if self.first_theme not in self.available_themes:
            raise ValueError(f"no theme named {self.first_theme!r}: try one of {', '.join(themes.names())}")
        self.ascii = preferences.ascii
        self.set_class(self.ascii, "-ascii")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Colours of agents under any theme."""
        return themes.fallback_variables(self.current_theme.dark)

    def action_next_theme(self) -> None:
        """From one of ours to the next."""
        names = [theme.name for theme in themes.OURS]
        place = names.index(self.theme) + 1 if self.theme in names else 0
        self.theme = names[place % len(names)]

    def glyphs_changed(self) -> None:
        """Other glyphs: everything is drawn anew."""
        self.set_class(self.ascii, "-ascii")
        for screen in self.screen_stack:
            screen.set_class(self.ascii, "-ascii")
            for widget in screen.query(LineWidget):
                widget.repaint()

    def action_help(self) -> None:
        """What the keys do here."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_settings(self) -> None:
        """What can be chosen."""
        if not isinstance(self.screen, SettingsScreen):
            self.push_screen(SettingsScreen())

    async def action_back(self) -> None:
        """One step back."""
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif len(self.screen_stack) > 1:
            self.pop_screen()

    def action_maximise(self) -> None:
        """The panel in focus over the whole screen, and back."""
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif isinstance(self.focused, Panel):
            self.screen.maximize(self.focused)
        else:
            self.notify("tab chooses a panel", timeout=2)

    def action_copy(self) -> None:
        """To the clipboard of the terminal, be it at the other end of an ssh."""
        widget: Widget | None = self.focused
        text = widget.copied() if isinstance(widget, Panel) else saving.text_of(self.screen)
        self.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        self.notify(f"copied: {lines} line{'s' if lines > 1 else ''}", timeout=2)

    def action_save_panel(self) -> None:
        """The screen as it is, as a picture."""
        self.saved(lambda: saving.save_picture(self))

    def saved(self, save: Callable[[], str]) -> None:
        """Write a file, and tell where it is, or why not."""
        try:
            self.notify(f"written: {save()}", markup=False)
        except (OSError, ArchiveError) as error:
            self.notify(str(error), title="not written", severity="error", markup=False)
