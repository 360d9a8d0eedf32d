"""Pools of real agents: what each has imported, how many there are, when one is replaced, and by what reason."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import remote_functions as remote
from inside import Heard, agents, cared, core_of, counts, fleet_of, kill, module
from processes import enabled, wait_for

from engine.core.pools import backoff
from engine.procs.scoreboard import PONG
from engine.procs.weight import own
from shoal import Engine, PoolSettings, TaskPoisoned

IMAGE = """
import os, sys
WARMED, INITIALISED = [], []
def warm():
    WARMED.append(os.getpid())
def init():
    INITIALISED.append(os.getpid())
def told(other):
    return os.getpid(), os.getppid(), WARMED, INITIALISED, other in sys.modules
"""

FAILING = """
def fail():
    raise OSError("no licence here")
def hang():
    import signal
    signal.pause()
def fine():
    pass
"""


FEW = {"spawn_parallelism": 2}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules agents can import."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that replace whoever gives no sign of life for a fifth of a second."""
    cared(monkeypatch, stuck=0.2)


# -- what a pool has imported ------------------------------------------------------------------------------------------


@pytest.mark.needs("pooling")
def test_each_pool_has_its_own_preload_warmup_and_init(modules: Path) -> None:
    names = [module(modules, f"image_{letter}", IMAGE) for letter in "ab"]
    pools = [
        PoolSettings(name=name, size=2, preload=(name,), warmup=f"{name}:warm", init=f"{name}:init") for name in names
    ]
    with Engine(1, pools=pools, attachable=False) as engine:
        assert engine.wait_ready(30) == 5
        import image_a  # type: ignore[import-not-found]
        import image_b  # type: ignore[import-not-found]

        nurseries = set()
        for found, pool, other in ((image_a, "image_a", "image_b"), (image_b, "image_b", "image_a")):
            for pid, parent, warmed, initialised, has_other in engine.using(pool=pool).map(found.told, [other] * 40):
                assert initialised == [pid]  # in each agent, once
                assert len(warmed) == 1  # before the fork, once for all
                assert warmed[0] not in (pid, parent)
                assert not has_other
                nurseries.add((pool, warmed[0]))
        assert len({pid for _, pid in nurseries}) == len(nurseries) == 2
        assert engine.submit(abs, -1).result(20) == 1


def test_a_pool_whose_preload_fails_fails_its_own_tasks_and_says_why() -> None:
    pools = [PoolSettings(name="bad", size=1, preload=("no_such_module_anywhere",)), PoolSettings(name="good", size=1)]
    with Engine(1, pools=pools, attachable=False) as engine:
        for _ in range(2):
            with pytest.raises(BrokenProcessPool, match="can't import no_such_module_anywhere: ModuleNotFoundError"):
                engine.using(pool="bad").submit(abs, -1).result(20)
        assert engine.wait_ready(30) == (2 if enabled("pooling") else 0)
        assert engine.using(pool="good").submit(abs, -2).result(20) == 2
        assert list(engine.map(abs, range(-100, 0))) == list(range(100, 0, -1))
        with pytest.raises(BrokenProcessPool, match="no_such_module_anywhere"):
            list(engine.using(pool="bad").map(abs, range(100)))


@pytest.mark.parametrize("code", ["raise OSError", "import signal; signal.pause()"])
def test_a_large_pool_whose_image_never_comes_keeps_no_other_from_starting(code: str, modules: Path) -> None:
    (modules / "never.py").write_text(code)
    with Engine(20, preload=["never"], pools=[PoolSettings(name="io", size=2)], settings=FEW) as engine:
        assert engine.using(pool="io").submit(abs, -1).result(timeout=20) == 1
        engine.shutdown(wait=False, cancel_futures=True)


def test_an_engine_of_which_every_pool_fails_is_broken() -> None:
    pools = [PoolSettings(name="other", preload=("no_such_module_either",))]
    with Engine(1, preload=["no_such_module_anywhere"], pools=pools, attachable=False) as engine:
        with pytest.raises(BrokenProcessPool, match="no_such_module"):
            engine.wait_ready(30)
        with pytest.raises(BrokenProcessPool, match="no_such_module"):
            engine.submit(abs, -1)


@pytest.mark.parametrize(("hook", "why"), [("fail", "no licence here"), ("hang", r"took longer than 0\.3 s")])
def test_an_init_that_fails_or_hangs_breaks_its_pool_only(modules: Path, hook: str, why: str) -> None:
    name = module(modules, "failing", FAILING)
    pools = [PoolSettings(name="bad", size=2, init=f"{name}:{hook}", warmup_timeout=0.3 if hook == "hang" else None)]
    with Engine(1, pools=pools, attachable=False) as engine:
        with pytest.raises(BrokenProcessPool, match=why):
            engine.using(pool="bad").submit(abs, -1).result(30)
        assert engine.submit(abs, -1).result(20) == 1
        assert engine.wait_ready(30) >= 0


# -- how many there are ------------------------------------------------------------------------------------------------


@pytest.mark.needs("pooling")
def test_a_pool_grows_while_tasks_wait_and_falls_back_when_idle(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Engine(3, min_workers=1, max_idle=0.2, attachable=False) as engine:
        assert engine.wait_ready(30) == 1
        futures = [engine.submit(remote.wait_until, str(gate)) for _ in range(9)]
        wait_for(lambda: counts(engine)["busy"] == 3, what="the pool to grow to its maximum")
        assert counts(engine)["size"] == counts(engine)["up"] == 3
        assert len(set(agents(engine))) == 3
        assert sum(future.running() for future in futures) == 3
        gate.touch()
        assert [future.result(20) for future in futures] == [str(gate)] * 9
        wait_for(lambda: counts(engine)["up"] == 1, what="the pool to fall back to its minimum")
        found = counts(engine)
        assert (found["grown"], found["retired"], found["refills"], found["size"]) == (2, 2, 0, 1)
        assert engine.submit(abs, -1).result(20) == 1


@pytest.mark.needs("pooling")
def test_a_pool_of_fixed_size_never_retires_anybody() -> None:
    with Engine(2, max_idle=0.05, attachable=False) as engine:
        assert engine.wait_ready(30) == 2
        before = agents(engine)
        core = core_of(engine)
        assert not any(what == "idle" for _, _, what, _, _ in core._timers)  # nobody will ever look
        assert agents(engine) == before


@pytest.mark.needs("pooling")
def test_killed_agents_are_refilled_up_to_the_minimum() -> None:
    with Engine(4, min_workers=2, attachable=False) as engine:
        assert engine.wait_ready(30) == 2
        before = agents(engine)
        for pid in before:
            kill(pid)
        wait_for(lambda: len(agents(engine)) == 2 and not set(agents(engine)) & set(before), what="the refills")
        found = counts(engine)
        assert (found["refills"], found["size"], found["grown"]) == (2, 2, 0)
        assert list(engine.map(abs, range(-50, 0))) == list(range(50, 0, -1))


@pytest.mark.needs("pooling")
def test_hits_and_misses(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Engine(1, attachable=False) as engine:
        assert engine.submit(abs, -1).result(20) == 1
        found = counts(engine)
        assert (found["hits"], found["misses"], found["cold"]) == (0, 1, 1)  # it had to wait for the start
        for n in range(20):
            assert engine.submit(abs, -n).result(20) == n
        found = counts(engine)
        assert (found["hits"], found["misses"], found["cold"]) == (20, 1, 1)
        held = engine.submit(remote.wait_until, str(gate))
        wait_for(held.running)
        behind = engine.submit(remote.wait_until, str(gate))
        wait_for(lambda: counts(engine)["queued"] == 1)
        gate.touch()
        behind.result(20)
        found = counts(engine)
        assert (found["hits"], found["misses"], found["cold"]) == (21, 2, 1)
        assert found["recycled"] == found["refills"] == found["queued"] == 0


def test_shutdown_lets_every_pool_finish(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    engine = Engine(1, pools=[PoolSettings(name="other", size=1)], attachable=False)
    futures = [e.submit(remote.wait_until, str(gate)) for e in (engine, engine.using(pool="other")) for _ in range(5)]
    wait_for(lambda: sum(future.running() for future in futures) >= 2)
    pids = agents(engine) + agents(engine, "other")
    engine.shutdown(wait=False)
    assert not any(future.done() for future in futures)
    gate.touch()
    assert [future.result(20) for future in futures] == [str(gate)] * 10
    engine.shutdown()
    assert len(pids) == 2
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


# -- when one is replaced ----------------------------------------------------------------------------------------------


@pytest.mark.needs("pooling")
def test_an_agent_is_replaced_after_exactly_so_many_tasks() -> None:
    heard = Heard()
    with Engine(1, max_tasks_per_child=3, on_event=heard, attachable=False) as engine:
        pids = [engine.submit(os.getpid).result(20) for _ in range(9)]
        assert [len(list(run)) for _, run in itertools.groupby(pids)] == [3, 3, 3]
        wait_for(lambda: counts(engine)["recycled"] == 3)
        wait_for(lambda: counts(engine)["up"] == 1)
        assert counts(engine)["refills"] == 0
    assert [event.kind for event in heard.why("recycled")] == ["agent.recycled"] * 3
    assert not [event for event in heard if event.level != "info"]


@pytest.mark.needs("pooling")
def test_no_batch_outlives_the_share_of_its_agent() -> None:
    with Engine(2, max_tasks_per_child=7, attachable=False) as engine:
        ran = Counter(engine.map(remote.pid_of, range(300)))
    assert max(ran.values()) <= 7
    assert len(ran) >= 300 / 7


@pytest.mark.needs("pooling")
def test_an_agent_is_replaced_once_it_has_grown_too_large() -> None:
    pool = PoolSettings(name="fat", size=1, max_bytes=400 << 20)
    with Engine(1, pools=[pool], attachable=False) as engine:
        fat = engine.using(pool="fat")
        first = [fat.submit(os.getpid).result(20) for _ in range(5)]
        assert len(set(first)) == 1
        assert fat.submit(remote.eat, 410).result(20) == first[0]
        second = [fat.submit(os.getpid).result(20) for _ in range(5)]
        assert len(set(second)) == 1
        assert second != first
        assert counts(engine, "fat")["recycled"] == 1


def test_the_task_that_takes_too_much_memory_is_blamed_and_no_other(tmp_path: Path) -> None:
    heard = Heard()
    with Engine(1, memory_limit=400 << 20, crash_limit=2, on_event=heard, attachable=False) as engine:
        before = [engine.submit(abs, -n) for n in range(20)]
        bad = engine.submit(remote.eat_and_wait, 410, str(tmp_path / "never"))
        after = [engine.submit(abs, -n) for n in range(20)]
        with pytest.raises(
            TaskPoisoned, match=r"died 2 times .* held \d+ MiB of memory of its own, more than its limit of 400 MiB"
        ):
            bad.result(60)
        assert [future.result(20) for future in before + after] == [*range(20), *range(20)]
    assert len(heard.why("memory")) == 2


@pytest.mark.needs("pooling")
def test_what_agents_share_with_their_image_is_not_theirs(modules: Path) -> None:
    name = module(
        modules,
        "large_image",
        "data = [bytes([n]) * (1 << 20) for n in range(200)]\ndef total():\n    return sum(map(len, data))\n",
    )
    heard = Heard()
    image = PoolSettings(name="image", size=4, preload=(name,), max_bytes=100 << 20, memory_limit=150 << 20)
    with Engine(1, pools=[image], on_event=heard, attachable=False) as engine:
        import large_image  # type: ignore[import-not-found]

        calls = engine.using(pool="image")
        assert list(calls.map(remote.nap, [0.2] * 12)) == [0.2] * 12
        assert calls.submit(large_image.total).result(20) == 200 << 20
        assert counts(engine, "image")["recycled"] == 0
    assert [event.text for event in heard if event.kind == "agent.died"] == []


def test_an_agent_that_is_killed_says_what_it_held_at_its_peak() -> None:
    heard = Heard()
    died_of = pytest.raises(TaskPoisoned, match=r"killed by SIGKILL, [34]\d\d MiB resident at its peak")
    with Engine(1, crash_limit=1, on_event=heard, attachable=False) as engine, died_of:
        engine.submit(remote.eat_and_die, 300).result(60)
    (died,) = heard.why("died")
    assert 300 << 20 <= died.data["memory"] < 500 << 20


@pytest.mark.needs("pooling")
def test_no_task_is_blamed_for_what_an_agent_took_while_it_was_idle(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Engine(1, memory_limit=400 << 20, crash_limit=1, attachable=False) as engine:
        first = engine.submit(remote.eat_later, 410, str(gate)).result(20)
        gate.touch()
        wait_for(lambda: own(first) > 410 << 20, what="an agent that has eaten up")
        assert engine.submit(remote.nap, 0.2).result(20) == 0.2  # long enough to be looked at
        assert agents(engine) != [first]
        assert counts(engine)["recycled"] == 1


@pytest.mark.needs("pooling")
def test_agents_that_die_before_their_first_task_are_started_ever_more_slowly() -> None:
    with Engine(1, attachable=False) as engine:
        engine.wait_ready(30)
        seen = agents(engine)

        def another() -> bool:
            return bool(agents(engine)) and agents(engine)[0] != seen[-1]

        for deaths in range(1, 6):
            begun = time.monotonic()
            kill(seen[-1])
            wait_for(another, what="the next agent")
            assert time.monotonic() - begun >= backoff(deaths)  # no sooner: how much later is the machine's affair
            seen += agents(engine)
        agent = core_of(engine).agents[0]
        assert agent.early_deaths == 5
        assert engine.submit(os.getpid).result(20) == seen[-1]
        assert agent.early_deaths == 0
        kill(seen[-1])
        assert engine.submit(abs, -1).result(20) == 1
        assert counts(engine)["refills"] == 6


# -- agents that stand still -------------------------------------------------------------------------------------------


@pytest.mark.needs("pooling")
@pytest.mark.usefixtures("impatient")
def test_an_idle_agent_that_was_stopped_is_replaced() -> None:
    heard = Heard()
    with Engine(2, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        stopped, other = agents(engine)
        os.kill(stopped, signal.SIGSTOP)
        wait_for(lambda: heard.why("health"), what="the host to notice")
        wait_for(lambda: len(agents(engine)) == 2)
        assert stopped not in agents(engine)
        assert other in agents(engine)
        assert [event.data["pid"] for event in heard.why("health")] == [stopped]
        assert "gave no sign of life for 0.2 s" in heard.why("health")[0].text


@pytest.mark.needs("pooling")
@pytest.mark.usefixtures("impatient")
def test_work_given_to_a_stopped_agent_is_done_by_another_without_blame() -> None:
    heard = Heard()
    with Engine(1, crash_limit=1, on_event=heard, attachable=False) as engine:
        stopped = engine.submit(os.getpid).result(20)
        os.kill(stopped, signal.SIGSTOP)
        assert engine.submit(os.getpid).result(20) != stopped
    assert [event.data["pid"] for event in heard.why("health")] == [stopped]


@pytest.mark.usefixtures("impatient")
def test_a_task_whose_agent_is_stopped_runs_again_without_blame(tmp_path: Path) -> None:
    heard = Heard()
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    with Engine(1, crash_limit=1, on_event=heard, attachable=False) as engine:
        future = engine.submit(remote.begin_and_wait, str(begun), str(gate))
        wait_for(begun.exists)
        stopped = int(begun.read_text())
        os.kill(stopped, signal.SIGSTOP)
        wait_for(lambda: begun.read_text() != str(stopped), what="another agent to begin it")
        gate.touch()
        assert future.result(20) == int(begun.read_text())
    assert [event.data["pid"] for event in heard.why("health")] == [stopped]
    assert "stopped by a signal" in heard.why("health")[0].text


@pytest.mark.needs("pooling")
@pytest.mark.usefixtures("impatient")
def test_agents_that_only_wait_are_left_in_peace(tmp_path: Path) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    heard = Heard()
    with Engine(2, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        before = agents(engine)
        future = engine.submit(remote.begin_and_wait, str(begun), str(gate))
        wait_for(begun.exists)
        idle = 1 - before.index(int(begun.read_text()))
        board = fleet_of(engine).board
        wait_for(lambda: board.get(idle, PONG) >= 3, what="several pings to be answered")
        gate.touch()
        assert future.result(20) in before
        assert agents(engine) == before
    assert not [event for event in heard if event.level != "info"]
