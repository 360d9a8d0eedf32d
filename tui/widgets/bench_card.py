"""The line under the cursor: its figures, and how it was in the sessions before; where there is room, all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from tui.bench.record import Line as Found
from tui.bench.record import SessionTold
from tui.bench.row_lines import card_lines, detail_lines
from tui.widgets.lines import Line
from tui.widgets.pager import Pager

_WHOLE: Final = 24
"""Lines from which on it tells everything."""


class BenchCard(Pager):
    """What there is to tell of one line."""

    HELP: ClassVar[str] = (
        "The line under the cursor, and each session in which it was measured. `enter` tells all of it."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.border_title = " this line "
        self._about: tuple[Found, SessionTold] | None = None

    def about(self, line: Found | None, told: SessionTold | None) -> None:
        """Tell of this one."""
        about = None if line is None or told is None else (line, told)
        if about == self._about:
            return
        before, self._about = self._about, about
        anew = before is None or about is None or before[0].key != about[0].key
        self.show(self._told, anew=anew)

    def repaint(self) -> None:
        """In another height it tells more, or less."""
        self._made = None
        super().repaint()

    def _told(self, width: int) -> Sequence[Line]:
        if self._about is None:
            return []
        line, told = self._about
        height = self.size.height
        return detail_lines(line, told, width) if height >= _WHOLE else card_lines(line, told, width, height)
