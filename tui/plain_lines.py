"""What Textual draws by itself in ASCII: frames, scrollbars, the palette, short messages, the text of the help."""

from __future__ import annotations

from typing import Final

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui.glyphs import ASCII

_TABLE: Final = ASCII | {ord("▔"): "-", ord("▐"): "[", ord("▌"): "]", ord("🔎"): "/ "}
"""Beside the glyphs of our panels: the sides of boxes to check, not parts of a bar."""


class PlainLines(LineFilter):
    """Each glyph by one that everybody has, in as many cells. Lines of panels come in ASCII as it is."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """As `glyphs.plain`."""
        return [
            segment if segment.text.isascii() else Segment(segment.text.translate(_TABLE), segment.style)
            for segment in segments
        ]
