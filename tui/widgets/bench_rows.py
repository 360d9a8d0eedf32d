"""What a session has found: a bar round 1x for each line, on one axis, with what is wanted and whether it is so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from tui import format as fmt
from tui.bench import figures
from tui.bench.axis import Axis, axis_for, bar
from tui.bench.record import Line as Found
from tui.bench.record import Suite, Wanted
from tui.widgets.columns import Column, Place, aligned, fitting, wrapped
from tui.widgets.lines import Line, Piece, cut
from tui.widgets.listing import Heading, Item, Listing, told

_NAME: Final = Column("name", "", 13, 100, grow=1, most=34)
_OURS: Final = Column("ours", "ours", 8, 95, right=True)
_OTHER: Final = Column("other", "theirs", 8, 55, right=True)
_BESIDE: Final = Column("beside", "beside", 14, 50, grow=1, most=22)
_BAR: Final = Column("bar", "", 12, 96, grow=3, most=72)
_FACTOR: Final = Column("factor", "better", 6, 97, right=True)
_INTERVAL: Final = Column("interval", "interval", 14, 40)
_ROUNDS: Final = Column("rounds", "n", 4, 35, right=True)
_MARKS: Final = Column("marks", "must aim", 8, 94)
_MARK: Final = Column("mark", "must", 4, 94)
_MUST: Final = Column("must", "must", 12, 30, grow=1, most=26)
_AIM: Final = Column("aim", "aim", 10, 25, grow=1, most=18)
_GATE: Final = Column("gate", "since", 12, 92)


_SHORT: Final = 64
"""Cells below which the frame has a short heading."""


class BenchRows(Listing[Found]):
    """One line each, in the order of the tables; headings where there are several."""

    HELP: ClassVar[str] = (
        "A bar for each line: how many times better Shoal is than what stands beside it, on one logarithmic axis; "
        "where nothing stands there, than what it must be. `━` is what is sure, `─` the interval of 95 %, `●` its "
        "middle, `▸` what it must reach, `◇` the aim. `?` after a verdict: the interval does not settle it. `enter` "
        "tells all of it."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._found: tuple[Found, ...] = ()
        self._heading = ("", "")
        self._more = ""
        self._state: tuple[str, str, str, str] = ("◌", "starting", "reading what is kept", "")
        self._now = ""
        self._suite: Suite | None = None
        """What is told of in the place of lines."""
        self._failures: dict[str, str] = {}
        self._gate = False
        self._axis: tuple[int, Axis] | None = None

    # -- what it shows -------------------------------------------------------------------------------------------------

    def show_lines(
        self,
        found: Sequence[Found],
        heading: tuple[str, str],
        more: str = "",
        now: str = "",
        failures: dict[str, str] | None = None,
    ) -> None:
        """These lines.

        Args:
            found: in the order of the tables.
            heading: for the frame, long and short.
            more: for its other end.
            now: name of the line that is measured now.
            failures: why some were not measured, by name.
        """
        self._found, self._heading, self._more, self._now = tuple(found), heading, more, now
        self._failures, self._suite = failures or {}, None
        self._gate = any(line.judged is not None for line in found)
        self._state = ("□", "quiet", "nothing was measured", "")
        self._axis = None
        items: list[Item[Found]] = []
        part = ""
        for line in self._found:
            if line.part != part:
                part = line.part
                items.append(Heading(((part, "brand"),)))
            items.append((line.key, line))
        self.set_items(items)
        self.say()

    def show_nothing(self, heading: str, glyph: str, ink: str, text: str, more: str = "") -> None:
        """A few words in the place of lines."""
        self._found, self._heading, self._more, self._now, self._gate = (), (heading, heading), "", "", False
        self._state, self._suite = (glyph, ink, text, more), None
        self.set_items([])
        self.say()

    def hold(self) -> None:
        """Their order does not change."""

    def show_suite(self, suite: Suite) -> None:
        """What would be measured, of a suite that never was."""
        self.show_nothing(suite.name, "□", "quiet", "")
        self._suite = suite
        self.redraw()

    def title(self) -> str:
        """Which session."""
        return self._heading[self.size.width < _SHORT]

    def order(self) -> str:
        """How much of what is wanted it has."""
        return self._more

    def empty(self, width: int, height: int) -> list[Line]:
        """What is shown where there is no line."""
        if self._suite is not None:
            return _untold(self._suite, width, height)
        glyph, ink, text, more = self._state
        return told(glyph, ink, text, width, height, more)

    # -- columns -------------------------------------------------------------------------------------------------------

    def columns(self, width: int) -> Sequence[Column]:
        """Those for a width. The ruler of the axis is the title of the bars."""
        shown = self._columns(width)
        place = next((place for place in fitting(shown, width) if place.column.name == "bar"), None)
        if place is None:
            return shown
        return [replace(one, title=self._axis_of(place.width).ruler()) if one.name == "bar" else one for one in shown]

    def _columns(self, width: int) -> list[Column]:
        longest = max((len(self._called(line, width)) for line in self._found), default=0)
        least = 12 if width < 54 else 15 if width < 90 else 18
        name = replace(_NAME, width=min(max(longest, 8), least), most=min(max(longest, 8), 60))
        has = {
            "bar": any(line.factor is not None for line in self._found), "gate": self._gate,
            "beside": any(line.beside for line in self._found), "must": any(line.must for line in self._found),
            "aim": any(line.aim for line in self._found), "ours": any(line.value is not None for line in self._found),
        }  # fmt: skip
        found = [name]
        if has["ours"]:
            found.append(_OURS)
        if has["beside"] and width >= 100:
            found += [_OTHER, _BESIDE]
        if has["bar"]:
            found += [_BAR, _FACTOR]
            if width >= 84:
                found.append(_INTERVAL)
        if width >= 76:
            found.append(_ROUNDS)
        if has["must"] or has["aim"]:
            found.append(_MARKS if width >= 54 else _MARK)
        if has["must"] and width >= 120:
            found.append(_MUST)
        if has["aim"] and width >= 132:
            found.append(_AIM)
        if has["gate"]:
            found.append(_GATE)
        return found

    def _axis_of(self, cells: int) -> Axis:
        if self._axis is None or self._axis[0] != cells:
            self._axis = cells, axis_for(self._found, cells)
        return self._axis[1]

    # -- rows ----------------------------------------------------------------------------------------------------------

    def row(self, row: Found, places: Sequence[Place]) -> Line:
        """One line."""
        pieces: list[Piece] = []
        for place in places:
            pieces += self._cell(row, place)
            pieces.append((" ", ""))
        return tuple(pieces[:-1])

    def _cell(self, line: Found, place: Place) -> Line:
        why = self._failures.get(line.name)
        ink = figures.ink_of(line)
        match place.column.name:
            case "name":
                glyph = "✕ " if why else "◌ " if line.name == self._now else ""
                text = fmt.pad(glyph + self._called(line, place.width), place.width)
                return ((text, "error" if why else "starting" if glyph else "strong"),)
            case "bar":
                return self._bar(line, place.width, ink)
            case "marks":
                return (*_mark(line, line.must, 5), *_mark(line, line.aim, place.width - 5))
            case "mark":
                return _mark(line, line.must, place.width)
            case "gate":
                text, ink = ("", "") if line.judged is None else figures.state(line.judged.state)
                return ((fmt.pad(text, place.width), ink),)
            case "factor":
                return ((aligned(figures.times(line.factor) if line.factor is not None else "", place), ink),)
            case "ours":
                text = "" if line.value is None else figures.value(line.value, line.unit)
                return ((aligned(text, place), "strong"),)
            case name:
                texts = {
                    "other": "" if line.other is None else figures.value(line.other, line.unit),
                    "beside": line.beside, "interval": figures.interval(line),
                    "rounds": str(line.rounds) if line.rounds else "", "must": line.must.text if line.must else "",
                    "aim": line.aim.text if line.aim else "",
                }  # fmt: skip
                return ((aligned(texts[name], place), "quiet"),)

    def _bar(self, line: Found, cells: int, ink: str) -> Line:
        why = self._failures.get(line.name)
        if why and line.factor is None:
            return ((fmt.pad(why, cells), "error"),)
        if line.factor is None and line.name == self._now:
            return ((fmt.pad("measuring", cells), "starting"),)
        return bar(line, self._axis_of(cells), ink)

    def _called(self, line: Found, width: int) -> str:
        """The title where it is short, as it is under a heading; else the name."""
        return line.title if line.part or width >= 40 or len(line.title) <= 20 else line.name

    def copied(self) -> str:
        """The line as text."""
        line = self.under_cursor
        if line is None:
            return super().copied()
        told_ = [line.title, figures.value(line.value, line.unit) if line.value is not None else ""]
        if line.factor is not None:
            told_ += [f"{figures.times(line.factor)} better than {line.beside or 'it must be'}", figures.interval(line)]
        return "  ".join(part for part in told_ if part)


def _untold(suite: Suite, width: int, height: int) -> list[Line]:
    """A suite in a few words, in the middle."""
    room = min(width - 4, 64)
    if room < 10:
        return []
    lines: list[Line] = [
        (("□ ", "quiet"), (suite.name, "strong"), (f"  {suite.title}", "")), (),
        *[((text, "quiet"),) for text in wrapped(suite.about, room)], (),
        (("not measured here yet: ", ""), ("r", "brand"), (" measures it", "")),
    ]  # fmt: skip
    left: Line = ((" " * ((width - room) // 2), ""),)
    return [*[()] * max(0, (height - len(lines)) // 2), *(cut((*left, *line), width) for line in lines)]


def _mark(line: Found, wanted: Wanted | None, width: int) -> Line:
    """Whether it is reached; nothing of a line that was not measured yet."""
    text, ink = figures.mark(wanted if line.rounds else None)
    return ((fmt.pad(text, width), ink),)
