"""The last events of a run, the newest first."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.events import Resize
from textual.message import Message

from tui import format as fmt
from tui.view import View
from tui.widgets.lines import Line, Panel

_GLYPHS: Final = {"info": ("·", "quiet"), "warning": ("▲", "warning"), "error": ("●", "error")}


def stream_lines(view: View, width: int) -> list[Line]:
    """What the stream has to say of itself: it broke, something was refused, events are missing."""
    lines: list[Line] = []
    if view.lost and not view.ended:
        lines.append((("✕ ", "error"), (fmt.fit(view.lost, width - 2), "error")))
    if view.refused:
        lines.append((("▲ ", "warning"), (fmt.fit(f"refused: {view.refused}", width - 2), "")))
    if view.missed:
        lines.append(((fmt.fit(f"… {fmt.count(view.missed)} events missed", width), "quiet"),))
    return lines


def told_of(view: View) -> tuple[object, ...]:
    """What `stream_lines` and `event_lines` are made of."""
    return view.hello, view.events, view.lost, view.ended, view.refused, view.missed


def event_lines(view: View, width: int, height: int) -> list[Line]:
    """As many events as fit."""
    lines: list[Line] = []
    for event in reversed(view.events[-height:] if height > 0 else ()):
        glyph, ink = _GLYPHS.get(event.level, _GLYPHS["info"])
        told = fmt.fit(event.text, width - 11)
        lines.append(((fmt.of_day(event.at), "quiet"), (" ", ""), (glyph, ink), (" ", ""), (told, "")))
    return lines


class Events(Panel[Line]):
    """What happened last to the run, its pools and its agents."""

    BORDER_TITLE = " last events "
    HELP: ClassVar[str] = "What happened to the run, its pools and its agents, the newest first. Never single tasks."

    class Resized(Message):
        """There is room for so many events now."""

        def __init__(self, height: int) -> None:
            super().__init__()
            self.height = height

    def on_resize(self, event: Resize) -> None:
        """Somebody else may tell of events where we have no room."""
        super().on_resize(event)
        self.post_message(self.Resized(self.size.height))

    def on_hide(self) -> None:
        """No room at all."""
        self.post_message(self.Resized(0))

    def made_of(self, view: View) -> object:
        """Events, and what the stream says of itself."""
        return told_of(view)

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The events for this size."""
        told = stream_lines(view, width)
        return [*told, *event_lines(view, width, height - len(told))] or [(("nothing has happened yet", "quiet"),)]
