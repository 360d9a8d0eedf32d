"""The tasks that wait, work, return and fail."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from engine.workloads import coordination
from engine.workloads.coordination import CRASHES, calibrate, crash, echo, payload, sleep, spin


def test_echo_returns_the_very_thing() -> None:
    thing = object()
    assert echo(thing) is thing


@pytest.mark.parametrize("asked", [0.05, "0.05", " 5e-2\n"])
def test_sleep_waits_and_uses_no_processor(asked: float | str) -> None:
    begun, used = time.monotonic(), time.thread_time()
    assert sleep(asked) == 0.05
    assert time.monotonic() - begun >= 0.05
    assert time.thread_time() - used < 0.04


def test_spin_uses_processor_time_in_proportion() -> None:
    calibrate()
    took = {}
    for seconds in (0.05, 0.2):
        begun = time.thread_time()
        assert spin(seconds) == seconds
        took[seconds] = time.thread_time() - begun
    # A busy machine stretches it; nothing makes it much shorter than was asked.
    assert took[0.05] > 0.03
    assert took[0.2] > 0.12
    assert took[0.2] > 2 * took[0.05]


def test_spin_runs_the_iterations_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    monkeypatch.setattr(coordination, "_rate", 1000.0)
    monkeypatch.setattr(coordination, "_work", done.append)
    spin("2.5")
    spin(0)
    assert done == [2500, 0]


def test_calibration_is_made_once_and_takes_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([3.0, 9.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    monkeypatch.setattr(coordination, "_rate", None)
    monkeypatch.setattr(coordination, "_measured_rate", lambda: next(rates))
    assert calibrate() == 9.0
    assert calibrate() == 9.0


@pytest.mark.parametrize("asked", [1000, "1000", 1000.0, "1e3"])
def test_payload_has_the_size(asked: float | str) -> None:
    assert payload(asked) == bytes(i % 256 for i in range(1000))
    assert payload(0) == b""


@pytest.mark.parametrize(
    "bad", [-1, "-1", "soon", "", "nan", float("inf"), float("nan"), None, True, [1], 1e300, "9" * 400]
)
@pytest.mark.parametrize("task", [sleep, spin, payload])
def test_bad_numbers_are_refused(task: Any, bad: Any) -> None:
    with pytest.raises(ValueError, match=r"^(seconds|nbytes) must be"):
        task(bad)


def test_payload_wants_whole_bytes() -> None:
    with pytest.raises(ValueError, match=r"whole number of bytes, not '1\.5'"):
        payload("1.5")


@pytest.mark.parametrize("how", ["", "gently", None, 3])
def test_unknown_crash_lists_the_known(how: Any) -> None:
    with pytest.raises(ValueError, match=r"known are exception, .*, segfault"):
        crash(how)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("exception", RuntimeError),
        ("exception\n", RuntimeError),
        ("unpicklable", RuntimeError),
        ("interrupt", KeyboardInterrupt),
        ("recursion", RecursionError),
        ("memory", MemoryError),
        ("exit", SystemExit),
    ],
)
def test_crash_raises(how: str, error: type[BaseException]) -> None:
    with pytest.raises(error) as caught:
        crash(how)
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 3
    if how == "unpicklable":
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(caught.value)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("exit", 3),
        ("_exit", 3),
        ("abort", -signal.SIGABRT),
        ("segfault", -signal.SIGSEGV),
        ("terminate", -signal.SIGTERM),
        ("kill", -signal.SIGKILL),
    ],
)
def test_crash_ends_the_process(how: str, code: int) -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        f"from engine.workloads.coordination import crash; crash({how!r})"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == code


def test_every_crash_is_tested_and_described() -> None:
    assert crash.__doc__
    assert all(f'"{how}"' in crash.__doc__ for how in CRASHES)


def test_importing_it_is_light() -> None:
    program = (
        "import sys, engine.workloads.coordination\n"
        "print([name for name in ('numpy', 'numba', 'ctypes') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
