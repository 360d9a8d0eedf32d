"""The history of runs: thousands of rows, those that go on above all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tui import format as fmt
from tui import runs
from tui.archive import RunRow
from tui.widgets.columns import Column, Place, aligned
from tui.widgets.lines import Line, Piece
from tui.widgets.listing import Listing, told

_STATUS = Column("status", "status", 13, 100)
_NAME = Column("name", "name", 11, 99, grow=2, most=40)
_NAME_LONG = Column("name", "name", 18, 99, grow=2, most=40)
_ID = Column("id", "run", 8, 50)
_STARTED_LONG = Column("started", "started", 16, 90)
_STARTED = Column("started", "started", 11, 90)
_TIME = Column("time", "time", 8, 85, right=True)
_DONE = Column("done", "done", 9, 80, right=True)
_FAILED = Column("failed", "failed", 6, 95, right=True)
_RATE = Column("rate", "rate", 8, 60, right=True)
_BAR = Column("bar", "", 12, 55, grow=1, most=30)
_RESUMED = Column("resumed", "resumed", 8, 45, right=True)
_ORIGIN = Column("origin", "rerun of", 8, 40)
_MARKED = 2
"""Runs that can be marked at a time: those that are compared."""


class RunsTable(Listing[RunRow]):
    """All recorded runs, and those that go on."""

    HELP: ClassVar[str] = (
        "Every recorded run, and those that go on now: `● live` ones stand first, and `enter` joins them. Of one that "
        "has ended `enter` plays the recording. Two that are marked with `space` can be compared."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._runs: list[RunRow] = []
        self._filter = runs.RunFilter()
        self._state = "loading"
        self._by, self._descending = "started", True
        self.marked: list[str] = []
        """Ids of runs to compare, the first one marked first."""

    # -- what it shows -------------------------------------------------------------------------------------------------

    def show_runs(self, found: Sequence[RunRow]) -> None:
        """These are all runs there are by now."""
        self._runs, self._state = list(found), ""
        self.marked = [run for run in self.marked if any(row.id == run for row in self._runs)]
        self._arrange()

    def fail(self, why: str) -> None:
        """They could not be had; what was had before is still shown."""
        self._state = f"error:{why}"
        self._arrange()

    def filter(self, wanted: runs.RunFilter) -> None:
        """Show only these."""
        self._filter = wanted
        self._arrange()

    def found(self) -> str:
        """How many fit the filter."""
        return f"{fmt.count(len(self._items))} of {fmt.count(len(self._runs))}"

    def _arrange(self) -> None:
        shown = runs.ordered([run for run in self._runs if self._filter.fits(run)], self._by, self._descending)
        self.set_items([(run.id, run) for run in shown])
        self.say()

    def title(self) -> str:
        """How many there are."""
        of = f"{fmt.count(len(self._items))} of " if self._filter else ""
        count = f"  {of}{fmt.count(len(self._runs))}" if self._runs else ""
        live = sum(run.live for run in self._runs)
        return f"runs{count}{f'  ● {live} live' if live else ''}"

    def order(self) -> str:
        """What is marked, or by what it is sorted."""
        if self._state.startswith("error:") and self._runs:
            return f"▲ not up to date: {self._state.removeprefix('error:')}"
        if self.marked:
            more = "space marks another" if len(self.marked) < _MARKED else "c compares"
            return f"◉ {'  ◉ '.join(self.marked)}  {more}"
        return ""

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """The column whose title bears an arrow."""
        return self._by, self._descending

    def empty(self, width: int, height: int) -> list[Line]:
        """What is shown where there is no run."""
        if self._state == "loading":
            return told("◌", "starting", "reading the record", width, height)
        if self._state:
            return told(
                "✕", "error", self._state.removeprefix("error:"), width, height, "tried again every few seconds"
            )
        if self._runs:
            return told("□", "quiet", "no such runs", width, height, "esc shows all of them")
        return told("□", "quiet", "no runs yet", width, height, "shoal run ... makes one")

    # -- rows ----------------------------------------------------------------------------------------------------------

    def columns(self, width: int) -> Sequence[Column]:
        """Those for a width; the least important are left out where they don't fit."""
        started = _STARTED_LONG if width >= 96 else _STARTED
        more = (_BAR, _RESUMED, _ORIGIN) if width >= 136 else (_BAR,) if width >= 106 else ()
        identity = (_ID,) if width >= 84 else ()
        name = _NAME_LONG if width >= 72 else _NAME
        return (_STATUS, name, *identity, started, _TIME, _DONE, _FAILED, _RATE, *more)

    def is_marked(self, key: str) -> bool:
        """Whether it is to be compared."""
        return key in self.marked

    def row(self, row: RunRow, places: Sequence[Place]) -> Line:
        """One run."""
        pieces: list[Piece] = []
        for place in places:
            pieces += self._cell(row, place)
            pieces.append((" ", ""))
        return tuple(pieces[:-1])

    def _cell(self, run: RunRow, place: Place) -> Line:
        match place.column.name:
            case "status":
                text, ink = runs.status(run)
                return ((fmt.pad(text, place.width), ink),)
            case "bar":
                return runs.bar(run, place.width)
            case "name":
                return ((fmt.pad(run.name, place.width), "strong"),)
            case "failed":
                text = fmt.count(run.failed) if len(fmt.count(run.failed)) <= place.width else fmt.si(run.failed)
                return ((aligned(text, place), "error" if run.failed else "quiet"),)
            case "done":
                text = fmt.count(run.done) if len(fmt.count(run.done)) <= place.width else fmt.si(run.done)
                return ((aligned(text, place), ""),)
            case name:
                texts = {
                    "id": run.id, "started": fmt.date(run.started, place.width), "time": fmt.duration(run.seconds),
                    "rate": f"{fmt.si(run.rate)}/s", "resumed": f"{run.resumed}×" if run.resumed else "",
                    "origin": run.origin,
                }  # fmt: skip
                return ((aligned(texts[name], place), "quiet" if name in ("id", "started", "origin") else ""),)

    def copied(self) -> str:
        """The id of the run."""
        return self.cursor or super().copied()

    # -- what the keys do ----------------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Mark the run under the cursor to be compared, or not any more; of three marks the first goes."""
        run = self.cursor
        if run is None:
            return
        if run in self.marked:
            self.marked.remove(run)
        else:
            self.marked = [*self.marked, run][-_MARKED:]
        self.say()
        self.redraw()

    def sort_by(self, name: str) -> None:
        """Sort by a column; by the one that it is sorted by already, the other way round."""
        if name not in runs.SORTS:
            return
        if name == self._by:
            self._descending = not self._descending
        else:
            self._by, self._descending = name, name not in ("name", "status", "id")
        self._resorted()

    def _resorted(self) -> None:
        if self.holding:
            self.release()
        self._arrange()

    def sort_next(self, steps: int) -> None:
        """By the next column, or the one before."""
        place = (runs.SORTS.index(self._by) + steps) % len(runs.SORTS)
        self.sort_by(runs.SORTS[place])

    def invert(self) -> None:
        """The other way round."""
        self.sort_by(self._by)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """By the column whose title was clicked."""
        event.stop()
        self.sort_by(event.column)
