"""Markdown that says what was meant, whatever the texts in it are: escaped, cut, on one line where it must be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from engine.cli.words import clean, printable

LONGEST: Final = 200
"""Characters of a text within a line."""
_WIDEST: Final = 80
"""Characters up to which the cells of a column are made equally long."""
_MARKS: Final = re.compile(r"([\\`*_\[\]<>#|~$&@])")
_RUNS: Final = re.compile("`+")
_BARS: Final = "▁▂▃▄▅▆▇█"


def cut(text: str, longest: int = LONGEST) -> str:
    """A text that is too long without its end, which is shown by ``…``."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def plain(text: str, longest: int = LONGEST) -> str:
    """A text that is shown as it is, in a paragraph or a table: one line, and nothing in it is markup."""
    # A pipe that is escaped by a backslash ends a cell after all, for some readers, if a backslash comes before.
    return _MARKS.sub(lambda found: "&#124;" if found[0] == "|" else "\\" + found[0], cut(printable(text), longest))


def code(text: str, longest: int = LONGEST) -> str:
    """The same in the type of code, in which no names of people and no numbers of tickets are looked for."""
    text = cut(printable(text), longest)
    if not text:
        return ""
    if re.search(r"\\+\|", text):  # see `plain`; in code there is no other way to write a pipe
        return plain(text, longest)
    fence = "`" * (max((len(run) for run in _RUNS.findall(text)), default=0) + 1)
    gap = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{gap}{text.replace('|', chr(92) + '|')}{gap}{fence}"


def block(lines: Sequence[str], language: str = "text", longest: int = LONGEST) -> list[str]:
    """Lines as they are, in a block of code."""
    shown = [cut(clean(line), longest) for line in lines]
    runs = [len(run) for line in shown for run in _RUNS.findall(line)]
    fence = "`" * max(3, max(runs, default=0) + 1)
    return [f"{fence}{language}", *shown, fence]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """A table of cells that are Markdown already, drawn such that it can be read as text, too. `right`: columns of
    numbers. What is very long stands out, for it would make every line as long.
    """
    widths = [min(_WIDEST, max(3, *map(len, column))) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )  # fmt: skip
        return f"| {' | '.join(padded)} |"

    ruler = (f"{'-' * (width + 1)}:" if at in right else "-" * (width + 2) for at, width in enumerate(widths))
    return [line(heads), f"|{'|'.join(ruler)}|", *map(line, rows)]


def sparkline(values: Sequence[float]) -> str:
    """A bar for each value, as high as it is beside the greatest; a space for nothing."""
    most = max(values, default=0.0)
    if most <= 0:
        return " " * len(values)
    return "".join(
        " " if value <= 0 else _BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))] for value in values
    )  # fmt: skip
