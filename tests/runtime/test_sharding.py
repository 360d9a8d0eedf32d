"""Several hosts with real agents: how work is placed on them, taken over by others, and saved when one is killed."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import remote_functions as remote
from inside import Heard, agents, counts, host_pids, kill
from processes import wait_for
from recorded import SHOAL

from engine.runtime.fleet.specs import PoolSpec, clipped
from engine.settings.types import PoolSettings, Settings, Strategy
from shoal import Engine

pytestmark = pytest.mark.needs("sharding", "pooling")  # without pooling an agent says nothing of where it was kept

STRATEGIES: list[Strategy] = ["least-loaded", "hash", "round-robin", "random"]


def key_by_host(engine: Engine, hosts: int) -> dict[int, int]:
    """For each host, by pid, a key that is placed there."""
    found: dict[int, int] = {}
    for key in range(100):
        found.setdefault(engine.using(key=key).submit(remote.host_of).result(20), key)
        if len(found) == hosts:
            return found
    raise AssertionError(f"100 keys, and only {len(found)} hosts: {found}")


@pytest.mark.parametrize("shards", [2, 3, 4])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_tasks_are_done_whatever_the_strategy(strategy: Strategy, shards: int) -> None:
    with Engine(4, shards=shards, strategy=strategy, attachable=False) as engine:
        assert engine.wait_ready(30) == 4
        assert list(engine.map(abs, range(-2000, 0))) == list(range(2000, 0, -1))
        futures = [engine.using(key=f"key {n % 7}").submit(abs, -n) for n in range(200)]
        assert [future.result(20) for future in futures] == list(range(200))
        found = counts(engine)
        assert len(found["shards"]) == len(host_pids(engine)) == shards
        assert sum(shard["sent"] for shard in found["shards"]) == 2200
        assert sum(shard["up"] for shard in found["shards"]) == 4
        for shard in found["shards"]:
            assert shard["sent"] > 0
            assert shard["balance"] == pytest.approx(shard["sent"] / (2200 / shards))
            assert (shard["depth"], shard["batches"]) == (0, 0)
            assert shard["wait"] >= 0
            assert shard["stolen"] <= shard["sent"]
            assert strategy != "least-loaded" or shard["stolen"] == 0


def test_an_equal_key_means_the_same_shard() -> None:
    with Engine(4, shards=4, strategy="hash", attachable=False) as engine:
        engine.wait_ready(30)
        hosts = {key: set() for key in ("a", b"a", "b", 1, 2, 3, "c", "d")}  # type: dict[str | bytes | int, set[int]]
        for _ in range(5):
            for key, seen in hosts.items():
                seen.add(engine.using(key=key).submit(remote.host_of).result(20))
        assert all(len(seen) == 1 for seen in hosts.values())
        assert len(set().union(*hosts.values())) >= 2
        assert sum(shard["stolen"] for shard in counts(engine)["shards"]) == 0


@pytest.mark.parametrize("strategy", ["round-robin", "random"])
def test_tasks_take_turns_among_shards(strategy: Strategy) -> None:
    with Engine(2, shards=2, strategy=strategy, attachable=False) as engine:
        engine.wait_ready(30)
        ran = Counter(engine.submit(remote.host_of).result(20) for _ in range(40))
        assert len(ran) == 2
        assert strategy == "random" or set(ran.values()) == {20}


def test_an_idle_shard_takes_over_what_waits_for_another(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Engine(2, shards=2, strategy="hash", attachable=False) as engine:
        engine.wait_ready(30)
        keyed = engine.using(key="all the same")
        futures = [keyed.submit(remote.wait_until, str(gate)) for _ in range(4)]
        wait_for(lambda: sum(future.running() for future in futures) == 2, what="both shards to be busy")
        shards = counts(engine)["shards"]
        assert sorted(shard["stolen"] for shard in shards) == [0, 1]
        assert sorted(shard["depth"] for shard in shards) == [0, 2]  # all that wait, at the one they belong to
        gate.touch()
        assert [future.result(20) for future in futures] == [str(gate)] * 4
        shards = counts(engine)["shards"]
        assert [shard["depth"] for shard in shards] == [0, 0]
        assert max(shard["wait"] for shard in shards) > 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_killed_host_had_is_done_by_others_at_once(strategy: Strategy, tmp_path: Path) -> None:
    heard = Heard()
    gate = tmp_path / "gate"
    with Engine(4, shards=2, strategy=strategy, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        first, second = host_pids(engine)
        futures = [engine.submit(remote.wait_until, str(gate)) for _ in range(40)]
        wait_for(lambda: sum(future.running() for future in futures) >= 4, what="all agents to be busy")
        killed = time.monotonic()
        kill(first)
        wait_for(lambda: [event for event in heard if event.kind == "host.died"], what="the death to be known")
        gate.touch()
        assert [future.result(20) for future in futures] == [str(gate)] * 40
        took = time.monotonic() - killed
        assert took < 5.0
        assert [event.data["pid"] for event in heard if event.kind == "host.died"] == [first]
        assert engine._worker.run.fleet.core.redelivered >= 2
        wait_for(lambda: len(agents(engine)) == 4, what="the agents of the next host")
        assert first not in host_pids(engine)
        assert second in host_pids(engine)
        assert list(engine.map(abs, range(-200, 0))) == list(range(200, 0, -1))


def test_a_key_whose_host_was_killed_is_placed_elsewhere_and_comes_back() -> None:
    with Engine(2, shards=2, strategy="hash", attachable=False) as engine:
        engine.wait_ready(30)
        keys = key_by_host(engine, 2)
        first, second = host_pids(engine)
        kill(first)
        assert engine.using(key=keys[first]).submit(remote.host_of).result(20) != first
        assert engine.using(key=keys[second]).submit(remote.host_of).result(20) == second
        wait_for(lambda: len(agents(engine)) == 2, what="the agents of the next host")
        third = host_pids(engine)[0]
        assert third not in (first, second)
        assert engine.using(key=keys[first]).submit(remote.host_of).result(20) == third


def test_every_host_killed_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Engine(3, shards=3, attachable=False) as engine:
        engine.wait_ready(30)
        futures = [engine.submit(remote.wait_until, str(gate)) for _ in range(12)]
        wait_for(lambda: sum(future.running() for future in futures) >= 3)
        for pid in host_pids(engine):
            kill(pid)
        gate.touch()
        assert [future.result(20) for future in futures] == [str(gate)] * 12


def test_without_sharding_there_is_one_host_for_each_pool() -> None:
    with Engine(4, shards=4, settings={"enable_sharding": False}, attachable=False) as engine:
        engine.wait_ready(30)
        assert len(host_pids(engine)) == len(counts(engine)["shards"]) == 1
        assert list(engine.map(abs, range(-200, 0))) == list(range(200, 0, -1))


def clips(settings: Settings | None = None, **pools: tuple[int, int | None, int | None]) -> list[str]:
    """What is said of pools of so many agents, at most so many, on so many shards."""
    specs = [
        PoolSpec(PoolSettings(name=name, size=size, max_size=most, shards=shards))
        for name, (size, most, shards) in pools.items()
    ]
    return [text for text, _ in clipped(specs, settings or Settings())]


def test_more_shards_than_agents_are_lowered_with_a_word() -> None:
    assert clips(main=(4, None, 8), one=(1, None, 2), fits=(4, None, 4), grows=(2, 8, 8), auto=(300, None, None)) == [
        "pool main gets 4 shards, not 8: it never has more agents",
        "pool one gets 1 shard, not 2: it never has more agents",
    ]
    assert clips(Settings(shard_count=3), main=(2, None, None), wide=(3, None, None)) == [
        "pool main gets 2 shards, not 3: it never has more agents"
    ]
    assert clips(Settings(enable_sharding=False), main=(2, None, 8)) == []


def test_whoever_asks_for_more_shards_than_agents_is_told(tmp_path: Path) -> None:
    heard = Heard()
    with Engine(2, shards=5, on_event=heard, attachable=False) as engine:
        engine.wait_ready(30)
        assert len(counts(engine)["shards"]) == 2
    (told,) = heard.kinds("pool.shards")
    assert (told.level, told.data) == ("info", {"pool": "main", "shards": 2, "asked": 5})
    command = ["run", "builtins:len", "--items", "items.txt", "--agents", "1", "--shards", "3", "--headless"]
    (tmp_path / "items.txt").write_text("1\n")
    done = subprocess.run([*SHOAL, *command, "--no-record"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "pool main gets 1 shard, not 3: it never has more agents"
