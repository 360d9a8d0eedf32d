"""Widgets alone on a wall: what they draw, without the screens they stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from textual.app import App, ComposeResult

from tui.themes import DARK, fallback_variables
from tui.view import View
from tui.widgets.lines import LineWidget

Hang: TypeAlias = Callable[..., list[list[str]]]
"""What `hung` is."""


class Gallery(App[None]):
    """A widget or more of ours, one under the other, and nothing else."""

    CSS = "Screen > * { height: 1fr; padding: 0; }"

    def __init__(self, *widgets: LineWidget[Any], ascii: bool = False) -> None:  # noqa: A002
        """Show these, in our dark theme."""
        super().__init__()
        self.ascii = ascii
        self.register_theme(DARK)
        self.theme = DARK.name
        self._widgets = widgets

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Ours, before the theme is there."""
        return fallback_variables(dark=True)

    def compose(self) -> ComposeResult:
        """They alone."""
        yield from self._widgets


def hung(
    view: View,
    *widgets: LineWidget[Any],
    size: tuple[int, int],
    ascii: bool = False,  # noqa: A002
) -> list[list[str]]:
    """The lines that widgets draw of a view, as text; they share a terminal of a size."""

    async def session() -> list[list[str]]:
        async with Gallery(*widgets, ascii=ascii).run_test(size=size) as pilot:
            for widget in widgets:
                widget.view = view
            await pilot.pause()
            return [[widget.render_line(y).text for y in range(widget.size.height)] for widget in widgets]

    return asyncio.run(session())
