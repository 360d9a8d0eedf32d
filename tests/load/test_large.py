"""A large array to an agent and back: what every process needs of memory for it, and that nothing of it stays.

Its size is 200 MB; ``SHOAL_TEST_LARGE=1000`` makes it another number of MB.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
from processes import marked_processes

from engine.runtime.calls.executor import Engine

SIZE = int(os.environ.get("SHOAL_TEST_LARGE", "200")) * 1_000_000


def negate(array: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The array's complement, in a copy."""
    return ~array


def _pss(pid: int) -> int:
    """Bytes of memory of a process, with what it shares counted in parts."""
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    except OSError:  # it has ended
        return 0
    return int(found.group(1)) * 1024 if found else 0


class _Watch(threading.Thread):
    """Notes the most memory of each process, until it is told to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.peaks: dict[tuple[int, str], int] = {}
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.01):
            for pid, name in {**marked_processes(), os.getpid(): "engine"}.items():
                key = pid, name
                self.peaks[key] = max(self.peaks.get(key, 0), _pss(pid))

    def stop(self) -> None:
        self._over.set()
        self.join()


def test_no_process_needs_more_than_twice_its_size() -> None:
    array = np.arange(SIZE // 8, dtype=np.int64)
    with Engine(1, attachable=False) as engine:
        assert engine.submit(abs, -1).result(60) == 1
        resident = {pid: _pss(pid) for pid in [*marked_processes(), os.getpid()]}
        resident[os.getpid()] -= array.nbytes
        watch = _Watch()
        watch.start()
        try:
            result = engine.submit(negate, array).result(100)
        finally:
            watch.stop()
        assert result.dtype == array.dtype
        assert result[0] == -1
        assert np.array_equal(~result, array)
        open_files = [Path(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
        assert not [fd for fd in open_files if fd.is_symlink() and "shoal-parcel" in os.readlink(fd)]
    for (pid, name), peak in watch.peaks.items():
        assert peak - resident.get(pid, 0) <= 2 * array.nbytes + (64 << 20), f"{name}: {peak:,} bytes"
