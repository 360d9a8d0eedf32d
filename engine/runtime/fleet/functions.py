"""The functions of a run: each has a number, and is told to every host once."""

from __future__ import annotations

import hashlib

from engine.procs.agent import COMMAND
from engine.wire import frames, values
from engine.wire.memory import Parcel


class Functions:
    """Numbers of functions, and the messages that define them.

    Attributes:
        commands: numbers of those that run a command.
        by_value: how many were defined by their pickle.
    """

    def __init__(self) -> None:
        self.commands: set[int] = set()
        self.by_value = 0
        self._known: dict[tuple[str, bytes], int] = {}
        self._messages: dict[int, tuple[bytes, list[Parcel]]] = {}

    def knows(self, reference: str, body: bytes) -> bool:
        """Whether such a function has a number."""
        return _key(reference, body) in self._known

    def define(self, reference: str, body: bytes = b"") -> int:
        """The number of a function: ``module:qualname``, or one of an agent's own with its body, or "" and a pickle."""
        key = _key(reference, body)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self._known) + 1
            self.by_value += not reference
            if reference == COMMAND:
                self.commands.add(number)
            parcels = [values.parcel(body)] if len(body) > values.LARGE else []
            frame = frames.Define(number, reference, b"" if parcels else body)
            self._messages[number] = (frames.encode(frame), parcels)
        return number

    def message(self, number: int) -> tuple[bytes, list[Parcel]]:
        """What tells a host of the function."""
        return self._messages[number]


def _key(reference: str, body: bytes) -> tuple[str, bytes]:
    return reference, hashlib.sha256(body).digest() if len(body) > 64 else body
