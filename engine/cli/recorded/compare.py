"""``shoal compare``: two recorded runs side by side."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.recorded.recorded import StoreProblem, db_option

if TYPE_CHECKING:
    from tui.archive import Comparison

_WIDTH: Final = 100
"""Cells of a line where it goes to no terminal."""


@click.command()
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@db_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def compare(left: str, right: str, db: Path | None, as_json: bool) -> None:
    """Show two recorded runs side by side: what the figures of B are of those of A, with the intervals that hold the
    true ratios, and what else was not the same.

    A and B are ids, the beginnings of them, or `last`.
    """
    from engine.cli.recorded.archive import StoreArchive
    from engine.cli.words import on_terminal
    from tui.archive import ArchiveError
    from tui.compare_lines import comparison_lines

    try:
        found = StoreArchive(db).compare(left, right)
    except ArchiveError as error:
        raise StoreProblem(str(error)) from error
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(_data(found)))
        return
    import shutil

    width = shutil.get_terminal_size((_WIDTH, 0)).columns if on_terminal() else _WIDTH
    for line in comparison_lines(found, max(width, 40)):
        click.echo("".join(text for text, _ in line).rstrip())


def _data(found: Comparison) -> dict[str, Any]:
    """For programs. An end of an interval that is open is null."""

    def end(value: float | None) -> float | None:
        return None if value is None or math.isinf(value) else value

    return {
        "left": {"run": found.left.id, "name": found.left.name, "status": found.left.status},
        "right": {"run": found.right.id, "name": found.right.name, "status": found.right.status},
        "confidence": found.confidence,
        "figures": [
            {
                "name": one.name, "unit": one.unit, "left": one.left, "right": one.right, "better": one.better,
                "ratio": end(one.ratio), "low": end(one.low), "high": end(one.high), "verdict": one.verdict,
                "note": one.note,
            }
            for one in found.figures
        ],
        "differences": [
            {"name": name, "left": first, "right": second} for name, first, second in found.differences
        ],
    }  # fmt: skip
