"""What does not fit this machine is told before anything is started: how many would, what runs out, what to do."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.fleet import limits
from engine.runtime.fleet import memory as free
from engine.runtime.fleet.limits import TooMany, check, default_shards

Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Make this a machine with so much of everything."""

    def become(descriptors: int = 1 << 20, processes: int = 1 << 20, memory: int = 1 << 40) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
        monkeypatch.setattr(limits, "_processes_left", lambda: (processes, "kernel.pid_max"))
        monkeypatch.setattr(free, "left", lambda: memory)

    become()
    return become


def room(agents: int, shards: int) -> int:
    """How many would fit, as it is told to somebody who asked for too many."""
    with pytest.raises(TooMany) as caught:
        check(agents, shards)
    told = str(caught.value)
    found = re.fullmatch(r"([\d,]+) agents? do(es)? not fit(?: \(([\d,]+) would\))?: .*, or ask for fewer agents", told)
    assert found
    assert found[1] == f"{agents:,}"
    return int((found[3] or "0").replace(",", ""))


def test_what_fits_raises_nothing(machine: Machine) -> None:
    check(1, 1)
    check(10_000, 40)


def test_too_few_descriptors(machine: Machine) -> None:
    machine(descriptors=1024)
    with pytest.raises(TooMany) as caught:
        check(5000, 4)
    assert str(caught.value) == (
        "5,000 agents do not fit (1,320 would): a process may open 1,024 files. "
        "Raise that (ulimit -n), have more shards, or ask for fewer agents"
    )
    check(1320, 4)
    check(5000, 20)  # more hosts have more of them
    machine(descriptors=20)
    assert room(1, 1) == 0
    machine(descriptors=resource.RLIM_INFINITY)
    check(5000, 1)


def test_too_few_process_ids(machine: Machine) -> None:
    machine(processes=500)
    with pytest.raises(TooMany) as caught:
        check(1000, 4)
    assert str(caught.value) == (
        "1,000 agents do not fit (493 would): 500 more processes may be started. "
        "Raise kernel.pid_max, end others, or ask for fewer agents"
    )
    check(493, 4)
    machine(processes=2)
    with pytest.raises(TooMany, match="1 agent does not fit: 2 more processes may be started"):
        check(1, 1)


def test_too_little_memory(machine: Machine) -> None:
    machine(memory=3 << 30)
    with pytest.raises(TooMany, match=r"5,000 agents do not fit \(2,764 would\): 3\.0 GiB of memory are free"):
        check(5000, 100)
    check(2764, 100)
    machine(memory=0)
    assert room(1, 1) == 0


def test_the_tightest_limit_is_the_one_that_is_told(machine: Machine) -> None:
    machine(descriptors=1024, processes=200, memory=1 << 30)
    with pytest.raises(TooMany, match="processes"):
        check(2000, 2)


@given(st.integers(0, 1 << 16), st.integers(0, 1 << 16), st.integers(0, 1 << 36), st.integers(1, 99))
def test_as_many_as_are_told_to_fit_do(descriptors: int, processes: int, memory: int, shards: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
        patch.setattr(limits, "_processes_left", lambda: (processes, "kernel.pid_max"))
        patch.setattr(free, "left", lambda: memory)
        fitting = room(10**9, shards)
        if fitting:
            check(fitting, shards)
        assert room(fitting + 1, shards) == fitting


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cgroup"
    folder.mkdir()
    monkeypatch.setattr(free, "cgroups", lambda: [str(tmp_path / "gone"), str(folder)])
    return folder


def write(folder: Path, **files: object) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(f"{text}\n")


def test_a_cgroup_may_be_tighter_than_the_machine(cgroup: Path) -> None:
    assert limits._processes_left()[0] > 0
    assert free.left() > 0
    write(cgroup, pids_max="max", memory_max="max", pids_current=7, memory_current=4096)
    assert free.left() > 0
    write(cgroup, pids_max=17, memory_max=1 << 20)
    assert limits._processes_left() == (10, f"{cgroup}/pids.max")
    assert free.left() == (1 << 20) - 4096
    write(cgroup, pids_current=40, memory_current=2 << 20)  # above the limit already, as after it was lowered
    assert limits._processes_left()[0] == 0
    assert free.left() == 0


@pytest.mark.parametrize("text", ["", "max", "what\n", "\n"])
def test_numbers_that_the_kernel_does_not_tell(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    assert free.number(str(tmp_path / "file")) is None
    assert free.number(str(tmp_path / "missing")) is None
    assert free.number(str(tmp_path)) is None


def test_this_machine_has_room_for_a_few() -> None:
    check(2, 1)
    assert limits.cores() >= 1


@given(st.integers(1, 100_000))
def test_hosts_by_default(agents: int) -> None:
    shards = default_shards(agents)
    assert 1 <= shards <= agents
    assert (shards == 1) == (agents <= 32)
    assert agents / shards <= 128  # no host has so many agents that its descriptors slow its forks down


def test_more_agents_never_get_fewer_hosts() -> None:
    found = [default_shards(agents) for agents in range(1, 2000)]
    assert found == sorted(found)
