"""A rehearsal leaves the process as it was, and saves agents memory of their own."""

from __future__ import annotations

import gc
import os
import signal

from engine.procs.rehearsal import rehearse


def test_it_leaves_nothing_behind() -> None:
    before = signal.getsignal(signal.SIGURG)
    descriptors = sorted(os.listdir("/proc/self/fd"))
    try:
        rehearse()
        gc.collect()  # as the nursery does
        assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL
        assert sorted(os.listdir("/proc/self/fd")) == descriptors
        pid = os.fork()
        if pid == 0:  # a fork is nobody's affair any more
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        with open("/proc/self/maps") as maps:
            assert "shoal-scoreboard" not in maps.read()
    finally:
        signal.signal(signal.SIGURG, before)


def test_without_descriptors_it_is_left_out() -> None:
    pid = os.fork()
    if pid == 0:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        try:
            rehearse()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
