"""``shoal alerts``: rules that are right are listed, those that are not are a line each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.alerts.signals import EVENTS, SIGNALS
from engine.alerts.sources import load
from engine.cli.main import shoal

OWN = """
[rules.memory]
warning = { raise = "80%", clear = "75%" }
[rules.long-queue]
mode = "level"
signal = "queue_depth"
critical = { raise = 100_000, clear = 50_000 }
for = "30s"
"""
BOUNDS = '{ raise = "90%", clear = "85%" }'
BAD = '[rules.memory]\nfro = "5s"\n[rules.mine]\nmode = "level"\nsignal = "queue_dept"\n'


def told(*arguments: str) -> Result:
    return CliRunner().invoke(shoal, ["alerts", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def test_a_file_that_is_right(file: Path) -> None:
    result = told("check", str(file))
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["RULE", "SEVERITY", "MODE", "CLASS", "FROM", "TEXT"]
    assert [line.split()[0] for line in lines] == ["memory", "long-queue"]
    assert lines[0].endswith("memory_used_ratio > 80%, 97%, for 2 s")
    assert f"built-in + {file}" in lines[0]
    assert lines[1].endswith("queue_depth > 100,000, for 30 s")
    assert result.stderr == f"{file} is right: 1 rule of its own, 1 built-in changed\n"


def test_a_file_that_is_right_as_json(file: Path) -> None:
    first, second = map(json.loads, told("check", "--json", str(file)).stdout.splitlines())
    assert (first["id"], first["thresholds"][0]) == ("memory", {"severity": "warning", "raised": 0.8, "cleared": 0.75})
    assert (second["id"], second["for"], second["class"]) == ("long-queue", 30.0, "saturation")


def test_a_file_that_is_wrong(file: Path) -> None:
    file.write_text(BAD)
    result = told("check", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"shoal: {file}: rule memory: fro: unknown key: did you mean 'for'?",
        f"shoal: {file}: rule mine: signal: no signal 'queue_dept': did you mean 'queue_depth'?",
        f"shoal: {file}: rule mine: warning: is missing (or critical, info): such as warning = {BOUNDS}",
    ]
    result = told("check", "--json", str(file))
    assert (result.exit_code, result.stderr) == (2, "")
    assert [json.loads(line)["key"] for line in result.stdout.splitlines()] == ["fro", "signal", "warning"]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "no such file"), (b"\xff", "not a text file (byte 0 is no UTF-8)"), (b"a b", "not TOML: ")],
)
def test_a_file_that_is_none(text: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    if text is not None:
        path.write_bytes(text)
    result = told("check", str(path))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"shoal: {path}: {said}")
    assert len(result.stderr.splitlines()) == 1


def test_what_is_no_text_does_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[rules.x]\nmode = "\\u001b[31mred"\n')
    assert "\x1b" not in told("check", str(path)).stderr


def test_the_rules_in_force(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [json.loads(line) for line in told("rules", "--json").stdout.splitlines()]
    assert [rule["id"] for rule in found] == [rule.id for rule in load(None)]
    beside = Path(os.environ["XDG_CONFIG_HOME"]) / "shoal" / "alerts.toml"
    beside.parent.mkdir(parents=True)
    beside.write_text("[rules.cpu]\nenabled = false\n")
    (line,) = [line for line in told("rules").stdout.splitlines() if line.startswith("cpu ")]
    assert line.split()[1] == "off"
    monkeypatch.setenv("SHOAL_ALERT_RULES", str(file))
    assert "long-queue" in told("rules").stdout
    monkeypatch.setenv("SHOAL_ALERT_RULES", "none")
    assert "off" not in [line.split()[1] for line in told("rules").stdout.splitlines()]


def test_rules_in_force_that_are_wrong(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(BAD)
    monkeypatch.setenv("SHOAL_ALERT_RULES", str(file))
    result = told("rules")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"shoal: {file}: rule memory: fro: ")
    monkeypatch.setenv("SHOAL_ALERT_RULES", str(tmp_path / "none.toml"))
    assert told("rules").stderr == f"shoal: {tmp_path}/none.toml: no such file\n"
    monkeypatch.setenv("SHOAL_BATCH_SIZE", "x")
    assert "SHOAL_BATCH_SIZE" in told("rules").output


def test_what_rules_can_be_about() -> None:
    names = [line.split()[0] for line in told("signals").stdout.splitlines()]
    assert names == ["NAME", *SIGNALS, *EVENTS]
    rows = [json.loads(line) for line in told("signals", "--json").stdout.splitlines()]
    assert rows[0] == {
        "name": "pool_assigned", "kind": "count", "unit": "count", "labels": ["pool"],
        "meaning": "batches that were given to an agent",
    }  # fmt: skip


def test_as_a_process(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "alerts", "check", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    file.write_text(BAD)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "alerts", "check", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 3)
