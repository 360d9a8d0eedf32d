"""Panels that have more lines than they show: which is the first. Pure."""

from __future__ import annotations


def clamp(top: int, total: int, height: int) -> int:
    """The first line to show, such that no room is wasted below the last one."""
    return max(0, min(top, total - height))


def reveal(top: int, at: int, height: int) -> int:
    """The first line to show, such that line `at` is seen, moved as little as can be."""
    if at < top:
        return at
    return at - height + 1 if at >= top + height else top
