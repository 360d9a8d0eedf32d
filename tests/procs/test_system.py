"""What is asked of the kernel beside what Python asks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shoal import Engine


def slice_of(process: int | str) -> int:
    """Nanoseconds that the scheduler lets a thread run at a time."""
    found = re.search(r"^se\.slice +: +(\d+)", Path(f"/proc/{process}/sched").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def slices_are_told() -> bool:
    try:
        return "se.slice" in Path("/proc/self/sched").read_text()
    except OSError:
        return False


told = pytest.mark.skipif(not slices_are_told(), reason="this kernel has no slices that can be asked for")


@told
def test_a_thread_has_short_slices_and_its_children_have_not() -> None:
    code = (
        "import os; from engine.procs import system; from pathlib import Path; "
        "slices = lambda: [x for x in Path('/proc/self/sched').read_text().splitlines() if x.startswith('se.slice')]; "
        "os.nice(3); before = slices(); system.wake_soon(); print(slices() != before, os.nice(0), flush=True); "
        "os.fork() or print(slices() == before, os.nice(0), flush=True) or os._exit(0); os.wait()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True 3\nTrue 3\n", "")


@told
def test_hosts_and_the_engine_come_sooner_than_agents_that_compute() -> None:
    with Engine(1) as engine:
        agent = engine.submit(os.getpid).result()
        host = int(Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()[1])
        thread = next(found for found in threading.enumerate() if found.name == f"shoal-{engine.run_id}")
        assert slice_of(host) == slice_of(f"self/task/{thread.native_id}") < slice_of(agent)
        assert slice_of(agent) == slice_of(f"self/task/{threading.main_thread().native_id}")


def test_whoever_has_another_scheduler_keeps_it() -> None:
    code = (
        "import os; from engine.procs import system; "
        "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)); system.wake_soon(); "
        "print(os.sched_getscheduler(0) == os.SCHED_BATCH)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")
