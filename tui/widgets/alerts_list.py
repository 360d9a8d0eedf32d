"""Alerts: what fires, what may, what is silenced, and what has been, each under its heading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.message import Message

from tui import alerts
from tui import format as fmt
from tui.alert_lines import state_ink, value_of
from tui.alerts import Entry, Group
from tui.archive import PastAlert
from tui.run_lines import severity
from tui.view import View
from tui.widgets.columns import Column, Place, aligned
from tui.widgets.lines import Line, Piece
from tui.widgets.listing import Heading, Item, Listing, told

READING: Final = "reading the record"
"""What is said of the record before it has answered."""
_SEVERITY = Column("severity", "severity", 10, 96)
_STATE = Column("state", "state", 12, 94)
_RULE = Column("rule", "rule", 12, 80, grow=1, most=20)
_VALUE = Column("value", "value / threshold", 19, 60)
_SINCE = Column("since", "since", 6, 92, right=True)
_WHEN = Column("when", "fired", 11, 70)
_COUNT = Column("count", "count", 5, 50, right=True)
_RUN = Column("run", "run", 8, 40)
_TEXT = Column("text", "text", 16, 100, grow=6)


def moment_of(view: View) -> float:
    """When a view was, by the clock of its engine: seconds since the Unix epoch."""
    if view.replay is not None:
        return view.replay.at
    return view.frame.at if view.frame is not None else 0.0


class AlertsList(Listing[Entry]):
    """All alerts of the run on view, and of the record."""

    HELP: ClassVar[str] = (
        "What fires now, the most severe first; what is about to; silences; and what has been. `a` says that you have "
        "taken an alert on, `z` asks for silence about it for a while, `u` takes either back."
    )

    class Changed(Message):
        """Something of what it shows has changed."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._past: tuple[PastAlert, ...] = ()
        self._record = READING
        self._everywhere = False
        self._drawn = View()
        self._firing: list[Entry] = []

    # -- what it shows -------------------------------------------------------------------------------------------------

    def show_past(self, past: Sequence[PastAlert], told_of_record: str, everywhere: bool) -> None:
        """What the record has; or how it is with that: "" for well, else a line about it. `everywhere`: of all runs."""
        self._past, self._record, self._everywhere = tuple(past), told_of_record, everywhere
        self._arrange()

    def watch_view(self) -> None:
        """Rows change with alerts, and ages with the seconds: not with every frame."""
        view, before = self.view, self._drawn
        same = view.alerts is before.alerts and view.silences is before.silences and view.hello is before.hello
        if not same or view.phase != before.phase or int(moment_of(view)) != int(moment_of(before)):
            self._arrange()

    def _arrange(self) -> None:
        view = self._drawn = self.view
        here = view.hello.run if view.hello is not None else ""
        groups = alerts.grouped(alerts.entries(view, self._past, here))
        items: list[Item[Entry]] = []
        if not view.idle and view.frame is not None and "firing" not in groups:
            items.append(Heading((("✓ nothing fires", "good"),)))
        for group, found in groups.items():
            items.append(Heading(self._heading(group, len(found))))
            items += [(entry.key, entry) for entry in found]
        if groups and self._record:
            quiet = self._record == READING
            items.append(Heading(((self._record, "quiet") if quiet else (f"▲ {self._record}", "warning"),)))
        self._firing = groups.get("firing", [])
        self.set_items(items)
        self.say()
        self.post_message(self.Changed())

    def title(self) -> str:
        """How many fire, by how severe they are."""
        counts = [(name, sum(one.severity == name for one in self._firing)) for name in ("critical", "warning", "info")]
        return "  ".join(["alerts", *(f"{severity(name)[0][0]} {count} {name}" for name, count in counts if count)])

    def _heading(self, group: Group, count: int) -> Line:
        title, _, more = alerts.TITLES[group].partition("  ")
        if group == "earlier":
            more = "of all runs" if self._everywhere else "in this run"
        ink = "error" if group == "firing" else "strong"
        return ((title, ink), (f"  {fmt.count(count)}", "quiet"), (f"  {more}" if more else "", "quiet"))

    def empty(self, width: int, height: int) -> list[Line]:
        """What is shown where there is nothing at all: all is well, or it is not known yet."""
        view, record = self.view, self._record
        if not view.idle:
            if view.frame is None:
                return told("◌", "starting", "waiting for the first frame", width, height, record)
            return told("✓", "good", "nothing fires", width, height, record or "and nothing has, in this run")
        if record:
            glyph, ink = ("◌", "starting") if record == READING else ("▲", "warning")
            return told(glyph, ink, record, width, height)
        return told("✓", "good", "no alert was ever recorded", width, height)

    # -- rows ----------------------------------------------------------------------------------------------------------

    def columns(self, width: int) -> Sequence[Column]:
        """Those for a width; the least important are left out where they don't fit."""
        since = _WHEN if self.view.idle else _SINCE
        more = (_RUN,) if self._everywhere else ()
        wide = (_VALUE,) if width >= 100 else ()
        return (_SEVERITY, _STATE, _RULE, *wide, since, _COUNT, *more, _TEXT)

    def row(self, row: Entry, places: Sequence[Place]) -> Line:
        """One alert, or one silence."""
        pieces: list[Piece] = []
        for place in places:
            text, ink = self._cell(row, place)
            pieces += [(aligned(text, place), ink), (" ", "")]
        return tuple(pieces[:-1])

    def _cell(self, entry: Entry, place: Place) -> Piece:
        quiet = "quiet" if entry.group in ("earlier", "resolved") else ""
        match place.column.name:
            case "severity":
                if entry.silence is not None:
                    return "◌ silence", "quiet"
                text, ink = severity(entry.severity)
                return text, "quiet" if quiet else ink
            case "state":
                return ("" if entry.silence is not None else entry.state), state_ink(entry)
            case "rule":
                return entry.rule, quiet or "strong"
            case "value":
                return value_of(entry), quiet
            case "since":
                return self._since(entry), "quiet"
            case "when":
                return ("" if entry.at is None else fmt.date(entry.at, place.width)), "quiet"
            case "count":
                return (fmt.si(entry.count) if entry.count > 1 else ""), quiet
            case "run":
                return entry.run, "quiet"
        return entry.text, quiet

    def _since(self, entry: Entry) -> str:
        """How long it has been so; of a silence, how long it still lasts."""
        if entry.silence is not None:
            return fmt.age(entry.silence.until - moment_of(self.view))
        return "" if entry.at is None else fmt.age(moment_of(self.view) - entry.at)

    def copied(self) -> str:
        """The alert in a line."""
        entry = self.under_cursor
        if entry is None:
            return super().copied()
        return " ".join(filter(None, (entry.severity, entry.state, entry.rule, value_of(entry), entry.text)))
