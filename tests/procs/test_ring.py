"""The outcome ring against a plain queue, against killed writers, and against memory that somebody overwrote."""

from __future__ import annotations

import os
from collections import deque

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.procs.ring import Reader, RingBroken, Writer
from engine.procs.scoreboard import HEAD, TAIL, Scoreboard, create

ROW = 1
"""Of three, so that a ring that spills over its ends is seen in its neighbours."""


def board_of(capacity: int) -> Scoreboard:
    fd = create(3, capacity)
    board = Scoreboard(fd, 3, capacity)
    os.close(fd)
    return board


def drain(reader: Reader, upto: int | None = None) -> list[bytes]:
    found = []
    while (taken := reader.peek(upto)) is not None:
        found.append(taken[0])
        reader.advance(taken[1])
    return found


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 300)),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("look"), st.integers(0, 4)),
    ),
    max_size=60,
)


@given(steps, st.sampled_from([64, 100, 256, 1000]))
@example([("write", 56), ("take", 1)] * 3, 64)  # a record as large as the ring
def test_it_behaves_like_a_queue_of_bounded_size(steps: list[tuple[str, int]], capacity: int) -> None:
    board = board_of(capacity)
    writer, reader, model = Writer(board, ROW), Reader(board, ROW), deque[bytes]()
    for number, (step, size) in enumerate(steps):
        if step == "write":
            record = bytes((number % 256,)) * size
            room = capacity - sum(len(waiting) + 8 for waiting in model)
            assert writer.write(record) == (size + 8 <= room)
            if size + 8 <= room:
                model.append(record)
        elif step == "take":
            for _ in range(size):
                taken = reader.peek()
                assert (taken and taken[0]) == (model.popleft() if model else None)
                if taken is not None:
                    reader.advance(taken[1])
        else:  # another reader, as the engine's after the host's death, sees what was not taken, and takes nothing
            assert drain_copy(board) == list(model)
        assert reader.pending() == bool(model)
    assert drain(reader) == list(model)
    assert not any(board.ring(ROW - 1))
    assert not any(board.ring(ROW + 1))


def drain_copy(board: Scoreboard) -> list[bytes]:
    """All that a new reader sees, without taking it."""
    reader, before = Reader(board, ROW), board.get(ROW, TAIL)
    found = drain(reader)
    board.set(ROW, TAIL, before)
    return found


def test_a_full_ring_takes_nothing_and_loses_nothing() -> None:
    board = board_of(64)
    writer, reader = Writer(board, ROW), Reader(board, ROW)
    assert writer.write(b"a" * 24)
    assert writer.write(b"b" * 24)
    assert not writer.write(b"")
    assert not writer.write(b"c")
    assert reader.peek() == (b"a" * 24, 32)
    assert not writer.write(b"c")  # looking gives no room back
    reader.advance(32)
    assert writer.write(b"c" * 24)
    assert drain(reader) == [b"b" * 24, b"c" * 24]
    assert not writer.write(b"d" * 57)  # never


@pytest.mark.parametrize("start", range(40))
def test_records_wrap_around_the_end_wherever_that_is(start: int) -> None:
    board = board_of(40)
    board.set(ROW, HEAD, (1 << 40) * 40 + start)
    board.set(ROW, TAIL, (1 << 40) * 40 + start)
    assert Writer(board, ROW).write(b"0123456789" * 3)
    assert drain(Reader(board, ROW)) == [b"0123456789" * 3]


def test_a_reader_stops_at_the_position_it_is_given() -> None:
    # A message that came past the ring names the head it stands behind: what is older goes first, what is newer waits.
    board = board_of(256)
    writer, reader = Writer(board, ROW), Reader(board, ROW)
    positions = []
    for record in (b"one", b"two", b"three"):
        writer.write(record)
        positions.append(writer.head)
    assert reader.peek(0) is None
    assert drain(reader, positions[1]) == [b"one", b"two"]
    assert reader.peek(positions[0]) is None  # behind us already
    assert drain(reader, positions[2] + 100) == [b"three"]
    assert not reader.pending()


def test_leaving_out_what_was_written() -> None:
    board = board_of(256)
    writer, reader = Writer(board, ROW), Reader(board, ROW)
    writer.write(b"old")
    reader.reset()
    assert not reader.pending()
    writer.write(b"new")
    assert drain(reader) == [b"new"]


@given(st.lists(st.binary(max_size=40), max_size=4), st.binary(max_size=60))
def test_a_writer_killed_before_it_published_has_written_nothing(records: list[bytes], last: bytes) -> None:
    board = board_of(300)
    writer = Writer(board, ROW)
    for record in records:
        writer.write(record)
    published = board.get(ROW, HEAD)
    writer.write(last)
    board.set(ROW, HEAD, published)  # killed after the copy, before the store
    assert drain_copy(board) == records
    successor = Writer(board, ROW)
    assert successor.write(b"of its successor")
    assert drain(Reader(board, ROW)) == [*records, b"of its successor"]


def test_a_second_reader_salvages_what_the_first_had_not_taken() -> None:
    board = board_of(256)
    writer, first = Writer(board, ROW), Reader(board, ROW)
    for record in (b"one", b"two", b"three"):
        writer.write(record)
    taken = first.peek()
    assert taken is not None
    first.advance(taken[1])
    assert first.peek() is not None  # looked at when it was killed, and not taken
    assert drain(Reader(board, ROW)) == [b"two", b"three"]


def test_another_process_reads_what_one_wrote_before_it_was_killed() -> None:
    board = board_of(1024)
    pid = os.fork()
    if pid == 0:
        try:
            writer = Writer(board, ROW)
            for n in range(10):
                writer.write(b"record %d" % n)
            os.kill(os.getpid(), 9)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 9
    assert drain(Reader(board, ROW)) == [b"record %d" % n for n in range(10)]


RECORDS = [b"first record", b"", b"x" * 50, bytes(20)]


def read_all(reader: Reader) -> tuple[list[bytes], bool]:
    """What can be read, and whether the rest is broken."""
    found: list[bytes] = []
    try:
        while (taken := reader.peek()) is not None:
            found.append(taken[0])
            reader.advance(taken[1])
    except RingBroken:
        return found, True
    return found, False


@given(st.integers(0, 199), st.integers(1, 255), st.integers(0, 5000))
def test_a_changed_byte_is_told_or_lies_outside_of_all_records(at: int, change: int, start: int) -> None:
    board = board_of(200)
    board.set(ROW, HEAD, start)
    board.set(ROW, TAIL, start)
    writer = Writer(board, ROW)
    assert all(writer.write(record) for record in RECORDS)
    inside = (at - start) % 200 < sum(len(record) + 8 for record in RECORDS)
    board.ring(ROW)[at] ^= change
    found, broken = read_all(Reader(board, ROW))
    assert broken == inside
    assert found == RECORDS[: len(found)]
    assert broken or found == RECORDS


@given(st.integers(0, 255))
def test_a_ring_that_was_wiped_is_told(byte: int) -> None:
    # Zeros most of all: a checksum of nothing that is 0 would make them a row of empty records.
    board = board_of(200)
    Writer(board, ROW).write(b"x" * 100)
    board.ring(ROW)[:] = bytes((byte,)) * 200
    assert read_all(Reader(board, ROW)) == ([], True)


@given(st.integers(0, 400) | st.integers(0, (1 << 64) - 1))
def test_a_changed_head_never_makes_up_a_record(head: int) -> None:
    board = board_of(200)
    writer = Writer(board, ROW)
    assert all(writer.write(record) for record in RECORDS)
    written = writer.head
    board.set(ROW, HEAD, head)
    found, broken = read_all(Reader(board, ROW))
    assert found == RECORDS[: len(found)]
    assert broken or head <= written


@given(st.binary(min_size=200, max_size=200), st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
def test_random_memory_raises_nothing_else(memory: bytes, head: int, tail: int) -> None:
    board = board_of(200)
    board.ring(ROW)[:] = memory
    board.set(ROW, HEAD, head)
    board.set(ROW, TAIL, tail)
    read_all(Reader(board, ROW))
