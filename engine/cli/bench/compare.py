"""``shoal bench compare``: two sessions side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.bench.guard import problems

if TYPE_CHECKING:
    from engine.bench.guard.beside import Beside

_HEADS = ("CELL", "A", "B", "B IS BETTER BY", "95 %", "")


@click.command(short_help="Show two sessions side by side.")
@click.argument("left")
@click.argument("right", default="last")
@click.option("--json", "as_json", is_flag=True, help="JSON, one object.")
def compare(left: str, right: str, as_json: bool) -> None:
    """Show two sessions side by side: the beginnings of their ids, or last, which RIGHT is by default.

    B IS BETTER BY is a factor, above 1 for better, with the interval of 95 %. What has something beside it is compared
    by the ratio to that, which a slower machine does not change; other cells only while the machine was as fast.
    Nothing is judged here: that is what gate does, with a re-run.
    """
    import json

    from engine.bench.aligned import aligned
    from engine.bench.guard import beside, history

    with problems():
        past = history.History(history.default_folder())
        first, second = past.find(left), past.find(right)
    found = beside.beside(first, second)
    banners, differences = beside.banners(first, second), list(beside.differences(first, second))
    if as_json:
        told = {
            "left": first.id, "right": second.id, "cells": [_told(one) for one in found], "banners": banners,
            "differences": {name: {"left": one, "right": other} for name, one, other in differences},
        }  # fmt: skip
        click.echo(json.dumps(told, indent=1))
        return
    for banner in banners:
        click.echo(f"note: {banner}", err=True)
    click.echo(aligned([_HEADS, *map(_row, found)], (0, 5)))
    for name, one, other in differences:
        click.echo(f"{name}: {one} in A, {other} in B")


def _row(one: Beside) -> tuple[str, ...]:
    from engine.bench.report import between, figure

    left, right = ("" if cell is None else figure(cell.value(), cell.unit) for cell in (one.left, one.right))
    factor = one.factor
    if factor is None:
        return one.name, left, right, "", "", one.why
    middle, low, high = factor
    verdict = "better" if low > 1 else "worse" if high < 1 else "not told apart"
    return one.name, left, right, f"{middle:.3g}x", between(low, high, ""), verdict


def _told(one: Beside) -> dict[str, object]:
    factor = one.factor
    names = ("factor", "low", "high")
    return {
        "name": one.name,
        "unit": one.unit,
        "left": None if one.left is None else one.left.value(),
        "right": None if one.right is None else one.right.value(),
        **dict(zip(names, factor or (None, None, None), strict=True)),
        "why": one.why,
    }
