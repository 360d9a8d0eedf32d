"""File systems of a test's own, where this user may mount some."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """One of so many bytes at a folder; the test is skipped where that can't be had."""
    folder.mkdir()
    done = _mount("-t", "tmpfs", "-o", f"size={size}", "shoal-test", str(folder))
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change it while it is in use."""
    done = _mount("-o", f"remount,{options}", str(folder))
    assert not done.returncode, done.stderr


def _mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(arguments, 1, "", str(error))
