"""What stands under the fleet map: one agent, and how many there are in each state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.geometry import Size

from engine.stream.types import ABSENT, BUSY, DEAD, DRAINING, IDLE, STARTING, AgentRow
from tui import format as fmt
from tui.themes import STATE_GLYPHS, STATE_NAMES
from tui.view import View
from tui.widgets.lines import Line, LineWidget, Piece, width_of

_LONG: Final = tuple(f" {name} " for name in STATE_NAMES)
_SHORT: Final = (" absent ", " start ", " idle ", " busy ", " drain ", " dead ")
_NONE: Final = (" ",) * len(STATE_NAMES)
_LEGEND_ORDER: Final = (BUSY, IDLE, STARTING, DRAINING, DEAD)


def legend(counts: Sequence[int], width: int, spot: int | None = None) -> Line:
    """How many agents are in each state: glyph, name and number, as roomy as the width allows. `spot`: the only state
    that is lit on the map.
    """
    order = [*_LEGEND_ORDER, *([ABSENT] if counts[ABSENT] else [])]
    digits = len(fmt.count(sum(counts)))
    line: Line = ()
    for names, full, gap in (
        (_LONG, True, 3),
        (_LONG, True, 2),
        (_SHORT, True, 2),
        (_SHORT, False, 1),
        (_NONE, False, 2),
    ):
        pieces: list[Piece] = []
        for state in order:
            number = fmt.count(counts[state]).rjust(digits) if full else fmt.si(counts[state])
            seen = spot in (None, state)
            ink = "strong" if counts[state] and seen else "quiet"
            pieces += [
                (" " * gap if pieces else "", ""),
                (STATE_GLYPHS[state], STATE_NAMES[state] if seen else "quiet"),
            ]
            pieces += [(names[state], "brand" if spot == state else "quiet"), (number, ink)]
        line = tuple(pieces)
        if width_of(line) <= width:
            break
    return line


def agent_line(name: str, state: int, others: int, row: AgentRow | None, width: int) -> Line:
    """One agent: its name, its state, and what else is known of it, as much as finds room. `others`: agents that
    stand in the same place.
    """
    glyph = STATE_GLYPHS[state]
    line: Line = ((f"▸ {name}  ", "strong"), (f"{glyph} {STATE_NAMES[state]}", STATE_NAMES[state]))
    parts: list[Piece] = [(f"and {fmt.count(others)} more here", "quiet")] if others else []
    if row is not None:
        if row.task:
            parts.append((f"{row.task} for {fmt.duration(row.running)}", ""))
        if row.pid:
            parts.append((f"pid {row.pid}", "quiet"))
        parts.append((f"{fmt.count(row.done)} done", "quiet"))
        if row.failed:
            parts.append((f"{fmt.count(row.failed)} failed", "error"))
        if row.restarts:
            parts.append((f"{row.restarts} restart{'s' if row.restarts > 1 else ''}", "warning"))
    for text, ink in parts:
        if width_of(line) + len(text) + 3 <= width:
            line += ((" · ", "track"), (text, ink))
    return line if width_of(line) <= width else ((fmt.fit(f"▸ {name}", width), "strong"),)


class MapNotes(LineWidget[Line]):
    """What stands under the map: the agent that is pointed at, and how many agents are in each state."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Sequence[int] = ()
        self.agent: Line = ()
        self.spot: int | None = None
        self.wanted = 1
        """Lines."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """What is wanted."""
        return self.wanted

    def lines(self, view: View, width: int, height: int) -> list[Line]:
        """In one line, the agent takes the place of the legend."""
        told = legend(self.counts, width, self.spot) if self.counts else ()
        return [self.agent, told] if height > 1 else [self.agent or told]
