"""Numbers as options have them."""

from __future__ import annotations

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A number between two others: ``nan`` is none, though it is beyond neither."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click has it."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no number", param, ctx)
        return found


class Count(click.ParamType[Any]):
    """A number of at least 1, or ``auto``, which is 0."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """As click asks for it."""
        if value == "auto" or isinstance(value, int):
            return 0 if value == "auto" else value  # 0 is told from None, which is "not given"
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'auto'", param, ctx)
        if number < 1:
            self.fail(f"{number} is not at least 1", param, ctx)
        return number


class Seconds(click.ParamType[Any]):
    """A number of seconds above 0."""

    name = "S"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As click asks for it."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if not 0 < number < math.inf:
            self.fail(f"{value} is not a number of seconds above 0", param, ctx)
        return number


class Size(click.ParamType[Any]):
    """Bytes, as ``500M`` or ``2G``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """As click asks for it."""
        from engine.settings.sizes import parse_size

        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
