"""``shoal config``, and settings as a whole run has them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from flags import MECHANISMS
from processes import enabled

from engine.cli.config import config
from engine.cli.main import shoal
from engine.settings.types import Settings

SCREEN = ("theme", "ascii", "rate", "read_only", "mouse")
"""Choices for the screens."""


def told(*arguments: str) -> Result:
    return CliRunner().invoke(shoal, ["config", *arguments])


def run_shoal(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", *arguments],
        capture_output=True, text=True, timeout=90, cwd=cwd, env={**os.environ, **env}, check=False,
    )  # fmt: skip


@pytest.fixture
def file() -> Path:
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "shoal" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.usefixtures("nothing_switched_off")
def test_a_line_for_every_setting(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[batch]\ntimeout = 0.25\n[enable]\nsharding = false\n")
    monkeypatch.setenv("SHOAL_POOL_SIZE", "4")
    monkeypatch.setenv("SHOAL_POOLSIZE", "4")
    result = told("show")
    assert result.exit_code == 0
    assert result.stderr == "shoal: warning: SHOAL_POOLSIZE is not a setting: did you mean SHOAL_POOL_SIZE?\n"
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["NAME", "VALUE", "FROM", "VARIABLE", "MEANING"]
    names = [line.split()[0] for line in lines]
    assert names[: len(Settings.__struct_fields__)] == list(Settings.__struct_fields__)
    assert names[len(Settings.__struct_fields__) :] == [f"screen_{name}" for name in SCREEN]
    by_name = {line.split()[0]: line.split()[1:4] for line in lines}
    assert by_name["pool_size"] == ["4", "SHOAL_POOL_SIZE", "SHOAL_POOL_SIZE"]
    assert by_name["batch_timeout"] == ["0.25", str(file), "SHOAL_BATCH_TIMEOUT"]
    assert by_name["enable_sharding"] == ["false", str(file), "SHOAL_ENABLE_SHARDING"]
    assert by_name["batch_size"] == ["auto", "default", "SHOAL_BATCH_SIZE"]
    assert {line.rindex("SHOAL_") for line in lines} == {head.index("VARIABLE")}
    assert "Agents that may be starting at the same time\n" in result.stdout
    assert "\x1b" not in result.stdout


def test_choices_for_the_screens_come_last(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[screen]\ntheme = "nord"\n[keys]\n"app.pause" = ["f9", "w"]\n')
    monkeypatch.setenv("SHOAL_RATE", "2")
    rows = [json.loads(line) for line in told("show", "--json").stdout.splitlines()]
    found = {row["name"]: (row["value"], row["origin"], row["variable"]) for row in rows}
    assert found["screen_theme"] == ("nord", str(file), "SHOAL_THEME")
    assert found["screen_rate"] == (2, "SHOAL_RATE", "SHOAL_RATE")
    assert found["screen_mouse"] == (True, "default", "SHOAL_MOUSE")
    assert found["keys.app.pause"] == ("f9,w", str(file), "")
    file.write_text("[screen]\nrate = 3\n")
    result = told("show")
    assert result.exit_code == 2
    assert result.stderr == f"Error: {file}: screen.rate is one of 1, 2, 5, 10, not 3\n"


def test_commands_of_the_screens(file: Path) -> None:
    file.write_text('[keys]\n"app.pause" = ["f9", "w"]\n')
    rows = {row["id"]: row for row in map(json.loads, told("keys", "--json").stdout.splitlines())}
    assert list(rows) == sorted(rows)
    assert rows["app.pause"]["keys"] == "f9,w"
    assert rows["runs.compare"] == {
        "id": "runs.compare",
        "keys": "c",
        "meaning": "The two runs that are marked, side by side",
    }
    assert rows["app.drain"]["keys"] == "", "it has none, and can be given one"
    head, first, *_ = told("keys").stdout.splitlines()
    assert head.split() == ["ID", "KEYS", "TEXT"]
    assert first.startswith("acknowledge.leave")
    file.write_text('[keys]\n"app.paus" = "f9"\n')
    assert told("keys").stderr == f"Error: {file}: keys.app.paus: there is no such command: did you mean 'app.pause'?\n"


@pytest.mark.usefixtures("nothing_switched_off")
def test_json(file: Path) -> None:
    file.write_text("[spawn]\nparallelism = 2\n")
    rows = [json.loads(line) for line in told("show", "--json").stdout.splitlines()]
    assert {row["name"]: row["value"] for row in rows if row["name"] in Settings.__struct_fields__} == {
        name: json.loads(msgspec.json.encode(getattr(Settings(spawn_parallelism=2), name)))
        for name in Settings.__struct_fields__
    }
    assert rows[6] == {
        "name": "batch_max_size", "value": None, "origin": "default", "variable": "SHOAL_BATCH_MAX_SIZE",
        "meaning": "Tasks in one batch at the most; auto: 500, and up to 2,500 of those that together take less than a "
        "millisecond",
    }  # fmt: skip


@pytest.mark.parametrize(("columns", "below"), [(200, False), (60, True)])
def test_a_terminal_has_the_meanings_where_they_fit(
    columns: int, below: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    config.main(["show"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= columns for line in lines if line.startswith(" ") or not below)
    assert ("    Agents that may be starting at the same time" in lines) is below
    assert len(lines) > 1 + len(Settings.__struct_fields__)


def test_the_path_of_the_file(file: Path) -> None:
    assert told("path").stdout == f"{file}\n"


def test_what_is_wrong_is_one_line_and_exit_code_2(file: Path, tmp_path: Path) -> None:
    file.write_text("[pool]\nsize = 0\n")
    line = f"shoal: {file}: pool.size is a whole number of at least 1 or auto, not 0\n"
    (tmp_path / "items.txt").write_text("1\n")
    for arguments in (["config", "show"], ["run", "m:f", "--items", "items.txt"]):
        done = run_shoal(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    assert run_shoal("config", "path", cwd=tmp_path).returncode == 0


def test_a_run_takes_its_settings_from_everywhere_and_records_them(file: Path, tmp_path: Path) -> None:
    file.write_text("[pool]\nsize = 3\n[batch]\nmax_size = 7\n")
    (tmp_path / "items.txt").write_text("1\n2\n")
    done = run_shoal(
        "run", "engine.workloads.coordination:echo", "--items", "items.txt", "--json", "--db", "runs.db",
        "--set", "spawn_timeout=9", cwd=tmp_path, SHOAL_BATCH_MAX_SIZE="8", SHOAL_POOL_SIZ="4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "shoal: warning: SHOAL_POOL_SIZ is not a setting: did you mean SHOAL_POOL_SIZE?\n"
    assert json.loads(done.stdout.splitlines()[-1])["agents"] == 3
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        (recorded,) = connection.execute("SELECT config FROM runs").fetchone()
    connection.close()
    found = json.loads(recorded)
    assert found["agents"] == {"main": 3}
    assert found["batch_max"] == 8
    off = {f"enable_{mechanism}": False for mechanism in MECHANISMS if not enabled(mechanism)}
    assert found["settings"] == {"pool_size": 3, "batch_max_size": 8, "spawn_timeout": 9.0, **off}


def test_a_plan_whose_pool_cannot_be_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('[pools.a]\nmin = 4\n[[tasks]]\nname = "t"\ncall = "m:f"\n')
    done = run_shoal("run", "p.toml", "--agents", "2", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "shoal: pool 'a': its minimum of 4 agents is above its size of 2\n"
