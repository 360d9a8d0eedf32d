"""Lines that changed, painted alone and at once.

Textual puts together all widgets within the rectangle round all that has changed, their frames and grounds included,
within a sixtieth of a second after each of them has told the screen. Where ten panels change ten times a second, that
costs more than what they draw. Here a panel tells which of its lines are others; and where nothing lies over it, these
lines are written, and nothing else. Where something does, Textual does it. The styles of such a line have to have
passed the filters of the app.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from rich.console import Console
from textual._compositor import Compositor, CompositorUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget


class PaintedLine(NamedTuple):
    """A line of a widget, and where on the screen it begins."""

    x: int
    y: int
    strip: Strip


class LinesUpdate(CompositorUpdate):
    """Some lines, and after them what Textual has put together."""

    def __init__(self, lines: list[PaintedLine], rest: CompositorUpdate | None) -> None:
        self.lines = lines
        self.rest = rest

    def render_segments(self, console: Console) -> str:
        """What to tell the terminal."""
        told = [f"\x1b[{y + 1};{x + 1}H{strip.render(console)}" for x, y, strip in self.lines]
        if self.rest is not None:
            told.append(self.rest.render_segments(console))
        return "".join(told)


class LinesCompositor(Compositor):
    """Knows which lines of which widgets are others by now."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[Widget, set[int]] = {}
        """Lines of their contents."""
        self._places: dict[Widget, Region] = {}
        self._places_of: object = None

    def places(self) -> dict[Widget, Region]:
        """Widgets that can be seen as a whole, with nothing before them: where on the screen their contents are."""
        visible = self.visible_widgets
        if self._places_of is not visible:  # it is made anew with each layout
            self._places_of, self._places = visible, {}
            before: list[Region] = []
            for widget, (region, clip) in visible.items():  # from the front to the back
                if clip.contains_region(region) and not any(map(region.overlaps, before)):
                    self._places[widget] = region.shrink(widget.gutter)
                before.append(region)
        return self._places

    def update_widgets(self, widgets: set[Widget]) -> None:
        """Take up what has changed in some widgets. What lies beneath another screen is painted by that one."""
        if self.root is not None and self.root.app.screen is not self.root:
            self._dirty_regions.update(self._spread(self._take()))
        super().update_widgets(widgets)

    def render_partial_update(self) -> Any:
        """The lines, and what else has changed."""
        places, others = self.places(), dict[Widget, set[int]]()
        lines: list[PaintedLine] = []
        for widget, changed in self._take().items():
            if widget in places and self.visible_widgets[widget][0] not in self._dirty_regions:
                x, y, width, height = places[widget]
                shown = (line for line in sorted(changed) if line < height)
                lines += (
                    PaintedLine(x, y + line, widget.render_line(line).adjust_cell_length(width)) for line in shown
                )
            else:
                others[widget] = changed
        self._dirty_regions.update(self._spread(others))
        rest = super().render_partial_update()
        return LinesUpdate(lines, rest) if lines else rest

    def _take(self) -> dict[Widget, set[int]]:
        changed, self.changed = self.changed, {}
        return changed

    def _spread(self, changed: Mapping[Widget, Iterable[int]]) -> Iterator[Region]:
        """Lines as the regions that Textual knows, as far as they can be seen."""
        for widget in changed.keys() & self.visible_widgets.keys():
            region, clip = self.visible_widgets[widget]
            offset, width = region.offset + widget.content_offset, widget.size.width
            for y in changed[widget]:
                if seen := clip.intersection(Region(offset.x, offset.y + y, width, 1)):
                    yield seen


class PaintingScreen(Screen[Any]):
    """A screen whose panels say which of their lines are to be painted."""

    _compositor: LinesCompositor

    def __init__(self) -> None:
        super().__init__()
        self._compositor = LinesCompositor()

    def lines_changed(self, widget: Widget, lines: Iterable[int]) -> None:
        """These lines of the content of a widget are others than those that were painted."""
        changed = set(lines)
        self._compositor.changed.setdefault(widget, set()).update(changed)
        top = widget.content_offset.y
        widget._styles_cache._dirty_lines.update(top + y for y in changed)  # for whoever paints the whole of it
        self._dirty_widgets.add(widget)
        self.check_idle()

    def paint(self) -> None:
        """Paint now what has changed, instead of within a sixtieth of a second. Where things have to be arranged anew
        before, that is early enough.
        """
        if self._dirty_widgets and not (self._layout_required or self._scroll_required or self.app._batch_count):
            self._on_timer_update()
