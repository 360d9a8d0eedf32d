"""What readers ask for, from end to end: a real engine does it, says so, or says why not."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import enabled, scaled, wait_for

from engine.procs.scoreboard import MEMORY, STATE
from engine.procs.weight import packed
from engine.runtime.control.knobs import FIXED, LIVE
from engine.runtime.control.refusal import Refusal
from engine.settings.types import Settings
from engine.stream import filters, places
from engine.stream.client import Client, StreamEnded
from engine.stream.types import DEAD, IDLE, AgentRow, Cells, Event, Frame, Reply
from shoal import Engine, PoolSettings

pytestmark = pytest.mark.needs("pooling")
USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def heard() -> list[Event]:
    """All events of the engine."""
    return []


@pytest.fixture
def engine(heard: list[Event]) -> Iterator[Engine]:
    pools = [PoolSettings(name="io", size=2, max_size=2)]
    with Engine(4, name="steered", shards=2, pools=pools, on_event=heard.append) as engine:
        engine.wait_ready(60)
        try:
            yield engine
        finally:  # a test that has failed may have left it paused, with tasks that wait for a file
            engine._worker.run.ask_to("stop")
            engine._worker.wake()


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    client = Client(places.runtime_folder() / f"{engine.run_id}.sock")
    yield client
    client.close()


def kinds(heard: list[Event], kind: str) -> list[Event]:
    return [event for event in heard if event.kind == kind]


def nap_until(path: str) -> int:
    while not os.path.exists(path):
        time.sleep(0.01)
    return os.getpid()


def agents(client: Client, text: str = "", **more: object) -> list[AgentRow]:
    rows, _ = client.agents(filters.parse(text) if text else [], **more)  # type: ignore[arg-type]
    return rows


def up(client: Client, pool: str = "main") -> int:
    return len(agents(client, f"pool={pool},state=idle|busy|draining"))


# -- the run ----------------------------------------------------------------------------------------------------------


def test_pause_and_resume(engine: Engine, client: Client, heard: list[Event], tmp_path: Path) -> None:
    running = [engine.submit(nap_until, str(tmp_path / "go")) for _ in range(4)]
    wait_for(lambda: len(agents(client, "state=busy")) == 4, what="all work")
    assert client.command("pause").ok
    later = [engine.submit(abs, -n) for n in range(50)]
    (tmp_path / "go").touch()
    assert len({future.result(20) for future in running}) == 4, "what runs finishes"
    frame = next_frame(client, lambda frame: frame.queued == 50 and not frame.running)
    assert frame.state == "paused"
    assert not any(future.done() for future in later)
    assert client.command("pause").text == "the run is paused already"
    assert client.command("resume").ok
    assert [future.result(20) for future in later] == list(range(50))
    assert client.command("resume") == Reply(client.post("x") - 1, False, "the run is not paused")
    (paused,) = kinds(heard, "run.paused")
    assert paused.data["by"].startswith(f"{USER} (pid {os.getpid()}, ")
    assert "asked" in paused.text
    assert len(kinds(heard, "run.resumed")) == 1


def test_a_page_tells_what_agents_have_of_memory_of_their_own(engine: Engine, client: Client) -> None:
    engine.submit(abs, -1).result(20)
    (row, *_) = agents(client, "state=idle")
    board = engine._worker.run.fleet.board
    number = int(row.agent.partition("/")[2])
    board.set(number, MEMORY, packed(300 << 20, 900 << 20))
    assert [found.agent for found in agents(client, "memory>=300M")] == [row.agent]
    assert agents(client, "memory>300M") == []
    board.set(number, STATE, DEAD)
    assert [(found.pid, found.memory) for found in agents(client, "state=dead")] == [(0, 0)], "nobody holds it any more"
    board.set(number, STATE, IDLE)


def test_what_no_agent_has_begun_comes_back_in_a_pause(engine: Engine, client: Client, tmp_path: Path) -> None:
    quick = list(engine.map(abs, range(scaled(4000))))
    assert len(quick) == scaled(4000)  # so batches are large
    futures = [engine.submit(nap_until, str(tmp_path / "go")) for _ in range(400)]
    wait_for(lambda: len(agents(client, "state=busy")) == 4, what="all work")
    assert client.command("pause").ok
    core = engine._worker.run.fleet.core
    wait_for(lambda: core.pools[0].sent <= 8, what="little is out")
    (tmp_path / "go").touch()
    wait_for(lambda: core.idle, what="nothing is out")
    assert sum(future.done() for future in futures) <= 12
    client.command("resume")
    assert len([future.result(30) for future in futures]) == 400


def next_frame(client: Client, wanted: Callable[[Frame], bool]) -> Frame:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        message = client.receive(1.0)
        if isinstance(message, Frame) and wanted(message):
            return message
    pytest.fail("no such frame came")


def test_drain_ends_a_run_once_what_runs_is_over(engine: Engine, client: Client, tmp_path: Path) -> None:
    running = [engine.submit(nap_until, str(tmp_path / "go")) for _ in range(4)]
    wait_for(lambda: len(agents(client, "state=busy")) == 4, what="all work")
    assert client.command("drain").ok
    (tmp_path / "go").touch()
    assert len([future.result(20) for future in running]) == 4
    await_end(client)


def await_end(client: Client) -> None:
    """The engine hangs up."""
    deadline = time.monotonic() + 20
    with contextlib.suppress(StreamEnded):
        while time.monotonic() < deadline:
            client.receive(1.0)
        pytest.fail("the engine goes on")


def test_a_paused_run_can_be_stopped(engine: Engine, client: Client) -> None:
    assert client.command("pause").ok
    future = engine.submit(abs, 1)
    assert client.command("stop").ok
    with pytest.raises(BaseException, match=r"stopped|^$"):
        future.result(20)
    await_end(client)


# -- pools and agents -------------------------------------------------------------------------------------------------


def test_scale_up_down_and_up_again(engine: Engine, client: Client, heard: list[Event], tmp_path: Path) -> None:
    assert client.command("scale", "main", "9").ok
    wait_for(lambda: up(client) == 9, what="nine agents")
    assert {row.agent for row in agents(client, "pool=main")} == {f"main/{n}" for n in range(9)}
    held = [engine.submit(nap_until, str(tmp_path / "go")) for _ in range(9)]
    wait_for(lambda: len(agents(client, "state=busy")) == 9, what="all work")
    assert client.command("scale", "main", "2").ok
    wait_for(lambda: len(agents(client, "state=draining")) == 7, what="seven are to leave")
    assert up(client) == 9, "they finish their task"
    (tmp_path / "go").touch()
    assert len({future.result(20) for future in held}) == 9
    wait_for(lambda: up(client) == 2, what="two agents")
    assert not kinds(heard, "agent.died")
    assert len(kinds(heard, "agent.retired")) == 7
    assert engine.submit(abs, -3).result(20) == 3
    assert client.command("scale", "main", "1..6").ok
    frame = next_frame(client, lambda frame: frame.pools[0].maximum == 6)
    assert (frame.pools[0].minimum, frame.pools[0].size, frame.pools[1].size) == (1, 9, 2)
    assert client.command("scale", "main", "6").ok
    wait_for(lambda: up(client) == 6, what="six agents")
    texts = [event.text for event in kinds(heard, "pool.scaled")]
    assert texts[0].startswith(f"pool main is scaled from 4 to 9 agents, as {USER} (pid ")
    assert texts[3].startswith(f"pool main is scaled from 1..6 to 6 agents, as {USER} (pid ")
    assert list(engine.map(abs, range(scaled(2000)))) == list(range(scaled(2000)))


def test_recycle_replaces_an_agent_after_its_task(
    engine: Engine, client: Client, heard: list[Event], tmp_path: Path
) -> None:
    before = {row.agent: row.pid for row in agents(client)}
    assert client.command("recycle", "main/0").ok
    wait_for(lambda: agents(client, "agent=main/0,state=idle")[:1], what="an idle one is replaced at once")
    wait_for(
        lambda: {r.agent: r.pid for r in agents(client, "state=idle")}.get("main/0", 0) not in (0, before["main/0"])
    )
    future = engine.submit(nap_until, str(tmp_path / "go"))
    wait_for(lambda: agents(client, "state=busy"), what="one works")
    (busy,) = agents(client, "state=busy")
    assert client.command("recycle", busy.agent).ok
    assert agents(client, "state=busy")[0].pid == busy.pid
    (tmp_path / "go").touch()
    assert future.result(20) == busy.pid
    wait_for(lambda: {r.agent: r.pid for r in agents(client, "state=idle")}.get(busy.agent, busy.pid) != busy.pid)
    assert len(kinds(heard, "agent.recycled")) == 2
    assert not kinds(heard, "agent.died")


def test_kill_costs_the_task_nothing(engine: Engine, client: Client, heard: list[Event], tmp_path: Path) -> None:
    future = engine.using(crash_limit=1).submit(nap_until, str(tmp_path / "go"))
    pids = set()
    for _ in range(3):
        wait_for(lambda: [r for r in agents(client, "state=busy") if r.pid not in pids], what="it runs")
        (busy,) = agents(client, "state=busy")
        pids.add(busy.pid)
        assert client.command("kill", busy.agent).ok
    (tmp_path / "go").touch()
    assert future.result(20) not in pids
    wait_for(lambda: up(client) == 4, what="all are there again")
    assert len(kinds(heard, "agent.killed")) == 3
    assert engine._worker.run.fleet.core.pools[0].restarts >= 3


# -- settings ---------------------------------------------------------------------------------------------------------


def test_every_setting_can_be_changed_or_says_why_not() -> None:
    assert set(LIVE) | set(FIXED) == set(Settings.__struct_fields__)
    assert not set(LIVE) & set(FIXED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_max_size", "3"),
        ("batch_timeout", "0.5"),
        ("enable_batching", "other"),
        ("pool_max_idle", "7.5"),
        ("pool_warmup_time", "3"),
        ("spawn_timeout", "3"),
        ("spawn_parallelism", "1"),
        ("spawn_max_retry", "0"),
        ("enable_parallel_spawn", "other"),
        ("shard_strategy", "hash"),
        ("shard_strategy", "round-robin"),
        ("frame_rate", "20"),
        ("batch_size", "2"),
        ("memory_reserve", "1"),
        ("memory_reserve", "off"),
    ],
)
def test_a_setting_is_changed_while_tasks_run(
    engine: Engine, client: Client, heard: list[Event], name: str, value: str
) -> None:
    if value == "other":
        value = str(not getattr(engine._worker.run.fleet.settings, name)).lower()
    results = engine.map(abs, range(scaled(20_000)))
    assert next(results) == 0
    reply = client.command("set", name, value)
    assert reply.ok, reply.text
    assert reply.text.startswith(f"{name} is {0 if value == 'off' else value}, was ")
    assert list(results) == list(range(1, scaled(20_000)))
    assert client.command("set", name, value).text.endswith(" as before")
    assert kinds(heard, "setting.changed")[0].data["name"] == name
    assert getattr(engine._worker.run.fleet.settings, name) == reply.data["value"]


@pytest.mark.needs("batching")
def test_batches_are_of_the_size_that_was_set(engine: Engine, client: Client, tmp_path: Path) -> None:
    assert client.command("set", "batch_size", "6").ok
    assert client.command("pause").ok
    core = engine._worker.run.fleet.core
    results = engine.map(nap_until, [str(tmp_path / "go")] * 60)
    wait_for(lambda: core.queued == 60, what="they are there, and were to be sent by six")
    assert client.command("set", "batch_size", "3").ok
    assert client.command("resume").ok
    wait_for(lambda: len(core.batches) >= 4, what="batches are out")
    assert {batch.count for batch in core.batches.values()} == {3}
    (tmp_path / "go").touch()
    assert len(list(results)) == 60


def test_frames_come_as_often_as_is_set(client: Client) -> None:
    assert client.command("set", "frame_rate", "1").ok
    client.subscribe(("frames",))
    began, seen = time.monotonic(), 0
    next_frame(client, lambda frame: True)
    while time.monotonic() - began < 2.5:
        seen += isinstance(client.receive(0.1), Frame)
    assert seen <= 4
    assert client.command("set", "frame_rate", "20").ok
    next_frame(client, lambda frame: True)
    began = time.monotonic()
    for _ in range(20):
        next_frame(client, lambda frame: True)
    assert time.monotonic() - began > 0.5


REFUSED = [
    (["fly"], "no command 'fly'; known: pause, resume,"),
    (["pause", "now"], "pause takes no arguments"),
    (["scale", "main"], "scale takes POOL N|MIN..MAX"),
    (["scale", "nope", "3"], "no pool 'nope'; known: main, io"),
    (["scale", "main", "three"], "'three' is no size such as 8 or 2..16"),
    (["scale", "main", "0"], "a pool has at least one agent"),
    (["scale", "main", "4..2"], "a pool has at least one agent"),
    (["scale", "main", "99999999"], "pool main has room for 68 agents at the most"),
    (["recycle", "main"], "no agent 'main': they are called POOL/NUMBER, such as main/0"),
    (["recycle", "main/x"], "no agent 'main/x'"),
    (["recycle", "main/99"], "no agent main/99: pool main has main/0 to main/3"),
    (["kill", "nope/0"], "no agent 'nope/0'"),
    (["kill", "main/²"], "no agent 'main/²'"),
    (["set", "batch_sise", "3"], "no setting 'batch_sise': did you mean 'batch_size'?"),
    (["set", "batch_size", "0"], "batch_size is a whole number of at least 1 or auto, not '0'"),
    (["set", "batch_size", "501"], "batch_size would be 501, above batch_max_size, which would be 500"),
    (["set", "frame_rate", "21"], "frame_rate is at most 20"),
    (["set", "shard_strategy", "best"], "shard_strategy is one of hash, least-loaded,"),
    (["set", "record_durability", "off"], "record_durability can't be changed while a run goes on: the recorder"),
    (["set", "pool_size", "3"], "pool_size can't be changed while a run goes on: pools are scaled"),
    (["acknowledge", "a1"], "no alert 'a1'"),
    (["silence", "rule", "60"], "silence takes SECONDS REASON RULE|LABEL=VALUE"),
]


def test_what_cannot_be_done_is_refused_with_the_reason(engine: Engine, client: Client, heard: list[Event]) -> None:
    assert client.command("set", "batch_max_size", "500").ok
    before = len(heard)
    for (name, *args), why in REFUSED:
        reply = client.command(name, *args)
        assert not reply.ok
        assert reply.text.startswith(why), reply.text
        assert "\n" not in reply.text
    assert engine.submit(abs, -1).result(20) == 1
    assert len(heard) == before, "nothing has happened"


def test_a_bug_of_ours_does_not_end_the_run(
    engine: Engine, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("engine.runtime.control.commands.knobs.change", fail)
    reply = client.command("set", "batch_size", "3")
    assert (reply.ok, reply.text) == (False, "the engine can't answer: KeyError: 'oops'")
    assert "could not be answered" in caplog.text
    assert engine.submit(abs, -1).result(20) == 1


def test_an_agent_that_is_not_there_is_not_replaced(engine: Engine, client: Client) -> None:
    assert client.command("scale", "main", "2").ok
    wait_for(lambda: up(client) == 2, what="two agents")
    (gone, *_) = sorted({f"main/{n}" for n in range(4)} - {row.agent for row in agents(client, "state=idle")})
    for name in ("recycle", "kill"):
        assert client.command(name, gone).text == f"agent {gone} is not there"


class Kept:
    """Alerts, as whoever keeps them does it."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def acknowledge(self, alert: str, who: str, note: str = "", seconds: float | None = None) -> str:
        if alert != "a1":
            raise Refusal(f"no alert {alert!r} fires")
        self.told.append((alert, note, seconds, who))
        return f"alert {alert} is acknowledged"

    def unacknowledge(self, alert: str, who: str) -> str:
        self.told.append((alert, who))
        return f"alert {alert} is not acknowledged"

    def silence(self, what: list[str], seconds: float, reason: str, who: str) -> tuple[int, str]:
        self.told.append((*what, seconds, reason, who))
        return 7, f"{' '.join(what)} is silent for {seconds:g} s"

    def unsilence(self, number: int, who: str) -> str:
        self.told.append((number, who))
        return f"silence {number} has ended"


def test_alerts_are_acknowledged_and_silenced_by_who_keeps_them(
    engine: Engine, client: Client, heard: list[Event]
) -> None:
    kept = engine._worker.run.alerts = Kept()
    assert client.command("acknowledge", "a1").text == "alert a1 is acknowledged"
    assert client.command("acknowledge", "a2").text == "no alert 'a2' fires"
    assert client.command("acknowledge", "a1", "mine", "90").ok
    assert client.command("unacknowledge", "a1").ok
    assert client.command("silence", "60", "known", "slow", "pool=main").data["silence"] == 7
    assert client.command("unsilence", "7").text == "silence 7 has ended"
    assert client.command("unsilence", "x").text == "'x' is no number of a silence"
    for wrong in ("x", "-1", "0", "nan", "inf"):
        assert client.command("silence", wrong, "known", "slow").text.startswith(f"{wrong!r} is no number of seconds")
    for few in ((), ("60",), ("60", "known")):
        assert client.command("silence", *few).text == "silence takes SECONDS REASON RULE|LABEL=VALUE..."
    assert client.command("acknowledge", "a1", "", "1", "x").text == "acknowledge takes ALERT [NOTE] [SECONDS]"
    assert [told[:-1] for told in kept.told] == [
        ("a1", "", None), ("a1", "mine", 90.0), ("a1",), ("slow", "pool=main", 60.0, "known"), (7,),
    ]  # fmt: skip
    assert len(kinds(heard, "silence.began")) == len(kinds(heard, "silence.ended")) == 1
    assert kinds(heard, "alert.acknowledged") == []  # who keeps them tells that


# -- pages ------------------------------------------------------------------------------------------------------------


def test_a_page_of_agents(engine: Engine, client: Client, tmp_path: Path) -> None:
    list(engine.map(abs, range(scaled(1000))))
    future = engine.submit(nap_until, str(tmp_path / "go"))
    wait_for(lambda: agents(client, "state=busy"), what="it runs")
    rows, total = client.agents(sort="done", descending=True)
    assert total == len(rows) == 6
    assert sum(row.done for row in rows) == scaled(1000)
    assert [row.done for row in rows] == sorted((row.done for row in rows), reverse=True)
    (busy,) = agents(client, "state=busy")
    wait_for(lambda: agents(client, "running>0.2"), what="time passes")
    (later,) = agents(client, "running>0.2")
    assert (later.agent, later.task, later.offset) == (busy.agent, "nap_until[0]", 0)
    assert later.pid > 1
    assert 0 < later.batch < 10_000, "as people count batches"
    assert 0 < later.busy <= 1
    (tmp_path / "go").touch()
    assert future.result(20) == later.pid
    assert {row.pool for row in agents(client, "pool=io")} == {"io"}
    assert [row.agent for row in agents(client, sort="agent", descending=True)][:2] == ["io/1", "io/0"]


def test_filter_first_then_sort_then_page(engine: Engine, client: Client) -> None:
    client.command("scale", "main", "8")
    wait_for(lambda: up(client) == 8, what="eight agents")
    wanted = filters.parse("pool=main,state=idle")
    whole, total = client.agents(wanted, "pid")
    assert total == 8
    parts = []
    for offset in range(0, 10, 3):
        rows, total = client.agents(wanted, "pid", offset=offset, limit=3)
        assert total == 8
        parts += rows
    assert [row.pid for row in parts] == [row.pid for row in whole] == sorted(row.pid for row in whole)
    assert client.agents(wanted, limit=0) == ([], 8)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"offset": -1}, "a page has an offset from 0"),
        ({"limit": 501}, "a page has an offset from 0 and a limit up to 500"),
        ({"limit": -1}, "a page has an offset from 0"),
        ({"sort": "beauty"}, "no field 'beauty'; known: agent,"),
    ],
)
def test_a_page_that_cannot_be(client: Client, arguments: dict[str, object], why: str) -> None:
    with pytest.raises(Exception, match=why):
        client.agents(**arguments)  # type: ignore[arg-type]


def test_states_are_told_to_who_wants_them(engine: Engine, client: Client, tmp_path: Path) -> None:
    client.subscribe(("cells",))
    states = bytearray()

    def until(wanted: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not wanted():
            assert time.monotonic() < deadline
            message = client.receive(1.0)
            if isinstance(message, Cells):
                states[message.first : message.first + len(message.states)] = message.states

    until(lambda: states.count(2) == 6)
    future = engine.submit(nap_until, str(tmp_path / "go"))
    until(lambda: (states.count(2), states.count(3)) == (5, 1))
    (tmp_path / "go").touch()
    future.result(20)
    until(lambda: states.count(2) == 6)
    assert len(states) == engine._worker.run.fleet.board.rows


def test_an_engine_in_a_test_can_be_attached_to(client: Client) -> None:
    assert client.hello.pid == os.getpid()
    assert client.hello.database == ""
    assert enabled("pooling")
