"""Command tasks: the argv that was meant, everything about how it ended, and nothing left of it afterwards."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import marked_processes, wait_for

from engine.procs.command import OUTPUT_MAX, CommandFailed, fill, run
from engine.procs.scoreboard import GROUP, Scoreboard, create

ROW = 2


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    fd = create(4, 4096)
    found = Scoreboard(fd, 4, 4096)
    os.close(fd)
    yield found
    assert found.get(ROW, GROUP) == 0, "its group is told to nobody after it has ended"
    found.close()


def sh(script: str, board: Scoreboard, timeout: float = 0) -> dict[str, Any]:
    return run(["/bin/sh", "-c", script], timeout, board, ROW)


def failed(script: str, board: Scoreboard, timeout: float = 0) -> CommandFailed:
    with pytest.raises(CommandFailed) as caught:
        sh(script, board, timeout)
    return caught.value


@pytest.mark.parametrize(
    ("template", "item", "argv"),
    [
        (["echo"], "a b", ["echo", "a b"]),
        (["echo", "-n"], "", ["echo", "-n", ""]),
        (["echo", "{}"], "x", ["echo", "x"]),
        (["echo", "{}.in", "{n}.out", "{}{n}{}"], "x", ["echo", "x.in", "7.out", "x7x"]),
        (["echo", "{n}"], "x", ["echo", "7"]),
        (["{}"], "x", ["x"]),
        (["echo", "{}"], "{n} {} {{}}", ["echo", "{n} {} {{}}"]),
        (["echo"], "{}", ["echo", "{}"]),
        (["echo", "{{}}", "{m}", "{ }", "{", "}"], "x", ["echo", "{x}", "{m}", "{ }", "{", "}"]),
        (["awk", "{print $1}"], "f", ["awk", "{print $1}", "f"]),
        (["echo", "{}"], "\\1 \\g<0>", ["echo", "\\1 \\g<0>"]),
    ],
)
def test_placeholders(template: list[str], item: str, argv: list[str]) -> None:
    assert fill(template, item, 7) == argv


@given(st.lists(st.text("{}n a", max_size=8)), st.text("{}n a\n", max_size=8), st.integers(1, 10**9))
def test_an_item_stays_as_it_is_wherever_it_goes(template: list[str], item: str, number: int) -> None:
    found = fill(template, item, number)
    if any("{}" in part or "{n}" in part for part in template):
        pieces = [part.replace("{}", "\0").replace("{n}", "\1") for part in template]
        assert found == [piece.replace("\1", str(number)).replace("\0", item) for piece in pieces]
    else:
        assert found == [*template, item]


def test_a_command_that_goes_well(board: Scoreboard) -> None:
    assert sh("echo out; echo err >&2", board) == {"exit_code": 0, "stdout": "out\n", "stderr": "err\n"}


def test_no_shell_is_involved_and_nothing_is_read_from_our_stdin(board: Scoreboard) -> None:
    assert run(["echo", "$HOME; *", "a  b"], 0, board, ROW)["stdout"] == "$HOME; * a  b\n"
    assert run(["cat"], 0, board, ROW)["stdout"] == ""


def test_exit_codes_and_the_last_line_of_stderr(board: Scoreboard) -> None:
    error = failed("echo done; echo first >&2; echo 'no such thing' >&2; exit 3", board)
    assert str(error) == "exit code 3: no such thing"
    assert error.kind == "exit"
    assert error.detail == {"exit_code": 3, "stdout": "done\n", "stderr": "first\nno such thing\n"}
    assert str(failed("exit 4", board)) == "exit code 4"


@pytest.mark.parametrize(("number", "told"), [(9, "killed by SIGKILL"), (15, "killed by SIGTERM"), (40, "signal 40")])
def test_signals_those_without_a_name_too(board: Scoreboard, number: int, told: str) -> None:
    error = failed(f"kill -{number} $$", board)
    assert told in str(error)
    assert error.detail["exit_code"] == -number


def test_output_is_kept_up_to_a_mebibyte_and_the_rest_is_counted(board: Scoreboard) -> None:
    found = sh("head -c 3000000 /dev/zero; head -c 1048577 /dev/zero >&2", board)
    assert len(found["stdout"]) == len(found["stderr"]) == OUTPUT_MAX == 1 << 20
    assert found["dropped_bytes"] == 3_000_000 - OUTPUT_MAX + 1
    assert "dropped_bytes" not in sh("head -c 1048576 /dev/zero", board)


def test_output_that_is_no_text(board: Scoreboard) -> None:
    assert sh(r"printf '\377\303\251\000'", board)["stdout"] == "\\xffé\0"


def test_a_timeout_kills_the_whole_group(board: Scoreboard) -> None:
    error = failed("sleep 1000 & (sleep 1000 & wait) & echo started; wait", board, 2.0)
    assert error.kind == "timeout"
    assert str(error) == "took longer than its timeout of 2 s"
    assert error.detail["exit_code"] == -signal.SIGKILL
    assert error.detail["stdout"] == "started\n"
    wait_for(lambda: not marked_processes(), what="the grandchildren end with the group")


def test_a_timeout_kills_a_command_that_left_its_group(board: Scoreboard) -> None:
    code = "import os, signal; os.setpgid(0, os.getpgid(os.getppid())); print('left', flush=True); signal.pause()"
    with pytest.raises(CommandFailed) as caught:
        run([sys.executable, "-ISc", code], 2.0, board, ROW)
    assert caught.value.kind == "timeout"
    assert caught.value.detail["stdout"] == "left\n"


def test_a_command_within_its_timeout_is_let_be(board: Scoreboard) -> None:
    assert sh("echo quick", board, 60.0)["stdout"] == "quick\n"
    assert sh("echo quick", board, 1e12)["stdout"] == "quick\n"  # longer than the kernel can wait


def test_a_command_that_closes_its_output_is_still_waited_for(board: Scoreboard) -> None:
    assert failed("exec >&- 2>&-; exit 5", board).detail["exit_code"] == 5
    assert failed("exec >&- 2>&-; exec sleep 1000", board, 0.2).kind == "timeout"


def test_a_child_left_behind_holds_nothing_up_and_is_killed(board: Scoreboard) -> None:
    assert sh("sleep 1000 & echo done", board)["stdout"] == "done\n"
    wait_for(lambda: not marked_processes(), what="the child ends with the group")


def test_a_child_in_a_session_of_its_own_holds_nothing_up(board: Scoreboard) -> None:
    # It has left the group on purpose, as daemons do; it keeps the pipe open, and its output is its own affair.
    found = sh("setsid sleep 1000 & echo $!", board)
    os.kill(int(found["stdout"]), signal.SIGKILL)
    wait_for(lambda: not marked_processes())


def test_a_child_that_never_stops_writing_holds_nothing_up(board: Scoreboard) -> None:
    assert sh("yes & echo done", board)["exit_code"] == 0
    wait_for(lambda: not marked_processes())


@pytest.mark.parametrize("program", ["no-such-program-here", "/", "/etc/hostname", ""])
def test_a_program_that_cannot_be_run(board: Scoreboard, program: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        run([program, "x"], 0, board, ROW)
    assert str(caught.value).startswith(f"can't run {program!r}: ")
    assert caught.value.kind == "exit"
    assert caught.value.detail["exit_code"] == 127


def test_arguments_that_no_command_can_take(board: Scoreboard) -> None:
    for argument in ("a\0b", "\ud800"):
        with pytest.raises(CommandFailed) as caught:
            run(["echo", argument], 0, board, ROW)
        assert caught.value.kind == "arguments"
        assert str(caught.value).startswith("can't pass this to a command: ")
    with pytest.raises(CommandFailed, match="Argument list too long"):
        run(["echo", "x" * (1 << 22)], 0, board, ROW)


def test_while_it_runs_the_board_says_which_group_to_end(board: Scoreboard, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: found.append(run(["cat", str(pipe)], 0, board, ROW)))
    thread.start()
    wait_for(lambda: board.get(ROW, GROUP))
    group = board.get(ROW, GROUP)
    assert os.getpgid(group) == group != os.getpgid(0)
    pipe.write_text("go on")  # waits for cat to open it
    thread.join()
    assert found[0]["stdout"] == "go on"
