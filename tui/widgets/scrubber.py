"""Where a replay stands: a line under everything, with what has happened marked on it; a click goes there."""

from __future__ import annotations

from textual.events import Click

from tui import format as fmt
from tui.view import Replaying, View
from tui.widgets.lines import Line, LineWidget, Piece

_MARKS = {"error": ("●", "error"), "warning": ("▲", "warning")}


def scrub_line(view: View, replay: Replaying, width: int) -> Line:
    """The times at the ends, and the track between them: what was played is bright, errors and warnings are marked."""
    left, right = fmt.clock(replay.at - replay.start), fmt.clock(replay.end - replay.start)
    speed = f" ×{replay.speed:g}"
    room = track_of(width, left, right, speed)[1]
    place = position(replay, room)
    marks: dict[int, Piece] = {}
    for event in view.events:
        if event.level in _MARKS and replay.start <= event.at <= replay.at:
            at = _cell(replay, event.at, room)
            if marks.get(at, ("", ""))[1] != "error":
                marks[at] = _MARKS[event.level]
    pieces: list[Piece] = [(f" {left} ", "strong")]
    for cell in range(room):
        if cell == place:
            piece = ("◆", "brand")
        elif cell in marks:
            piece = marks[cell]
        else:
            piece = ("━", "busy") if cell < place else ("─", "track")
        if pieces[-1][1] == piece[1]:
            pieces[-1] = (pieces[-1][0] + piece[0], piece[1])
        else:
            pieces.append(piece)
    return (*pieces, (f" {right}", "quiet"), (f"{speed} ", "strong"))


def track_of(width: int, left: str, right: str, speed: str) -> tuple[int, int]:
    """Where the track begins, and how many cells it has."""
    return len(left) + 2, max(width - len(left) - len(right) - len(speed) - 4, 1)


def position(replay: Replaying, room: int) -> int:
    """The cell of the track where the replay stands."""
    return _cell(replay, replay.at, room)


def _cell(replay: Replaying, at: float, room: int) -> int:
    length = max(replay.end - replay.start, 1e-9)
    return min(max(int((at - replay.start) / length * (room - 1) + 0.5), 0), room - 1)


class Scrubber(LineWidget[Line]):
    """The way through a recording. Nothing where the view is live."""

    DEFAULT_CSS = """
    Scrubber { height: 1; display: none; }
    Scrubber.-replay { display: block; }
    """

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The one line."""
        return [scrub_line(view, view.replay, width)] if view.replay is not None else []

    def watch_view(self) -> None:
        """It is there in replays only."""
        self.set_class(self.view.replay is not None, "-replay")
        super().watch_view()

    def on_click(self, event: Click) -> None:
        """Go where the track was clicked."""
        from tui.app import ShoalApp

        replay = self.view.replay
        if replay is None or not isinstance(self.app, ShoalApp):
            return
        left, right = fmt.clock(replay.at - replay.start), fmt.clock(replay.end - replay.start)
        begin, room = track_of(self.size.width, left, right, f" ×{replay.speed:g}")
        share = min(max((event.x - begin) / max(room - 1, 1), 0.0), 1.0)
        self.app.seek(replay.start + share * (replay.end - replay.start))
