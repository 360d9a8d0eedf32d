"""A group of trivial tasks as one row of columns: how it is packed, and how it is read again, exact to the last digit.

Results are a JSON array, each of its elements the very text that a row of its own would have. Ends are another one,
of nanoseconds since the block began.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from engine.store.columns import stored
from engine.store.messages import Finished

FEWEST: Final = 8
"""Tasks of a block, at least. One costs as much as three rows, so eight tasks are written in 40 % of the time and take
a third of the space. Fewer are not worth that a task is harder to find.
"""
MEAN: Final = 1_000_000
"""Nanoseconds that they took on average, at most. Longer ones are few enough a second to have rows of their own, and
are those that somebody may ask for.
"""
_DEPTH: Final = 500
"""Containers within one result, at most: SQLite reads no JSON that is nested a thousand deep, and one such result would
make the whole block unreadable to it.
"""
_LETTERS: Final = {None: ".", "float": "f", "json": "j"}
_KINDS: Final = {letter: kind for kind, letter in _LETTERS.items()}
_SIMPLE: Final = frozenset({int, float, str, bool, type(None)})
COLUMNS: Final = "job, first, count, agent, started, seconds, slowest, ends, results, kinds"

_encode = msgspec.json.Encoder().encode
_texts = msgspec.json.Decoder(list[msgspec.Raw])
_numbers = msgspec.json.Decoder(list[int])


class BlockTask(msgspec.Struct, frozen=True):
    """One task of a block; it is done, at its first attempt."""

    task: int
    agent: str | None
    started: float
    seconds: float
    result: str
    result_kind: str | None


def suits(group: Finished, times: memoryview) -> bool:
    """Whether a group is one to be a block, but for its results. `times`: its run times in ns."""
    return (
        len(times) >= FEWEST
        and not group.starts
        and not group.failures
        and not group.skipped
        and not group.attempts
        and sum(times) <= MEAN * len(times)
    )


def pack(results: list[Any]) -> tuple[str, str | None] | None:
    """The columns ``results`` and ``kinds`` of a block, None if these results need rows.

    ``kinds`` has a letter for each result, and is None where all are plain.
    """
    types = set(map(type, results))
    if types <= _SIMPLE:
        try:
            text = _encode(results).decode()
        except (ValueError, OverflowError):  # a lone surrogate; an integer of more than 64 bits
            pass
        else:
            if float not in types or "null" not in text:  # which might be a NaN
                return text, None
    elif not types <= _SIMPLE | {list}:
        return None
    texts, kinds = [], []
    for result in results:
        text_, kind, _ = stored(result)
        if text_ is None or (kind == "json" and text_.count("[") + text_.count("{") > _DEPTH):
            return None
        texts.append(text_)
        kinds.append(_LETTERS[kind])
    text, letters = f"[{','.join(texts)}]", "".join(kinds)
    try:
        if len(_texts.decode(text)) != len(results):
            return None
    except msgspec.MsgspecError:  # what `expand` could not read: the escape of a lone surrogate
        return None
    return text, letters if letters.strip(".") else None


def expand(row: sqlite3.Row) -> Iterator[BlockTask]:
    """The tasks of a row of ``blocks`` that has `COLUMNS`, in order."""
    first, agent, started, kinds = row["first"], row["agent"], row["started"], row["kinds"]
    begin = 0
    ends = _numbers.decode(row["ends"])
    for index, (end, text) in enumerate(zip(ends, _texts.decode(row["results"]), strict=True)):
        kind = None if kinds is None else _KINDS[kinds[index]]
        seconds = (end - begin) / 1e9
        yield BlockTask(first + index, agent, started + begin / 1e9, seconds, bytes(text).decode(), kind)
        begin = end
