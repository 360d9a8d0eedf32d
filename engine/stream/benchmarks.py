"""What a benchmark tells while it measures, for whoever shows it: one message a line, as JSON.

``kind`` says which message it is. Readers ignore kinds and fields that they do not know, so both may be added to.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Better: TypeAlias = Literal["low", "high"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that will be measured.

    Attributes:
        name: the same in every session.
        title: for people.
        unit: of its values: "s", "/s", "B", "x" (a ratio) or "%" (a share).
        better: which values are.
        beside: the side of `Measured.values` that ours is compared with, by its name for people; "" for none.
        bound: of ours, what it must stay on the better side of; None for nothing of the kind.
        must, aim: what is wanted, as text; "" for nothing.
        must_at, aim_at: the same as factors, of how many times better it is than what is beside it, or than `bound`;
            None where they are about something else.
    """

    name: str
    title: str
    unit: str
    better: Better
    beside: str = ""
    bound: float | None = None
    must: str = ""
    aim: str = ""
    must_at: float | None = None
    aim_at: float | None = None


class Planned(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="planned"):
    """What will be measured, before anything is.

    Attributes:
        suite: its name.
        steps: how many measurements; those of a row, one side after the other, are one.
        rounds: after the warm-up.
        rows: all of them, in the order of the table.
        again: the gate measures some rows once more; the steps are counted anew.
    """

    suite: str
    quick: bool
    steps: int
    rounds: int
    rows: tuple[Row, ...] = ()
    again: bool = False


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="begun"):
    """A measurement begins.

    Attributes:
        step: which, from 1 on.
        round: 0 for the warm-up.
        row: its name.
        left: seconds until all are done, this one included; None before anybody can say.
    """

    step: int
    round: int
    row: str
    left: float | None = None


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="measured"):
    """A measurement is over.

    Attributes:
        step, round, row: which.
        seconds: that it took.
        values: what it found, by side; "ours" is ours. Empty for the warm-up, whose values are dropped.
        left: seconds until all are done; None before anybody can say.
    """

    step: int
    round: int
    row: str
    seconds: float
    values: dict[str, list[float]] = {}
    left: float | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="failed"):
    """Something could not be measured, and will not be tried again."""

    row: str
    why: str
    steps: int
    """Measurements that there are now, without those that it would have had."""


class Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="said"):
    """A line for people, of whatever else there is."""

    text: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="ended"):
    """The last message of one that came to its end.

    Attributes:
        code: exit code of the command.
        session: id of the session that was kept, "" for none.
        failures: why rows were not measured, by name.
        verdict: what the gate makes of it, one line; "" for a suite.
    """

    code: int
    session: str = ""
    failures: dict[str, str] = {}
    verdict: str = ""


Message: TypeAlias = Planned | Begun | Measured | Failed | Said | Ended

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def line(message: Message) -> bytes:
    """A message as a line, its end included."""
    return _encoder.encode(message) + b"\n"


def read(text: bytes) -> Message | None:
    """What a line says; None for one that is no message, or of a kind that is not known."""
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
