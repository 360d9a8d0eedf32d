"""What the app can do whatever is shown: themes, glyphs, help, settings, one panel alone, copies and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from textual.actions import ActionParseResult
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.driver import Driver
from textual.filter import LineFilter
from textual.widget import AwaitMount, Widget
from textual.worker import WorkerFailed

from tui import themes
from tui.painting import PaintingScreen
from tui.plain_lines import PlainLines
from tui.preferences import Preferences
from tui.widgets.lines import LineWidget, Panel

if TYPE_CHECKING:
    from tui.screens.confirm import Question

Outcome: TypeAlias = Literal["detached", "stopped", "ended", "lost"]
"""How a session of the screens ended: the run went on, was told to stop, was over, or was lost from sight."""
_ARROWS: Final = {"←→": "arrows", "←": "left", "→": "right", "↑": "up", "↓": "down"}


class Shell(App[Outcome]):
    """An app of ours, as yet without a run."""

    def __init__(self, preferences: Preferences) -> None:
        """Raises ValueError if there is no theme of that name."""
        super().__init__()
        self._arriving = False
        self.preferences = preferences
        for theme in themes.OURS:
            self.register_theme(theme)
        self.first_theme = preferences.theme or themes.DARK.name
        if self.first_theme not in self.available_themes:
            raise ValueError(f"no theme named {self.first_theme!r}: try one of {', '.join(themes.names())}")
        # As if it had always been so: set later, all that was styled by then would be parsed and styled once more.
        self.set_reactive(App.theme, self.first_theme)
        dark = self.current_theme.dark
        names = {f"-theme-{self.first_theme}": True, "-dark-mode": dark, "-light-mode": not dark}
        self.update_classes(names, update=False)
        self.stylesheet.set_variables(self.get_css_variables())
        self._refresh_truecolor_filter(self.ansi_theme)
        self.ascii = preferences.ascii
        self._plain_lines = PlainLines()
        self.set_class(self.ascii, "-ascii")
        self.at_stake: Question | None = None
        """What is asked before one leaves, for it would end something that was begun from here."""

    def get_driver_class(self) -> type[Driver]:
        """Our own on a terminal."""
        from textual.drivers.linux_driver import LinuxDriver

        from tui.driver import TerminalDriver

        found = super().get_driver_class()
        return TerminalDriver if found is LinuxDriver else found

    @property
    def waiting_writes(self) -> int:
        """Writes that the terminal has not taken yet; 0 where it is none."""
        waiting: int = getattr(self._driver, "waiting", 0)
        return waiting

    @property
    def failure(self) -> Exception | None:
        """The mistake of ours by which the screens have ended, if it was one."""
        found = self._exception
        return found.error if isinstance(found, WorkerFailed) else found  # type: ignore[return-value]

    def _print_error_renderables(self) -> None:
        """Nothing: whoever has opened the screens tells in a line what has gone wrong."""
        self._exit_renderables.clear()

    # -- keys ---------------------------------------------------------------------------------------------------------

    async def _check_bindings(self, key: str, priority: bool = False) -> bool:
        """Do what a key is bound to. A panel has no other use for keys: they need not go to it first, and from there
        through all that it stands in.
        """
        done = await super()._check_bindings(key, priority)
        if priority and not done and isinstance(self.focused, Panel):
            done = await super()._check_bindings(key)
        return done

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do it, and paint at once what that has changed: somebody waits for it."""
        done = await super().run_action(action, default_namespace, namespaces)
        if done:
            self.paint()
        return done

    def paint(self) -> None:
        """Paint what has changed by now on the screen that is shown."""
        if self.screen_stack and isinstance(self.screen, PaintingScreen):
            self.screen.paint()

    def get_key_display(self, binding: Binding) -> str:
        """How a key is written: of an arrow its name, where only ASCII is wished; ``<`` is another key."""
        shown = super().get_key_display(binding)
        return _ARROWS.get(shown, shown) if self.ascii else shown

    # -- from screen to screen ----------------------------------------------------------------------------------------

    def switch_mode(self, mode: str) -> AwaitMount:
        """Show the screen of a mode. One that has been open before is painted as soon as it knows what to show: Textual
        waits a twentieth of a second for whatever it may still have to do.
        """
        known = mode != self.current_mode and mode in self._screen_stacks
        self._arriving = known
        try:
            awaited = super().switch_mode(mode)
        finally:
            self._arriving = False
        if known and not self.screen.call_later(self._arrived):
            self._arrived()
        return awaited

    def delay_update(self, delay: float = 0.05) -> None:
        """Paint nothing for a while; on the way to a known screen, until it is there."""
        if self._arriving:
            self._begin_batch()
        else:
            super().delay_update(delay)

    def _arrived(self) -> None:
        self._end_batch()
        self.screen._on_timer_update()

    # -- looks --------------------------------------------------------------------------------------------------------

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Colours of agents under any theme."""
        return themes.fallback_variables(self.current_theme.dark)

    def action_next_theme(self) -> None:
        """From one of ours to the next."""
        names = [theme.name for theme in themes.OURS]
        place = names.index(self.theme) + 1 if self.theme in names else 0
        self.theme = names[place % len(names)]

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What everything that is drawn goes through: where only ASCII is wished, what is none, too."""
        filters = super().get_line_filters()
        return [*filters, self._plain_lines] if self.ascii else filters

    def glyphs_changed(self) -> None:
        """Other glyphs: everything is drawn anew."""
        self.set_class(self.ascii, "-ascii")
        for screen in self.screen_stack:
            screen.set_class(self.ascii, "-ascii")
            for widget in screen.query(Widget):
                if isinstance(widget, LineWidget):
                    widget.repaint()
                else:
                    widget.refresh()

    def action_help(self) -> None:
        """What the keys do here."""
        from tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_settings(self) -> None:
        """What can be chosen."""
        from tui.screens.settings import SettingsScreen

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
        from tui import saving

        widget: Widget | None = self.focused
        text = widget.copied() if isinstance(widget, Panel) else saving.text_of(self.screen)
        self.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        self.notify(f"copied: {lines} line{'s' if lines > 1 else ''}", timeout=2)

    def action_save_panel(self) -> None:
        """The screen as it is, as a picture."""
        from tui import saving

        self.saved(lambda: saving.save_picture(self))

    def saved(self, save: Callable[[], str]) -> None:
        """Write a file, and tell where it is, or why not."""
        from tui.archive import ArchiveError

        try:
            self.notify(f"written: {save()}", markup=False)
        except (OSError, ArchiveError) as error:
            self.notify(str(error), title="not written", severity="error", markup=False)
