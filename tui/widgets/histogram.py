"""A distribution on a logarithmic axis, with its quantiles: where most are, and how far the tail reaches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from textual.content import Content

from engine.stream.types import Shape
from tui import draw
from tui import format as fmt
from tui.shapes import Decades, cell_of, decades_of, resampled, shape_of
from tui.view import View
from tui.widgets.chart import ChartPanel, row_shade
from tui.widgets.lines import Line, Piece

_NAMES: Final = ("", "k", "M", "G")
_TIMES: Final = ((0, "s"), (-3, "ms"), (-6, "µs"), (-9, "ns"))


def _power(exponent: int, unit: str) -> str:
    """A power of ten as a label: ``10µs``, ``1k``."""
    if unit == "seconds":
        least, name = next(((e, n) for e, n in _TIMES if exponent >= e), _TIMES[-1])
        return f"{10 ** (exponent - least)}{name}" if exponent >= least else f"1e{exponent}s"
    thousands = max(exponent, 0) // 3
    return f"{10 ** (exponent - 3 * thousands):g}{_NAMES[min(thousands, 3)]}"


def histogram_lines(shape: Shape, width: int, height: int, first: int, last: int) -> list[Line]:
    """The bars, under them the axis from 10 ** `first` to 10 ** `last` with marks at p50, p95 and p99, its labels, and
    the numbers. Where the height is little, first the marks go, then the labels, then the bars.
    """
    marks, labels = height >= 4, height >= 3
    rows = height - 1 - marks - labels
    lines: list[Line] = []
    if rows > 0:
        parts = resampled(shape, first, last, width)
        most = max(parts, default=0.0) or 1.0
        bars = draw.columns([part / most for part in parts], rows)
        lines += [((text, row_shade(row, rows)),) for row, text in enumerate(bars)]
    if marks:
        lines.append(_axis(shape, width, first, last))
    if labels:
        lines.append(_labels(shape.unit, width, first, last))
    lines.append(quantile_line(shape, width))
    return lines


def _axis(shape: Shape, width: int, first: int, last: int) -> Line:
    glyphs = ["─"] * width
    for exponent in range(first, last + 1):
        glyphs[min((exponent - first) * width // (last - first), width - 1)] = "┬"
    spread = shape.spread
    found = {cell_of(value, first, last, width) for value in (spread.p50, spread.p95, spread.p99) if value}
    pieces: list[Piece] = []
    at = 0
    for cell in sorted(found):
        pieces += [("".join(glyphs[at:cell]), "track"), ("▴", "brand")]
        at = cell + 1
    return tuple(piece for piece in (*pieces, ("".join(glyphs[at:]), "track")) if piece[0])


def _labels(unit: str, width: int, first: int, last: int) -> Line:
    """At as many powers of ten as find room, evenly."""
    for stride in range(1, last - first + 1):
        text = ""
        for exponent in range(first, last + 1, stride):
            label = _power(exponent, unit)
            at = min((exponent - first) * width // (last - first), width - 1) - len(label) // 2
            at = min(max(at, 0), width - len(label))
            if text and at < len(text) + 1:
                break
            text = text.ljust(at) + label
        else:
            return ((text.ljust(width), "quiet"),)
    return ((_power(first, unit).ljust(width)[:width], "quiet"),)


def quantile_line(shape: Shape, width: int) -> Line:
    """``p50 182µs  p95 1.2ms  p99 8.4ms  max 12ms  1.2M values``, as much of it as fits; what is estimated says so."""
    tell = fmt.duration if shape.unit == "seconds" else fmt.si
    spread = shape.spread
    about = " " if shape.pool else "≈"
    told = [
        (f"{name}{about}", value) for name, value in (("p50", spread.p50), ("p95", spread.p95), ("p99", spread.p99))
    ]
    told.append(("max ", spread.max))
    parts: list[Line] = [
        ((name, "quiet"), (f"{'-' if value is None else tell(value):>5}", "strong")) for name, value in told
    ]
    parts.append(((f"{fmt.si(spread.count):>5}", ""), (" values", "quiet")))
    gap = 2 if width >= 3 * 9 + 4 else 1
    if width < 3 * 9 + 2:  # the middle one of three says least
        del parts[1]
    line: list[Piece] = []
    used = 0
    for part in parts:
        size = sum(len(text) for text, _ in part) + (gap if line else 0)
        if used + size > width:
            break
        line += [(" " * gap, ""), *part] if line else part
        used += size
    return tuple(line)


def _faded(line: Line) -> Line:
    """Bars of what was: without their colours."""
    return tuple((text, "quiet" if ink.startswith("shade-") else ink) for text, ink in line)


class Histogram(ChartPanel):
    """One of the distributions that a run tells of: of one pool, or of all together."""

    def __init__(
        self,
        name: str,
        *,
        title: str,
        empty: str,
        span: int = 3,
        keep: bool = False,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        """`name`: that of its shapes; `empty`: what to say where nothing was measured; `span`: decades of its axis,
        at the least; `keep`: once nothing is measured any more, show what was last, and say when that was.
        """
        super().__init__(id=id, classes=classes)
        self.shape_name = name
        self.pool = ""
        self._title, self._empty, self._span, self._keep = title, empty, span, keep
        self._as_of: float | None = None
        self._axis: Decades | None = None
        self._axis_of: tuple[str, str] = ("", "")
        self.border_title = f" {title} "

    def show_pool(self, pool: str) -> None:
        """Of this pool from now on; "" for all of them."""
        if pool != self.pool:
            self.pool = pool
            self._entitle()
            self.redraw()

    def _entitle(self) -> None:
        title = f" {self._title}  {fmt.clean(self.pool)} " if self.pool else f" {self._title} "
        if self._as_of is not None:
            title += f" as of {fmt.of_day(self._as_of)} "
        self.border_title = Content(title)  # not a text: a pool may be called anything

    def made_of(self, view: View) -> object:
        """Shapes, which are told once a second."""
        return view.hello, view.shapes, view.over

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The histogram for this size."""
        now = view.shapes
        shape = shape_of(now, self.shape_name, self.pool)
        old = self._keep and now is not None and (shape is None or not shape.counts)
        if old:
            now = view.measured.get((self.shape_name, self.pool))
            shape = shape_of(now, self.shape_name, self.pool)
        as_of = now.at if old and now is not None else None
        if as_of != self._as_of:
            self._as_of = as_of
            self._entitle()
        if now is None or shape is None or not shape.counts:
            told = "measuring" if view.shapes is None and not view.over else self._empty
            blank: Iterable[Line] = [()] * ((height - 1) // 2)
            return [*blank, ((fmt.fit(told, width).center(width), "quiet"),)]
        of = (view.hello.run if view.hello is not None else "", self.pool)
        axis = self._axis if self._axis is not None and self._axis_of == of else None
        axis = axis or Decades(*decades_of(shape, self._span))
        self._axis, self._axis_of = axis.for_(shape, now.at, self._span), of
        lines = histogram_lines(shape, width, height, self._axis.first, self._axis.last)
        return [_faded(line) for line in lines] if old else lines
