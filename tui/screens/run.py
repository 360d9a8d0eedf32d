"""One recorded run, all of it."""

from __future__ import annotations

from collections.abc import Sequence

from tui.archive import Archive, RunRow, RunSummary
from tui.run_lines import summary_lines
from tui.screens.telling import TellingScreen
from tui.widgets.lines import Line


class RunScreen(TellingScreen[RunSummary]):
    """What `shoal show` knows of a run."""

    def __init__(self, run: RunRow) -> None:
        """About a run of the history."""
        super().__init__()
        self._run = run

    def title_of(self) -> str:
        """Its name and id."""
        return f"{self._run.name}  {self._run.id}"

    def ask(self, archive: Archive) -> RunSummary:
        """All of it at once."""
        return archive.summary(self._run.id)

    def tell(self, found: RunSummary, width: int) -> Sequence[Line]:
        """Section by section."""
        return summary_lines(found, width)
