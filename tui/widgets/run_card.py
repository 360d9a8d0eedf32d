"""The run under the cursor: in a few lines, and once the record has told of it, in many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tui import runs
from tui.archive import RunRow, RunSummary
from tui.run_lines import summary_lines
from tui.widgets.lines import Line
from tui.widgets.pager import Pager


class RunCard(Pager):
    """How it went, when, how much; where there is room for it, all of it."""

    HELP: ClassVar[str] = "The run under the cursor. `d` tells all that is known of it."

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.border_title = " this run "
        self._run: RunRow | None = None
        self._summary: RunSummary | None = None

    def about(self, run: RunRow | None) -> None:
        """Tell of this one."""
        if run == self._run:
            return
        anew = run is None or self._run is None or run.id != self._run.id
        if anew:
            self._summary = None
        self._run = run
        self.show(self._told, anew=anew)

    def tell(self, summary: RunSummary) -> None:
        """All of it is known, unless another run is told of by now."""
        if self._run is not None and summary.run.id == self._run.id:
            self._summary = summary
            self.show(self._told)

    def _told(self, width: int) -> Sequence[Line]:
        if self._summary is not None:
            return summary_lines(self._summary, width)
        return [] if self._run is None else runs.about(self._run, width)
