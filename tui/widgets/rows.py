"""The ground of lists in which one row is under the cursor, and some may be marked."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.events import Blur, Focus
from textual.strip import Strip

from tui.widgets.lines import Line, Panel

GUTTER = 3
"""Cells before the first column: for the cursor, for a mark, and a gap."""


class RowLine(NamedTuple):
    """One line of a list, to compare with what was drawn there before."""

    pieces: Line
    row: bool = True
    """Not the heading, or words about the list: it has a gutter, and a place in the scrollbar."""
    cursor: bool = False
    marked: bool = False
    thumb: str = " "
    """What of the scrollbar is in this line."""


def thumb(total: int, sight: range, height: int) -> str:
    """The scrollbar, a character a line: where what is in sight lies in the whole. Nothing where all is."""
    if total <= height or height <= 0:
        return " " * max(height, 0)
    size = max(1, round(height * height / total))
    at = round(sight.start * (height - size) / (total - height))
    return "".join("█" if at <= line < at + size else "│" for line in range(height))


class RowsPanel(Panel[RowLine]):
    """Draws rows: the one under the cursor on a ground of its own, and with a glyph, for those who see no colours."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor", "rows--cursor-blurred"}
    DEFAULT_CSS = """
    RowsPanel {
        .rows--cursor { background: $primary 30%; text-style: bold; }
        .rows--cursor-blurred { background: $primary 12%; }
    }
    """

    def draw(self, line: RowLine, width: int) -> Strip:
        """A row, or a line that is none, from edge to edge."""
        if not line.row:
            return super().draw(line.pieces, width)  # type: ignore[arg-type]
        ground = ("rows--cursor" if self.has_focus else "rows--cursor-blurred") if line.cursor else ""
        gutter = ("▸" if line.cursor else " ") + ("◉ " if line.marked else "  ")
        segments = [Segment(gutter, self._on("brand", ground))]
        segments += [Segment(text, self._on(ink, ground)) for text, ink in line.pieces]
        bar = Segment(line.thumb, self.ink("track" if line.thumb == "│" else "quiet"))
        room = width - 1 - sum(cell_len(segment.text) for segment in segments)
        if room >= 0:
            return Strip([*segments, Segment(" " * room, self._on("", ground)), bar], width)
        return Strip([*Strip(segments).adjust_cell_length(width - 1), bar], width)

    def _on(self, ink: str, ground: str) -> Style:
        """An ink on the ground of a component class; bars keep their own."""
        if not ground:
            return self.ink(ink)
        key = f"{ink}@{ground}"
        style = self._inks.get(key)
        if style is None:
            style = self._inks[key] = self.filtered(self.ink(ink) + self._ground(ground, ink))
        return style

    def _ground(self, name: str, ink: str) -> Style:
        """What the ground of the cursor adds to an ink."""
        styles = self.get_component_styles(name)
        bold = styles.text_style.bold
        if styles.background.ansi is not None:  # can't be mixed with the ground: only one ink is sure to be read on it
            return Style.parse("black on cyan") + Style(bold=bold) if bold else Style()
        colour = (self.background_colors[1] + styles.background).rich_color
        return Style(bgcolor=None if ink == "bar" else colour, bold=bold)

    def on_focus(self, event: Focus) -> None:
        """The cursor is of another colour."""
        self.repaint()

    def on_blur(self, event: Blur) -> None:
        """The cursor is of another colour."""
        self.repaint()
