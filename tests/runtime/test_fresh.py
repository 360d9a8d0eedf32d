"""Agents that are executed, where pooling is off: they pass for agents that are forked."""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys

import pytest

from shoal import Engine, TaskPoisoned


def arguments() -> int:
    argparse.ArgumentParser()  # takes its name from the first
    return len(sys.argv)


def inherited() -> str:
    """What a program that a task executes finds open, beyond its three standard streams."""
    code = (
        "import os; print([os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2])"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, close_fds=False)
    return done.stdout


@pytest.mark.parametrize("pooling", [True, False])
def test_what_an_agent_is_started_with_is_its_own(pooling: bool) -> None:
    with Engine(1, settings={"enable_pooling": pooling}, attachable=False) as engine:
        assert engine.submit(arguments).result(30) == 1
        found = engine.submit(inherited).result(30)
        assert "socket" not in found
        assert "memfd" not in found


@pytest.mark.parametrize("pooling", [True, False])
def test_an_agent_that_crashes_says_where(pooling: bool) -> None:
    with Engine(1, settings={"enable_pooling": pooling}, attachable=False, crash_limit=1) as engine:
        crashed = engine.submit(ctypes.string_at, 0)
        with pytest.raises(TaskPoisoned, match="Segmentation fault"):
            crashed.result(30)


def test_none_is_kept_without_pooling() -> None:
    with Engine(2, settings={"enable_pooling": False}, attachable=False) as engine:
        assert engine.wait_ready(60) == 0
        assert engine.submit(abs, -1).result(30) == 1
