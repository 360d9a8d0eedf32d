"""The scoreboard: one memory for all processes, a row each, and nobody in another's row or ring."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.procs import scoreboard
from engine.procs.scoreboard import CELLS, Scoreboard, create, ring_capacity, rows_bytes, size
from engine.stream.types import AGENT_STATES


@pytest.fixture
def fd() -> Iterator[int]:
    found = create(40, 4096)
    yield found
    os.close(found)


def test_a_new_one_is_all_zero_and_of_the_promised_size(fd: int) -> None:
    board = Scoreboard(fd, 40, 4096)
    assert os.fstat(fd).st_size == size(40, 4096) == len(board.memory)
    assert not any(board.memory)
    board.close()


def test_its_memory_is_not_inherited_across_exec(fd: int) -> None:
    assert not os.get_inheritable(fd)


def test_every_cell_is_its_own(fd: int) -> None:
    board = Scoreboard(fd, 40, 4096)
    for row in range(40):
        for cell in range(CELLS):
            board.set(row, cell, row << 32 | cell)
    assert all(board.get(row, cell) == row << 32 | cell for row in range(40) for cell in range(CELLS))
    for cell in range(CELLS):
        assert board.column(cell) == [row << 32 | cell for row in range(40)]
    assert not any(board.memory[rows_bytes(40) :])
    board.close()


def test_a_cell_holds_64_bits(fd: int) -> None:
    board = Scoreboard(fd, 40, 4096)
    board.set(39, 15, (1 << 64) - 1)
    assert board.get(39, 15) == (1 << 64) - 1
    with pytest.raises(ValueError, match="invalid value"):
        board.set(0, 0, 1 << 64)
    with pytest.raises(ValueError, match="invalid value"):
        board.set(0, 0, -1)
    board.close()


def test_the_named_cells_are_distinct_and_fit_a_row() -> None:
    others = ("CELLS", "ROW", "_PAGE", "ASK_FLUSH", "ASK_SOFT", "ASK_REST", "ASK_BATCH", "_LOW")
    cells = [value for name, value in vars(scoreboard).items() if name.isupper() and name not in others]
    assert sorted(cells) == list(range(len(cells)))
    assert len(cells) <= CELLS


def test_its_states_are_those_of_the_stream() -> None:
    # An agent's runtime is closed, so the module names the numbers without importing them; this holds them together.
    assert list(AGENT_STATES) == ["absent", "starting", "idle", "busy", "draining", "dead"]


def test_rings_do_not_touch_each_other_or_the_rows(fd: int) -> None:
    board = Scoreboard(fd, 40, 4096)
    for row in range(40):
        board.ring(row)[:] = bytes((row + 1,)) * 4096
    assert all(bytes(board.ring(row)) == bytes((row + 1,)) * 4096 for row in range(40))
    assert not any(board.memory[: rows_bytes(40)])
    board.close()


def test_all_processes_see_the_same_memory_and_the_descriptor_is_not_needed_for_it() -> None:
    fd = create(2, 4096)
    board = Scoreboard(fd, 2, 4096)
    other = Scoreboard(fd, 2, 4096)
    os.close(fd)
    pid = os.fork()
    if pid == 0:
        try:
            board.set(1, scoreboard.DONE, 12345)
            board.ring(1)[:3] = b"yes"
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert other.get(1, scoreboard.DONE) == 12345
    assert bytes(other.ring(1)[:3]) == b"yes"
    board.close()
    assert other.get(1, scoreboard.DONE) == 12345
    other.close()


def test_it_is_not_unmapped_under_a_view(fd: int) -> None:
    board = Scoreboard(fd, 40, 4096)
    ring = board.ring(3)
    with pytest.raises(BufferError):
        board.close()
    ring.release()
    board._mapped.close()


@given(st.integers(0, 100_000))
def test_rings_are_powers_of_two_within_bounds_and_about_64_mib_in_all(rows: int) -> None:
    capacity = ring_capacity(rows)
    assert 8 << 10 <= capacity <= 256 << 10
    assert capacity & (capacity - 1) == 0
    assert capacity * rows <= 64 << 20 or capacity == 8 << 10
    assert 2 * capacity * rows > 64 << 20 or capacity == 256 << 10


@given(st.integers(0, 10_000))
def test_rows_take_whole_pages(rows: int) -> None:
    assert rows_bytes(rows) % mmap.PAGESIZE == 0
    assert 0 <= rows_bytes(rows) - rows * scoreboard.ROW < mmap.PAGESIZE
