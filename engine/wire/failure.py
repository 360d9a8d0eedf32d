"""What a failed task says of itself. Part of `engine.wire.frames`."""

from __future__ import annotations

from typing import Any

import msgspec


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """A task that failed by itself: it raised, or what it returned can't travel."""

    offset: int
    """In the batch."""
    kind: str
    """``exception``, ``arguments`` (could not be read), ``result`` (could not be written), ``exit`` (a command's code),
    ``timeout``.
    """
    type: str
    """Name of the exception's class."""
    message: str
    traceback: str
    exception: bytes
    """The pickled exception, b"" where it can't be pickled."""
    detail: dict[str, Any] = {}
    bases: list[str] = []
    """``module.qualname`` of each class that the exception is an instance of, itself first, without ``object``; the
    first 12 of them.
    """
