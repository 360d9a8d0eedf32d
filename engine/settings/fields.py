"""Each setting as its type describes it: what values it takes, and how they are read and written."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from msgspec import inspect

from engine.settings.sizes import LARGEST, parse_size
from engine.settings.types import Settings

Kind = Literal[
    "whole", "seconds", "switch", "choice", "size", "reference", "text", "texts", "path", "command", "address", "limits"
]

_MOST: Final = 10**9
"""Of any count. A number with a digit too many is told here, and not where it fits no frame."""
SWITCHES: Final = {
    "1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip
"""How people write a switch."""


@dataclass(slots=True, frozen=True)
class Field:
    """One setting.

    Attributes:
        name: in its struct.
        kind: what values are.
        automatic: it may be None, which people write as ``auto``.
        least: the smallest number.
        most: the largest number.
        choices: the words it may be.
        default: its value where nothing is said.
        meaning: for people; empty for a pool's.
        off: it may be 0, which people write as ``off``.
    """

    name: str
    kind: Kind
    automatic: bool
    least: int
    choices: tuple[str, ...]
    default: Any
    meaning: str
    most: int = _MOST
    off: bool = False

    @property
    def variable(self) -> str:
        """The environment variable of a run's setting."""
        return f"SHOAL_{self.name.upper()}"

    @property
    def place(self) -> tuple[str, str]:
        """Table and key of a run's setting in a config file."""
        if self.kind == "limits":  # the table itself
            return self.name, ""
        table, _, key = self.name.partition("_")
        return table, key

    @property
    def allowed(self) -> str:
        """What values it takes, as part of a sentence."""
        texts: dict[Kind, str] = {
            "whole": f"a whole number of at least {self.least}"
            + (f" and at most {self.most}" if self.most < _MOST else ""),
            "seconds": "a number of seconds above 0",
            "switch": "true or false",
            "choice": f"one of {', '.join(self.choices)}",
            "size": "a size such as 500M or 2G",
            "reference": "written module:function",
            "text": "a text",
            "texts": "a list of texts",
            "path": "a path, or none",
            "command": "a program and its arguments, or none",
            "limits": "names with whole numbers, such as local=1 cloud=10, or none",
            "address": "an address such as https://example.org/alerts, or none",
        }
        more = ["auto"] * self.automatic + ["off"] * self.off
        return texts[self.kind] + "".join(f" or {word}" for word in more)

    def parse(self, value: object, written: bool) -> Any:
        """The setting's value of one that was given. `written`: everything arrives as text there.

        Raises ValueError with the part of the sentence that follows "is": what is allowed, and what was given.
        """
        if self.off and (value is False or (isinstance(value, str) and value.strip().lower() == "off")):
            return 0
        if self.automatic and (value is None or (value == "auto" and self.kind not in ("reference", "text"))):
            return None
        try:
            found = self._parse(value, written)
        except (ValueError, OverflowError):
            raise ValueError(f"{self.allowed}, not {shown(value)}") from None
        if self.kind == "whole" and found > self.most:
            raise ValueError(f"at most {self.most:,}, not {shown(value)}")
        return found

    def _parse(self, value: Any, written: bool) -> Any:
        if written and isinstance(value, str):
            value = value.strip()
            if self.kind == "whole":
                value = int(value)
            elif self.kind == "seconds":
                value = float(value)
            elif self.kind == "switch":
                value = SWITCHES.get(value.lower())
        if self.kind == "limits":
            return _limits(value)
        if self.kind == "size" and isinstance(value, str):
            return parse_size(value)
        if self.kind in ("command", "address", "path") and value == "none":
            return () if self.kind == "command" else ""
        if self.kind == "command" and isinstance(value, str):
            import shlex

            value = shlex.split(value)  # as words alone: no shell will see them
            if not value:
                raise ValueError
        if self.kind in ("whole", "size"):
            good = isinstance(value, int) and not isinstance(value, bool) and self.least <= value
            good = good and (self.kind == "whole" or value < LARGEST)
        elif self.kind == "seconds":
            good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
            value = float(value) if good else value
        elif self.kind == "switch":
            good = isinstance(value, bool)
        elif self.kind == "choice":
            good = value in self.choices
        elif self.kind == "texts":
            good = isinstance(value, list | tuple) and all(isinstance(part, str) and part for part in value)
            value = tuple(value) if good else value
        elif self.kind == "command":
            good = isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)
            good = good and not any("\0" in part for part in value) and (not value or bool(value[0]))
            value = tuple(value) if good else value
        elif self.kind == "address":
            good = isinstance(value, str) and (not value or is_address(value))
        elif self.kind == "path":
            good = isinstance(value, str) and "\0" not in value
        else:
            good = isinstance(value, str) and (self.kind == "text" or is_reference(value))
        if not good:
            raise ValueError
        return value


def _limits(value: Any) -> dict[str, int]:
    """Raises ValueError."""
    if isinstance(value, str):
        words = [] if value.strip() == "none" else value.replace(",", " ").split()
        value = dict(_limit(*word.partition("=")) for word in words)
    if not isinstance(value, dict) or not all(_is_limit(name, number) for name, number in value.items()):
        raise ValueError
    return dict(value)


def _limit(name: str, equals: str, number: str) -> tuple[str, int]:
    if not equals:
        raise ValueError
    return name, int(number)


def _is_limit(name: object, number: object) -> bool:
    named = isinstance(name, str) and bool(name) and name.isprintable() and name == name.strip()
    return named and isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MOST


def is_reference(text: str) -> bool:
    """Whether it is written ``module:function``, as in ``package.module:Class.method``."""
    module, colon, name = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in [*module.split("."), *name.split(".")])


def is_address(text: str) -> bool:
    """Whether it is the address of something on a web server."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - it raises where that is no number
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None


def shown(value: object) -> str:
    """A value as people write it, cut where it is long."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python prints
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, known: Iterable[str]) -> str:
    """What to add to the error about a name that isn't known."""
    import difflib

    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    return f": did you mean {close[0]!r}?" if close else f"; known: {', '.join(known) or 'none'}"


@functools.cache
def fields(struct: type[msgspec.Struct] = Settings) -> dict[str, Field]:
    """The fields of `Settings` or of `PoolSettings`, by name, in their order."""
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    return {field.name: _field(field) for field in described.fields}


def _field(field: inspect.Field) -> Field:
    found: inspect.Type = field.type
    meaning, automatic = "", False
    marks: dict[str, Any] = {}
    while isinstance(found, inspect.Metadata | inspect.UnionType):
        if isinstance(found, inspect.UnionType):
            found = next(kind for kind in found.types if not isinstance(kind, inspect.NoneType))
            automatic = True
        else:
            meaning = (found.extra_json_schema or {}).get("description", meaning)
            marks = {**marks, **(found.extra or {})}
            found = found.type
    least, most = (found.ge, found.le) if isinstance(found, inspect.IntType) else (None, None)
    choices = found.values if isinstance(found, inspect.LiteralType) else ()
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return Field(
        field.name, _kind(found, marks), automatic, least or 0, tuple(map(str, choices)), default, meaning,
        most or _MOST, off="off" in marks,
    )  # fmt: skip


def _kind(found: inspect.Type, marks: dict[str, Any]) -> Kind:
    match found:
        case inspect.IntType():
            return "size" if "size" in marks else "whole"
        case inspect.FloatType():
            return "seconds"
        case inspect.BoolType():
            return "switch"
        case inspect.LiteralType():
            return "choice"
        case inspect.DictType():
            return "limits"
        case inspect.VarTupleType():
            return "command" if "command" in marks else "texts"
        case inspect.StrType():
            marked: list[Kind] = ["reference", "address", "path"]
            return next((kind for kind in marked if kind in marks), "text")
    raise TypeError(f"no setting can be a {found}")
