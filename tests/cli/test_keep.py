"""``shoal prune``, ``shoal backup`` and ``shoal db check``: what is kept, what goes, and what they say."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from recorded_runs import GONE, began, call, group, made, write

from engine.cli.recorded.backup import backup
from engine.cli.recorded.db import check
from engine.cli.recorded.prune import prune
from engine.cli.recorded.runs import runs
from engine.cli.recorded.search import search
from engine.cli.words import size
from engine.store import backup as copying
from engine.store import checking, pruning, queries
from engine.store.messages import Failed, Happened, RunEnded
from engine.store.schema import open_database
from engine.stream.types import Event

DAY = 86400.0


def fill(path: Path, run: str, ended: float, tasks: int = 2000, *, over: bool = True, pid: int = GONE) -> None:
    """A run of some 200 bytes a task, one of which failed."""
    failure = Failed(0, "exception", "ValueError", f"lost in {run}", "Traceback")
    write(
        path,
        began(run, f"name of {run}", ended - 60, pid),
        *made("fit"),
        group(0, [None], failure, at=ended - 50),
        *(group(k, ["x" * 200] * 100, at=ended - 50) for k in range(1, tasks, 100)),
        group(100_000, list(range(100)), seconds=0.0001, at=ended - 40),
        Happened([Event(1, ended - 30, "warning", "agent.died", f"an agent of {run} died", {})]),
        *([RunEnded(ended, "failed", {})] if over else []),
        now=ended,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Runs of 40 and 20 days ago and of now; one of 50 days ago that crashed; one that goes on since 60 days."""
    found = tmp_path / "runs.db"
    now = time.time()
    fill(found, "old1", now - 40 * DAY)
    fill(found, "mid2", now - 20 * DAY)
    fill(found, "new3", now)
    fill(found, "cut4", now - 50 * DAY, over=False)
    write(found, began("live5", "goes on", now - 60 * DAY), *made("fit"), group(0, [1]), now=now - 60 * DAY)
    with contextlib.closing(sqlite3.connect(found)) as db, db:
        for name, run in (("b", "old1"), ("c", "new3")):
            db.execute("INSERT INTO baselines VALUES (?, 'rate', 'm', 1, ?, '0.1', 's', 1, 1, 1, '[]')", (name, run))
    return found


def left(path: Path) -> list[str]:
    result = call(runs, "--db", path, "--json", "--limit", 0)
    assert result.exit_code == 0, result.output
    return sorted(json.loads(line)["id"] for line in result.stdout.splitlines())


def sound(path: Path) -> bool:
    return call(check, "--db", path).exit_code == 0


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


# -- prune ---------------------------------------------------------------------------------------------------------


def test_what_is_older_goes_and_its_space_too(path: Path) -> None:
    before = path.stat().st_size
    result = call(prune, "--db", path, "--keep", "30d")
    assert result.exit_code == 0, result.output
    assert left(path) == ["live5", "mid2", "new3"]
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["RUN", "cut4", "old1"]
    assert result.stderr.startswith(f"deleted 2 runs; {path} takes ")
    assert path.stat().st_size < before * 0.7
    assert sound(path)
    assert call(search, "lost", "old1", "--db", path).stdout == ""
    assert "mid2" in call(search, "lost", "mid2", "--db", path).stdout
    with opened(path) as db:
        assert dict(db.execute("SELECT name, run FROM baselines")) == {"b": None, "c": "new3"}
        for (table,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE sql LIKE '%run TEXT%REFERENCES runs%'"
        ).fetchall():
            assert not db.execute(f"SELECT count(*) FROM {table} WHERE run IN ('old1', 'cut4')").fetchone()[0], table


def test_the_oldest_go_until_the_rest_fits(path: Path) -> None:
    with opened(path) as db:
        used = pruning.used(db)
    most = int(used * 0.8)  # of four that are alike, one must go
    result = call(prune, "--db", path, "--max-size", most, "--json")
    assert result.exit_code == 0, result.output
    (gone,) = map(json.loads, result.stdout.splitlines())
    assert (gone["id"], gone["status"], gone["tasks"]) == ("cut4", "crashed", 2101)
    assert used / 5 < gone["size"] < used / 3
    assert left(path) == ["live5", "mid2", "new3", "old1"]
    assert path.stat().st_size <= most


def test_a_run_that_goes_on_is_never_touched(path: Path) -> None:
    result = call(prune, "--db", path, "--keep", "0s", "--max-size", 1)
    assert result.exit_code == 0, result.output
    assert left(path) == ["live5"]
    assert result.stderr.splitlines()[-1].startswith("what is left takes more than 1 B")
    with contextlib.closing(queries.open_readonly(path)) as db:
        assert [one.result for one in queries.outcomes(db, "live5", 0)] == ["1"]
    with opened(path) as db:
        assert not pruning.remove(db, "live5"), "even if it was resumed only after it had been chosen"
        assert not pruning.remove(db, "none")


def test_what_a_run_that_goes_on_reads_from_stays(path: Path) -> None:
    """It reruns what failed of `new3`, a rerun of `old1` itself; and has the items of `mid2`."""
    with opened(path) as db:
        db.execute("UPDATE runs SET origin = 'old1', rerun = 'failed' WHERE id = 'new3'")
        db.execute("UPDATE runs SET origin = 'new3', rerun = 'failed' WHERE id = 'live5'")
        db.executemany(
            "INSERT INTO specs VALUES ('live5', ?, 2, ?)", [(0, '{"version": 1, "stream'), (1, '_of": "mid2"}')]
        )
        assert not pruning.remove(db, "old1")
    result = call(prune, "--db", path, "--keep", "0s")
    assert result.exit_code == 0, result.output
    assert left(path) == ["live5", "mid2", "new3", "old1"]
    with opened(path) as db:
        db.execute("UPDATE runs SET status = 'done', ended = 1 WHERE id = 'live5'")
    call(prune, "--db", path, "--keep", "0s")
    assert left(path) == []


def test_a_dry_run_deletes_nothing(path: Path) -> None:
    result = call(prune, "--db", path, "--keep", "30d", "--dry-run")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["RUN", "cut4", "old1"]
    assert result.stderr.startswith("would delete 2 runs, about ")
    assert len(left(path)) == 5
    assert call(prune, "--db", path, "--keep", "99d", "--dry-run").stdout == ""


def test_somebody_who_reads_meanwhile_sees_it_all(path: Path) -> None:
    before = path.stat().st_size
    with contextlib.closing(queries.open_readonly(path)) as reader:
        reader.execute("BEGIN")
        assert len(queries.runs(reader)) == 5
        result = call(prune, "--db", path, "--keep", "30d")
        assert result.exit_code == 0, result.output
        assert result.stderr.splitlines()[1] == (
            "not all of the space was given back: somebody reads it just now; it shrinks once they have finished"
        )
        assert len(left(path)) == 3
        assert sum(1 for _ in queries.outcomes(reader, "old1", 0)) == 2101
    call(prune, "--db", path, "--keep", "30d")
    assert path.stat().st_size < before * 0.7


def test_others_can_write_between_its_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(open_database(path)) as recorder:
        recorder.execute("PRAGMA busy_timeout = 0")
        steps = []

        def pause(_: float) -> None:
            recorder.execute("UPDATE runs SET seen = seen + 1 WHERE id = 'live5'")
            steps.append(len(left(path)))

        monkeypatch.setattr(pruning, "time", SimpleNamespace(sleep=pause, monotonic=time.monotonic))
        assert call(prune, "--db", path, "--keep", "30d").exit_code == 0
    assert len(steps) > 4
    assert set(steps) == {3, 4}, "a run is seen whole, or not at all"
    assert sound(path)


def test_what_an_interrupted_one_leaves_is_taken_by_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, opened(path) as db:
        patch.setattr(pruning, "_remove_rows", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pruning.remove(db, "old1")
    assert "old1" not in left(path)
    result = call(check, "--db", path)
    assert result.exit_code == 1
    assert (
        "2,001 rows of tasks belong to runs that are not there (the next `shoal prune` takes them away)"
        in result.stdout
    )
    assert call(prune, "--db", path, "--keep", "90d").exit_code == 0
    assert sound(path)
    assert len(left(path)) == 4


def test_a_file_of_an_older_shoal_is_copied_to_shrink(path: Path) -> None:
    with opened(path) as db:
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("VACUUM")
    before = path.stat().st_size
    result = call(prune, "--db", path, "--keep", "30d")
    assert result.stderr.splitlines()[1] == (
        "not all of the space was given back: "
        "the file was made by an older Shoal, and gives nothing back while runs are recorded"
    )
    with opened(path) as db:
        db.execute("UPDATE runs SET status = 'done', ended = seen WHERE id = 'live5'")
    result = call(prune, "--db", path, "--keep", "90d")
    assert len(result.stderr.splitlines()) == 1
    assert path.stat().st_size < before * 0.7
    assert sound(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what to keep: --keep 30d, --max-size 2G, or both"),
        (["--keep", "30"], "'30' is no time such as 90s, 15m, 2h, 30d or 2w"),
        (["--max-size", "many"], "'many' is not a size such as 500M or 2G"),
    ],
)
def test_what_to_keep_must_be_said(path: Path, arguments: list[str], words: str) -> None:
    result = call(prune, "--db", path, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(left(path)) == 5


# -- backup --------------------------------------------------------------------------------------------------------


def test_a_copy_is_one_file_with_everything_in_it(path: Path) -> None:
    copy = path.parent / "copy.db"
    result = call(backup, copy, "--db", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f" copied to {copy} in " in result.stderr
    assert copy.stat().st_mode & 0o777 == 0o600
    assert left(copy) == left(path)
    assert sound(copy)
    assert sorted(each.name for each in path.parent.glob("*copy*")) == ["copy.db"]


def test_a_copy_is_of_one_moment_whoever_writes_meanwhile(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_PAGES", 10)
    copy = path.parent / "copy.db"
    steps = []
    with contextlib.closing(open_database(path)) as recorder, contextlib.closing(queries.open_readonly(path)) as source:

        def write_more(done: int, total: int) -> None:
            recorder.execute("UPDATE runs SET name = name || '!' WHERE id = 'live5'")
            steps.append((done, total))

        copying.backup(source, copy, write_more)
    assert len(steps) > 20
    assert [done for done, _ in steps] == sorted({done for done, _ in steps}), "it never began again"
    assert steps[-1][0] == steps[-1][1]
    assert sound(copy)
    with opened(copy) as db:
        assert db.execute("SELECT name FROM runs WHERE id = 'live5'").fetchone()[0] == "goes on"


def test_what_is_there_is_replaced_only_by_force(path: Path) -> None:
    copy = path.parent / "copy.db"
    copy.write_text("mine")
    result = call(backup, copy, "--db", path)
    assert (result.exit_code, result.stderr) == (2, f"Error: {copy} is there already; --force replaces it\n")
    assert copy.read_text() == "mine"
    assert call(backup, copy, "--db", path, "--force").exit_code == 0
    assert len(left(copy)) == 5


def test_copies_that_can_not_be_made(path: Path) -> None:
    result = call(backup, path, "--db", path, "--force")
    assert (result.exit_code, result.stderr) == (2, f"Error: {path} is the database itself\n")
    missing = path.parent / "no" / "copy.db"
    result = call(backup, missing, "--db", path)
    assert (result.exit_code, result.stderr) == (2, f"Error: can't write {missing}: No such file or directory\n")
    assert len(left(path)) == 5


def test_a_copy_that_finds_no_room(path: Path) -> None:
    copy = path.parent / "copy.db"
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "sys.argv[0] = 'shoal'; from shoal import main; main()"
    )
    command = [sys.executable, "-c", code, "backup", str(copy), "--db", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"shoal: can't write {copy}: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(path.parent.glob("*copy*")) == []


# -- check ---------------------------------------------------------------------------------------------------------


def test_a_sound_database(path: Path) -> None:
    result = call(check, "--db", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"{path} is sound: 5 runs, 8,405 tasks, ")
    found = json.loads(call(check, "--db", path, "--json").stdout)
    assert (found["ok"], found["wrong"], found["tasks"]) == (True, [], 8405)


def test_what_is_in_the_log_counts(path: Path) -> None:
    """A reader holds it, or all were killed: little is in the file itself."""
    with opened(path) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchone()
        fill(path, "more6", time.time(), 20_000)
        whole, log = (Path(f"{path}{suffix}").stat().st_size for suffix in ("", "-wal"))
        assert log > 2 * whole
        result = call(check, "--db", path)
        told = result.stderr.partition(" tasks, ")[2].rstrip()
        assert told.endswith(f", and {size(log)} of log")
        result = call(prune, "--db", path, "--keep", "30d", "--dry-run")
        assert result.stderr.endswith(f" of {told}\n"), "both tell the same"
    copy = path.parent / "copy.db"
    assert call(backup, copy, "--db", path).exit_code == 0
    assert told.startswith(f"{size(copy.stat().st_size)}, and ")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            "UPDATE jobs SET done = done + 1 WHERE run = 'old1'",
            "run old1, fit: says 2101 done and 1 failed, has 2100 and 1",
        ),
        (
            "UPDATE runs SET failed = 7 WHERE id = 'old1'",
            "run old1: says 2100 done and 7 failed, its jobs have 2100 and 1",
        ),
        ("UPDATE runs SET tasks = 5 WHERE id = 'old1'", "run old1: says it has 5 tasks, 2101 of them over"),
        (
            "DELETE FROM tasks WHERE run = 'old1' AND task = 7",
            "run old1, fit: says 2100 done and 1 failed, has 2099 and 1",
        ),
        ("UPDATE blocks SET ends = '[1]' WHERE run = 'old1'", "the block of tasks 100000 to 100099 contradicts itself"),
        (
            "UPDATE blocks SET results = 'x' WHERE run = 'old1'",
            "the block of tasks 100000 to 100099 contradicts itself",
        ),
        (
            "UPDATE blocks SET first = 50 WHERE run = 'old1'",
            "run old1, job 0: task 50 has a row and is in a block, too",
        ),
        (
            """INSERT INTO blocks SELECT run, job, first + 50, count, agent, started, seconds,
                slowest, ends, results, kinds
            FROM blocks WHERE run = 'old1'""",
            "run old1, job 0: tasks 100050 and on are in two blocks",
        ),
        ("DELETE FROM jobs WHERE run = 'old1'", "run old1: 2101 tasks of job 0, which is not there"),
        ("DELETE FROM runs WHERE id = 'old1'", "2,001 rows of tasks belong to runs that are not there"),
        ("INSERT INTO specs VALUES ('old1', 3, 2, 'x')", "run old1: 1 of 2 parts of what a resumption needs"),
        ("DROP TRIGGER texts_added", ""),
    ],
)
def test_what_is_wrong_is_said(path: Path, damage: str, words: str) -> None:
    with opened(path) as db:
        db.execute(damage)
        if not words:
            db.execute("INSERT INTO texts (run, source, digest, text) VALUES ('old1', 'event', 1, 'lost')")
            words = "1 texts are not in the index of words: `shoal search` does not find them"
    result = call(check, "--db", path)
    assert result.exit_code == 1
    assert any(words in line for line in result.stdout.splitlines()), result.stdout
    assert result.stderr.startswith(f"{path}: ")


def test_a_damaged_page_is_found(path: Path) -> None:
    with opened(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'tasks'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size + 8)
        file.write(b"\xff" * 64)
    result = call(check, "--db", path)
    assert result.exit_code == 1
    assert result.stdout
    assert "Traceback" not in result.output
    answer = json.loads(call(check, "--db", path, "--json").stdout)
    assert not answer["ok"]


def test_a_run_that_goes_on_raises_no_alarm(path: Path) -> None:
    asked = checking._QUESTIONS["counts of jobs"]
    with contextlib.closing(open_database(path)) as recorder, contextlib.closing(queries.open_readonly(path)) as reader:
        reader.execute("BEGIN")
        found = checking.check(reader)
        assert next(found, None) is None
        recorder.execute("DELETE FROM tasks WHERE run = 'old1'")
        assert not reader.execute(asked).fetchall(), "it is all of one moment"


def test_files_that_stand_in_for_it_are_told(path: Path) -> None:
    aside = path.with_name("runs.db.abcd.aside")
    aside.touch()
    result = call(check, "--db", path)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == f"{aside} stands in for it: the next run takes it in"


# -- all of them ---------------------------------------------------------------------------------------------------


def _newer(path: Path) -> str:
    with opened(path) as db:
        db.execute("PRAGMA user_version = 99")
    return "was written by a newer Shoal"


def _foreign(path: Path) -> str:
    path.unlink()
    with opened(path) as db:
        db.execute("CREATE TABLE mine (x)")
    return "is a database of another program"


def _text(path: Path) -> str:
    path.write_text("just notes\n" * 200)
    return "is not a database, or a damaged one"


def _gone(path: Path) -> str:
    path.unlink()
    return "no runs recorded yet at"


@pytest.mark.parametrize(
    "command", ["export last", "search x", "prune --keep 1d", "backup new.db", "db check", "show last"]
)
@pytest.mark.parametrize("spoil", [_newer, _foreign, _text, _gone])
def test_a_database_that_can_not_be_used_is_one_line(
    path: Path, command: str, spoil: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.cli.main import shoal

    monkeypatch.chdir(path.parent)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    words = spoil(path)
    result = call(shoal, *command.split(), "--db", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (path.parent / "new.db").exists()
    assert path.exists() == (spoil is not _gone)
