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
