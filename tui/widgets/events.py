"""The last events of a run, the newest first."""

from __future__ import annotations

from tui import format as fmt
from tui.view import View
from tui.widgets.lines import Line, LineWidget

_GLYPHS = {"info": ("·", "quiet"), "warning": ("▲", "warning"), "error": ("●", "error")}


def event_lines(view: View, width: int, height: int) -> list[Line]:
    """As many events as fit; above them what the stream has to say: it broke, events are missing."""
    lines: list[Line] = []
    if view.lost and not view.ended:
        lines.append((("✕ ", "error"), (fmt.fit(view.lost, width - 2), "error")))
    if view.refused:
        lines.append((("▲ ", "warning"), (fmt.fit(f"refused: {view.refused}", width - 2), "")))
    if view.missed:
        lines.append(((fmt.fit(f"… {fmt.count(view.missed)} events missed", width), "quiet"),))
    for event in reversed(view.events):
        if len(lines) >= height:
            break
        glyph, ink = _GLYPHS.get(event.level, _GLYPHS["info"])
        told = fmt.fit(event.text, width - 11)
        lines.append(((fmt.of_day(event.at), "quiet"), (" ", ""), (glyph, ink), (" ", ""), (told, "")))
    return lines or [(("nothing has happened yet", "quiet"),)]


class Events(LineWidget[Line]):
    """What happened last to the run, its pools and its agents."""

    BORDER_TITLE = " last events "

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The events for this size."""
        return event_lines(view, width, height)
