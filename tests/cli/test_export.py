"""``shoal export``: each task once, in order, exactly as it was recorded, however many there are."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import json
import math
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from recorded_runs import START, began, call, group, made, write

from engine.cli.recorded import formats
from engine.cli.recorded.export import export
from engine.store.messages import Ended, Failed, PoolSample, RunEnded, Sampled
from engine.store.schema import open_database
from engine.store.writer import Writer
from engine.wire.memory import stowed

PICKLE = pickle.dumps({1, 2})
ODD = [1, 0.1, -0.0, 1e300, 2**80, 'a\n"b"', None, True, "é\ud800", 12345678901234567890]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run of two jobs, whose tasks came in no order: rows, a block, and tasks that the engine ended."""
    found = tmp_path / "runs.db"
    trace = 'Traceback\n  File\nValueError: no, "never"\n'
    write(
        found,
        began("abb2", "sweep"),
        *made("fit", "sum"),
        group(0, [1], job=1),
        group(18, [["json", '{"a":[1,null]}'], b"\x00\xff", math.nan, ["pickle", PICKLE]]),
        group(
            22, [["large", b""], None], Failed(23, "exception", "ValueError", 'no, "never"', trace), attempts={23: 3}
        ),
        group(0, [*ODD[:8], 0.1, 0.2], seconds=0.0001, row=2),
        group(10, ODD[8:], row=3),
        group(12, [-math.inf] + [k / 7 for k in range(5)]),
        Ended(0, 24, 2, "cancelled", "it was cancelled", START + 9),
        RunEnded(START + 10, "failed", {"tasks": 30}),
    )
    write(found, began("aaa1", "other"), *made("fit"), group(0, [5]), RunEnded(START + 1, "done", {}))
    return found


def lines(path: Path, *arguments: object) -> list[dict[str, object]]:
    result = call(export, *arguments, "--db", path)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_task_once_and_in_order(path: Path) -> None:
    found = lines(path, "abb2")
    assert [(row["task"], row["index"]) for row in found] == [("fit", n) for n in range(26)] + [("sum", 0)]
    assert [row["ok"] for row in found] == [True] * 23 + [False] * 3 + [True]


def test_results_are_exact(path: Path) -> None:
    found = lines(path, "abb2")
    for row, wanted in zip(found, [*ODD[:8], 0.1, 0.2, *ODD[8:]], strict=False):
        assert row["result"] == wanted if wanted is not None else "result" in row, row
        assert type(row["result"]) is type(wanted)
    assert math.copysign(1, float(str(found[2]["result"]))) == -1
    assert "result" in found[6]
    assert [row.get("result") for row in found[13:18]] == [k / 7 for k in range(5)]
    told = [(row.get("result"), row.get("result_kind"), row.get("data")) for row in (found[12], *found[18:23])]
    assert told == [
        ("-Infinity", "float", None),
        ({"a": [1, None]}, "json", None),
        (None, "bytes", base64.b64encode(b"\x00\xff").decode()),
        ("NaN", "float", None),
        (None, "pickle", base64.b64encode(PICKLE).decode()),
        (None, "large", None),
    ]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_large_results_come_whole(path: Path, form: str) -> None:
    """As a pickle of their own, whatever they lie in pieces of."""
    data = pickle.dumps(["x" * 300_000, 1])
    write(path, began("bcc3", "large"), *made("fit"), group(0, [1, stowed(data)]), RunEnded(START + 1, "done", {}))
    usual = csv.field_size_limit(1 << 20)
    if form == "jsonl":
        _, found = lines(path, "bcc3")
    else:
        _, found = csv.DictReader(call(export, "bcc3", "--csv", "--db", path).stdout.splitlines())
    csv.field_size_limit(usual)
    assert (found["result_kind"], base64.b64decode(str(found["data"]))) == ("pickle", data)


def test_failures_come_with_their_error(path: Path) -> None:
    failed, ended = lines(path, "abb2")[23:25]
    assert failed.pop("traceback") == 'Traceback\n  File\nValueError: no, "never"\n'
    assert failed.pop("started") == pytest.approx(START + 0.01)
    assert failed == {
        "task": "fit", "index": 23, "ok": False, "attempts": 3, "agent": "local/0", "seconds": 0.01,
        "kind": "exception", "error": 'ValueError: no, "never"',
    }  # fmt: skip
    assert (ended["kind"], ended["error"], ended["attempts"]) == ("cancelled", "it was cancelled", 0)
    assert "seconds" not in ended


def test_what_has_no_outcome_is_told(path: Path) -> None:
    result = call(export, "abb2", "--db", path)
    assert result.stderr == "3 tasks of the run have no outcome\n"


def test_csv(path: Path) -> None:
    result = call(export, "abb2", "--csv", "--db", path)
    head, *rows = csv.reader(io.StringIO(result.stdout, newline=""))
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["index"] for row in found] == [str(n) for n in range(26)] + ["0"]
    for row, same in zip(found, lines(path, "abb2"), strict=True):
        assert row["ok"] == json.dumps(same["ok"])
        assert (json.loads(row["result"]) if row["result"] else None) == same.get("result")
        assert row["data"] == same.get("data", "")
        assert row["traceback"] == same.get("traceback", "")
        assert (float(row["started"]), row["agent"]) == (same["started"], same.get("agent", ""))


def test_parquet(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(formats, "_ROWS", 10)  # several parts
    out = path.parent / "results.parquet"
    assert call(export, "abb2", "--parquet", "--db", path, "--out", out).exit_code == 0
    found = parquet.read_table(out).to_pylist()
    assert parquet.ParquetFile(out).num_row_groups == 3
    for row, same in zip(found, lines(path, "abb2"), strict=True):
        data = row.pop("data")
        assert (None if data is None else base64.b64encode(data).decode()) == same.pop("data", None)
        result = row.pop("result")
        assert (None if result is None else json.loads(result)) == same.pop("result", None)
        assert {name: value for name, value in row.items() if value is not None} == same


def test_parquet_without_pyarrow_is_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = call(export, "abb2", "--parquet", "--db", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: --parquet needs pyarrow: pip install 'shoal[parquet]'\n"


def test_samples(path: Path) -> None:
    pool = PoolSample(0, 3, 1, 7, 0, 2, 2, 0, 0, 1, 1000)
    write(
        path,
        began("ddd4", "sampled"),
        *made("fit"),
        Sampled(START + 1, 3, 1, 4.5, 1, 2, 0.5, 10**9, 1.5, 30, [pool]),
        Sampled(START + 2, 5, 1, 2.5, 1, 2, 0.25, 10**9, 1.5, 30, [pool]),
    )
    found = lines(path, "ddd4", "--samples")
    assert [(row["at"], row.get("pool"), row["done"], row.get("rate")) for row in found] == [
        (START + 1, None, 3, 4.5), (START + 1, "local", 3, None),
        (START + 2, None, 5, 2.5), (START + 2, "local", 3, None),
    ]  # fmt: skip
    head, first, *_ = csv.reader(call(export, "ddd4", "--samples", "--csv", "--db", path).stdout.splitlines())
    assert dict(zip(head, first, strict=True))["cpu"] == "0.5"


def test_a_file_is_there_only_once_it_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = path.parent / "out.jsonl"
    out.write_text("before\n")

    def broken(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(formats, "jsonl", broken)
        result = call(export, "abb2", "--db", path, "--out", out)
    assert (result.exit_code, result.stderr) == (2, f"Error: can't write {out}: No space left on device\n")
    assert out.read_text() == "before\n"
    result = call(export, "abb2", "--db", path, "--out", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"27 tasks of run abb2 in {out}\n")
    assert len(out.read_text().splitlines()) == 27
    assert sorted(each.name for each in path.parent.glob(".out*")) == []


def test_links_and_pipes_are_written_to(path: Path) -> None:
    target, link, pipe = (path.parent / name for name in ("target", "link", "pipe"))
    link.symlink_to(target)
    assert call(export, "aaa1", "--db", path, "--out", link).exit_code == 0
    assert link.is_symlink()
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert call(export, "aaa1", "--db", path, "--out", pipe).exit_code == 0
    reader.join()
    assert read == [target.read_text()]
    assert json.loads(read[0])["result"] == 5


@pytest.mark.parametrize(("out", "words"), [("runs.db", "is the database itself"), ("no/where", "No such file")])
def test_files_that_can_not_be_written(path: Path, out: str, words: str) -> None:
    result = call(export, "abb2", "--db", path, "--out", path.parent / out)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert call(export, "abb2", "--db", path).exit_code == 0


def test_a_reader_that_leaves(path: Path) -> None:
    command = [sys.executable, "-c", "from shoal import main; main()", "export", "abb2", "--db", str(path)]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("seconds", [0.0001, 0.002], ids=["blocks", "rows"])
@pytest.mark.parametrize("form", ["--jsonl", "--csv"])
def test_memory_does_not_grow_with_the_tasks(tmp_path: Path, seconds: float, form: str) -> None:
    path, tasks = tmp_path / "big.db", 30_000
    with contextlib.closing(open_database(path)) as db:
        writer = Writer(db)
        writer.write([began("big1", "big"), *made("fit")], START)
        writer.write([group(k, list(range(k, k + 100)), seconds=seconds) for k in range(0, tasks, 100)], START)
    call(export, "big1", "--db", path, "--out", tmp_path / "warm")
    tracemalloc.start()
    try:
        assert call(export, "big1", form, "--db", path, "--out", tmp_path / "out").exit_code == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len((tmp_path / "out").read_text().splitlines()) == tasks + (form == "--csv")
    assert peak < 2 << 20, "30,000 outcomes take ten times that"
