"""The messages about agents on loan: for as long as tasks come one at a time, the engine speaks to one agent itself,
past its host. Part of `engine.wire.frames`.
"""

from __future__ import annotations

import msgspec


class Lend(msgspec.Struct, frozen=True, array_like=True, tag=34):
    """Engine to host: let me have an agent that waits for work, if you can."""


class Direct(msgspec.Struct, frozen=True, array_like=True, tag=35):
    """Engine to an agent that it has on loan: what comes of work that is `direct` is to be told by the channel that
    comes with this, as records."""


class HandBack(msgspec.Struct, frozen=True, array_like=True, tag=36):
    """Engine to host: an agent that was lent is yours again."""

    row: int
    generation: int
    batch: int
    """What it was given meanwhile and is not known to be over, a batch of one task; 0 for none."""
    function: int
    """Of that."""


class Over(msgspec.Struct, frozen=True, array_like=True, tag=37):
    """Engine to host: an agent that was handed back with a batch has told the engine what came of it."""

    row: int
    generation: int
    batch: int


class Lent(msgspec.Struct, frozen=True, array_like=True, tag=25):
    """Host to engine: an agent that waits for work, with the host's end of its channel. The host gives it nothing until
    it is handed back."""

    row: int
    generation: int
