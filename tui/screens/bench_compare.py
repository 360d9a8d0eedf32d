"""Two sessions side by side."""

from __future__ import annotations

from collections.abc import Sequence

from tui.archive import Archive
from tui.bench.compare import comparison_lines
from tui.bench.record import Comparison
from tui.screens.telling import TellingScreen
from tui.widgets.lines import Line


class BenchCompareScreen(TellingScreen[Comparison]):
    """How many times better each figure is in the second session."""

    def __init__(self, left: str, right: str) -> None:
        """`left`, `right`: ids of sessions."""
        super().__init__()
        self._left, self._right = left, right

    def title_of(self) -> str:
        """Which two."""
        return f"compare  A {self._left}  B {self._right}"

    def ask(self, archive: Archive) -> Comparison:
        """Both."""
        return archive.benches.compare(self._left, self._right)

    def tell(self, found: Comparison, width: int) -> Sequence[Line]:
        """Cell by cell."""
        return comparison_lines(found, width)
