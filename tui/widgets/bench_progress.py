"""The benchmark that measures now: how far it is, what it does, how long it takes."""

from __future__ import annotations

from typing import ClassVar

from tui.bench.progress_lines import progress_lines, titled
from tui.bench.running import Running
from tui.view import View
from tui.widgets.lines import Line, Panel
from tui.widgets.listing import framed


class BenchProgress(Panel[Line]):
    """Two lines, or three; not there where there is nothing to tell."""

    HELP: ClassVar[str] = (
        "The benchmark that measures now, in a process of its own: `x` stops it. It goes on while you look at other "
        "screens, and ends with this app. Whatever else the machine does meanwhile is in its figures."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._state: Running | None = None
        self._now = 0.0

    def tell(self, state: Running | None, now: float) -> None:
        """As it is by now; None: there is none."""
        self._state, self._now = state, now
        self.set_class(state is not None, "-shown")
        self.set_class(len(self.lines(self.view, max(self.size.width, 20), 3)) > 2, "-long")
        if state is not None:
            self.border_title = framed(f"{'measured' if state.over else 'measuring'}: {titled(state)}", self.ascii)
            self.border_subtitle = framed("esc" if state.over else "x stops", self.ascii)
        self.redraw()

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """Both."""
        return [] if self._state is None else progress_lines(self._state, self._now, width)

    def watch_view(self) -> None:
        """It is told of by somebody else."""
