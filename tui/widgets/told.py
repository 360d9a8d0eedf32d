"""A panel of a few lines of text that a view fills in: facts, hints, and what is not there yet."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TypeAlias

from tui import format as fmt
from tui.view import View
from tui.widgets.lines import Line, Panel, Piece

Teller: TypeAlias = Callable[[View, int, int], Sequence[Line]]
"""Lines of a view, for a width and a height."""


class Told(Panel[Line]):
    """Shows what a function makes of the view."""

    def __init__(
        self,
        teller: Teller,
        *,
        title: str,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._teller = teller
        self.border_title = f" {title} "

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """The lines for this size."""
        return list(self._teller(view, width, height))


def wrapped(text: str, width: int, ink: str = "", first: Piece = ("", ""), indent: str = "") -> list[Line]:
    """A text in as many lines as it takes, the first after a piece of its own."""
    clean = fmt.clean(text)
    parts = textwrap.wrap(clean, max(width, 10), initial_indent=" " * len(first[0]), subsequent_indent=indent) or [""]
    lines: list[Line] = [(first, (parts[0][len(first[0]) :], ink))]
    lines += [((part, ink),) for part in parts[1:]]
    return lines
