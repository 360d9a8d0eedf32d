"""The messages about messages between agents. Part of `engine.wire.frames`."""

from __future__ import annotations

import msgspec


class MailOpened(msgspec.Struct, frozen=True, array_like=True, tag=40):
    """Agent to host to engine: it reads its mail from now on."""

    row: int
    generation: int


class MailPools(msgspec.Struct, frozen=True, array_like=True, tag=41):
    """Engine to host to agent, in answer: who there is, as first row and number of rows by pool."""

    row: int
    generation: int
    pools: dict[str, tuple[int, int]]


class Posted(msgspec.Struct, frozen=True, array_like=True, tag=42):
    """Agent to host to engine: a message for the agent of another row. Its parcels come with it."""

    row: int
    generation: int
    to: int
    number: int
    sure: bool
    column: msgspec.Raw
    """As in `Work`, with one item."""


class MailTaken(msgspec.Struct, frozen=True, array_like=True, tag=43):
    """Engine to host to agent: its sure message is in the box."""

    row: int
    generation: int
    number: int


class Delivered(msgspec.Struct, frozen=True, array_like=True, tag=44):
    """Engine to host to agent: a message."""

    row: int
    generation: int
    sender: int
    column: msgspec.Raw


class MailRead(msgspec.Struct, frozen=True, array_like=True, tag=45):
    """Agent to host to engine: it has dealt with so many more messages."""

    row: int
    generation: int
    count: int
