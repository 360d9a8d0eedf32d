"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence

from tui.archive import Archive, Comparison
from tui.compare_lines import comparison_lines
from tui.screens.telling import TellingScreen
from tui.widgets.lines import Line


class CompareScreen(TellingScreen[Comparison]):
    """What the second run's figures are of the first one's."""

    def __init__(self, left: str, right: str) -> None:
        """`left`, `right`: ids of runs."""
        super().__init__()
        self._left, self._right = left, right

    def title_of(self) -> str:
        """Which two."""
        return f"compare  A {self._left}  B {self._right}"

    def ask(self, archive: Archive) -> Comparison:
        """Both, each at one moment."""
        return archive.compare(self._left, self._right)

    def tell(self, found: Comparison, width: int) -> Sequence[Line]:
        """Figure by figure."""
        return comparison_lines(found, width)
