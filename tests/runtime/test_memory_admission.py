"""How much memory is left: read from the kernel, and what an engine does when it is little."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path

import pytest
import remote_functions as remote
from inside import Heard, core_of, counts
from processes import wait_for

from engine.core import admission
from engine.core.admission import Room
from engine.runtime.fleet import memory
from engine.stream import places
from engine.stream.client import Client
from shoal import Engine

GIB = 1 << 30


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has 3 of 16 GiB left, and a folder for its cgroups."""
    (tmp_path / "meminfo").write_text(
        "MemTotal: 16777216 kB\nMemFree: 7 kB\nMemAvailable:  3145728 kB\nBuffers: 1 kB\n"
    )
    monkeypatch.setattr(memory, "_MEMINFO", str(tmp_path / "meminfo"))
    monkeypatch.setattr(memory, "_PRESSURE", str(tmp_path / "pressure"))
    return tmp_path


def cgroup(folder: Path, name: str, **told: object) -> str:
    group = folder / name
    group.mkdir()
    for file, text in told.items():
        (group / f"memory.{file}").write_text(f"{text}\n")
    return str(group)


def test_the_machine(files: Path) -> None:
    assert memory.rooms([]) == [Room(3 * GIB, 16 * GIB)]
    assert memory.share() == 3 / 16
    (files / "pressure").write_text(
        "some avg10=80.00 avg60=3.00 avg300=1.00 total=9\nfull avg10=12.50 avg60=1.00 avg300=0.10 total=7\n"
    )
    assert memory.rooms([]) == [Room(3 * GIB, 16 * GIB, 0.125)]


def test_cgroups_that_have_a_limit(files: Path) -> None:
    stat = "anon 5\nfile 900\ninactive_file 100\nactive_file 20\nslab_reclaimable 3\nslab 9"
    groups = [
        cgroup(files, "none", max="max", current=500), cgroup(files, "gone"),
        cgroup(files, "tight", max=1000, current=900, stat=stat, pressure="full avg10=50.00 avg60=0 avg300=0 total=0"),
        cgroup(files, "above", max=1000, current=2000),
        cgroup(files, "odd", max=1000, current=10, stat="inactive_file 500"),
    ]  # fmt: skip
    assert memory.rooms(groups)[1:] == [
        Room(223, 1000, 0.5, groups[2]), Room(0, 1000, 0.0, groups[3]), Room(1000, 1000, 0.0, groups[4]),
    ]  # fmt: skip


def test_a_kernel_that_does_not_say(files: Path) -> None:
    (files / "meminfo").write_text("MemTotal: what\n")
    (files / "pressure").write_text("full avg10\n")
    assert memory.rooms([str(files)]) == []
    assert memory.share() == 1.0


def test_this_machine_is_measured_and_fast() -> None:
    groups = memory.cgroups()
    (machine, *_) = memory.rooms(groups)
    assert 0 < machine.available < machine.total
    begun = time.perf_counter()
    for _ in range(50):
        memory.rooms(groups)
    assert (time.perf_counter() - begun) / 50 < 0.001


# -- an engine ---------------------------------------------------------------------------------------------------------


class Machine:
    """One with a GiB, of which there is more or less left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 500 << 20
        self.looks = 0
        monkeypatch.setattr(memory, "rooms", self._rooms)

    def _rooms(self, groups: list[str]) -> list[Room]:
        self.looks += 1
        return [Room(self.left, GIB)]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@contextmanager
def let_go(path: Path) -> Iterator[str]:
    """A path whose tasks end with the block, whatever happens in it."""
    try:
        yield str(path)
    finally:
        path.touch()


def test_tasks_wait_while_memory_is_short_and_what_runs_is_finished(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard, go = Heard(), tmp_path / "go"
    with Engine(4, batch_max=1, on_event=heard, attachable=False) as engine, let_go(go):
        running = [engine.submit(remote.wait_until, str(go)) for _ in range(3)]
        wait_for(lambda: counts(engine)["busy"] == 3, what="they run")
        machine.left = 10 << 20
        waiting = [engine.submit(remote.nap, 0.05) for _ in range(50)]
        wait_for(lambda: heard.kinds("memory.low"), what="it is said")
        wait_for(lambda: core_of(engine).quota == 0 and counts(engine)["busy"] == 3, what="nothing more is begun")
        before = sum(future.done() for future in waiting)
        assert before < 50
        go.touch()
        wait(running, 60)
        wait(waiting[: before + 3], 60)  # one at a time, where none runs
        assert core_of(engine).quota in (0, 1)
        assert heard.kinds("memory.ok") == []
        machine.left = 500 << 20
        assert [future.result(60) for future in waiting] == [0.05] * 50
    (low,) = heard.kinds("memory.low")
    assert low.level == "warning"
    assert low.text == (
        "10 MiB of the 1.0 GiB of memory are left, less than the 51 MiB that are to stay free: tasks wait until there "
        "is more, and are begun one at a time where none runs"
    )
    assert {"available": 10 << 20, "limit": GIB}.items() <= low.data.items()
    (okay,) = heard.kinds("memory.ok")
    assert okay.text == "500 MiB of the 1.0 GiB of memory are left: tasks are begun again"
    said = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert (logging.WARNING, low.text) in said


def test_never_more_than_one_runs_of_its_own_accord(machine: Machine) -> None:
    machine.left = 10 << 20
    with Engine(4, batch_max=1, attachable=False) as engine:
        times = [engine.submit(remote.began_and_ended, 0.05) for _ in range(6)]
        spans = sorted(future.result(60) for future in times)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))


def test_it_is_looked_at_only_while_tasks_wait(machine: Machine, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with Engine(1, batch_max=1, attachable=False) as engine, let_go(go):
        assert engine.submit(abs, -1).result(60) == 1
        held = engine.submit(remote.wait_until, str(go))
        wait_for(lambda: core_of(engine).batches and not core_of(engine).queued, what="it is sent")
        wait_for(lambda: counts(engine)["busy"] == 1, what="it runs")
        before = machine.looks
        time.sleep(4 * admission.AGAIN)
        seen = machine.looks - before  # a look may have been due as the task was sent
        assert seen <= 1 or core_of(engine).redelivered, "it waits again, if its agent has died"
        go.touch()
        held.result(60)


def test_it_can_be_switched_off(machine: Machine) -> None:
    machine.left = 10 << 20
    with Engine(2, settings={"memory_reserve": "off"}, attachable=False) as engine:
        machine.looks = 0  # how many agents fit is another matter
        assert list(engine.map(abs, range(-100, 0))) == list(range(100, 0, -1))
    assert machine.looks == 0


def test_whoever_switches_it_off_while_memory_is_short_is_told_that_all_goes_on(
    machine: Machine, tmp_path: Path
) -> None:
    heard, go = Heard(), tmp_path / "go"
    with Engine(2, batch_max=1, on_event=heard) as engine, let_go(go):
        machine.left = 10 << 20
        waiting = [engine.submit(remote.wait_until, str(go)) for _ in range(5)]
        wait_for(lambda: heard.kinds("memory.low"), what="it is said")
        with contextlib.closing(Client(places.runtime_folder() / f"{engine.run_id}.sock")) as client:
            assert client.command("set", "memory_reserve", "off").ok
        wait_for(lambda: counts(engine)["busy"] == 2, what="more is begun")
        (okay,) = heard.kinds("memory.ok")
        assert (okay.level, okay.text) == ("info", "memory is not looked at any more: tasks are begun again")
        go.touch()
        wait(waiting, 60)


def test_a_reserve_in_bytes(machine: Machine) -> None:
    heard = Heard()
    with Engine(2, settings={"memory_reserve": "600M"}, on_event=heard, attachable=False) as engine:
        assert engine.submit(abs, -1).result(60) == 1
    (low,) = heard.kinds("memory.low")
    assert "500 MiB of the 1.0 GiB of memory are left, less than the 600 MiB" in low.text


def test_who_is_cancelled_or_stopped_does_not_wait_for_memory(machine: Machine, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with Engine(2, batch_max=1, attachable=False) as engine, let_go(go):
        held = engine.submit(remote.wait_until, str(go))
        wait_for(lambda: counts(engine)["busy"] == 1, what="it runs")
        machine.left = 10 << 20
        waiting = [engine.submit(remote.nap, 0.05) for _ in range(30)]
        wait_for(lambda: core_of(engine).quota == 0, what="it is seen")
        engine.shutdown(wait=False, cancel_futures=True)
        wait(waiting, 60)
        assert waiting[-1].cancelled()
        go.touch()
        held.result(60)
