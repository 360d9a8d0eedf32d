"""Sizes in bytes as people write them."""

from __future__ import annotations

import re
from typing import Final

_SIZE: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,18})?) *(?:([kmgt])i?)?b?", re.ASCII | re.IGNORECASE)
LARGEST: Final = 1 << 60
"""More than any machine has, and still a number that every frame can carry."""


def parse_size(text: str) -> int:
    """Bytes of ``1048576``, ``500M``, ``1.5G``: K, M, G and T are powers of 1024, with or without ``B`` or ``iB``.

    Raises ValueError, with a text for people, unless that is at least one byte and fewer than 2**60.
    """
    match = _SIZE.fullmatch(text.strip())
    size = 0
    if match is not None:
        unit = match[2] or ""
        scale = 1024 ** ("KMGT".index(unit.upper()) + 1 if unit else 0)
        size = int(float(match[1]) * scale) if "." in match[1] else int(match[1]) * scale
    if not 1 <= size < LARGEST:
        raise ValueError(f"{text!r} is not a size such as 500M or 2G")
    return size
