"""Runs of plans that wait for somebody, each in a folder: what waits, what is said to it, and what came of it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from killing import SHOAL


def shoal(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SHOAL, *words], cwd=folder, capture_output=True, text=True, timeout=90, check=False)


def ctl(folder: Path, *words: str) -> str:
    done = shoal(folder, "ctl", "--run", "p", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def waiting(folder: Path) -> list[dict[str, Any]]:
    done = shoal(folder, "ctl", "--run", "p", "--json", "open")
    return list(json.loads(done.stdout)) if done.returncode == 0 and done.stdout else []


def out(folder: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for line in (folder / "out.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["task"], []).append(row["result"] if row["ok"] else f"{row['kind']}: {row['error']}")
    return found


def rows(folder: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(folder / "runs.db")) as db:
        return db.execute(query).fetchall()
