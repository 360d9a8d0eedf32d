"""The same lines for terminals and fonts that have only ASCII: each glyph of the screens by one that everybody has."""

from __future__ import annotations

from typing import Final

_DOTS: Final = " .:+#"
"""A cell of braille by how much of it is filled."""


def _table() -> dict[int, str]:
    table = {0x2800 + bits: _DOTS[(bits.bit_count() + 1) // 2] for bits in range(256)}
    for glyphs, plain in (
        ("█▉▊▋▇▆▅■▀", "#"), ("▌▍▄▃", "="), ("▎▏▂▁", "-"), ("░", "."), ("▒", ":"), ("▓", "%"),
        ("│┃▕╎┆", "|"), ("─╌┄", "-"), ("╭╮╰╯┌┐└┘├┤┬┴┼╴╵╶╷", "+"),
        ("·•", "."), ("◌", "o"), ("□", "_"), ("▽▾▼↓", "v"), ("△▴▲↑", "^"), ("✕✗×", "x"), ("✓", "y"),
        ("●◉", "*"), ("◐", "%"), ("‖", "="), ("▶▸→›", ">"), ("◀◂←", "<"), ("…", "~"), ("◆◇", "o"), ("µ", "u"),
        ("±", "+"), ("–—", "-"), ("≥", ">"), ("≤", "<"), ("≈", "~"), ("∞", "8"), ("Σ", "S"), ("Δ", "d"), ("⏎", "<"),
        ("┣┫", "+"), ("≠", "!"), ("━", "="),
    ):  # fmt: skip
        table.update(dict.fromkeys(map(ord, glyphs), plain))
    return table


ASCII: Final = _table()


def plain(text: str) -> str:
    """A line in ASCII as far as it is ours: as many cells, what users have named stays as it is."""
    return text if text.isascii() else text.translate(ASCII)
