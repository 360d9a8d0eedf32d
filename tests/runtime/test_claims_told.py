"""What readers are told of claims and lanes, and what they may ask about a task."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import claimed_functions as claimed
import pytest
from claimed_functions import claims_of, pid_at
from inside import core_of
from processes import wait_for

from engine.stream import places
from engine.stream.client import Client
from engine.stream.types import ClaimsNow, ClaimView, Event, Frame, HolderView, LaneView
from shoal import Claim, Engine, PoolSettings

pytestmark = pytest.mark.needs("pooling")


@pytest.fixture
def heard() -> list[Event]:
    """All events of the engine."""
    return []


@pytest.fixture
def engine(heard: list[Event], tmp_path: Path) -> Iterator[Engine]:
    """Four agents; one holds a folder and another is in a lane, until files are there."""
    pools = [PoolSettings(name="other", size=1)]
    with Engine(4, lanes={"local": 1, "cloud": 3}, pools=pools, on_event=heard.append) as engine:
        folder = str(tmp_path)
        engine.using(claims="d/**").submit(claimed.wait_holding, folder, [("d/x", False)], 1)
        engine.using(lane="local").submit(claimed.wait_holding, folder, [], 2)
        wait_for(lambda: pid_at(tmp_path, 1) and pid_at(tmp_path, 2))
        try:
            yield engine
        finally:
            for number in range(5):
                (tmp_path / f"go-{number}").touch()


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    client = Client(places.runtime_folder() / f"{engine.run_id}.sock")
    yield client
    client.close()


def shown(client: Client, waiting: int) -> ClaimsNow:
    """Claims and lanes, once so many tasks wait for them."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        message = client.receive(1.0)
        if isinstance(message, ClaimsNow) and message.waiting == waiting:
            return message
    raise AssertionError("it is never shown")


def test_readers_are_shown_who_holds_what_and_who_waits(engine: Engine, client: Client, tmp_path: Path) -> None:
    folder = str(tmp_path)
    for name in ("d/x", "d/y"):
        engine.using(claims=claims_of).submit(claimed.hold, folder, [(name, name == "d/y")])
    engine.using(lane="local").map(abs, range(7))
    engine.using(claims=Claim("e", True)).submit(claimed.wait_holding, folder, [], 3)
    wait_for(lambda: pid_at(tmp_path, 3))
    assert client.subscribe(["claims"], 10).ok
    now = shown(client, 9)
    assert abs(now.at - time.time()) < 20
    assert now.held == 2
    lanes = {lane.name: lane for lane in now.lanes}
    (inside,) = lanes["local"].holders
    assert isinstance(inside, HolderView)
    assert (inside.task, inside.pool) == ("wait_holding[1]", "main")
    assert now.at - 60 < inside.since <= now.at
    assert lanes == {
        "local": LaneView("local", 1, 1, (inside,), 7, "abs[0]"), "cloud": LaneView("cloud", 3, 0, (), 0, ""),
    }  # fmt: skip
    claims = {claim.name: claim for claim in now.claims}
    assert set(claims) == {"d/x", "d/y", "d/**", "e"}
    assert claims["d/x"] == ClaimView("d/x", False, 0, (), 1, "hold[0]")
    assert claims["d/**"].held == claims["e"].held == 1
    assert [claims[name].shared for name in ("d/**", "e")] == [False, True]
    assert now.claims[0].waiting == 1, "what is waited for comes first"
    for number in range(5):
        (tmp_path / f"go-{number}").touch()
    last = shown(client, 0)
    assert {lane.name for lane in last.lanes} == {"local", "cloud"}


def test_an_engine_where_nobody_claims_anything_says_so_once_in_a_while() -> None:
    with Engine(1) as engine:
        assert engine.submit(abs, -1).result(30) == 1
        client = Client(places.runtime_folder() / f"{engine.run_id}.sock")
        assert client.subscribe(["claims", "frames"], 20).ok
        seen: list[ClaimsNow] = []
        frames = 0
        while frames < 10:
            message = client.receive(5.0)
            assert message is not None
            if isinstance(message, ClaimsNow):
                seen.append(message)
            frames += isinstance(message, Frame)
        client.close()
    assert seen
    assert all(now.nothing and abs(now.at - time.time()) < 60 for now in seen)
    assert [now.at for now in seen] == sorted({now.at for now in seen}), "none is told again as it was"


def test_why_a_task_does_not_run_is_answered(engine: Engine, client: Client, tmp_path: Path) -> None:
    engine.using(claims="d/y").submit(claimed.hold, str(tmp_path), [("d/y", False)])
    engine.using(lane="local").map(claimed.in_lane, [str(tmp_path)] * 3, ["local"] * 3, [1] * 3, [0.0] * 3)
    wait_for(lambda: core_of(engine).queued == 4)
    reply = client.command("explain", "hold[0]")
    assert reply.ok
    first, second = reply.data["lines"]
    assert reply.text == f"hold[0]: {first}; {second}"
    assert first.startswith("ready for ")
    assert second.startswith("claim d/y is held by wait_holding[0] (as d/**) for ")
    (reason,) = reply.data["reasons"]
    (task,) = reason["tasks"]
    assert (reason["kind"], reason["name"], task["task"], task["name"]) == ("claim", "d/y", "wait_holding[0]", "d/**")
    assert 0 <= task["seconds"] < 60
    lane = client.command("explain", "in_lane[0]").data
    assert [reason["kind"] for reason in lane["reasons"]] == ["lane"]
    assert [reason["kind"] for reason in client.command("explain", "in_lane[2]").data["reasons"]] == ["order"]
    runs = client.command("explain", "1:0").data
    assert runs["state"] == "sent"
    assert runs["agent"].startswith("main/")
    assert runs["lines"][0].endswith(f"on agent {runs['agent']}")


def test_of_several_of_one_name_one_says_which(engine: Engine, client: Client, tmp_path: Path) -> None:
    engine.using(pool="other").submit(claimed.wait_holding, str(tmp_path), [], 4)
    wait_for(lambda: pid_at(tmp_path, 4))
    several = client.command("explain", "wait_holding[0]")
    assert not several.ok
    assert several.text == "2 tasks are called wait_holding[0]: say which, 1:0, 3:0 ..."
    assert client.command("explain", "3:0").data["agent"] == "other/0"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("hold[7]", "no task 'hold[7]' that is not over; they are called NAME[NUMBER]"),
        ("in_lane", "in_lane has several tasks: say which, such as in_lane[0]"),
        ("99:0", "no task 99:0 is known: it is over, or never was"),
        ("1:5", "no task 1:5 is known: it is over, or never was"),
        ("", "no task '' that is not over; they are called NAME[NUMBER]"),
    ],
)
def test_tasks_that_there_are_not(engine: Engine, client: Client, tmp_path: Path, written: str, words: str) -> None:
    engine.using(lane="local").map(claimed.in_lane, [str(tmp_path)] * 3, ["local"] * 3, [1] * 3, [0.0] * 3)
    wait_for(lambda: core_of(engine).queued == 3)
    reply = client.command("explain", written)
    assert not reply.ok
    assert reply.text == words


def test_a_lane_gets_another_limit_and_that_is_told(engine: Engine, client: Client, heard: list[Event]) -> None:
    waiting = engine.using(lane="local").submit(abs, -5)
    wait_for(lambda: core_of(engine).queued)
    reply = client.command("lane", "local", "2")
    assert reply.text == "lane local has a limit of 2, was 1"
    assert reply.data == {"lane": "local", "limit": 2, "before": 1}
    assert waiting.result(30) == 5
    (event,) = [event for event in heard if event.kind == "lane.changed"]
    assert event.text.startswith("lane local has a limit of 2, was 1, as ")
    for args, words in (
        (("loco", "2"), "no lane 'loco'; known: local, cloud"), (("local", "-1"), "'-1' is no limit"),
        (("local", "many"), "'many' is no limit such as 1, or 0 to close a lane"),
        (("local",), "lane takes LANE LIMIT"),
    ):  # fmt: skip
        refused = client.command("lane", *args)
        assert not refused.ok
        assert refused.text.startswith(words)
