"""One line of a session, all of it."""

from __future__ import annotations

from collections.abc import Sequence

from tui.archive import Archive
from tui.bench.record import Line as Found
from tui.bench.record import SessionTold
from tui.bench.row_lines import detail_lines
from tui.screens.telling import TellingScreen
from tui.widgets.lines import Line


class BenchLineScreen(TellingScreen[SessionTold]):
    """Its figures, every sample, the machine, and the command that measures it again."""

    def __init__(self, line: Found, told: SessionTold) -> None:
        """A line of a session that is known already."""
        super().__init__()
        self._line, self._session = line, told

    def title_of(self) -> str:
        """Which line, of which session."""
        return f"{self._session.row.suite}  {self._line.name}  {self._session.row.id}"

    def ask(self, archive: Archive) -> SessionTold:
        """It is known."""
        return self._session

    def tell(self, found: SessionTold, width: int) -> Sequence[Line]:
        """Section by section."""
        return detail_lines(self._line, found, width)
