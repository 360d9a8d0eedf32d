"""What agents write: whole lines, with the name of the process that wrote them, and no more than can be read."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator

import pytest

from engine.procs import output
from engine.procs.output import LINE_MAX, LINES_PER_SECOND, Outputs


@pytest.fixture
def outputs() -> Iterator[Outputs]:
    found = Outputs()
    yield found
    for end, _ in found._ends.values():
        end.close()
    for end in found._writing:
        end.close()


def pump(outputs: Outputs, second: int = 1) -> None:
    """Take in all that has been written so far."""
    while ready := select.select(outputs.fds, [], [], 0)[0]:
        for fd in ready:
            outputs.read(fd, second)


def child(outputs: Outputs, *writes: tuple[int, bytes]) -> int:
    """A process that writes to its stdout (1) or stderr (2), and ends. Its pid."""

    def act() -> None:
        for stream, data in writes:
            view = memoryview(data)
            while view:
                view = view[os.write(outputs.writing[stream - 1], view) :]

    return _run(outputs, act)


def _run(outputs: Outputs, act: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    over = os.pidfd_open(pid)
    while over not in (ready := select.select([*outputs.fds, over], [], [])[0]):
        for fd in ready:
            outputs.read(fd, 1)
    os.close(over)
    assert os.waitpid(pid, 0)[1] == 0
    pump(outputs)
    return pid


def test_lines_bear_the_name_of_their_writer(outputs: Outputs) -> None:
    first = child(outputs, (1, b"out of first\n"), (2, b"err of first\n"))
    second = child(outputs, (1, b"a\nb\n\nc\n"))
    assert outputs.lines[:2] == [(first, 1, "out of first"), (first, 2, "err of first")]
    assert outputs.lines[2:] == [(second, 1, text) for text in ("a", "b", "", "c")]


def test_processes_that_write_at_once_are_kept_apart(outputs: Outputs) -> None:
    pids, pipes = [], []
    for number in range(4):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                for n in range(60):  # half a line at a time, so that they interleave
                    os.write(outputs.writing[0], b"%d says " % number)
                    os.write(outputs.writing[0], b"%d\n" % n)
            finally:
                os._exit(0)
        pids.append(pid)
        os.close(writing)
        pipes.append(reading)
    while pipes:
        ready = select.select([*outputs.fds, *pipes], [], [])[0]
        for fd in ready:
            if fd in pipes:  # its end: nobody writes to it
                pipes.remove(fd)
                os.close(fd)
            else:
                outputs.read(fd, 1)
    for pid in pids:
        os.waitpid(pid, 0)
    pump(outputs)
    for number, pid in enumerate(pids):
        assert [text for writer, _, text in outputs.lines if writer == pid] == [f"{number} says {n}" for n in range(60)]


def test_a_line_may_come_in_pieces(outputs: Outputs) -> None:
    def act() -> None:
        os.write(outputs.writing[0], b"on")

    mine = os.getpid()
    os.write(outputs.writing[0], b"o")
    pump(outputs)
    other = _run(outputs, act)  # its piece does not get into our line
    assert outputs.lines == []
    os.write(outputs.writing[0], b"ne\ntw")
    os.write(outputs.writing[1], b"err\n")
    os.write(outputs.writing[0], b"o\n")
    pump(outputs)
    assert [text for pid, stream, text in outputs.lines if (pid, stream) == (mine, 1)] == ["one", "two"]
    assert outputs.last_words(other) == ""
    assert outputs.lines[-1] == (other, 1, "on")


def test_a_very_long_line_is_cut_and_the_next_one_is_whole(outputs: Outputs) -> None:
    pid = child(outputs, (1, b"x" * 1_000_000 + b"\nnext\n"))
    assert outputs.lines == [(pid, 1, "x" * LINE_MAX), (pid, 1, "next")]


def test_a_line_without_end_is_kept_up_to_its_limit(outputs: Outputs) -> None:
    pid = child(outputs, (1, b"y" * 3_000_000))
    assert sum(map(len, outputs._partial.values())) <= LINE_MAX
    outputs.last_words(pid)
    assert outputs.lines == [(pid, 1, "y" * LINE_MAX)]


def test_what_is_no_utf_8_and_carriage_returns(outputs: Outputs) -> None:
    pid = child(outputs, (1, b"\xff\xfe caf\xc3\xa9\r\n"), (1, b"nul \0\n"))
    assert outputs.lines == [(pid, 1, "\\xff\\xfe café"), (pid, 1, "nul \0")]


def test_too_many_lines_in_a_second_are_counted(outputs: Outputs) -> None:
    many = LINES_PER_SECOND + 123
    data = b"".join(b"%d\n" % n for n in range(many))
    pid = child(outputs, (1, data))
    assert [text for _, _, text in outputs.lines] == [str(n) for n in range(LINES_PER_SECOND)]
    assert outputs.dropped == 123
    os.write(outputs.writing[0], b"of the next second\n")
    pump(outputs, second=2)
    assert outputs.lines[-1] == (os.getpid(), 1, "of the next second")
    assert outputs.dropped == 123
    assert pid not in outputs._words  # stdout has no last words


def test_last_words_are_the_last_lines_of_stderr_the_unfinished_one_too(outputs: Outputs) -> None:
    lines = [f"line {n}" for n in range(100)]
    pid = child(outputs, (2, "\n".join(lines).encode()), (1, b"not these\n"))
    assert outputs.last_words(pid).splitlines() == lines[-output._WORDS :]
    assert outputs.lines[-1] == (pid, 2, "line 99")
    assert outputs.last_words(pid) == ""  # forgotten


def test_last_words_are_kept_though_the_line_was_one_too_many(outputs: Outputs) -> None:
    pid = child(outputs, (1, b"\n" * (LINES_PER_SECOND + 1)), (2, b"Segmentation fault\n"))
    assert outputs.last_words(pid) == "Segmentation fault"
    assert outputs.dropped == 2


def test_words_of_processes_that_nobody_asks_for_are_forgotten(
    outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever a task starts inherits its stderr: in a long run there are any number of them.
    monkeypatch.setattr(output, "_PROCESSES", 2)
    mine = os.getpid()
    pids = []
    for _ in range(3):
        pids.append(child(outputs, (2, b"whole\n"), (1, b"partial")))
        os.write(outputs.writing[1], b"still here\n")  # who writes again is not the oldest
        pump(outputs)
    assert list(outputs._words) == [pids[-1], mine]
    assert len(outputs._partial) == 2
    assert (pids[0], 1, "partial") in outputs.lines  # told at last
    assert outputs.last_words(mine).splitlines() == ["still here"] * 3


def test_in_the_end_everything_is_taken_in_finished_or_not(outputs: Outputs) -> None:
    os.write(outputs.writing[0], b"whole\nnot finished")
    os.write(outputs.writing[1], b"nor this")
    outputs.finish()
    mine = os.getpid()
    assert sorted(outputs.lines) == [(mine, 1, "not finished"), (mine, 1, "whole"), (mine, 2, "nor this")]
    assert outputs.last_words(mine) == "nor this"
