"""What an agent holds of its own: measured right, and seldom."""

from __future__ import annotations

import importlib.util
import mmap
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import wait_for

from engine.procs import weight
from engine.procs.scoreboard import MEMORY, Scoreboard, create
from engine.procs.weight import Report, Scales, held, own, packed, together, unpacked

MIB = 1 << 20
PAGE = mmap.PAGESIZE


# -- the figures -------------------------------------------------------------------------------------------------------


def in_child(what: Callable[[], object]) -> tuple[int, int, int]:
    """(resident, from no file, own) of a fork of this process that has done something."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kept = what()
            os.write(told, b"x")
            signal.pause()
            del kept
        finally:
            os._exit(1)
    try:
        os.read(ready, 1)
        return (*held(pid), own(pid))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(told)


def test_what_is_shared_with_the_image_is_not_its_own() -> None:
    image = mmap.mmap(-1, 64 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    image.write(b"x" * len(image))
    resident, anonymous, mine = in_child(lambda: None)
    assert resident >= anonymous >= 64 * MIB
    assert mine < 16 * MIB

    def write_to_it() -> None:
        for at in range(0, 32 * MIB, PAGE):
            image[at] = 1

    _, more, written = in_child(write_to_it)
    assert abs(more - anonymous) < 16 * MIB, "a copy takes the place of what was shared"
    assert 32 * MIB <= written < 48 * MIB
    _, more, taken = in_child(lambda: bytearray(b"x" * 48 * MIB))
    assert more - anonymous > 40 * MIB
    assert 48 * MIB <= taken < 64 * MIB
    image.close()


def test_a_file_that_is_only_read_is_nobodys_own() -> None:
    found = importlib.util.find_spec("llvmlite")  # a large file that is no temporary one: those may be kept in memory
    assert found is not None
    assert found.origin is not None
    path = max(Path(found.origin).parent.rglob("*.so"), key=lambda path: path.stat().st_size)
    size = path.stat().st_size
    assert size > 32 * MIB

    def read() -> object:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # it may just have been installed
            view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return view, sum(view[::PAGE])

    resident, anonymous, mine = in_child(read)
    assert resident - anonymous >= size
    assert mine < 16 * MIB


def test_who_is_gone_holds_nothing() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    wait_for(lambda: held(pid) == (0, 0), what="the end")
    assert own(pid) == 0
    os.waitpid(pid, 0)
    assert (held(pid), own(pid)) == ((0, 0), 0)


def test_where_the_kernel_does_not_add_up_it_is_what_comes_from_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"statm": b"100 60 20 1 0 30 0\n", "smaps_rollup": b"garbage"}
    monkeypatch.setattr(weight, "_read", lambda path: told[path.rpartition("/")[2]])
    assert held(1) == (60 * PAGE, 40 * PAGE)
    assert own(1) == 40 * PAGE


def test_what_was_swapped_out_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    told = (
        b"[rollup]\nRss: 9 kB\nPrivate_Clean:  7 kB\nPrivate_Dirty:   40 kB\nPrivate_Hugetlb:  2 kB\nSwapPss:  600 kB\n"
    )
    monkeypatch.setattr(weight, "_read", lambda path: told)
    assert own(1) == 642 << 10


@given(st.integers(0, 1 << 43), st.integers(0, 1 << 43))
def test_a_cell_has_both(mine: int, anonymous: int) -> None:
    cell = packed(mine, anonymous)
    assert 0 <= cell < 1 << 64
    assert unpacked(cell) == (mine // PAGE * PAGE, anonymous // PAGE * PAGE)


@given(st.lists(st.tuples(st.integers(0, 1 << 43), st.integers(0, 1 << 43))))
def test_together_they_hold_what_each_holds_of_its_own(agents: list[tuple[int, int]]) -> None:
    cells = [packed(*agent) for agent in agents]
    assert together(cells) == sum(unpacked(cell)[0] for cell in cells)


# -- when the kernel is asked ------------------------------------------------------------------------------------------


class Kernel:
    """What it says, and how often it was asked to add up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resident = self.anonymous = self.own = self.asked = 0
        self.takes = 0.0
        self.now = 1000.0
        monkeypatch.setattr(weight, "held", lambda who: (self.resident, self.anonymous))
        monkeypatch.setattr(weight, "own", self._own)
        clock = SimpleNamespace(monotonic=lambda: self.now, monotonic_ns=lambda: round(self.now * 1e9))
        monkeypatch.setattr(weight, "time", clock)

    def _own(self, who: object) -> int:
        self.asked += 1
        self.now += self.takes
        return self.own


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    fd = create(2, 1 << 13)
    found = Scoreboard(fd, 2, 1 << 13)
    os.close(fd)
    yield found
    found.close()


def agent(board: Scoreboard, row: int = 0, shared: int = 0) -> Any:
    """A slot of an agent that was just started, from an image that has so much in memory."""
    board.set(row, MEMORY, packed(0, shared))
    return SimpleNamespace(row=row, pid=1, said=-1, weight=(0, 0), weighed=1000.0, weigh_next=0.0)


def test_an_agent_below_its_limit_is_never_weighed(kernel: Kernel, board: Scoreboard) -> None:
    slot, scales = agent(board), Scales(board)
    kernel.resident = kernel.anonymous = 100 * MIB
    for second in range(100):
        assert scales.above(slot, 100 * MIB, 1000.0 + second) == 0
    assert kernel.asked == 0


def test_one_that_has_grown_by_what_it_may_is_weighed_at_once_and_then_by_what_was_left(
    kernel: Kernel, board: Scoreboard
) -> None:
    slot, scales = agent(board, shared=500 * MIB), Scales(board)
    kernel.resident, kernel.anonymous = 600 * MIB, 599 * MIB
    assert scales.above(slot, 100 * MIB, 1000.0) == 0
    assert kernel.asked == 0, "the image is large, and it has not grown by so much"
    kernel.anonymous, kernel.own = 601 * MIB, 40 * MIB
    assert scales.above(slot, 100 * MIB, 1000.1) == 0
    assert kernel.asked == 1
    kernel.anonymous = 660 * MIB
    assert scales.above(slot, 100 * MIB, 1000.2) == 0
    assert kernel.asked == 1
    kernel.anonymous, kernel.own = 662 * MIB, 101 * MIB
    assert scales.above(slot, 100 * MIB, 1000.3) == 101 * MIB
    assert kernel.asked == 2


def test_one_that_writes_to_what_it_shares_is_found_in_the_end(kernel: Kernel, board: Scoreboard) -> None:
    slot, scales = agent(board, shared=500 * MIB), Scales(board)
    kernel.resident, kernel.anonymous, kernel.own = 520 * MIB, 501 * MIB, 300 * MIB
    found = [scales.above(slot, 100 * MIB, 1000.0 + tick / 40) for tick in range(241)]
    assert found.index(300 * MIB) == 200


def test_what_weighing_costs_is_bounded(kernel: Kernel, board: Scoreboard) -> None:
    slot, scales = agent(board), Scales(board)
    kernel.takes = 0.1
    begun = kernel.now
    for _ in range(10_000):  # it grows with every look, and what it has of its own does not
        kernel.now += 0.025
        kernel.resident = kernel.anonymous = kernel.anonymous + 200 * MIB
        assert scales.above(slot, 100 * MIB, kernel.now) == 0
    assert 0.04 < kernel.asked * kernel.takes / (kernel.now - begun) < 0.051


def test_those_that_may_be_innocent_are_weighed_one_after_the_other(kernel: Kernel, board: Scoreboard) -> None:
    slots, scales = [agent(board, row, 500 * MIB) for row in (0, 1)], Scales(board)
    kernel.resident, kernel.anonymous, kernel.takes = 520 * MIB, 501 * MIB, 0.01
    kernel.now = 1006.0
    for slot in slots:
        scales.above(slot, 100 * MIB, kernel.now)
    assert kernel.asked == 1
    scales.above(slots[1], 100 * MIB, 1006.1)
    assert kernel.asked == 1
    scales.above(slots[1], 100 * MIB, 1006.3)
    assert kernel.asked == 2


def test_before_another_batch_it_is_weighed_whatever_that_costs(kernel: Kernel, board: Scoreboard) -> None:
    """Or the next task would be killed for what the one before it has left."""
    slot, scales = agent(board), Scales(board)
    kernel.takes, kernel.own = 1.0, 90 * MIB
    kernel.resident = kernel.anonymous = 150 * MIB
    assert scales.above(slot, 100 * MIB, 1000.0) == 0
    kernel.resident = kernel.anonymous = 165 * MIB
    kernel.own = 105 * MIB
    assert scales.above(slot, 100 * MIB, 1001.0) == 0
    assert scales.above(slot, 100 * MIB, 1001.0, surely=True) == 105 * MIB


def test_an_agents_own_word_counts(kernel: Kernel, board: Scoreboard) -> None:
    slot, scales = agent(board), Scales(board)
    kernel.resident = kernel.anonymous = 150 * MIB
    board.set(0, MEMORY, packed(30 * MIB, 149 * MIB))
    assert scales.above(slot, 100 * MIB, 1000.0) == 0
    assert kernel.asked == 0


# -- an agent's own word -----------------------------------------------------------------------------------------------


def test_it_reports_once_it_has_grown_and_seldom_otherwise(kernel: Kernel, board: Scoreboard) -> None:
    report = Report(board, 1)
    board.set(1, MEMORY, packed(0, 50 * MIB))
    kernel.anonymous, kernel.own = 53 * MIB, 3 * MIB
    told: list[int] = []

    def work(seconds: int) -> None:
        for tick in range(seconds * 10):
            asked = kernel.asked
            report.look(round((kernel.now + tick / 10) * 1e9))
            told.extend([tick] * (kernel.asked - asked))
        kernel.now += seconds

    work(20)
    assert told == []
    kernel.anonymous, kernel.own = 55 * MIB, 5 * MIB
    work(20)
    assert len(told) == 1
    assert unpacked(board.get(1, MEMORY)) == (5 * MIB, 55 * MIB)
    told.clear()
    work(100)
    assert len(told) == 3
    assert board.get(0, MEMORY) == 0


def test_its_reports_take_a_hundredth_of_its_time(kernel: Kernel, board: Scoreboard) -> None:
    report = Report(board, 0)
    kernel.takes = 0.1
    begun = kernel.now
    for _ in range(10_000):
        kernel.now += 0.1
        kernel.anonymous += 10 * MIB
        report.look(round(kernel.now * 1e9))
    assert 0.005 < kernel.asked * kernel.takes / (kernel.now - begun) <= 0.01


def test_the_kernel_is_quick_enough() -> None:
    """As the comments have it, at ten times that: other machines, and other work on this one."""
    for what, most in ((lambda: held("self"), 50e-6), (lambda: own("self"), 10e-3)):
        begun = time.perf_counter()
        for _ in range(100):
            cast(Callable[[], object], what)()
        assert (time.perf_counter() - begun) / 100 < 10 * most
