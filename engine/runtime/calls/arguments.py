"""What callers give an `Engine`, each checked under the name it was given by: an error there is told where it was made.

All raise TypeError for what is of a wrong type, and ValueError for what is out of range, in one line.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, Final

from engine.core.claims import Claim
from engine.core.patterns import normal
from engine.settings.fields import is_reference, shown
from engine.settings.sizes import LARGEST, parse_size
from engine.settings.types import PoolSettings

MOST: Final = 10**9
"""Of any number. One with a digit too many is told here, and not by what it fits no more."""


def whole(name: str, value: Any, least: int = 1, most: int = MOST) -> int:
    """An integer from `least` to `most`."""
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{name} must be an integer, not {_kind(value)}")
    found = operator.index(value)
    if found < least:
        raise ValueError(f"{name} must be {'greater than 0' if least == 1 else f'at least {least:,}'}")
    if found > most:
        raise ValueError(f"{name} must be at most {most:,}")
    return found


def counts(**given: Any) -> dict[str, int | None]:
    """Integers above 0, by name, or None where nothing was said."""
    return {name: None if value is None else whole(name, value) for name, value in given.items()}


def seconds(name: str, value: Any) -> float:
    """A time above 0."""
    found = duration(name, value)
    if found <= 0:
        raise ValueError(f"{name} must be a number of seconds above 0")
    return found


def duration(name: str, value: Any) -> float:
    """A time to wait, in seconds: none at all where it is not above 0."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number of seconds, not {_kind(value)}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if math.isnan(found):
        raise ValueError(f"{name} must be a number of seconds, not nan")
    if found > MOST:
        raise ValueError(f"{name} must be at most {MOST:,} seconds, or None for no limit")
    return found


def size(name: str, value: Any) -> int:
    """Bytes, as a number or written such as ``500M``."""
    if not isinstance(value, str):
        return whole(name, value, 1, LARGEST - 1)
    try:
        return parse_size(value)
    except ValueError:
        raise ValueError(f"{name} must be a size such as 500M or 2G, not {shown(value)}") from None


def text(name: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {_kind(value)}")
    return value


def reference(name: str, value: Any) -> str:
    """A text that names a callable as ``module:function``."""
    if not is_reference(text(name, value)):
        raise ValueError(f"{name} must be written module:function, not {shown(value)}")
    return str(value)


def modules(name: str, value: Any) -> tuple[str, ...]:
    """Names of modules; a single text is one name."""
    found = _several(name, value, str, "the name of a module, or several of them")
    for one in found:
        if not text(name, one):
            raise ValueError(f"{name} must not hold an empty name")
    return found


def exceptions(name: str, value: Any) -> tuple[str, ...]:
    """Names of exceptions, which are given as classes or by name, one or several."""
    kinds = "an exception's class, its name, or several of them"
    found = []
    for one in _several(name, value, (str, type), kinds):
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, type) and issubclass(one, BaseException):
            found.append(f"{one.__module__}.{one.__qualname__}")
        else:
            raise TypeError(f"{name} must be {kinds}: {shown(one)} is neither")
    return tuple(found)


def claims(name: str, value: Any) -> tuple[Claim, ...]:
    """Claims, which are given as such or by name alone, one or several. Names alone are exclusive."""
    kinds = "a name, a Claim, or several of them"
    if isinstance(value, Claim):
        value = (value,)
    found = []
    for one in _several(name, value, str, kinds):
        if not isinstance(one, str | Claim):
            raise TypeError(f"{name} must be {kinds}: {shown(one)} is neither")
        claim = Claim(one) if isinstance(one, str) else one
        try:
            found.append(Claim(normal(text(name, claim.name)), bool(claim.shared)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return tuple(found)


def lanes(name: str, value: Any) -> dict[str, int]:
    """Limits of lanes, by their names."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of names to limits, not {_kind(value)}")
    return {text(name, lane): whole(f"{name}[{lane!r}]", limit, 0) for lane, limit in value.items()}


def pools(name: str, value: Any) -> tuple[PoolSettings, ...]:
    """Several pools."""
    if isinstance(value, PoolSettings | Mapping | str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list of PoolSettings, not {_kind(value)}")
    found = tuple(value)
    for one in found:
        if not isinstance(one, PoolSettings):
            raise TypeError(f"{name} must be a list of PoolSettings, not of {_kind(one)}")
    return found


def _several(name: str, value: Any, single: type | tuple[type, ...], kinds: str) -> tuple[Any, ...]:
    if isinstance(value, single):
        return (value,)
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be {kinds}, not {_kind(value)}")
    return tuple(value)


def _kind(value: object) -> str:
    return type(value).__name__
