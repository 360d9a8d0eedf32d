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
        "watch", "status", "agents", "events", "explain", "ctl", "ctl scale", "ctl open", "ctl done", "ctl failed",
        "ctl gate", "alerts", "alerts check", "plan",
        "plan check", "plan simulate", "plan report", "bench", "bench gate", "bench history", "bench baseline",
        "bench coordination", "bench peers", "bench scaling", "bench compare", "bench report", "bench prune",
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


def test_what_is_about_a_run_stands_with_it() -> None:
    text = CliRunner().invoke(shoal, ["--help"]).stdout
    _, _, looking_on = text.partition("Look on, and steer:")
    about, _, _ = looking_on.partition("Look back:")
    assert {"ps", "watch", "explain", "alerts", "ctl"} <= {
        line.split()[0] for line in about.splitlines() if line.strip()
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["pause", "7f3a"], "unexpected '7f3a'; a run is named before the command: shoal ctl --run RUN pause ..."),
        (["scale", "main", "4", "7f3a"], "unexpected '7f3a'; a run is named before the command: "),
        (["pause", "--run", "7f3a"], "--run comes before the command: shoal ctl --run RUN pause ..."),
        (["scale", "main", "4", "--json"], "--json comes before the command: shoal ctl --json scale ..."),
        (["pause", "--rum"], "No such option"),
    ],
)
def test_where_a_run_is_named_is_said(arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(shoal, ["ctl", *arguments])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].removeprefix("Error: ").startswith(told)


@pytest.mark.parametrize("arguments", [["watch", "--every", "nan"], ["replay", "last", "--speed", "nan"]], ids=" ".join)
def test_what_is_no_number_is_refused(arguments: list[str]) -> None:
    done = CliRunner().invoke(shoal, arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].endswith("'nan' is no number")
