"""Conditions on the rows of a page: ``state=busy,pool=io|net,failed>0,memory>=500M,task~fit``. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Final

from engine.stream.types import AGENT_STATES, AgentRow, Condition

FIELDS: Final[dict[str, type]] = {
    name: float if kind in ("int", "float") else str for name, kind in AgentRow.__annotations__.items()
}
"""Names of the fields of a row, and whether they are numbers or texts."""

_CONDITION: Final = re.compile(r"\s*([a-z_]+)\s*(!=|<=|>=|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
_NUMBER: Final = re.compile(r"(-?\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_FACTORS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def parse(text: str) -> list[Condition]:
    """Conditions as people write them, apart by commas. Raises ValueError with one line that says what is wrong."""
    found = []
    for part in text.split(","):
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise ValueError(f"{part.strip()!r} is no condition such as state=busy, failed>0 or task~fit")
        name, sign, value = match.groups()
        check_field(name)
        values: list[str | float] = list(value.split("|")) if FIELDS[name] is str else [*map(number, value.split("|"))]
        found.append(Condition(name, sign, values))
        test(found[-1])
    return found


def check_field(name: str) -> None:
    """Raise ValueError unless rows have such a field."""
    if name not in FIELDS:
        raise ValueError(f"no field {name!r}; known: {', '.join(FIELDS)}")


def number(text: str) -> float:
    """``12``, ``0.5``, ``500M`` (in powers of 1024). Raises ValueError."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text.strip()!r} is no number such as 12, 0.5 or 500M")
    return float(match[1]) * 1024.0 ** _FACTORS[match[2].lower()]


def _check_states(names: list[str]) -> None:
    """Raises ValueError where one of these is no state of agents; "" is one that is still to be written."""
    for name in names:
        if name and name not in AGENT_STATES:
            raise ValueError(f"no state {name!r}; known: {', '.join(AGENT_STATES)}")


def test(condition: Condition) -> Callable[[Any], bool]:
    """Whether a value of the condition's field fulfils it. Texts are compared without regard to capitals.

    Raises ValueError for a condition that can't be: it may come from any reader.
    """
    check_field(condition.field)
    sign, kind = condition.operator, FIELDS[condition.field]
    values: list[Any] = condition.values
    if not values:
        raise ValueError(f"nothing to compare {condition.field} with")
    for value in values:
        if isinstance(value, str) != (kind is str):
            raise ValueError(f"{condition.field} is a {'text' if kind is str else 'number'}, and {value!r} is none")
    if kind is str:
        texts = [value.casefold() for value in values]
        if condition.field == "state" and sign != "~":
            _check_states(texts)
        if sign == "~":
            return lambda found: any(text in found.casefold() for text in texts)
        if sign in ("=", "!="):
            wanted = sign == "="
            return lambda found: (found.casefold() in texts) == wanted
    elif sign in ("=", "!="):
        wanted = sign == "="
        return lambda found: (found in values) == wanted
    elif sign in _ORDERS:
        compare = _ORDERS[sign]
        # Several values are one: what is above any of them is above the lowest.
        bound = min(values) if sign in (">", ">=") else max(values)
        return lambda found: compare(found, bound)
    raise ValueError(f"{condition.field} can't be compared by {sign!r}")
