"""Has one other tool measured: its script runs below this process, and nothing of it is left when it has ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from engine.bench import watch
from engine.bench.shared import Result
from engine.procs import system

_SCRIPT: Final = Path(__file__).with_name("script.py")
_GRACE: Final = 10.0
"""Seconds for what a tool has started to end by itself."""
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "PYTHONWARNINGS": "ignore"}
"""Nothing is told to anybody, and no warnings stand where the reason of a failure is looked for."""


def other_tool(python: str, tool: str, task: str, workers: int, tasks: int, chunk: int, timeout: float) -> Result:
    """What ``script.py`` measures with this interpreter. Raises SystemExit, with one line, if it measures nothing."""
    system.adopt_orphans()  # daemons of a tool that has died are still below us
    folder = tempfile.gettempdir()  # this measurement's own; sockets lie in it, whose paths may not be long
    # Files, no pipes: what a tool leaves running would hold those open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [python, str(_SCRIPT), tool, task, str(workers), str(tasks), str(chunk)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=said, cwd=folder,
            env=os.environ | _QUIET | {"TMPDIR": folder, "RAY_TMPDIR": folder},
        )  # fmt: skip
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"no answer within {timeout:g} s") from None
        finally:
            _end(process)
        found, lines = (_lines(file) for file in (out, said))
    if code or not found:
        how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
        raise SystemExit(lines[-1] if lines and code > 0 else how)
    return {"value": float(found[-1])}


def _lines(file: IO[bytes]) -> list[str]:
    file.seek(0)
    return file.read().decode("utf-8", "replace").strip().splitlines()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for all that is below this process, and end what does not."""
    if process.poll() is None:
        process.kill()
        process.wait()
    deadline = time.monotonic() + _GRACE
    while left := watch.descendants(os.getpid()):
        if process.returncode or time.monotonic() > deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


MEASUREMENTS: Final[dict[str, Callable[..., Result]]] = {"other_tool": other_tool}
