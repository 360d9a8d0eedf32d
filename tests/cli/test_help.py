"""The help of the commands: it reads well, and loads nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from engine.cli.main import _COMMANDS, _SECTIONS, shoal

HEAVY = ("sqlite3", "msgspec", "rich", "numpy", "pyarrow", "asyncio", "engine.store", "engine.runtime")


def test_every_command_stands_under_a_heading() -> None:
    text = CliRunner().invoke(shoal, ["--help"]).stdout
    lines = text.splitlines()
    assert [line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")][1:] == list(
        _SECTIONS.values()
    )
    for name, (_, short) in _COMMANDS.items():
        assert any(line.split()[:1] == [name] and line.endswith(short) for line in lines), name


@pytest.mark.parametrize(
    "command",
    [
        "", "runs", "show", "replay", "report", "export", "search", "prune", "backup", "db", "db check", "ps", "attach",
        "watch", "status", "agents", "events", "ctl", "ctl scale", "alerts", "alerts check",
    ],
)  # fmt: skip
def test_help_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from engine.cli.main import shoal; shoal(sys.argv[1:] + ['--help'], standalone_mode=False); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command.split()], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("Usage: ")
    assert done.stderr == "[]\n"
