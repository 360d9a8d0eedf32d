"""A panel of what there is to say of a plan beside its steps; one scrolls through what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tui.view import View
from tui.widgets.lines import Line
from tui.widgets.pager import Pager

Teller: TypeAlias = Callable[[View, int], Sequence[Line]]
"""Makes lines of a view for a width; none: there is nothing to say."""


class PlanWords(Pager):
    """Shows what a function makes of the view, where the plan or the claims have changed."""

    def __init__(self, teller: Teller, *, title: str, words: str, id: str) -> None:  # noqa: A002
        """`words`: what it shows, for help."""
        super().__init__(id=id, classes="panel")
        self._teller = teller
        self.border_title = f" {title} "
        self.HELP = words  # type: ignore[misc]  # each has its own
        self._drawn: tuple[object, ...] = ()

    def watch_view(self) -> None:
        """It changes with what is told twice a second."""
        view = self.view
        drawn = (view.plan, view.claims, view.over)
        if drawn != self._drawn:
            self._drawn = drawn
            self.show(lambda width: self._teller(view, width))

    @property
    def says(self) -> bool:
        """Whether there is anything to say."""
        return bool(self._teller(self.view, 40))
