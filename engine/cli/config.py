"""``shoal config``: the settings in force, and where each value comes from."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.run import warn_misspelt
from engine.cli.words import printable

if TYPE_CHECKING:
    from engine.settings.fields import Field

_HEADS: Final = ("NAME", "VALUE", "FROM", "VARIABLE", "MEANING")
_LEAST: Final = 30
"""Columns that meanings need beside the rest; where there are fewer, they go below."""


class ConfigProblem(click.ClickException):
    """Some source of settings says what can't be."""

    exit_code = 2


@click.group()
def config() -> None:
    """Show the settings, and where each value comes from."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, one setting a line; auto is null.")
def show(as_json: bool) -> None:
    """List every setting: its value here and now, where that comes from, and what it means.

    A plan and the command line of a run may say otherwise. To set one: the variable, or the config file.
    """
    import msgspec

    from engine.settings.fields import fields
    from engine.settings.resolve import resolve
    from engine.settings.types import SettingsError

    warn_misspelt()
    try:
        found = resolve()
    except SettingsError as error:
        raise ConfigProblem(str(error)) from None
    rows: list[dict[str, Any]] = [
        {
            "name": name, "value": getattr(found.settings, name), "origin": found.origins[name],
            "variable": field.variable, "meaning": field.meaning.partition(". ")[0].rstrip("."),
        }
        for name, field in fields().items()
    ]  # fmt: skip
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row))
        return
    known = fields()
    for row in rows:
        row["value"] = _written(row["value"], known[row["name"]])
        row["origin"] = printable(row["origin"])
    _table([tuple(row.values()) for row in rows])


@config.command()
def path() -> None:
    """Print the path of the config file, whether or not it is there."""
    from engine.settings.sources import config_path

    click.echo(os.fspath(config_path()))


def _written(value: Any, field: Field) -> str:
    """As one writes it in a variable."""
    if value == 0 and field.off:
        return "off"
    if field.kind == "size" and value is not None and not value % (1 << 20):
        return f"{value >> 20}M"
    if value is None:
        return "auto"
    if value in ((), ""):
        return "none"
    if isinstance(value, tuple):
        return printable(shlex.join(value))
    if isinstance(value, str):
        return printable(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value).lower()


def _table(rows: list[tuple[str, ...]]) -> None:
    """Plain text. On a terminal, meanings are wrapped: they are the last column, or where it is narrow, lines below."""
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)][:-1]
    before = sum(widths) + 2 * len(widths)
    beside = shutil.get_terminal_size().columns - before if sys.stdout.isatty() else sys.maxsize
    for *cells, meaning in [_HEADS, *rows]:
        line = "".join(f"{cell:<{width}}  " for cell, width in zip(cells, widths, strict=True))
        if beside >= _LEAST:
            lines = textwrap.wrap(meaning, beside)
            click.echo("\n".join([line + lines[0], *(" " * before + more for more in lines[1:])]))
        else:
            click.echo(line.rstrip())
            for more in textwrap.wrap(meaning, max(_LEAST, beside + before - 4)) if cells[0] != _HEADS[0] else ():
                click.echo(f"    {more}")
