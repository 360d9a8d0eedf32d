"""The app: takes views from a feed, hands them to the screens, and knows how to leave."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES

from engine.stream.client import StreamError
from tui import format as fmt
from tui.feed import Feed, SocketFeed
from tui.screens.base import LiveScreen
from tui.screens.fleet import FleetScreen
from tui.screens.quit import Choice, QuitScreen
from tui.themes import DARK, LIGHT, fallback_variables
from tui.view import View

Outcome: TypeAlias = Literal["detached", "stopped", "ended", "lost"]
"""How a session of the screens ended: the run went on, was told to stop, was over, or was lost from sight."""

_LEAVING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class ShoalApp(App[Outcome]):
    """The screens over one run."""

    TITLE = "Shoal"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {"fleet": FleetScreen}
    DEFAULT_MODE = "fleet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", id="app.quit"),
        Binding("ctrl+q", "quit", show=False, priority=True, id="app.quit-always"),
        Binding("p", "pause", "Pause", id="app.pause"),
        Binding("t", "toggle_theme", "Theme", id="app.theme"),
    ]

    class Fresh(Message):
        """The feed has something new. The newest view is taken when the message is handled, not before."""

    def __init__(self, feed: Feed, *, theme: str | None = None, catch_signals: bool = False) -> None:
        """Show what `feed` tells; with `catch_signals`, leave when the terminal hangs up or somebody ends us.

        Raises:
            ValueError: if there is no theme of that name.
        """
        super().__init__()
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        name = theme or DARK.name
        if name not in self.available_themes:
            known = ", ".join([DARK.name, LIGHT.name, *sorted(BUILTIN_THEMES)])
            raise ValueError(f"no theme named {name!r}: try one of {known}")
        self._first_theme = name
        self._feed = feed
        self._catch_signals = catch_signals
        self._latest = View()
        self._held: View | None = None

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Colours of agents under any theme."""
        return fallback_variables(self.current_theme.dark)

    def on_mount(self) -> None:
        """Begin to listen."""
        self.theme = self._first_theme
        if self._catch_signals:
            loop = asyncio.get_running_loop()
            for number in _LEAVING_SIGNALS:
                loop.add_signal_handler(number, self._leave, "detached")
        self._feed.start(self._poked)

    def on_unmount(self) -> None:
        """Stop to listen."""
        self._feed.stop()

    def _poked(self) -> None:
        self.post_message(self.Fresh())

    def on_shoal_app_fresh(self) -> None:
        """Something new: show it, unless the view is paused; then only say how much."""
        self._latest = self._feed.take()
        self._show()

    def _show(self) -> None:
        shown = self._latest if self._held is None else self._held
        behind = None if self._held is None else _number(self._latest) - _number(self._held)
        with self.batch_update():
            for screen in self.screen_stack:
                if isinstance(screen, LiveScreen):
                    screen.show(shown, behind, self._latest.phase)

    def action_pause(self) -> None:
        """Hold the view, or let it follow again. The engine and its recording go on either way."""
        self._held = self._latest if self._held is None else None
        self._show()

    def action_toggle_theme(self) -> None:
        """From dark to light and back."""
        self.theme = LIGHT.name if self.current_theme.dark else DARK.name

    async def action_quit(self) -> None:
        """Leave; if the run goes on, ask first what becomes of it."""
        if self._latest.over:
            self._leave("detached")
        elif not isinstance(self.screen, QuitScreen):
            self.push_screen(QuitScreen(*_question(self._latest)), self._answered)

    def _answered(self, choice: Choice | None) -> None:
        if choice == "detach":
            self._leave("detached")
        elif choice == "stop" and not self._latest.over:
            try:
                self._feed.command("stop")
            except StreamError as error:
                # It was not told to stop, so we stay, and the badge says what became of it.
                self.notify(str(error), title="not stopped", severity="error")
            else:
                self._leave("stopped")
        elif choice == "stop":
            self._leave("detached")

    def _leave(self, outcome: Outcome) -> None:
        """Exit; an end that is known counts more than what was asked for."""
        phase = self._latest.phase
        self.exit(phase if phase in ("ended", "lost") else outcome)


def _number(view: View) -> int:
    return view.frame.number if view.frame is not None else 0


def _question(view: View) -> tuple[str, str]:
    hello, frame = view.hello, view.frame
    name = f"{hello.name} {hello.run}" if hello is not None else "the run"
    if frame is None:
        return name, "It has not begun yet."
    total = f" of {fmt.count(frame.total)}" if frame.total else ""
    return name, f"{fmt.count(frame.done)}{total} tasks are done."


def run(path: Path | str, *, theme: str | None = None) -> Outcome:
    """Show the run behind a control socket until the user leaves; returns how it ended.

    Raises:
        StreamError: if no engine answers there, before the terminal is touched.
        ValueError: if there is no theme of that name.
    """
    feed = SocketFeed(path)
    try:
        outcome = ShoalApp(feed, theme=theme, catch_signals=True).run()
    finally:
        with contextlib.suppress(StreamError):
            feed.stop()
    return outcome if outcome is not None else "detached"
