"""Whatever runs out in the midst of a run, it ends, every task is accounted for, and a person is told what was missing:
disk, processes, memory, descriptors, and room on the screen.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import remote_functions as remote
from disks import remount, small_disk
from inside import Heard, agents, core_of, host_pids, kill
from processes import scaled, wait_for
from recorded import SHOAL, Run, ask, recorded, recorders, results

from engine.chaos import nasty
from engine.runtime.calls.executor import Engine
from engine.runtime.fleet import memory
from shoal import RemoteError, TaskPoisoned

# -- disk --------------------------------------------------------------------------------------------------------------


def _end(pid: int) -> None:
    """Kill a process, and wait until its last thread is gone: until then some of its files may be open."""
    pidfd = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: select.select([pidfd], [], [], 0)[0], what="its end")
    finally:
        os.close(pidfd)


@pytest.mark.needs("pooling")
def test_a_disk_that_turns_read_only_in_the_midst_of_a_run(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with small_disk(tmp_path / "disk", "20m") as disk:
        database = disk / "runs.db"
        run = Run(
            database, "engine.workloads.coordination:echo", "--items", "-", "--agents", "2",
            "--out", str(tmp_path / "out.jsonl"), env={"XDG_STATE_HOME": str(state)},
        )  # fmt: skip
        try:
            run.give(range(1000))
            wait_for(lambda: recorded(database) == 1000, 60)
            # While a file is open for writing nobody but the kernel, for want of another way, makes a disk read-only:
            # this is the moment in which none is.
            run.process.send_signal(signal.SIGSTOP)
            (recorder,) = recorders(database)
            _end(recorder)
            remount(disk, "ro")
            run.process.send_signal(signal.SIGCONT)
            run.give(range(1000, 2000))
        finally:
            run.process.send_signal(signal.SIGCONT)
            code, words = run.finish()
        assert code == 0, words
        (told,) = run.told("recorder.aside")
        beside = Path(told["file"])
        assert beside.is_relative_to(state), "where something can be written"
        assert told["text"] == (
            f"can't open {database}: Read-only file system: this run goes on in {beside}, for the next run to take in"
        )
        assert run.events[-1]["done"] == 2000
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2000
        remount(disk, "rw")
        assert len(results(database)) == 1000
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(state))
            with Engine(1, record=database, attachable=False) as engine:
                assert engine.submit(abs, -1).result(60) == 1
        (identity,) = {row["run"] for row in run.told("run.started")}
        query = f"SELECT task FROM all_tasks WHERE run = '{identity}' ORDER BY task"
        assert [task for (task,) in ask(database, query)] == list(range(2000))
        assert not beside.exists()


# -- processes ---------------------------------------------------------------------------------------------------------


@contextmanager
def few_processes() -> Iterator[Path]:
    """A cgroup whose processes may not be more than its `pids.max` says."""
    for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        group = root / f"shoal-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / "pids.max").exists():
                break
            group.rmdir()
    else:
        pytest.skip("no cgroup that counts processes can be made here")
    try:
        yield group
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text(), what="the end of all that is in it")
        group.rmdir()


@pytest.mark.needs("pooling")
def test_when_no_process_can_be_started_the_others_go_on_and_it_is_said() -> None:
    heard = Heard()
    settings = {"spawn_max_retry": 1000}  # nobody is given up for a while
    with (
        few_processes() as group,
        Engine(3, shards=1, settings=settings, attachable=False, on_event=heard) as engine,
    ):
        engine.wait_ready(30)
        (host,) = host_pids(engine)
        (group / "cgroup.procs").write_text(str(host))  # the agents to come are counted, those that are there are not
        (group / "pids.max").write_text("1")
        futures = [engine.submit(nasty.steady, n) for n in range(300)]
        kill(agents(engine)[0])
        wait_for(lambda: heard.kinds("agent.failed"), what="a fork that fails")
        assert [future.result(60) for future in futures] == [nasty.answer(n) for n in range(300)]
        (group / "pids.max").write_text("max")
        wait_for(lambda: len(agents(engine)) == 3, 60, "the third again")
        assert core_of(engine).failed == 0
        # A task that finds itself in the same need is told, too.
        for pid in agents(engine):
            kill(pid)
        wait_for(lambda: len((group / "cgroup.procs").read_text().split()) == 4, what="all of them in there")
        (group / "pids.max").write_text("4")
        with pytest.raises(BlockingIOError, match="Resource temporarily unavailable"):
            engine.submit(remote.fork_and_wait).result(60)
        (group / "pids.max").write_text("max")
        assert engine.submit(remote.fork_and_wait).result(60) == 0
    assert {event.text for event in heard.kinds("agent.failed")} == {
        "agent main/0: can't fork: Resource temporarily unavailable"
    }


# -- memory ------------------------------------------------------------------------------------------------------------


@contextmanager
def little_memory(limit: int) -> Iterator[Path]:
    """A cgroup whose processes the kernel kills when they hold more than this."""
    group = Path(f"/sys/fs/cgroup/shoal-test-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup (version 2) that limits memory can be made here: {error.strerror}")
    if not (group / "memory.max").exists():
        group.rmdir()
        pytest.skip("the cgroups (version 2) here do not limit memory")
    (group / "memory.max").write_text(str(limit))
    with contextlib.suppress(OSError):
        (group / "memory.swap.max").write_text("0")
    try:
        yield group
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text(), what="the end of all that is in it")
        group.rmdir()


@pytest.mark.needs("pooling")
def test_whom_the_kernel_kills_for_want_of_memory_costs_his_own_task_alone(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("".join(f"{number}\n" for number in range(200)))
    out = tmp_path / "out.jsonl"
    with little_memory(400 << 20) as group:
        done = subprocess.run(
            [
                "sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *SHOAL, "run", "--no-record",
                "--agents", "2", "--out", str(out), "--items", str(tmp_path / "items.jsonl"),
                "remote_functions:eat_too_much",
            ],
            cwd=Path(remote.__file__).parent, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert int(re.findall(r"^oom_kill (\d+)", (group / "memory.events").read_text(), re.M)[0]) >= 5
    assert done.returncode == 1, done.stderr
    assert re.search(r"agent main/\d was killed by SIGKILL, [1-4]\d\d MiB resident at its peak", done.stderr)
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["index"] for row in told] == list(range(200))
    assert [row["index"] for row in told if not row["ok"]] == [100]


def test_who_may_not_have_so_much_memory_is_told_so_and_goes_on() -> None:
    with Engine(1, attachable=False) as engine:
        with pytest.raises(MemoryError) as raised:
            engine.submit(nasty.overdraw, 1).result(60)
        assert "MemoryError" in str(raised.value.__cause__), "where it was raised"
        assert engine.submit(nasty.steady, 1).result(60) == nasty.answer(1)


@pytest.mark.needs("pooling")
def test_a_task_that_swells_is_killed_by_its_pools_limit_and_it_is_said() -> None:
    heard = Heard()
    with Engine(1, memory_limit="200M", crash_limit=2, attachable=False, on_event=heard) as engine:
        bad = engine.submit(nasty.swell, 1)
        with pytest.raises(
            TaskPoisoned, match=r"died 2 times .* held [2-9]\d\d MiB of memory of its own, more than its limit"
        ):
            bad.result(60)
        assert engine.submit(nasty.steady, 1).result(60) == nasty.answer(1)
    for event in heard.why("memory"):
        assert re.fullmatch(
            r"agent main/0 was killed: held [2-9]\d\d MiB of memory of its own, more than its limit of 200 MiB",
            event.text,
        )


# -- descriptors -------------------------------------------------------------------------------------------------------


def large_without_descriptors(n: int) -> bytes:
    """A result that needs a descriptor to travel, where none is left."""
    nasty.hoard(n)
    return bytes(1 << 20)


def test_a_task_that_leaks_descriptors_is_told_what_it_is_about() -> None:
    with Engine(1, attachable=False) as engine:
        with pytest.raises((OSError, RemoteError), match="Too many open files"):
            engine.submit(large_without_descriptors, 1).result(60)
        assert engine.submit(nasty.steady, 1).result(60) == nasty.answer(1), "a small result needs none"


@pytest.mark.needs("pooling")
def test_an_engine_that_has_no_descriptors_for_a_while_loses_nothing() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Engine(4, attachable=False) as engine:
        engine.wait_ready(30)
        futures = [engine.submit(nasty.steady, n) for n in range(400)]
        wait_for(futures[20].done, what="some work")
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            wait_for(futures[-1].done, what="all of it, without a new descriptor")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert [future.result() for future in futures] == [nasty.answer(n) for n in range(400)]


# -- what is too much --------------------------------------------------------------------------------------------------


def test_a_hundred_megabytes_on_standard_output(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("1\n")
    done = subprocess.run(
        [
            *SHOAL, "run", "--json", "--no-record", "--agents", "1", "--items", str(tmp_path / "items.jsonl"),
            "--out", str(tmp_path / "out.jsonl"), "engine.chaos.nasty:shout",
        ],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    told = sum(event["event"] == "agent.stdout" for event in events)
    left_out = [event for event in events if event["event"] == "output.dropped"]
    assert told + sum(event["lines"] for event in left_out) > 0.99 * nasty.OUTPUT / 1021, "what is not told is counted"
    assert told < 20_000
    assert left_out[0]["text"] == f"{left_out[0]['lines']} lines of output left out: too many a second"
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {"index": 0, "ok": True, "result": nasty.answer(1)}


def test_a_result_of_five_hundred_megabytes() -> None:
    size = min(nasty.LARGE, memory.left() // 8)
    with Engine(2, attachable=False) as engine:
        large = engine.submit(nasty.large, size)
        good = [engine.submit(nasty.steady, n) for n in range(scaled(100))]
        assert memoryview(large.result(100).data).nbytes == size
        assert [future.result(60) for future in good] == [nasty.answer(n) for n in range(len(good))]
