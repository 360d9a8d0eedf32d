"""Other keys for commands, as a user wishes them: whether they can be had. Imports every screen."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys, key_to_character

from tui.commands import Command

_MODIFIERS = ("ctrl", "shift", "alt", "super", "hyper", "meta")


def _places() -> Iterator[type[DOMNode]]:
    """Everything of ours that has keys."""
    import tui.app  # noqa: F401 - with it comes the first screen
    from tui import late

    late.load()

    waiting = [DOMNode]
    while waiting:
        place = waiting.pop()
        waiting += place.__subclasses__()
        if place.__module__.partition(".")[0] == "tui":
            yield place


def _keys(place: type[DOMNode]) -> Iterator[tuple[str, str]]:
    """Ids and keys of a place's own bindings, a key at a time."""
    for binding in place.__dict__.get("BINDINGS", ()):
        if isinstance(binding, Binding) and binding.id:
            yield from ((binding.id, key) for key in binding.key.split(","))


def ids() -> set[str]:
    """Of all commands."""
    return {command for place in _places() for command, _ in _keys(place)}


def commands() -> list[Command]:
    """All commands, by their ids."""
    found = {}
    for place in _places():
        offers: Iterable[Command] = place.__dict__.get("OFFERS", ())
        found.update({offer.id: offer for offer in offers})
    return [found[name] for name in sorted(found)]


def check(keys: Mapping[str, str]) -> None:
    """Raise ValueError, with one line that begins with the id, unless these commands can have these keys."""
    known = ids()
    for command, wanted in keys.items():
        if command not in known:
            raise ValueError(f"{command}: there is no such command{_nearest(command, known)}")
        for key in wanted.split(","):
            if not is_key(key.strip()):
                raise ValueError(f"{command}: {key.strip()!r} is no key{_nearest(key.strip(), _names())}")
    for place in _places():
        given: dict[str, str] = {}
        for command, key in _keys(place):
            for one in keys.get(command, key).split(","):
                other = given.setdefault(_long(one.strip()), command)
                if other != command and (command in keys or other in keys):
                    mine, theirs = (command, other) if command in keys else (other, command)
                    raise ValueError(f"{mine}: {one.strip()!r} is {theirs} already: give that another one, too")


def _nearest(text: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(text, sorted(known), 1)
    return f": did you mean {close[0]!r}?" if close else ""


def _names() -> set[str]:
    return {key.value for key in Keys}


def is_key(text: str) -> bool:
    """Whether Textual knows such a key: ``q``, ``?``, ``f5``, ``ctrl+k``, ``question_mark``."""
    if len(text) == 1:
        return text.isprintable()
    *modifiers, base = text.split("+")
    if not base or not all(modifier in _MODIFIERS for modifier in modifiers):
        return False
    return base in _names() or key_to_character(base) is not None


def _long(key: str) -> str:
    """A key by its one name: ``?`` is ``question_mark``."""
    binding = next(iter(Binding.make_bindings([Binding(key, "")])), None)
    return binding.key if binding is not None else key
