"""The sessions of a suite: when, of which code, what the gate said, and which of them are baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from tui import format as fmt
from tui.bench import figures
from tui.bench.record import SessionRow
from tui.widgets.columns import Column, Place, aligned
from tui.widgets.lines import Line, Piece
from tui.widgets.listing import Listing, told

_BEGAN: Final = Column("began", "measured", 11, 100)
_BEGAN_LONG: Final = Column("began", "measured", 16, 100)
_STATE: Final = Column("state", "", 7, 98, grow=2, most=18)
_SHORT: Final = Column("state", "", 3, 98, grow=1, most=6)
_ID: Final = Column("id", "session", 8, 50)
_NAMES: Final = Column("names", "baseline", 8, 80, grow=1, most=16)
_CODE: Final = Column("code", "code", 12, 40, grow=1, most=26)
_TOOK: Final = Column("took", "took", 6, 30, right=True)
_MARKED: Final = 2
"""Sessions that can be marked at a time: those that are compared."""


class BenchSessions(Listing[SessionRow]):
    """A line for each, the newest first."""

    HELP: ClassVar[str] = (
        "The sessions of this suite: what is under the cursor is shown beside. `space` marks one to be compared with "
        "another one; `b` gives it a name, to be a baseline of the gate. `≠`: of an unlike machine; `~`: small sizes."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.marked: list[str] = []
        """Ids of sessions to compare, the first one marked first."""
        self._count = 0

    def show_sessions(self, found: Sequence[SessionRow]) -> None:
        """These, the newest first."""
        self._count = len(found)
        self.set_items([(session.id, session) for session in found])
        self.say()

    def forget(self, known: set[str]) -> None:
        """Take marks away from sessions that are no more."""
        self.marked = [session for session in self.marked if session in known]

    def hold(self) -> None:
        """Their order does not change."""

    def title(self) -> str:
        """How many."""
        return f"sessions  {fmt.count(self._count)}" if self._count else "sessions"

    def order(self) -> str:
        """What is marked."""
        if not self.marked:
            return ""
        return "space marks another" if len(self.marked) < _MARKED else "c compares"

    def empty(self, width: int, height: int) -> list[Line]:
        """What is shown where there is none."""
        return told("□", "quiet", "none yet", width, height, "r measures")

    def columns(self, width: int) -> Sequence[Column]:
        """Those for a width."""
        if width >= 64:
            return (_BEGAN_LONG, _ID, _STATE, _NAMES, _CODE, _TOOK)
        if width < 20:
            return (_BEGAN, _SHORT)
        return (_BEGAN, _STATE, _NAMES) if width >= 32 else (_BEGAN, _STATE)

    def is_marked(self, key: str) -> bool:
        """Whether it is to be compared."""
        return key in self.marked

    def row(self, row: SessionRow, places: Sequence[Place]) -> Line:
        """One session."""
        pieces: list[Piece] = []
        for place in places:
            match place.column.name:
                case "state":
                    text, ink = figures.outcome(row)
                    # Where there is no room for words, the glyphs before them.
                    text = text if place.width >= _STATE.width else text[: 3 if text.startswith(("~", "≠")) else 1]
                    pieces.append((fmt.pad(text, place.width), ink))
                case "names":
                    names = ", ".join((*row.names, *(["accepted"] if row.accepted else [])))
                    pieces.append((fmt.pad(names, place.width), "brand"))
                case name:
                    texts = {
                        "began": fmt.date(row.began, place.width), "id": row.id, "code": row.code,
                        "took": fmt.age(row.seconds),
                    }  # fmt: skip
                    pieces.append((aligned(texts[name], place), "" if name == "began" else "quiet"))
            pieces.append((" ", ""))
        return tuple(pieces[:-1])

    def mark(self, session: str) -> None:
        """Mark a session to be compared, or not any more; of three marks the first goes."""
        if session in self.marked:
            self.marked.remove(session)
        else:
            self.marked = [*self.marked, session][-_MARKED:]
        self.say()
        self.redraw()
