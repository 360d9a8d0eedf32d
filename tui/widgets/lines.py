"""A widget that draws whole lines and repaints only those that changed: the ground of every panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeAlias, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.events import Resize
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.view import View

Piece: TypeAlias = tuple[str, str]
"""A text and the name of its ink, "" for the widget's own."""
Line: TypeAlias = tuple[Piece, ...]

INKS = (
    *("strong", "quiet", "track", "good", "warning", "error", "brand", "bar"),
    *("absent", "starting", "idle", "busy", "draining", "dead"),
)
"""The colours a line may be drawn with, each of them a component class ``ink--NAME``."""

LineT = TypeVar("LineT")


class LineWidget(Widget, Generic[LineT]):
    """Draws the lines that `lines` makes of a view.

    A line is any value that can be compared: equal to the one drawn before, it is not drawn again.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ink--{ink}" for ink in INKS}
    DEFAULT_CSS = """
    LineWidget {
        .ink--strong { text-style: bold; }
        .ink--quiet { color: $quiet; }
        .ink--track { color: $track; }
        .ink--good { color: $success; }
        .ink--warning { color: $warning; text-style: bold; }
        .ink--error { color: $error; text-style: bold; }
        .ink--brand { color: $primary; text-style: bold; }
        .ink--bar { color: $state-busy; background: $track; }
        .ink--absent { color: $state-absent; }
        .ink--starting { color: $state-starting; }
        .ink--idle { color: $state-idle; }
        .ink--busy { color: $state-busy; }
        .ink--draining { color: $state-draining; }
        .ink--dead { color: $state-dead; }
    }
    """

    view: reactive[View] = reactive(View, init=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: list[LineT] = []
        self._strips: dict[int, Strip] = {}
        self._inks: dict[str, Style] = {}

    def lines(self, view: View, width: int, height: int) -> Sequence[LineT]:
        """What to draw, from the top; `width` and `height` are never 0. At most `height` lines are shown."""
        raise NotImplementedError

    def draw(self, line: LineT, width: int) -> Strip:
        """One line as a strip. The default takes it for a tuple of pieces."""
        pieces: Line = line  # type: ignore[assignment]  # whoever draws other lines overrides this
        return Strip([Segment(text, self.ink(ink)) for text, ink in pieces if text])

    def ink(self, name: str) -> Style:
        """The style of an ink, on the widget's own ground."""
        style = self._inks.get(name)
        if style is None:
            style = self.rich_style
            if name:
                style += self.get_component_rich_style(f"ink--{name}", partial=True)
            self._inks[name] = style
        return style

    @property
    def monochrome(self) -> bool:
        """Whether colours must not carry any meaning."""
        return self.app.no_color

    def redraw(self) -> None:
        """Make the lines anew and repaint those that changed."""
        width, height = self.size
        if not width or not height:
            return
        new = list(self.lines(self.view, width, height))[:height]
        old, self._lines = self._lines, new
        for y in range(max(len(new), len(old))):
            if y >= len(new) or y >= len(old) or new[y] != old[y]:
                self._strips.pop(y, None)
                self.refresh(Region(0, y, width, 1))

    def render_line(self, y: int) -> Strip:
        """One line of the widget, as Textual asks for it."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.ink(""))
        strip = self._strips.get(y)
        if strip is None:
            strip = self.draw(self._lines[y], self.size.width)
            self._strips[y] = strip.adjust_cell_length(self.size.width, self.ink(""))
        return self._strips[y]

    def watch_view(self) -> None:
        """A new view: draw what it changes."""
        self.redraw()

    def on_resize(self, _event: Resize) -> None:
        """Another size: every line is another."""
        self._lines.clear()
        self._strips.clear()
        self.redraw()
        self.refresh()

    def notify_style_update(self) -> None:
        """Another theme: the same lines in other inks."""
        super().notify_style_update()
        self._inks.clear()
        self._strips.clear()


def width_of(line: Line) -> int:
    """Cells of a line whose texts are all of one-cell characters."""
    return sum(len(text) for text, _ in line)
