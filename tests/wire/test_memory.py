"""Parcels: what is no parcel is refused with a sentence, and never takes the process down."""

from __future__ import annotations

import os
import pickle
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire.memory import Parcel, pack, stow_some

PLAIN = pickle.dumps([1, "two"], 5)


def parcel_of(data: bytes) -> Parcel:
    found = Parcel(os.memfd_create("shoal-test"))
    os.write(found.fd, data)
    return found


def bytes_of(parcel: Parcel) -> bytes:
    return os.pread(parcel.fd, os.fstat(parcel.fd).st_size, 0)


def with_buffers() -> Parcel:
    buffers: list[pickle.PickleBuffer] = []
    value = [pickle.PickleBuffer(bytearray(b"one" * 50)), pickle.PickleBuffer(bytearray(b"two"))]
    data = pickle.dumps(value, 5, buffer_callback=buffers.append)
    return pack(data, buffers)


def test_the_layout_is_what_the_module_says() -> None:
    with_three = bytes_of(with_buffers())
    count, *sizes = struct.unpack_from("<4Q", with_three)
    assert count == 3
    assert sizes[1:] == [150, 3]
    first = 64 + (sizes[0] + 63) // 64 * 64
    assert with_three[first : first + 150] == b"one" * 50
    assert with_three[first + 192 : first + 195] == b"two"
    assert len(with_three) % 64 == 0


def test_buffers_of_any_length_come_back_none_included() -> None:
    lengths = [0, 1, 63, 64, 65, 5000, 0]
    buffers: list[pickle.PickleBuffer] = []
    value = [pickle.PickleBuffer(bytearray(b"x" * length)) for length in lengths]
    found = pack(pickle.dumps(value, 5, buffer_callback=buffers.append), buffers).load()
    assert [bytes(view) for view in found] == [b"x" * length for length in lengths]


@pytest.mark.parametrize("size", [0, 1, 8, 15])
def test_too_short_for_a_head(size: int) -> None:
    with pytest.raises(ValueError, match="without a head"):
        parcel_of(b"\1" * size).load()


@pytest.mark.parametrize("count", [0, 1 << 63, (1 << 64) - 1, 64, 17])
def test_a_head_with_an_impossible_count(count: int) -> None:
    with pytest.raises(ValueError, match="broken head"):
        parcel_of(struct.pack("<QQ", count, 4) + bytes(112)).load()


@pytest.mark.parametrize("length", [65, 129, 1 << 40, (1 << 64) - 1])
def test_a_part_that_reaches_beyond_the_end(length: int) -> None:
    with pytest.raises(ValueError, match="ends too early"):
        parcel_of(struct.pack("<QQ", 1, length) + bytes(112)).load()


def test_cut_off_at_any_byte() -> None:
    parcel = with_buffers()
    whole = bytes_of(parcel)
    needed = len(whole) - 61  # the padding after the last buffer holds nothing
    for size in range(len(whole)):
        os.ftruncate(parcel.fd, 0)
        os.pwrite(parcel.fd, whole[:size], 0)
        if size < needed:
            with pytest.raises(ValueError, match="parcel"):
                parcel.load()
        else:
            assert bytes(parcel.load()[1]) == b"two"


@given(st.binary(max_size=400))
def test_random_bytes_raise_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - where the head holds by chance, it is pickle's own word
        parcel_of(data).load()


@given(st.lists(st.integers(0, 300) | st.integers(0, (1 << 64) - 1), min_size=1, max_size=8), st.integers(0, 9))
def test_a_random_head_before_a_good_pickle(sizes: list[int], count: int) -> None:
    head = struct.pack(f"<{len(sizes) + 1}Q", count, *sizes)
    padding = bytes(-len(head) % 64)
    parcel = parcel_of(head + padding + PLAIN + bytes(-len(PLAIN) % 64))
    try:
        assert parcel.load() == [1, "two"]
    except (ValueError, EOFError, pickle.UnpicklingError):
        pass


def test_closed_twice_and_read_after_that() -> None:
    parcel = pack(PLAIN, [])
    fd = parcel.fd
    parcel.close()
    parcel.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        parcel.load()


def test_a_stowed_parcel_takes_no_descriptor_until_it_is_sent() -> None:
    parcel = with_buffers()
    fd, data, held = parcel.fd, bytes_of(parcel), Parcel.open
    parcel.stow()
    parcel.stow()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    assert (Parcel.open, parcel.size()) == (held - 1, len(data))
    one, two = parcel.load()
    assert (bytes(one), bytes(two)) == (b"one" * 50, b"two")
    assert bytes_of(parcel) == data
    assert not os.get_inheritable(parcel.fd)
    assert Parcel.open == held
    parcel.close()
    assert (parcel.fd, parcel.size(), Parcel.open) == (-1, 0, held - 1)


def test_what_is_read_from_a_stowed_parcel_outlives_it() -> None:
    parcel = with_buffers()
    parcel.stow()
    found = parcel.load()
    parcel.close()
    assert bytes(found[0]) == b"one" * 50


@pytest.mark.parametrize("data", [None, b""])
def test_what_cannot_be_mapped_is_not_stowed(data: bytes | None) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    parcel = Parcel(reading) if data is None else parcel_of(data)
    if data is not None:
        os.close(reading)
    fd = parcel.fd
    parcel.stow()
    assert parcel.fd == fd
    os.fstat(fd)


def test_only_high_numbers_are_stowed() -> None:
    low, high = pack(PLAIN, []), pack(PLAIN, [])
    os.dup2(high.fd, 600)
    found = Parcel(600)
    stow_some([low, found])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(600)
    os.fstat(low.fd)
    assert found.load() == [1, "two"]


def test_it_is_not_inherited_by_other_programs() -> None:
    assert not os.get_inheritable(pack(PLAIN, []).fd)


def pickles(parcel: Parcel, piece: int) -> bytes:
    found = list(parcel.pickled(piece))
    assert all(len(part) == piece for part in found[:-1])
    assert 0 < len(found[-1]) <= piece
    return b"".join(found)


@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans(), st.integers(1, 500), st.booleans())
def test_as_one_pickle_it_needs_nothing_beside_it(parts: list[bytes], apart: bool, piece: int, stow: bool) -> None:
    buffers: list[pickle.PickleBuffer] = []
    value = ["head", *(pickle.PickleBuffer(bytearray(part)) if apart else part for part in parts)]
    parcel = pack(pickle.dumps(value, 5, buffer_callback=buffers.append), buffers)
    if stow:
        parcel.stow()
    found = pickle.loads(pickles(parcel, piece))
    assert found[0] == "head"
    assert list(map(bytes, found[1:])) == parts
    assert all(type(part) is (bytearray if apart else bytes) for part in found[1:]), "arrays can be written to"
    parcel.close()


def test_without_buffers_it_is_the_pickle_itself() -> None:
    assert pickles(pack(PLAIN, []), 7) == PLAIN


@pytest.mark.parametrize("change", ["short", "cut off", "count", "closed"])
def test_what_is_no_parcel_is_no_pickle_either(change: str) -> None:
    parcel = with_buffers()
    if change == "short":
        os.ftruncate(parcel.fd, 8)
    elif change == "cut off":
        os.ftruncate(parcel.fd, 128)
    elif change == "count":
        os.pwrite(parcel.fd, struct.pack("<Q", 1 << 60), 0)
    else:
        parcel.close()
    with pytest.raises(ValueError, match="a parcel"):
        list(parcel.pickled(1 << 17))


def test_memory_that_shrinks_while_it_is_read_ends_no_process() -> None:
    parcel = with_buffers()
    reading = parcel.pickled(10)
    next(reading)
    os.ftruncate(parcel.fd, 80)
    with pytest.raises(ValueError, match="ends too early"):
        list(reading)
