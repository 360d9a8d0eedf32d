"""Claims and lanes where real processes hold them, and are killed while they do: nothing is ever held twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterable
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path

import claimed_functions as claimed
import pytest
from claimed_functions import claims_of, pid_at
from inside import agents, core_of, host_pids
from processes import scaled, wait_for

from shoal import Claim, Engine, PoolSettings, TaskPoisoned, TaskTimeout

NAMES = ("a", "b", "c", "d/x", "d/y")


def lines(folder: Path) -> list[list[str]]:
    """What tasks have noted so far."""
    return [line.split() for file in folder.glob("*.log") for line in file.read_text().splitlines()]


def most_at_once(intervals: Iterable[tuple[int, int]]) -> int:
    """How many of these overlap at the most."""
    edges = sorted([(began, 1) for began, _ in intervals] + [(ended, -1) for _, ended in intervals])
    running = most = 0
    for _, change in edges:
        running += change
        most = max(most, running)
    return most


def nothing_held(engine: Engine) -> bool:
    """All is free again, and forgotten."""
    known = core_of(engine).desk.claims
    return not known.resources and not any(lane.used for lane in known.lanes.values())


def test_many_tasks_that_want_some_of_a_few_names_never_meet(tmp_path: Path) -> None:
    """Each holds a lock of the kernel for each name, and fails if somebody else does."""
    chance = random.Random(7)
    work = [
        (str(tmp_path), [(name, chance.random() < 0.4) for name in chance.sample(NAMES, chance.randint(1, 3))], 0.002)
        for _ in range(scaled(400))
    ]
    with Engine(8, shards=2, attachable=False) as engine:
        by_name = engine.using(claims=claims_of)
        assert len(list(by_name.map(claimed.hold, *zip(*work, strict=True)))) == len(work)
        wait_for(lambda: nothing_held(engine))


def test_a_folder_and_its_files(tmp_path: Path) -> None:
    """Who claims the folder holds the locks of all its files; the others hold one, and both can't be."""
    folder = str(tmp_path)
    with Engine(6, attachable=False) as engine:
        whole = engine.using(claims="d/**")
        shared = engine.using(claims=[Claim("d/**", shared=True)])
        single = engine.using(claims=claims_of)
        futures = []
        for turn in range(scaled(40)):
            futures.append(single.submit(claimed.hold, folder, [("d/x", False)], 0.003, turn))
            futures.append(single.submit(claimed.hold, folder, [("d/y", turn % 2 == 0)], 0.003, turn))
            futures.append(whole.submit(claimed.hold, folder, [("d/x", False), ("d/y", False)], 0.002, turn))
            futures.append(shared.submit(claimed.hold, folder, [("d/x", True), ("d/y", True)], 0.002, turn))
        for future in futures:
            future.result(60)


@pytest.mark.needs("pooling")
def test_a_lane_is_never_exceeded_whatever_dies(tmp_path: Path) -> None:
    """Over two pools, with agents killed all the while: the intervals of those that ended are the proof."""
    limit, tasks, folder = 3, 120, str(tmp_path)
    pools = [PoolSettings(name="other", size=4, max_size=4)]
    with Engine(4, shards=2, pools=pools, lanes={"cloud": limit}, crash_limit=50, attachable=False) as engine:
        engine.wait_ready(60)
        here, there = engine.using(lane="cloud"), engine.using(lane="cloud", pool="other")
        futures = [(here, there)[n % 2].submit(claimed.in_lane, folder, "cloud", limit, 0.01, n) for n in range(tasks)]
        chance, killed = random.Random(3), 0
        while not all(future.done() for future in futures):
            for name in ("main", "other"):
                pids = agents(engine, name)
                if pids and killed < 30:
                    with suppress(ProcessLookupError):
                        os.kill(chance.choice(pids), signal.SIGKILL)
                        killed += 1
            time.sleep(0.02)
        assert {future.exception() for future in futures} == {None}
    ended = [(int(began), int(over)) for _, began, over in lines(tmp_path)]
    assert len({number for number, *_ in lines(tmp_path)}) == tasks
    assert killed == 30
    assert 1 < most_at_once(ended) <= limit


@pytest.mark.needs("pooling")
def test_an_agent_that_is_killed_while_it_holds_a_claim_lets_go_of_it(tmp_path: Path) -> None:
    folder, wish = str(tmp_path), [("a", False)]
    with Engine(3, crash_limit=1, attachable=False) as engine:
        named = engine.using(claims="a")
        holder = named.submit(claimed.wait_holding, folder, wish, 1)
        wait_for(lambda: pid_at(tmp_path, 1))
        waiting = named.submit(claimed.hold, folder, wish)
        wait_for(lambda: core_of(engine).queued)
        told = engine.explain(waiting)
        assert told[0].startswith("ready for")
        assert told[1].startswith("claim a is held by wait_holding[0] for")
        assert engine.explain(holder)[0].startswith("runs, sent for")
        os.kill(pid_at(tmp_path, 1), signal.SIGKILL)
        assert waiting.result(30) > 0
        with pytest.raises(TaskPoisoned):
            holder.result(30)
        assert engine.explain(holder) == engine.explain(waiting) == ["over"]
        wait_for(lambda: nothing_held(engine))


@pytest.mark.needs("pooling")
def test_a_host_that_is_killed_while_its_agent_holds_a_claim(tmp_path: Path) -> None:
    """Who is next begins once all its agents are gone, or it would find the lock taken."""
    folder, wish = str(tmp_path), [("a", False)]
    with Engine(4, shards=2, attachable=False) as engine:
        engine.wait_ready(60)
        named = engine.using(claims="a", priority=1)
        holder = engine.using(claims="a").submit(claimed.wait_holding, folder, wish, 1)
        wait_for(lambda: pid_at(tmp_path, 1))
        waiting = [named.submit(claimed.hold, folder, wish, 0.01) for _ in range(5)]
        (batch,) = core_of(engine).batches.values()
        before = host_pids(engine)[batch.shard]
        os.kill(before, signal.SIGKILL)
        assert all(future.result(30) for future in waiting)
        (tmp_path / "go-1").touch()
        assert holder.result(30) > 0
        assert before not in host_pids(engine)


@pytest.mark.needs("pooling")
def test_those_that_kill_themselves_run_again_and_never_beside_another(tmp_path: Path) -> None:
    folder, tasks = str(tmp_path), 24
    with Engine(6, shards=3, attachable=False) as engine:
        results = engine.using(claims=claims_of).map(
            claimed.dies_once, [folder] * tasks, [[(NAMES[n % 3], False)] for n in range(tasks)], range(tasks)
        )
        assert list(results) == list(range(tasks))


@pytest.mark.needs("pooling")
def test_a_task_whose_time_is_up_or_that_is_cancelled_lets_go(tmp_path: Path) -> None:
    folder, wish = str(tmp_path), [("a", False)]
    with Engine(2, attachable=False) as engine:
        named = engine.using(claims="a")
        late = engine.using(claims="a", timeout=0.2).submit(claimed.wait_holding, folder, wish, 1)
        assert named.submit(claimed.hold, folder, wish).result(30) > 0
        with pytest.raises(TaskTimeout):
            late.result(30)
        unwanted = named.submit(claimed.wait_holding, folder, wish, 2)
        wait_for(lambda: pid_at(tmp_path, 2))
        following = named.submit(claimed.hold, folder, wish)
        assert unwanted.cancel(running=True)
        assert following.result(30) > 0


def test_calls_that_claim_nothing_are_not_kept_from_agents(tmp_path: Path) -> None:
    folder, wish = str(tmp_path), [("a", False)]
    with Engine(3, attachable=False) as engine:
        named = engine.using(claims="a")
        holder = named.submit(claimed.wait_holding, folder, wish, 1)
        wait_for(lambda: pid_at(tmp_path, 1))
        waiting = [named.submit(claimed.hold, folder, wish) for _ in range(5)]
        assert list(engine.map(abs, range(-50, 0))) == list(range(50, 0, -1))
        assert not any(future.done() for future in waiting)
        (tmp_path / "go-1").touch()
        wait([holder, *waiting], 30)
        assert holder.result(0) > 0


def test_a_lane_can_be_closed_and_opened_while_it_is_in_use(tmp_path: Path) -> None:
    with Engine(3, lanes={"local": 1}, attachable=False) as engine:
        local = engine.using(lane="local")
        assert local.submit(abs, -1).result(30) == 1
        engine.set_lane("local", 0)
        waiting = local.submit(abs, -2)
        wait_for(lambda: core_of(engine).queued)
        assert engine.explain(waiting)[1] == "lane local is closed: its limit is 0"
        engine.set_lane("local", 2)
        assert waiting.result(30) == 2
        with pytest.raises(ValueError, match=r"no lane 'cloud'; there is local"):
            engine.using(lane="cloud")
        engine.set_lane("cloud", 5)
        assert engine.using(lane="cloud").submit(abs, -3).result(30) == 3
        assert local.using(lane="").submit(abs, -4).result(30) == 4


def test_what_can_not_be_claimed_is_said_where_it_was_given(tmp_path: Path) -> None:
    with Engine(1, attachable=False) as engine:
        for bad, error, words in (
            ("../x", ValueError, "claims: '../x' can't be claimed: it has a segment '..'"),
            ("", ValueError, "claims: '' can't be claimed: it names nothing"),
            (7, TypeError, "claims must be a name, a Claim, or several of them, not int"),
            ([b"a"], TypeError, "claims must be a name, a Claim, or several of them: b'a' is neither"),
            (Claim(7), TypeError, "claims must be a text, not int"),  # type: ignore[arg-type]
        ):
            with pytest.raises(error) as raised:
                engine.using(claims=bad)  # type: ignore[arg-type]
            assert str(raised.value) == words
        by_item = engine.using(claims=lambda item: item)
        with pytest.raises(TypeError, match="claims must be a name"):
            by_item.submit(abs, -1)
        with pytest.raises(ZeroDivisionError):
            engine.using(claims=lambda item: str(1 / item)).map(abs, [1, 0])
        assert list(by_item.using(claims=()).map(abs, [-1, -2])) == [1, 2], "none at all"
        for lanes, error, words in (
            ({"a": -1}, ValueError, r"lanes\['a'\] must be at least 0"), ({"a": 1.5}, TypeError, "must be an integer"),
            ({1: 1}, TypeError, "lanes must be a text"), (["a"], TypeError, "lanes must be a mapping"),
        ):  # fmt: skip
            with pytest.raises(error, match=words):
                Engine(1, lanes=lanes)  # type: ignore[arg-type]
        with Engine(1, attachable=False) as other, pytest.raises(ValueError, match="no future of this engine"):
            other.explain(engine.submit(abs, -1))


def test_nobody_explains_for_an_engine_that_was_shut_down() -> None:
    engine = Engine(1, attachable=False)
    future = engine.submit(abs, -1)
    assert future.result(30) == 1
    engine.shutdown()
    assert engine.explain(future) == ["over"]
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.set_lane("a", 1)
