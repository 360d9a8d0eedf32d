"""``shoal run`` where things are not as they should be: closed streams, readers that leave, files that are precious."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from disks import remount, small_disk
from processes import marked_processes, wait_for

from engine.cli.running import headless, interrupts, resultsfile
from engine.plan.steps import SpecError
from engine.runtime.calls.held import command_text

SHOAL = [sys.executable, "-P", "-m", "engine.cli"]


def shoal(*arguments: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run([*SHOAL, *arguments], cwd=cwd, text=True, timeout=90, check=False, **(options | more))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a module and items."""
    (tmp_path / "user.py").write_text(
        "class Point:\n    def __init__(self, x):\n        self.x = x\n    def __repr__(self):\n"
        "        return f'Point({self.x})'\n"
        "class Odd:\n    def __reduce__(self):\n        return make, (1,)\n"
        "def make(at):\n    import os\n    if os.getpid() != HERE:\n        raise ValueError('only there')\n"
        "HERE = 0\n"
        "def f(x):\n    return x\ndef point(x):\n    return Point(x)\ndef odd(x):\n    return Odd()\n"
    )
    (tmp_path / "items.txt").write_text("a\nb\n")
    return tmp_path


# -- files that are precious ------------------------------------------------------------------------------------------


def test_results_are_never_written_over_what_the_run_reads(place: Path) -> None:
    (place / "plan.toml").write_text("[[tasks]]\nname='a'\ncall='user:f'\nitems=[1]\n")
    (place / "runs.db").write_text("")
    os.link(place / "items.txt", place / "hard.txt")
    (place / "soft.txt").symlink_to("items.txt")
    before = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    items = ["run", "user:f", "--items", "items.txt"]
    for arguments in (
        [*items, "--out", "items.txt"],
        [*items, "--out", "./items.txt"],
        [*items, "--out", "hard.txt"],
        [*items, "--out", "soft.txt"],
        [*items, "--out", "runs.db", "--db", "runs.db"],
        [*items, "--out", "new.db", "--db", "new.db"],
        ["run", "plan.toml", "--out", "plan.toml"],
    ):
        done = shoal(*arguments, cwd=place)
        assert done.returncode == 2, arguments
        assert "would overwrite" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    with (place / "items.txt").open() as stdin:
        done = shoal("run", "user:f", "--items", "-", "--out", "items.txt", cwd=place, stdin=stdin)
    assert (done.returncode, "standard input" in done.stderr) == (2, True)
    assert {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["user:nope", "--items", "items.txt"],
        ["nope:f", "--items", "items.txt"],
        ["user:f", "--items", "-"],
        ["user:f", "--items", "items.txt", "--agents", "10000000"],
        ["user:f", "--items", "items.txt", "--db", "items.txt"],
    ],
    ids=" ".join,
)
def test_a_run_that_never_begins_destroys_no_results_and_makes_none(arguments: list[str], place: Path) -> None:
    (place / "old.jsonl").write_text("of last week\n")
    for name in ("old.jsonl", "new.jsonl"):
        assert shoal("run", *arguments, "--out", name, cwd=place).returncode == 2
    assert (place / "old.jsonl").read_text() == "of last week\n"
    assert not (place / "new.jsonl").exists()


def test_where_nothing_can_be_written_it_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("kept")
    os.mkfifo(tmp_path / "pipe")
    for name in ("no/x", "file/x", "."):
        with pytest.raises(SpecError, match="can't write"):
            resultsfile.writer_of(str(tmp_path / name), [])
    for name in ("file", "pipe", "new"):
        assert resultsfile.writer_of(str(tmp_path / name), []) is not None
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs the tests may be allowed everything
    for name in ("pipe", "new"):
        with pytest.raises(SpecError, match="Permission denied"):
            resultsfile.writer_of(str(tmp_path / name), [])
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe", "xdg-run"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_file_system_that_is_read_only_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(path: object) -> SimpleNamespace:
        assert path == tmp_path
        return SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NODEV)

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", found)
    with pytest.raises(SpecError, match=r"can't write .*/new: Read-only file system$"):
        resultsfile.writer_of(str(tmp_path / "new"), [])


def test_and_so_is_a_real_one(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        (disk / "old").touch()
        remount(disk, "ro")
        for name in ("old", "new"):
            with pytest.raises(SpecError, match=f"can't write {disk / name}: Read-only file system$"):
                resultsfile.writer_of(str(disk / name), [])


def test_a_full_disk_is_told_with_the_files_name(place: Path) -> None:
    done = shoal("run", "user:f", "--items", "items.txt", "--out", "/dev/full", "--no-record", cwd=place)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "shoal: can't write /dev/full: No space left on device"
    with open("/dev/full", "w") as full:
        done = shoal("run", "user:f", "--items", "items.txt", "--out", "-", "--no-record", cwd=place, stdout=full)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "shoal: can't write to standard output: No space left on device"


# -- results of a class of the user's own -----------------------------------------------------------------------------


def test_results_of_the_users_own_class_are_written(place: Path) -> None:
    done = shoal("run", "user:point", "--items", "items.txt", "--out", "-", "--no-record", cwd=place)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["result"] for line in done.stdout.splitlines()] == ["Point(a)", "Point(b)"]


def test_a_result_that_cannot_be_read_says_so(place: Path) -> None:
    done = shoal("run", "user:odd", "--items", "items.txt", "--out", "-", "--no-record", cwd=place)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows == [{"index": n, "ok": True, "result": None, "unreadable": "ValueError: only there"} for n in range(2)]


def test_what_is_gathered_or_reported_and_cannot_be_read_is_none_with_a_warning(place: Path) -> None:
    (place / "plan.toml").write_text(
        "[[tasks]]\nname='a'\ncall='user:odd'\nitems=[1,2]\n[[tasks]]\nname='b'\ncall='both:told'\ngather='a'\nreport=true\n"
    )
    (place / "both.py").write_text("def told(arguments, values):\n    return str(values)\n")
    done = shoal("run", "plan.toml", "--no-record", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[None, None]\n"
    assert done.stderr.count("can't be read here, and counts as None: ValueError: only there") == 1


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("a b", "a b"),
        ("", ""),
        ({"a": "1", "b": [1, None]}, '{"a":"1","b":[1,null]}'),
        ([1.5, True], "[1.5,true]"),
        (True, "true"),
        (3, "3"),
        (float("nan"), "nan"),
    ],
)
def test_items_as_a_command_gets_them(item: Any, text: str) -> None:
    assert command_text(item) == text


def test_rows_reach_a_command_as_json(place: Path) -> None:
    (place / "items.csv").write_text("x,y\n1,é\n")
    done = shoal("run", "--items", "items.csv", "--out", "-", "--no-record", "--", "echo", "{}", cwd=place)
    assert json.loads(json.loads(done.stdout)["result"]["stdout"]) == {"x": "1", "y": "é"}


# -- signals ----------------------------------------------------------------------------------------------------------


def test_ctrl_c_while_standard_input_is_open(place: Path) -> None:
    process = subprocess.Popen(
        [*SHOAL, "run", "user:f", "--items", "-", "--agents", "1", "--out", "out.jsonl", "--no-record"],
        cwd=place, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    with process:
        process.stdin.write(b"one\n")
        process.stdin.flush()
        wait_for(lambda: (place / "out.jsonl").exists(), what="the run")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        process.stdin.close()
        assert process.stderr is not None
        assert b"Fatal" not in process.stderr.read()


def _ignore_children() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})


def test_ignored_children_are_waited_for(place: Path) -> None:
    done = shoal(
        "run", "--items", "items.txt", "--out", "-", "--no-record", "--", "echo", "{}",
        cwd=place, preexec_fn=_ignore_children,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["result"]["stdout"] for line in done.stdout.splitlines()] == ["a\n", "b\n"]


def test_a_blocked_ctrl_c_arrives(place: Path) -> None:
    process = subprocess.Popen(
        [*SHOAL, "run", "user:f", "--items", "-", "--agents", "1", "--out", "out.jsonl", "--no-record"],
        cwd=place, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM}),
    )  # fmt: skip
    with process:
        assert process.stdin is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        wait_for(lambda: (place / "out.jsonl").exists(), what="the run")
        process.terminate()
        assert process.wait(20) == 130


class Clock:
    """Time that passes when the test says so."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_the_second_ctrl_c_gives_the_record_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(interrupts, "time", clock)
    pressed = interrupts.Interrupts()
    give_up = interrupts.GiveUp(pressed)
    assert not give_up()
    clock.now += 3
    assert not give_up()
    assert not give_up()
    assert capsys.readouterr().err == "waiting for the database\n"
    pressed(signal.SIGINT, None)
    assert not give_up()
    pressed(signal.SIGINT, None)
    assert give_up()
    stopped_at_once = interrupts.GiveUp(pressed)
    assert not stopped_at_once()  # stopping the run is one thing, going without its record another
    clock.now += 3
    assert stopped_at_once()


def test_a_database_that_does_not_answer_can_be_left(place: Path) -> None:
    process = subprocess.Popen(
        [*SHOAL, "run", "user:f", "--items", "-", "--agents", "1", "--out", "out.jsonl", "--db", "x.db"],
        cwd=place, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write("one\n")
        process.stdin.flush()
        wait_for(lambda: (place / "out.jsonl").exists(), what="the run")
        recorders = [
            pid for pid in marked_processes() if b"engine.store.recorder" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(recorders) == 1
        os.kill(recorders[0], signal.SIGSTOP)
        try:
            process.stdin.close()
            assert process.stderr.readline() == "waiting for the database\n"
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)  # two of one kind at once could count as one
            assert process.wait(20) == 130
            assert "the database has not got all of this run" in process.stderr.read()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(recorders[0], signal.SIGCONT)


# -- streams ----------------------------------------------------------------------------------------------------------


def _closing(*descriptors: int) -> Callable[[], None]:
    def close() -> None:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    return close


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_standard_streams(closed: tuple[int, ...], place: Path) -> None:
    done = shoal(
        "run", "user:f", "--items", "items.txt", "--out", "o.jsonl", "--json", "--db", "x.db",
        cwd=place, preexec_fn=_closing(*closed),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [json.loads(line)["result"] for line in (place / "o.jsonl").read_text().splitlines()] == ["a", "b"]
    done = shoal("run", "user:f", "--items", "-", "--no-record", cwd=place, preexec_fn=_closing(*closed))
    assert done.returncode == 2
    if 2 not in closed:
        assert done.stderr == "shoal: no items on standard input\n"
    assert shoal("--help", cwd=place, preexec_fn=_closing(*closed)).returncode == 0


def test_data_is_utf_8_and_narration_is_escaped(place: Path) -> None:
    (place / "items.txt").write_text("é\n")
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    arguments = ["run", "user:f", "--items", "items.txt", "--no-record", "--name", "é", "--out"]
    done = shoal(*arguments, "-", cwd=place, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == "é"
    assert "\\xe9" in done.stderr
    done = shoal(*arguments, "o.jsonl", "--json", cwd=place, env=env)
    assert json.loads(done.stdout.splitlines()[-1])["name"] == "é"


@pytest.mark.parametrize("arguments", [["--out", "-"], ["--json"]], ids=" ".join)
@pytest.mark.parametrize("both", [False, True], ids=["", "stderr too"])
def test_a_reader_that_leaves(arguments: list[str], both: bool, place: Path) -> None:
    (place / "items.txt").write_text("x\n" * 20_000)
    reading, writing = os.pipe()
    os.close(reading)  # before the first line: at whatever line is a matter of luck
    done = shoal(
        "run", "user:f", "--items", "items.txt", "--db", "x.db", *arguments,
        cwd=place, stdout=writing, stderr=writing if both else subprocess.PIPE,
    )  # fmt: skip
    os.close(writing)
    assert done.returncode == 141
    if not both:
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
        assert "Broken pipe" not in done.stderr
    listed = shoal("runs", "--db", "x.db", "--json", cwd=place)
    assert json.loads(listed.stdout)["status"] == "interrupted"  # not "crashed"


def test_a_reader_of_other_commands_that_leaves(place: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = shoal("--help", cwd=place, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_as_many_descriptors_as_may_be(place: Path) -> None:
    code = (
        "import resource as r; from engine.cli.running.headless import _more_descriptors as more;"
        "_, hard = r.getrlimit(r.RLIMIT_NOFILE); r.setrlimit(r.RLIMIT_NOFILE, (64, hard)); more();"
        "print(r.getrlimit(r.RLIMIT_NOFILE) == (hard, hard))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"


# -- folders ----------------------------------------------------------------------------------------------------------


def test_a_working_folder_that_is_gone(place: Path) -> None:
    gone = place / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *SHOAL, "run", "user:f", "--items", str(place / "items.txt"), "--no-record"],
        cwd=gone, env={**os.environ, "PYTHONPATH": str(Path(headless.__file__).parents[2])},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "shoal: the working folder has been deleted: change to another one\n"
