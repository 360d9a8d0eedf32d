"""Other tools: which are found, what is measured of them, and what is told of one that is missing or fails."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.bench.others import script, suite
from engine.bench.others.tables import tables
from engine.bench.others.tools import TOOLS, NoInterpreter, installed
from engine.bench.progress import narrated
from engine.bench.run import MeasurementFailed, measure

PYTHON = sys.executable
QUICK = {"python": PYTHON, "workers": 2, "tasks": 30, "chunk": 10, "timeout": 60.0}


def test_every_tool_of_the_table_is_in_the_script() -> None:
    assert set(script.TOOLS) == {tool.key for tool in TOOLS}
    assert all(bool(tool.module) != bool(tool.program) for tool in TOOLS)


def test_the_script_wants_nothing_but_the_standard_library() -> None:
    """Until a tool is loaded: it is run by interpreters that have none of ours."""
    body = ast.parse(Path(script.__file__).read_text()).body
    imported = {
        name.split(".")[0]
        for node in body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported <= sys.stdlib_module_names


def test_what_is_there_is_found_and_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mpire.py").write_text("raise SystemExit('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert "parallel" not in installed(PYTHON, TOOLS)
    (programs / "parallel").write_text("#!/bin/false")
    (programs / "parallel").chmod(0o755)
    found = installed(PYTHON, TOOLS)
    assert {"executor", "pool", "mpire", "parallel"} <= set(found)
    assert found["executor"] == ".".join(map(str, sys.version_info[:3]))
    assert set(installed(PYTHON, TOOLS[:1])) == {"executor"}


def test_an_interpreter_that_is_none(tmp_path: Path) -> None:
    for wrong in (str(tmp_path / "absent"), "/bin/false", "/bin/true"):
        with pytest.raises(NoInterpreter, match=r"^\S+ is no Python that works: .+$"):
            installed(wrong, TOOLS)


@pytest.mark.parametrize("tool", ["executor", "pool"])
@pytest.mark.parametrize("task", ["coordinate", "submit", "map"])
def test_those_of_the_standard_library(tool: str, task: str) -> None:
    assert measure("other_tool", "peer", QUICK | {"tool": tool, "task": task}, 90)["value"] > 0


def test_whatever_else_is_installed_here() -> None:
    for key in set(installed(PYTHON, TOOLS)) - {"executor", "pool"}:
        assert measure("other_tool", "peer", QUICK | {"tool": key, "task": "map"}, 90)["value"] > 0


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    (folder / "mpire.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise RuntimeError('no such\\nthing')", r"^thing$"),
        ("import os; os.kill(os.getpid(), 9)", r"^ended by signal 9$"),
        ("class WorkerPool:\n    def __init__(self, workers): raise OSError('no room')", r"^OSError: no room$"),
        ("import os; os._exit(0)", r"^exit code 0$"),
    ],
)
def test_one_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str) -> None:
    fake(tmp_path, monkeypatch, code)
    with pytest.raises(MeasurementFailed, match=told):
        measure("other_tool", "peer", QUICK | {"tool": "mpire", "task": "submit"}, 90)


def test_nothing_is_left_of_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its daemon has a session of its own and no parent; the leak fixture looks for it."""
    fake(
        tmp_path,
        monkeypatch,
        f"""\
import os, subprocess, sys, time
if not os.fork():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    os._exit(0)
open({str(tmp_path / "up")!r}, "w").close()
time.sleep(600)
""",
    )
    with pytest.raises(MeasurementFailed, match=r"^no answer within 3 s$"):
        measure("other_tool", "peer", QUICK | {"tool": "mpire", "task": "submit", "timeout": 3.0}, 60)
    assert (tmp_path / "up").exists()


def test_ratios_say_by_what_factor_shoal_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as fast at both kinds of task, whatever a round takes; one tool fails, others are not there."""
    rounds = iter(range(1, 1000))

    def measured(function: str, side: str, size: dict[str, Any], timeout: float) -> dict[str, Any]:
        slow = 1 + next(rounds) / 1000
        if side == "ours":
            return {"value": slow if function == "start_each" else 2 / slow}
        if size["tool"] == "pool":
            raise MeasurementFailed("gone")
        return {"value": 2 * slow if size["task"] == "coordinate" else 1 / slow}

    monkeypatch.setattr(suite, "measure", measured)
    monkeypatch.setattr(suite, "installed", lambda python, tools: {"executor": "3", "pool": "3", "loky": "1"})
    said: list[str] = []
    outcome = suite.run("python", (), (), 3, True, narrated(said.append), seed=1)
    assert said[0] == "not installed: joblib, mpire, Dask, Ray, GNU parallel"
    assert set(outcome.failures) == {f"multiprocessing.Pool, {task.name}" for task in suite.TASKS}
    for task, lines in outcome.lines.items():
        assert [line.key for line in lines] == ["shoal", "executor", *([] if task.many else ["loky"])]
        for line in lines[1:]:
            assert line.faster is not None
            assert line.faster.ratio == pytest.approx(2, rel=0.1)
            assert line.faster.rounds == 3
    text = tables(outcome)
    assert "not installed: joblib, mpire, Dask, Ray, GNU parallel" in text.splitlines()
    assert "multiprocessing.Pool, submit: not measured: gone" in text.splitlines()
    assert {cell.beside for cell in outcome.cells} == {"executor", "loky"}
    assert json.loads(json.dumps(outcome.data))["absent"] == outcome.absent


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "bench", "peers", *arguments],
        env=os.environ | environment, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        capture_output=True,
    )  # fmt: skip


@pytest.mark.needs("pooling")  # Shoal's own side warms up with hundreds of tasks
def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "mpire.py").write_text("raise RuntimeError('too old')")
    arguments = ["--quick", "--rounds", "1", "--tasks", "submit", "--only", "executor,mpire", "--json", "-"]
    done = bench(*arguments, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    data = json.loads(done.stdout)
    assert data["failures"] == {"mpire, submit": "RuntimeError: too old"}
    assert "mpire, submit: RuntimeError: too old" in done.stderr.splitlines()
    (task,) = data["tasks"]
    assert [len(task["samples"][key]) for key in ("shoal", "executor", "mpire")] == [1, 1, 0]
    kept = list((tmp_path / "xdg-data").rglob("*-peers-*.json"))
    assert len(kept) == 1


@pytest.mark.parametrize(
    "arguments", [["--only", "celery"], ["--tasks", "sleep"], ["--python", "absent"], ["--python", "/bin/false"]]
)
def test_bad_usage_of_peers_is_one_line(arguments: list[str]) -> None:
    done = bench(*arguments, "--no-store")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
