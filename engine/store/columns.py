"""Values as columns: results, texts and JSON that SQLite, its shell and other programs take."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

from engine.wire.memory import Parcel

Stored = tuple[str | None, str | None, bytes | None]
"""The columns ``result``, ``result_kind`` and ``blob``."""

_encode = msgspec.json.Encoder().encode
_quote_ascii = json.encoder.encode_basestring_ascii


def clean(text: str) -> str:
    """Text that SQLite and its shell take: lone surrogates and NULs as escapes."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def as_json(value: object) -> str:
    """Any value as JSON, always; what JSON does not know is written as null (NaN) or as its repr."""
    try:
        return msgspec.json.encode(value, enc_hook=repr).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):  # lone surrogates, huge integers, odd keys
        try:
            return json.dumps(value, default=repr, skipkeys=True, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return _quote_ascii(repr(value))


def _string(value: str) -> Stored:
    try:
        return _encode(value).decode(), None, None
    except UnicodeEncodeError:  # JSON can escape a lone surrogate, UTF-8 can't hold it
        return _quote_ascii(value), None, None


def _float(value: float) -> Stored:
    if math.isfinite(value):
        return _encode(value).decode(), None, None
    # JSON has no NaN, and one bare NaN would make SQLite's JSON functions refuse the whole query.
    return '"NaN"' if value != value else '"Infinity"' if value > 0 else '"-Infinity"', "float", None


def _list(value: list[Any]) -> Stored:
    match value:
        case ["pickle", bytes() as data]:
            return None, "pickle", data
        case ["large" | "pieces" as kind, bytes()]:
            return None, kind, None
        case ["json", str() as text]:  # a container, which the engine has read and written as JSON
            return text, "json", None
        case _:
            return as_json(value), None, None


_STORED: Final[dict[type, Callable[[Any], Stored]]] = {
    int: lambda value: (int.__repr__(value), None, None),
    float: _float,
    bool: lambda value: ("true" if value else "false", None, None),
    type(None): lambda value: ("null", None, None),
    str: _string,
    bytes: lambda value: (None, "bytes", value),
    list: _list,
    Parcel: lambda _: (None, "pieces", None),
}


def stored(value: object) -> Stored:
    """One result as its three columns. See the README of this package for what each kind means."""
    found = _STORED.get(type(value))
    return (as_json(value), None, None) if found is None else found(value)
