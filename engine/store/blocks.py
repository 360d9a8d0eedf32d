"""A group of trivial tasks as one row of columns: how it is packed, and how it is read again, exact to the last digit.

Results are a JSON array, each of its elements the very text that a row of its own would have. Ends are nanoseconds
after the block's beginning, in digits, all of the same width, so that SQL gets at any of them with ``substr``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

import msgspec

KINDS: Final = {"float": "f", "json": "j"}
"""Results that are not plain, yet JSON: a letter each in the column ``kinds``; a dot stands for the others."""
COLUMNS: Final = "job, first, count, agent, started, seconds, slowest, ends, results, kinds"
_NAMES: Final[dict[str, str | None]] = {".": None} | {letter: kind for kind, letter in KINDS.items()}
_texts = msgspec.json.Decoder(list[msgspec.Raw])


class BlockTask(msgspec.Struct, frozen=True):
    """One task of a block; it is done, at its first attempt."""

    task: int
    agent: str | None
    started: float
    seconds: float
    result: str
    result_kind: str | None


def expand(row: sqlite3.Row) -> Iterator[BlockTask]:
    """The tasks of a row of ``blocks`` that has `COLUMNS`, in order."""
    first, count, agent, started = row["first"], row["count"], row["agent"], row["started"]
    ends, kinds = row["ends"], row["kinds"]
    width = len(ends) // count
    begin = 0
    for index, text in enumerate(_texts.decode(row["results"])):
        end = int(ends[index * width : (index + 1) * width])
        kind = None if kinds is None else _NAMES[kinds[index]]
        seconds = (end - begin) / 1e9
        yield BlockTask(first + index, agent, started + begin / 1e9, seconds, bytes(text).decode(), kind)
        begin = end
