"""A message to the recorder, kept until it is in the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.wire.memory import Parcel


@dataclass(slots=True)
class Told:
    """A message."""

    data: bytes | None
    """None while more may be added to it."""
    weight: int
    """Bytes that it counts for."""
    parcels: list[Parcel]
    """Large results that travel beside it."""
    large: int
    """Bytes that these have."""
    open: Callable[[], bytes] | None = None
    """What encodes it once it is sent."""

    def encoded(self) -> bytes:
        """As it is sent."""
        if self.data is None:
            assert self.open is not None
            self.data, self.open = self.open(), None
        return self.data
