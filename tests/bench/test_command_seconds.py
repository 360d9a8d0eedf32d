"""How long a command takes."""

from __future__ import annotations

import subprocess
import time

import pytest

from engine.bench.shared import command_seconds


def test_its_end_is_not_looked_for_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    assert command_seconds(["sleep", "0.05"]) >= 0.05
    assert naps == []


def test_one_that_fails() -> None:
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        command_seconds(["false"])


def test_one_that_does_not_end() -> None:
    with pytest.raises(subprocess.TimeoutExpired, match=r"timed out after 0\.05 seconds"):
        command_seconds(["sleep", "60"], 0.05)
