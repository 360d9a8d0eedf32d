"""The colours that lines are drawn with, by what they mean.

They come from the theme's variables, once for each widget: as component classes, every change of a widget's style would
compute the rules of all of them anew, which took most of the time of opening a screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from rich.style import Style
from textual.color import Color


class Ink(NamedTuple):
    """Variables of the theme, "" for the widget's own colour."""

    color: str
    background: str = ""
    bold: bool = False


INKS: Final[dict[str, Ink]] = {
    "strong": Ink("", bold=True),
    "quiet": Ink("quiet"),
    "track": Ink("track"),
    "good": Ink("success"),
    "warning": Ink("warning", bold=True),
    "error": Ink("error", bold=True),
    "brand": Ink("primary", bold=True),
    "bar": Ink("state-busy", "track"),
    "bar-warning": Ink("warning", "track"),
    "bar-error": Ink("error", "track"),
    "bar-mark": Ink("quiet", "track"),
    "absent": Ink("state-absent"),
    "starting": Ink("state-starting"),
    "idle": Ink("state-idle"),
    "busy": Ink("state-busy"),
    "draining": Ink("state-draining"),
    "dead": Ink("state-dead"),
}


def style_of(name: str, variables: Mapping[str, str]) -> Style:
    """An ink under a theme, given its variables."""
    ink = INKS[name]
    return Style(
        color=Color.parse(variables[ink.color]).rich_color if ink.color else None,
        bgcolor=Color.parse(variables[ink.background]).rich_color if ink.background else None,
        bold=True if ink.bold else None,
    )


def mixed(low: str, high: str, share: float, variables: Mapping[str, str]) -> Style:
    """A colour between those of two variables; `share`: how near it is to the second."""
    return Style(color=Color.parse(variables[low]).blend(Color.parse(variables[high]), share).rich_color)
