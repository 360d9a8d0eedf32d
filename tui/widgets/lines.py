"""A widget that draws whole lines and repaints only those that changed: the ground of every panel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, TypeAlias, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.events import Resize
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui import format as fmt
from tui.commands import Command, allowed
from tui.glyphs import plain
from tui.inks import style_of
from tui.painting import PaintingScreen
from tui.view import View

Piece: TypeAlias = tuple[str, str]
"""A text and the name of its ink, "" for the widget's own."""
Line: TypeAlias = tuple[Piece, ...]

LineT = TypeVar("LineT")


class LineWidget(Widget, Generic[LineT]):
    """Draws the lines that `lines` makes of a view.

    A line is any value that can be compared: equal to the one drawn before, it is not drawn again.
    """

    ALLOW_SELECT = False
    view: reactive[View] = reactive(View, init=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: list[LineT] = []
        self._width = 0
        """For which they were made."""
        self._strips: dict[int, Strip] = {}
        self._inks: dict[str, Style] = {}
        self._made_of: object = None

    def lines(self, view: View, width: int, height: int) -> Sequence[LineT]:
        """What to draw, from the top; `width` and `height` are never 0. At most `height` lines are shown."""
        raise NotImplementedError

    def made_of(self, view: View) -> object:
        """What of a view the lines are made of: as long as that is equal, they are not made again. All of it, unless a
        widget knows better.
        """
        return view

    def draw(self, line: LineT, width: int) -> Strip:
        """One line as a strip. The default takes it for a tuple of pieces."""
        pieces: Line = line  # type: ignore[assignment]  # whoever draws other lines overrides this
        return Strip([Segment(text, self.ink(ink)) for text, ink in pieces if text])

    def ink(self, name: str) -> Style:
        """The style of an ink, on the widget's own ground."""
        style = self._inks.get(name)
        if style is None:
            style = self._inks[name] = self.filtered(self.rich_style + self.mix(name))
        return style

    def mix(self, name: str) -> Style:
        """What an ink adds to the ground."""
        return style_of(name, self.app.theme_variables) if name else Style.null()

    def filtered(self, style: Style) -> Style:
        """A style as it is once it has passed the filters of the app, which then have nothing to do for each line."""
        ground = self.background_colors[1]
        for through in self.app.get_line_filters():
            ((_, found, _),) = through.apply([Segment("x", style)], ground)
            style = found or style
        return style

    @property
    def monochrome(self) -> bool:
        """Whether colours must not carry any meaning."""
        return self.app.no_color

    @property
    def ascii(self) -> bool:
        """Whether nothing beyond ASCII is to be drawn. `render_line` sees to that: only what needs more room, or
        another form, has to ask."""
        return getattr(self.app, "ascii", False)

    def redraw(self) -> None:
        """Make the lines anew and repaint those that changed."""
        width, height = self.size
        if not width or not height:
            return
        new = list(self.lines(self.view, width, height))[:height]
        old, self._lines, self._width = self._lines, new, width
        longest = max(len(new), len(old))
        changed = [y for y in range(longest) if y >= len(new) or y >= len(old) or new[y] != old[y]]
        for y in changed:
            self._strips.pop(y, None)
        screen = self.screen
        if changed and isinstance(screen, PaintingScreen):
            screen.lines_changed(self, changed)
        elif changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """One line of the widget, as Textual asks for it."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.ink(""))
        strip = self._strips.get(y)
        if strip is None:
            strip = self.draw(self._lines[y], self._width)
            if self.ascii:
                strip = Strip([Segment(plain(segment.text), segment.style) for segment in strip])
            strip = self._strips[y] = strip.adjust_cell_length(self._width, self.ink(""))
        return strip

    def text(self) -> str:
        """All that is drawn, as plain lines."""
        return "\n".join(self.render_line(y).text.rstrip() for y in range(self.size.height)).rstrip()

    def repaint(self) -> None:
        """Draw everything anew: in another size, or with other glyphs."""
        self._lines.clear()
        self._strips.clear()
        self.redraw()
        self.refresh()

    def watch_view(self) -> None:
        """A new view: draw what it changes."""
        made_of = self.made_of(self.view)
        if made_of != self._made_of:
            self._made_of = made_of
            self.redraw()

    def on_resize(self, _event: Resize) -> None:
        """Another size: every line is another."""
        self.repaint()

    def notify_style_update(self) -> None:
        """Another theme: the same lines in other inks."""
        super().notify_style_update()
        self._inks.clear()
        self._strips.clear()


class Panel(LineWidget[LineT], can_focus=True):
    """A part of a screen that stands in a frame, and can have the focus: maximised, copied, asked about."""

    OFFERS: ClassVar[tuple[Command, ...]] = ()
    """What it can do while it has the focus; its ``BINDINGS`` are made of these."""
    BINDINGS: ClassVar[list[BindingType]] = []
    HELP: ClassVar[str] = ""
    """What it shows, for `?`: a few sentences in Markdown."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What changes a run is not offered where one may only look."""
        return allowed(self, self.OFFERS, action)

    def copied(self) -> str:
        """What `y` copies."""
        return self.text()


def cut(line: Iterable[Piece], width: int) -> Line:
    """A line as far as there is room; what is missing is shown by ``…``."""
    found: list[Piece] = []
    room = width
    for text, ink in line:
        if room <= 0:
            break
        text = fmt.fit(text, room)
        found.append((text, ink))
        room -= cell_len(text)
    return tuple(found)


def width_of(line: Line) -> int:
    """Cells of a line whose texts are all of one-cell characters."""
    return sum(len(text) for text, _ in line)
