"""The suites: what can be measured, when it was, and how that looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from tui import format as fmt
from tui.bench import figures
from tui.bench.record import SessionRow, Suite
from tui.widgets.columns import Column, Place, aligned
from tui.widgets.lines import Line, Piece
from tui.widgets.listing import Listing

_NAME: Final = Column("name", "", 12, 100, grow=1, most=14)
_STATE: Final = Column("state", "must", 7, 95)
_GLYPH: Final = Column("state", "", 2, 95)
_AGE: Final = Column("age", "ago", 6, 60, right=True)
_TITLE: Final = Column("title", "", 16, 40, grow=2, most=34)


class BenchSuites(Listing[Suite]):
    """A line for each."""

    HELP: ClassVar[str] = (
        "What can be measured, and how the newest session of it looked: how many of the figures that it must reach "
        "it has, and how long ago that was. `r` measures the one under the cursor."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._newest: Mapping[str, SessionRow] = {}
        self._now = 0.0
        self._measuring = ""

    def show_suites(
        self, suites: Sequence[Suite], newest: Mapping[str, SessionRow], now: float, measuring: str = ""
    ) -> None:
        """These. `newest`: session of each, by its name; `now`: seconds since the Unix epoch."""
        self._newest, self._now, self._measuring = newest, now, measuring
        self.set_items([(suite.name, suite) for suite in suites])
        self.say()

    def hold(self) -> None:
        """Their order does not change."""

    def title(self) -> str:
        """What they are."""
        return "suites"

    def columns(self, width: int) -> Sequence[Column]:
        """Those for a width."""
        if width < 20:
            return (_NAME, _GLYPH)
        return (_NAME, _TITLE, _STATE, _AGE) if width >= 60 else (_NAME, _STATE, _AGE)

    def row(self, row: Suite, places: Sequence[Place]) -> Line:
        """One suite."""
        pieces: list[Piece] = []
        session = self._newest.get(row.name)
        for place in places:
            match place.column.name:
                case "name":
                    pieces.append((fmt.pad(row.name, place.width), "strong" if session else ""))
                case "title":
                    pieces.append((fmt.pad(row.title, place.width), "quiet"))
                case "state":
                    text, ink = self._state(row, session)
                    text = text if place.column is _STATE else text[:1]
                    pieces.append((fmt.pad(text, place.width), ink))
                case _:
                    age = "" if session is None else fmt.age(max(0.0, self._now - session.began))
                    pieces.append((aligned(age, place), "quiet"))
            pieces.append((" ", ""))
        return tuple(pieces[:-1])

    def _state(self, suite: Suite, session: SessionRow | None) -> Piece:
        if suite.name == self._measuring:
            return "◌ now", "starting"
        if session is None:
            return "·", "quiet"
        if session.state in ("regression", "suspected"):
            return figures.state(session.state)[0][:1] + " gate", figures.state(session.state)[1]
        reached, of = session.must
        if session.failures:
            return f"✕ {reached}/{of}", "error"
        if not of:
            return "✓", "good"
        return (f"✓ {reached}/{of}", "good") if reached == of else (f"✕ {reached}/{of}", "error")
