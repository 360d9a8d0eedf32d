"""``shoal config``: the settings in force, and where each value comes from."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.running.starting import warn_misspelt
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

    A plan and the command line of a run may say otherwise. To set one: the variable, or the config file. Below are the
    choices for the screens: in the config file they are in [screen], and other keys for commands in [keys], which
    `shoal config keys` lists.
    """
    import msgspec

    from engine.cli.preferences import choices
    from engine.settings.fields import fields
    from engine.settings.resolve import resolve
    from engine.settings.types import SettingsError

    warn_misspelt()
    try:
        found = resolve()
        screen = choices()
    except SettingsError as error:
        raise ConfigProblem(str(error)) from None
    rows: list[dict[str, Any]] = [
        {
            "name": name, "value": getattr(found.settings, name), "origin": found.origins[name],
            "variable": field.variable, "meaning": field.meaning.partition(". ")[0].rstrip("."),
        }
        for name, field in fields().items()
    ]  # fmt: skip
    rows += [
        {
            "name": choice.name, "value": choice.value, "origin": choice.origin, "variable": choice.variable,
            "meaning": choice.meaning,
        }
        for choice in screen
    ]  # fmt: skip
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row))
        return
    known = fields()
    for row in rows:
        field = known.get(row["name"])
        row["value"] = _plain(row["value"]) if field is None else _written(row["value"], field)
        row["origin"], row["name"] = printable(row["origin"]), printable(row["name"])
    _table([tuple(row.values()) for row in rows])


@config.command()
def path() -> None:
    """Print the path of the config file, whether or not it is there."""
    from engine.settings.sources import config_path

    click.echo(os.fspath(config_path()))


@config.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, one command a line.")
def keys(as_json: bool) -> None:
    """List the commands of the screens, by the ids that [keys] of the config file gives them keys by, or others.

    Keys of one command are apart by commas. Those of the config file are shown in place of the usual ones.
    """
    from engine.cli.preferences import preferences
    from engine.settings.types import SettingsError

    try:
        chosen = preferences().keys
    except SettingsError as error:
        raise ConfigProblem(str(error)) from None
    from tui.keymap import commands

    found = [(command.id, chosen.get(command.id, command.keys), command.text) for command in commands()]
    if as_json:
        import msgspec

        for name, pressed, text in found:
            click.echo(msgspec.json.encode({"id": name, "keys": pressed, "meaning": text}))
        return
    from engine.cli.words import table

    table(("ID", "KEYS", "TEXT"), found, right=3)


def _written(value: Any, field: Field) -> str:
    """As one writes it in a variable."""
    if value == 0 and field.off:
        return "off"
    if field.kind == "size" and value is not None and not value % (1 << 20):
        return f"{value >> 20}M"
    if value is None:
        return "auto"
    if value in ((), "", {}):
        return "none"
    if isinstance(value, dict):
        return printable(" ".join(f"{name}={number}" for name, number in value.items()))
    if isinstance(value, tuple):
        return printable(shlex.join(value))
    return _plain(value)


def _plain(value: Any) -> str:
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
