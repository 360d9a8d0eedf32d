"""Every test runs in folders of its own, and fails if it leaves a process, a descriptor, a thread, shared memory or a
socket behind.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from flags import MECHANISMS
from processes import MARK, enabled, marked_processes

# How long an example takes is the machine's business, which others use too.
hypothesis.settings.register_profile("shoal", deadline=None)
hypothesis.settings.load_profile("shoal")

_GRACE = 5.0
"""Seconds that what is about to end may take for it. A leak is what never ends, so waiting longer hides none."""


def pytest_configure() -> None:
    name, _, value = MARK.partition("=")
    os.environ[name] = value  # inherited by whatever is started, whoever its parent is by the end
    # Or each of thousands of processes would compile an editable checkout anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    importlib.import_module("numpy")  # or `pytest.approx` may find half of it, while a thread of an engine imports it
    # A shell that started us in the background, or nohup, has them ignored: so would every command that is tested.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what tests a mechanism that is switched off by the environment, and nothing else."""
    for item in items:
        for mechanism in (name for mark in item.iter_markers("needs") for name in mark.args):
            if not enabled(mechanism):
                item.add_marker(pytest.mark.skip(reason=f"tests {mechanism} itself"))


def _zombies() -> set[int]:
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    except OSError:
        return set()
    return {int(child) for child in children}


def _descriptors() -> dict[str, str]:
    found = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            found[entry] = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:  # the one that lists the folder
            continue
    return found


def _threads() -> set[str]:
    return {f"{thread.name}-{thread.ident}" for thread in threading.enumerate()}


def _of_others(shared: set[str]) -> set[str]:
    """Shared memory that a living process has mapped which is none of this test session: of other tests, perhaps."""
    found: set[str] = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            if MARK.encode() not in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                maps = Path(f"/proc/{entry}/maps").read_text(errors="replace")
                found |= {name for name in shared if f"/dev/shm/{name}" in maps}
        except OSError:  # it ended while we looked, or is not ours to look at
            continue
    return found


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """XDG folders of the test's own; the runtime folder must be empty again in the end."""
    run = tmp_path / "xdg-run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg-data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg-config"))  # whoever runs the tests may have one
    yield tmp_path
    left = sorted(str(path.relative_to(run)) for path in run.rglob("*.sock"))
    assert not left, f"sockets left behind: {left}"


@pytest.fixture
def nothing_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that start no engine and compare settings with what they are where the environment says nothing."""
    for mechanism in MECHANISMS:
        monkeypatch.delenv(f"SHOAL_ENABLE_{mechanism.upper()}", raising=False)


@pytest.fixture(autouse=True)
def no_leaks(folders: Path) -> Iterator[None]:
    """The leak fixture."""
    fds, threads, memory, children = _descriptors(), _threads(), set(os.listdir("/dev/shm")), _zombies()
    yield
    deadline = time.monotonic() + _GRACE
    while True:
        leaks = []
        if left := marked_processes():
            leaks.append(f"processes {left}")
        if left_children := _zombies() - children - set(left):
            leaks.append(f"children that were not reaped {left_children}")
        now = _descriptors()
        if more := {fd: name for fd, name in now.items() if fds.get(fd) != name}:
            leaks.append(f"descriptors {more}")
        if running := _threads() - threads:
            leaks.append(f"threads {running}")
        if (shared := set(os.listdir("/dev/shm")) - memory) and (shared := shared - _of_others(shared)):
            leaks.append(f"shared memory {shared}")
        if not leaks:
            return
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + "; ".join(leaks))
        time.sleep(0.01)
