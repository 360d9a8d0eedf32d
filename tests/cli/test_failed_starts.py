"""A run that can't be begun, for a name is misspelt, say: it has failed, with the reason, and has not crashed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from killing import SHOAL


def shoal(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*SHOAL, *arguments, "--db", "runs.db"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)


def test_a_name_that_is_misspelt(tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("1\n2\n")
    assert shoal(tmp_path, "run", "operator:not_", "--items", "items.txt", "--headless").returncode == 0
    done = shoal(tmp_path, "run", "oprator:not_", "--items", "items.txt", "--headless")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    why = done.stderr.strip().removeprefix("shoal: ")
    assert "No module named 'oprator'" in why
    runs = [json.loads(line) for line in shoal(tmp_path, "runs", "--json").stdout.splitlines()]
    assert (runs[0]["status"], runs[0]["tasks"], runs[0]["summary"]) == ("failed", 2, {"error": why})
    assert (runs[0]["done"], runs[0]["left"]) == (0, 2)
    shown = shoal(tmp_path, "show", "last").stdout
    assert f"error {why}" in shown
    again = shoal(tmp_path, "resume", "last", "--headless")
    assert again.returncode == 2
    assert again.stderr.splitlines() == [f"oprator:not_ {runs[0]['id']}: 0 of 2 tasks were over", f"shoal: {why}"]
    again = shoal(tmp_path, "rerun", "last", "--failed", "--headless")
    told = f"run {runs[0]['id']} has no failed tasks: nothing is run again\n"
    assert (again.returncode, again.stderr) == (0, told)
