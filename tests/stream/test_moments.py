"""Moments of a recording: packed and read back, or refused in part of a sentence."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from stream_frames import event, frame, pool

from engine.stream import moments
from engine.stream.moments import MomentError, pack, unpack
from engine.stream.types import STREAM_VERSION, Cells, ToReader

TOLD: list[ToReader] = [event("agent.died", "gone", pid=5), frame(3.0, pool(busy=2)), Cells(0, b"\x02\x03" * 40)]


def _packed(*parts: object) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(list(parts)))


@pytest.mark.parametrize("level", [1, 9])
def test_what_was_told_comes_back(level: int) -> None:
    assert unpack(pack(TOLD, level)) == TOLD
    assert unpack(pack([])) == []


def test_what_a_later_version_adds_is_left_out() -> None:
    """A topic that this one does not know, and fields at the end of what it does."""
    more = [*msgspec.msgpack.decode(msgspec.msgpack.encode(TOLD[2])), "more"]
    assert unpack(_packed(STREAM_VERSION, ["weather", 1.0, "rain"], more, TOLD[1])) == [TOLD[2], TOLD[1]]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (_packed(STREAM_VERSION + 1, TOLD[1]), f"it is of stream version {STREAM_VERSION + 1}, this shoal reads"),
        (_packed(), "it is of stream version 0"),
        (_packed("x"), "it is garbage"),
        (zlib.compress(b"\x81\x01\x02"), "it is garbage"),
        (b"", "its end is missing"),
        (b"nothing of ours", "it is garbage"),
        (pack(TOLD)[:-5], "its end is missing"),
    ],
    ids=["newer", "empty", "no number", "a map", "nothing", "garbage", "cut off"],
)
def test_what_can_not_be_read_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(MomentError, match=why) as caught:
        unpack(data)
    assert "\n" not in str(caught.value)


def test_a_small_one_never_unpacks_to_very_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "LARGEST", 10_000)
    with pytest.raises(MomentError, match="too long"):
        unpack(pack([Cells(0, bytes(20_000))]))
