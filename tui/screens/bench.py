"""What was measured of this machine: where to have it done today."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from tui.screens.base import LiveScreen
from tui.view import View
from tui.widgets.lines import Line
from tui.widgets.told import Told, wrapped

_COMMANDS = (
    ("shoal bench", "how fast the engine is, beside other tools"),
    ("shoal bench recorder", "what its record costs"),
    ("shoal bench alerts", "how soon a death is an alert"),
)
_WHY = (
    "A measurement wants the machine for itself, so it is not started from a screen over a run. Results are not kept "
    "in the database yet: --json FILE keeps them."
)


def command_lines(view: View, width: int, height: int) -> list[Line]:
    """The commands that measure, and why they are not run from here."""
    lines: list[Line] = [(("nothing was measured yet", "strong"),), ()]
    for command, told in _COMMANDS:
        lines.append(((f"{command:<24}", "brand"), (told[: max(width - 24, 0)], "")))
    lines.append(())
    return [*lines, *wrapped(_WHY, width, "quiet")]


class BenchScreen(LiveScreen):
    """The way to the benchmarks."""

    CSS_PATH: ClassVar[str] = "bench.tcss"

    def panels(self) -> ComposeResult:
        """The one panel."""
        yield Told(command_lines, title="benchmarks", id="bench", classes="panel").data_bind(LiveScreen.view)
