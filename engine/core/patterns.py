"""What tasks claim: names, and patterns of paths. Which of them can mean the same thing is decided exactly.

A name is a path: segments with ``/`` in between, one alone as a rule (``gpu0``, ``src/gpu/kernel.rs``). In a pattern a
segment ``**`` stands for any number of segments, none included; within a segment ``*`` stands for any characters and
``?`` for one. Everything else means itself, brackets too. So ``src/gpu/**`` is the folder and all in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_STAR, _ANY, _DEEP, _INSIDE, _OTHER = -1, -2, -3, -4, -5
"""States of an automaton beside those that read one character: any in a segment, one, any segments, within one of
those; and the symbol for every character that no pattern names."""
_SLASH: Final = ord("/")
_STARS: Final = re.compile(r"\*+")


@lru_cache(8192)
def normal(text: str) -> str:
    """One spelling for all of a name or pattern: no empty or ``.`` segments, none ``**`` after another.

    Raises ValueError where there is nothing left, or a segment is ``..``: what that means depends on links.
    """
    segments: list[str] = []
    for segment in text.split("/"):
        if segment in ("", "."):
            continue
        if segment == "..":
            raise ValueError(f"{text!r} can't be claimed: it has a segment '..'")
        if segment != "**":
            segments.append(_STARS.sub("*", segment))
        elif not segments or segments[-1] != "**":
            segments.append(segment)
    if not segments:
        raise ValueError(f"{text!r} can't be claimed: it names nothing")
    return ("/" if text.startswith("/") else "") + "/".join(segments)


def is_pattern(text: str) -> bool:
    """Whether it may mean more than one thing."""
    return "*" in text or "?" in text


@lru_cache(8192)
def _automaton(text: str) -> tuple[int, ...]:
    """A non-deterministic automaton for a pattern, which reads paths with ``/`` behind each segment: what each state
    reads on its way to the next one. That after the last accepts."""
    states: list[int] = [_SLASH] if text.startswith("/") else []
    for segment in text.strip("/").split("/"):
        if segment == "**":
            states += _DEEP, _INSIDE
            continue
        if segment == "*":  # no segment is empty
            states.append(_ANY)
        states += [_STAR if char == "*" else _ANY if char == "?" else ord(char) for char in segment]
        states.append(_SLASH)
    return tuple(states)


@lru_cache(8192)
def _ends(pattern: str) -> tuple[str, str]:
    """What every path that a pattern means begins and ends with, ``/`` behind each segment."""
    text = pattern + "/"
    first = min(at for at in (text.find("*"), text.find("?")) if at >= 0)
    last = max(text.rfind("*"), text.rfind("?"))
    deep = text.startswith("**/", last - 1) and (last == 1 or text[last - 2] == "/")
    return text[:first], text[last + (2 if deep else 1) :]


def _reached(states: tuple[int, ...], at: int) -> Iterator[int]:
    """The states that are reached from one without reading anything."""
    yield at
    while at < len(states) and states[at] in (_STAR, _DEEP):
        at += 1 if states[at] == _STAR else 2
        yield at


def _moves(states: tuple[int, ...], at: int, symbol: int) -> int:
    """The state that follows one when a symbol is read, -1 if none does."""
    if at == len(states):
        return -1
    state = states[at]
    if state >= 0:
        return at + 1 if state == symbol else -1
    if symbol == _SLASH:
        return at - 1 if state == _INSIDE else -1
    return at + 1 if state in (_ANY, _DEEP) else at


def overlaps(one: str, other: str) -> bool:
    """Whether some path is meant by both. Of spellings that `normal` has made."""
    if not is_pattern(one):
        return covers(other, one)
    if not is_pattern(other):
        return covers(one, other)
    (head, tail), (first, last) = _ends(one), _ends(other)
    if not (head.startswith(first) or first.startswith(head)) or not (tail.endswith(last) or last.endswith(tail)):
        return False  # most that share a folder differ there already
    a, b = _automaton(one), _automaton(other)
    todo, seen = [(0, 0)], {(0, 0)}
    while todo:
        x, y = todo.pop()
        for i in _reached(a, x):
            for j in _reached(b, y):
                if i == len(a) and j == len(b):
                    return True
                known = {_SLASH, _OTHER, *(s for states, at in ((a, i), (b, j)) if at < len(states)
                                           and (s := states[at]) >= 0)}  # fmt: skip
                for symbol in known:
                    after = _moves(a, i, symbol), _moves(b, j, symbol)
                    if min(after) >= 0 and after not in seen:
                        seen.add(after)
                        todo.append(after)
    return False


def covers(pattern: str, other: str) -> bool:
    """Whether all that `other` means, a path or a pattern itself, is meant by `pattern`. Of spellings that `normal` has
    made."""
    if not is_pattern(other):
        if not is_pattern(pattern):
            return pattern == other
        return _expression(pattern).fullmatch(other + "/") is not None
    a, b = _automaton(pattern), _automaton(other)
    symbols = {_SLASH, _OTHER, *(state for state in (*a, *b) if state >= 0)}
    todo, read = [(0, frozenset(_reached(a, 0)))], False
    seen: set[tuple[int, frozenset[int]]] = set()
    while todo:
        at, within = todo.pop()
        for j in _reached(b, at):
            if j == len(b):
                if read and len(a) not in within:
                    return False
                continue
            for symbol in (b[j],) if b[j] >= 0 else symbols:
                to = _moves(b, j, symbol)
                if to < 0:
                    continue
                moved = (_moves(a, i, symbol) for i in within)
                after = to, frozenset(k for i in moved if i >= 0 for k in _reached(a, i))
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        read = True  # before, there was only the empty path, which is none
    return True


@lru_cache(1024)
def _expression(pattern: str) -> re.Pattern[str]:
    """The same as a regular expression, of paths with ``/`` behind each segment."""
    parts = ["/"] if pattern.startswith("/") else []
    for segment in pattern.strip("/").split("/"):
        if segment == "**":
            parts.append("(?:[^/]+/)*")
        elif segment == "*":
            parts.append("[^/]+/")
        else:
            parts += ["[^/]*" if c == "*" else "[^/]" if c == "?" else re.escape(c) for c in segment]
            parts.append("/")
    return re.compile("".join(parts), re.DOTALL)


class _Node:
    """A folder of `Names`: what is below it, and which names and patterns say nothing more in plain words."""

    __slots__ = ("below", "ends")

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.ends: dict[str, None] = {}


class Names:
    """Names and patterns, kept so that those which overlap with another are found without looking at all of them.

    A tree of the segments before the first wildcard: what parts ways there has nothing in common.
    """

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, text: str) -> None:
        """Keep one, as `normal` spells it."""
        node = self._root
        for segment in _plain(text):
            node = node.below.setdefault(segment, _Node())
        node.ends[text] = None

    def discard(self, text: str) -> None:
        """Keep it no longer."""
        way = [("", self._root)]
        for segment in _plain(text):
            node = way[-1][1].below.get(segment)
            if node is None:
                return
            way.append((segment, node))
        way[-1][1].ends.pop(text, None)
        for (_, above), (segment, node) in zip(reversed(way[:-1]), reversed(way[1:]), strict=True):
            if node.ends or node.below:
                break
            del above.below[segment]

    def overlapping(self, text: str) -> Iterator[str]:
        """All that are kept and overlap with a name or pattern, itself included."""
        node = self._root
        for segment in _plain(text):
            yield from (other for other in node.ends if is_pattern(other) and overlaps(text, other))
            found = node.below.get(segment)
            if found is None:
                return
            node = found
        todo = [node]
        while todo:
            node = todo.pop()
            yield from (other for other in node.ends if other == text or overlaps(text, other))
            if is_pattern(text):
                todo.extend(node.below.values())


def _plain(text: str) -> list[str]:
    """The segments before the first that has a wildcard; an absolute path begins with an empty one."""
    segments = text.split("/")
    return next((segments[:at] for at, segment in enumerate(segments) if is_pattern(segment)), segments)
