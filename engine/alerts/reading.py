"""Single values of a table that somebody wrote, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, get_args

from engine.alerts.signals import EVENTS, SIGNALS
from engine.alerts.values import parse_seconds
from engine.settings.fields import nearest, shown

_T = TypeVar("_T")

_LONGEST: Final = 366 * 86400.0


class Table:
    """Reads a table key by key; what is wrong gets its default, and is put down.

    Attributes:
        wrong: keys, and what is wrong with each.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._table = table
        self.wrong: list[tuple[str, str]] = []

    def _say(self, key: str, text: str) -> None:
        if all(said != key for said, _ in self.wrong):
            self.wrong.append((key, text))

    def _parsed(self, key: str, parse: Callable[[Any], _T], default: _T) -> _T:
        if key not in self._table:
            return default
        try:
            return parse(self._table[key])
        except ValueError as error:
            self._say(key, str(error))
            return default

    def _span(self, key: str, default: float, least: float = 0.0) -> float:
        found = self._parsed(key, parse_seconds, default)
        if key in self._table and not least <= found <= _LONGEST:
            self._say(key, f"at least {least:g} s and at most a year, not {shown(self._table[key])}")
            return default
        return found

    def _text(self, key: str, default: str) -> str:
        value = self._table.get(key, default)
        if not isinstance(value, str) or (key == "title" and not value.strip()) or len(value) > 1000:
            self._say(key, f"a text of up to 1000 letters, not {shown(value)}")
            return default
        return " ".join(value.split())

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            self._say(key, f"a list of texts, not {shown(value)}")
            return ()
        return tuple(dict.fromkeys(value))

    def _names(self, key: str, labels: Iterable[str] | None) -> tuple[str, ...]:
        """A list of labels; None: of any, for what is not known here has them."""
        found = self._texts(key)
        known = {label for kind in (SIGNALS[name].labels for name in SIGNALS) for label in kind}
        known |= {label for kind in EVENTS.values() for label in kind}
        allowed = known if labels is None else set(labels)
        for name in found:
            if name not in allowed:
                self._say(key, f"no label {name!r}{nearest(name, sorted(allowed))}")
        return found

    def _switch(self, key: str, default: bool) -> bool:
        value = self._table.get(key, default)
        if not isinstance(value, bool):
            self._say(key, f"true or false, not {shown(value)}")
            return default
        return value

    def _whole(self, key: str, default: int, most: int) -> int:
        value = self._table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            self._say(key, f"a whole number from 1 to {most:,}, not {shown(value)}")
            return default
        return value

    def _choice(self, key: str, kind: Any, default: Any) -> Any:
        return self._choice_of(key, get_args(kind), default)

    def _choice_of(self, key: str, words: tuple[str, ...], default: Any) -> Any:
        value = self._table.get(key, default)
        if value is not default and value not in words:
            close = nearest(value, words) if isinstance(value, str) else ""
            self._say(key, f"one of {', '.join(words)}, not {shown(value)}{close if 'did you mean' in close else ''}")
            return default
        return value


def closest(name: str, known: Iterable[str]) -> str:
    """As `nearest`, but without a list of dozens."""
    found = nearest(name, known)
    return found if "did you mean" in found else "; `shoal alerts signals` lists them"
