"""What a terminal would show of what an app has told it: every cell, with its colours."""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

from rich.cells import cell_len
from textual._compositor import CompositorUpdate
from textual.app import App

Cell: TypeAlias = tuple[str, str]
"""A letter and its style: colours and attributes, in order."""

_TOKEN: Final = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[([0-9;]*)m|(\n)|([^\x1b\n]+)|(\x1b)")


class Sheet:
    """The cells of a terminal."""

    def __init__(self, width: int, height: int) -> None:
        self.cells: list[list[Cell]] = [[(" ", "")] * width for _ in range(height)]
        self._x = self._y = 0
        self._style: dict[str, str] = {}

    def write(self, told: str) -> None:
        """Obey. Raises AssertionError for what no screen of ours says."""
        for found in _TOKEN.finditer(told):
            row, column, style, newline, text, other = found.groups()
            assert not other, repr(told[found.start() : found.start() + 12])
            if row:
                self._x, self._y = int(column) - 1, int(row) - 1
            elif newline:
                self._x, self._y = 0, self._y + 1
            elif text:
                self._put(text)
            else:
                self._turn(style)

    def _put(self, text: str) -> None:
        style = " ".join(f"{name}={value}" for name, value in sorted(self._style.items()))
        for letter in text:
            assert self._x < len(self.cells[self._y]), f"beyond the right edge: {text!r}"
            self.cells[self._y][self._x] = (letter, style)
            self._x += cell_len(letter)

    def _turn(self, style: str) -> None:
        codes = (style or "0").split(";")
        while codes:
            code = codes.pop(0)
            if code == "0":
                self._style.clear()
            elif code in ("38", "48"):
                many = 4 if codes[0] == "2" else 2
                self._style[code] = ",".join(codes[:many])
                del codes[:many]
            else:
                self._style[code] = "on"

    def text(self) -> str:
        """The letters alone."""
        return "\n".join("".join(letter for letter, _ in row).rstrip() for row in self.cells)


def painted(app: App[Any], sheet: Sheet) -> None:
    """Have an app without a terminal write onto a sheet."""

    def display(_screen: object, update: CompositorUpdate | None) -> None:
        if update is not None and not app._batch_count:
            sheet.write(update.render_segments(app.console))

    app._display = display  # type: ignore[method-assign, assignment]


def afresh(app: App[Any], width: int, height: int) -> Sheet:
    """What the terminal should show: the screen of an app, painted anew as a whole."""
    sheet = Sheet(width, height)
    app.screen._styles_cache.clear()
    for widget in app.screen.walk_children():
        widget._styles_cache.clear()  # type: ignore[attr-defined]
    sheet.write(app.screen._compositor.render_full_update().render_segments(app.console))
    return sheet
