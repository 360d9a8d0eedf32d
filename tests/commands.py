"""Commands of ``shoal`` in this process, for tests."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from engine.cli.main import shoal


def run(*arguments: str) -> Result:
    """A command; its exit code is as `main` would have it."""
    return CliRunner().invoke(shoal, list(arguments))


def data(result: Result) -> list[dict[str, Any]]:
    """What a command has told in JSON, line by line."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def line(result: Result) -> str:
    """The one line of an error."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (told,) = result.stderr.splitlines()
    return told.removeprefix("Error: ")
