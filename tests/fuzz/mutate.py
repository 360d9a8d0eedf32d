"""Inputs that are nearly right: bytes of a good one, changed as chance has it, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

_TELLING: Final = (
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\xc0", b"\xc1", b"\xc4", b"\xc7", b"\xca", b"\xcb", b"\xcf", b"\xd9", b"\xdc",
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", b"\xcb\x7f\xf8" + bytes(6),
    b"\x91" * 64, b"[" * 64, b"{", b"}", b'"', b"'", b"=", b"\n", b"\r", b",", b"#", b"\\",
     b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"-1", b"0", b"1e999", b"nan", b"99999999999999999999999", b"null", b"true", b"[[", b"]]", b"\\u0000", b"\\ud800",
)  # fmt: skip
"""Bytes that mean something to a format that is read here."""


def mutate(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One input: a seed with one to eight changes."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(9):
            case 0:
                data[at : at + 1] = bytes((dice.randrange(256),))
            case 1 if data:
                data[at % len(data)] ^= 1 << dice.randrange(8)
            case 2:
                del data[at:]
            case 3:
                del data[at : at + dice.randrange(1, 9)]
            case 4:
                data[at:at] = dice.choice(_TELLING)
            case 5:
                told = dice.choice(_TELLING)
                data[at : at + len(told)] = told
            case 6:
                other = dice.choice(seeds)
                cut = dice.randrange(len(other) + 1)
                data[at:] = other[cut:]
            case 7:
                data[at:at] = data[at : at + dice.randrange(1, 40)] * dice.randrange(1, 4)
            case _:
                data[at:at] = dice.randbytes(dice.randrange(1, 9))
    return bytes(data)


def inputs(seed: str, count: int, seeds: Sequence[bytes]) -> Iterator[bytes]:
    """So many inputs: the seeds as they are first."""
    dice = random.Random(seed)
    yield from seeds[:count]
    for _ in range(count - len(seeds)):
        yield mutate(dice, seeds)
