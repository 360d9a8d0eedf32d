"""Two sessions side by side: how many times better the second is, and what else was not the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tui import format as fmt
from tui.bench import figures
from tui.bench.axis import Axis, axis_for, bar
from tui.bench.record import Compared, Comparison, SessionRow
from tui.bench.record import Line as Found
from tui.compare_lines import differences
from tui.widgets.columns import Column, fitting, table, wrapped
from tui.widgets.lines import Line, Piece

_SAME: Final = "both were measured on the same: machine, settings, packages, code"

_LEFT: Final = Column("left", "A", 9, 96, right=True)
_RIGHT: Final = Column("right", "B", 9, 97, right=True)
_FACTOR: Final = Column("factor", "better", 9, 98, right=True)
_VERDICT: Final = Column("verdict", "", 16, 60)
_BAR: Final = Column("bar", "", 17, 70, grow=3, most=61)
_NOTE: Final = (
    "Better: by how many times B is better than A, with the interval of 95 %. What has something beside it is compared "
    "by the ratio to that, which a slower machine does not change; other figures only while the machine was as fast."
)


def comparison_lines(found: Comparison, width: int) -> list[Line]:
    """All of it."""
    lines: list[Line] = [*_side("A", found.left, width), *_side("B", found.right, width)]
    for banner in found.banners:
        for at, text in enumerate(wrapped(banner, max(width - 2, 10))):
            lines.append(((("  " if at else "▲ ") + text, "warning"),))
    lines.append(())
    drawn = [_drawn(one) for one in found.lines]
    longest = max((len(_named(one, width)) for one in found.lines), default=14)
    columns = (Column("name", "", min(max(longest, 8), 18), 100, grow=1, most=min(max(longest, 8), 44)), *_rest())
    places = fitting(columns, width, 2)
    cells = next((place.width for place in places if place.column.name == "bar"), 0)
    axis = axis_for(drawn, cells) if cells else None
    rows = [_row(one, line, width) for one, line in zip(found.lines, drawn, strict=True)]
    heads, *body = table(columns, rows, width, 2)
    lines.append(heads)
    for line, one in zip(body, drawn, strict=True):
        lines.append(_with_bar(line, one, axis, places[-1].left) if axis is not None and one.factor else line)
    if axis is not None:
        lines.append(((" " * places[-1].left, ""), (axis.ruler(), "quiet")))
    lines.append(())
    lines += [((text, "quiet"),) for text in wrapped(_NOTE, width)]
    lines += differences(found.differences, _SAME, width)
    return lines


def _rest() -> Sequence[Column]:
    return _LEFT, _RIGHT, _FACTOR, _VERDICT, _BAR


def _side(letter: str, row: SessionRow, width: int) -> Iterator[Line]:
    text, ink = figures.outcome(row)
    kind = f"{'quick ' if row.quick else ''}{row.suite}"
    yield (
        (f"{letter}  ", "brand"), (f"{row.id}  ", "quiet"), (kind, "strong"), (f"  {fmt.date(row.began)}  ", ""),
        (text, ink),
    )  # fmt: skip
    names = [*row.names, *(["accepted"] if row.accepted else [])]
    told = f"{row.code}, on {row.machine}" + (f", baseline {', '.join(names)}" if names else "")
    yield (("   ", ""), (fmt.fit(told, max(width - 3, 4)), "quiet"))


def _drawn(one: Compared) -> Found:
    return Found(
        name=one.name, title=one.title, factor=one.factor, factor_low=one.low, factor_high=one.high,
        of="beside" if one.factor is not None else "",
    )  # fmt: skip


def _row(one: Compared, drawn: Found, width: int) -> dict[str, Piece]:
    verdict, ink = _verdict(one, drawn)
    return {
        "name": (_named(one, width), ""),
        "left": ("" if one.left is None else figures.value(one.left, one.unit), ""),
        "right": ("" if one.right is None else figures.value(one.right, one.unit), "strong"),
        "factor": ("" if one.factor is None else f"{verdict[0]} {figures.times(one.factor)}", ink),
        "verdict": (verdict, ink),
        "bar": (one.why, "quiet"),
    }


def _named(one: Compared, width: int) -> str:
    return one.title if width >= 150 or len(one.title) <= 20 else one.name


def _verdict(one: Compared, drawn: Found) -> Piece:
    if one.factor is None:
        return one.why, "quiet"
    ink = figures.ink_of(drawn)
    return {"good": ("▲ better", "good"), "error": ("▼ worse", "error")}.get(ink, ("≈ not told apart", "quiet"))


def _with_bar(line: Line, one: Found, axis: Axis, left: int) -> Line:
    """The bar in the place of the last column, which else says why there is none."""
    cut: list[Piece] = []
    room = left
    for text, ink in line:
        if room <= 0:
            break
        cut.append((text[:room], ink))
        room -= len(text[:room])
    return (*cut, (" " * room, ""), *bar(one, axis, figures.ink_of(one) or "quiet"))
