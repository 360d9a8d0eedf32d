"""What is given as a database and is no file is refused, with a line; nobody waits for a pipe."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from killing import SHOAL

HINT = "(--db FILE takes another database, --no-record none)"
COMMANDS = (
    ("run", "operator:neg", "--items", "items.txt", "--headless"), ("resume", "last", "--headless"), ("runs",),
    ("show", "last"), ("prune", "--keep", "1d"), ("export", "last"), ("backup", "copy.db"),
)  # fmt: skip


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
def test_other_kinds_of_files(kind: str, tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("1\n")
    given = "odd"
    match kind:
        case "a folder":
            (tmp_path / given).mkdir()
        case "a pipe":
            os.mkfifo(tmp_path / given)
        case "a socket":
            with socket.socket(socket.AF_UNIX) as sock:
                here = os.getcwd()
                os.chdir(tmp_path)  # its name would be too long
                try:
                    sock.bind(given)
                finally:
                    os.chdir(here)
        case _:
            given = os.devnull
    for command in COMMANDS:
        done = subprocess.run(
            [*SHOAL, *command, "--db", given], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stdout) == (2, ""), command
        (told,) = done.stderr.splitlines()
        hint = f" {HINT}" if command[0] == "run" else ""
        end = f"{given} is {kind}, and no database: give the name of a file{hint}"
        assert told.partition(": ")[2].endswith(end), command
    assert {path.name for path in tmp_path.iterdir()} <= {"items.txt", "odd", "xdg-run"}
