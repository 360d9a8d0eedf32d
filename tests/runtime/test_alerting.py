"""Alerts of real engines: what happens to them is on the stream, in the record, and told outside."""

from __future__ import annotations

import contextlib
import http.server
import json
import math
import os
import pwd
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alerting import quiet
from click.testing import CliRunner
from processes import wait_for
from recorded import ask

from engine.cli.live.watch import as_object, line
from engine.cli.main import shoal
from engine.runtime.alerting.alerting import FAILED, REST
from engine.runtime.fleet.specs import PoolSpec
from engine.runtime.options import RunOptions
from engine.runtime.run import Run
from engine.settings.types import PoolSettings, Settings, SettingsError
from engine.store import queries
from engine.store.recording import StoredRecording
from engine.stream import places
from engine.stream.client import Client
from engine.stream.types import AlertChanged, AlertsNow, AlertView, Event, Frame
from shoal import Engine

pytestmark = pytest.mark.needs("pooling")


def nap_until(path: str) -> int:
    while not os.path.exists(path):
        time.sleep(0.01)
    return os.getpid()


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Reader:
    """Reads a stream on, and keeps what it was told."""

    def __init__(self, engine: Engine, *topics: str) -> None:
        self.client = Client(places.runtime_folder() / f"{engine.run_id}.sock")
        self.events: list[Event] = []
        self.changes: list[AlertChanged] = []
        self.now: list[AlertsNow] = []
        self.client.subscribe(topics or ("events",))  # type: ignore[arg-type]

    def read(self, seconds: float = 0.0) -> Reader:
        """Take in what has come."""
        while (message := self.client.receive(seconds)) is not None:
            if isinstance(message, Event):
                self.events.append(message)
            elif isinstance(message, AlertChanged):
                self.changes.append(message)
            elif isinstance(message, AlertsNow):
                self.now.append(message)
        return self

    def event(self, kind: str, **data: object) -> Event:
        """Wait for an event with this in its data; the first one there is."""
        found: list[Event] = []

        def there() -> bool:
            self.read()
            found[:] = [
                one for one in self.events if one.kind == kind and all(one.data[k] == v for k, v in data.items())
            ]
            return bool(found)

        wait_for(there, what=f"{kind} {data}")
        return found[0]

    def live(self) -> list[AlertView]:
        """The alerts there are, as a reader is told that begins to ask for them."""
        client = Client(self.client_path)
        try:
            client.subscribe(("alerts",))
            message = client.receive(10)
            while not isinstance(message, AlertsNow):
                assert message is not None
                message = client.receive(10)
            return message.alerts
        finally:
            client.close()

    @property
    def client_path(self) -> Path:
        return places.runtime_folder() / f"{self.client.hello.run}.sock"


@contextmanager
def reading(engine: Engine, *topics: str) -> Iterator[Reader]:
    reader = Reader(engine, *topics)
    try:
        yield reader
    finally:
        reader.client.close()


@contextmanager
def watched(
    folder: Path, agents: int, *topics: str, rules: str = "", settings: dict[str, Any] | None = None, **more: Any
) -> Iterator[tuple[Engine, Reader]]:
    """An engine whose agents are up, with these rules and other settings, and somebody who reads its stream."""
    with Engine(agents, settings=quiet(folder, rules) | (settings or {}), **more) as engine:
        engine.wait_ready(60)
        with reading(engine, *topics) as reader:
            yield engine, reader


def kill_one(reader: Reader) -> tuple[str, float]:
    """Kill an agent; its name, and when that was."""
    rows, _ = reader.client.agents()
    victim = next(row for row in rows if row.state == "idle")
    at = time.time()
    os.kill(victim.pid, signal.SIGKILL)
    return victim.agent, at


CRASH = """
[rules.agent-crash]
keep_for = "1s"
"""


def test_a_death_is_an_alert_on_the_stream_and_in_the_record(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"
    with watched(tmp_path, 3, "events", "alerts", rules=CRASH, record=database) as (engine, reader):
        assert engine.submit(abs, -1).result(20) == 1  # one that has begun a task has not died early
        name, killed = kill_one(reader)
        fired = reader.event("alert.firing")
        died = reader.event("agent.died")
        assert fired.number == died.number + 1, "at once, and after what it is about"
        assert fired.level == "warning"
        assert fired.text == f"agent crashed: {died.text}"
        assert (fired.data["rule"], fired.data["labels"], fired.data["alert"]) == (
            "agent-crash", {"pool": "main"}, 1,
        )  # fmt: skip
        times = fired.data["timeline"]
        assert killed <= times["happened"] <= times["detected"] <= times["fired"] <= time.time()
        assert times["happened"] == pytest.approx(died.data["happened"], abs=1e-3)
        assert died.data["agent"] == name
        resolved = reader.event("alert.resolved")
        assert resolved.level == "info"
        assert resolved.data["timeline"]["resolved"] == pytest.approx(times["fired"] + 1, abs=5)
        # An event and the change that it is about are two messages: the second one may still be on its way.
        wait_for(lambda: any(one.alert.state == "resolved" for one in reader.read().changes), what="the change, too")
        changes = [(one.change, one.alert.state) for one in reader.changes]
        assert changes[0] == ("state", "firing")
        assert changes[-1] == ("state", "resolved")
        assert reader.changes[0].alert.text == died.text
        assert reader.changes[-1].alert.shown is not None, "there was a reader to whom it was told"
        assert reader.changes[-1].alert.shown >= reader.changes[-1].alert.fired  # type: ignore[operator]
        run = engine.run_id
    with contextlib.closing(queries.open_readonly(database)) as db:
        (kept,) = queries.alerts(db, run)
        told = [event.kind for event in queries.events(db, run) if event.kind.startswith("alert.")]
    assert (kept.number, kept.rule, kept.level, kept.pool) == (1, "agent-crash", "warning", "main")
    assert kept.fired is not None
    assert kept.resolved is not None
    assert killed <= kept.began <= kept.evidence["detected"] <= kept.fired < kept.evidence["shown"] < kept.resolved
    assert kept.evidence["count"] == 1
    assert told[0] == "alert.firing"
    assert told[-1] == "alert.resolved"


def test_deaths_that_come_together_are_one_alert_which_counts_all_of_them(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"
    with watched(tmp_path, 6, record=database) as (engine, reader):
        rows, _ = reader.client.agents()
        for row in rows[:5]:
            os.kill(row.pid, signal.SIGKILL)
        wait_for(lambda: sum(e.kind == "agent.died" for e in reader.read().events) == 5, what="deaths")
        assert [alert.count for alert in reader.live() if alert.rule == "agent-crash"] == [5]
        reader.event("alert.update", count=5)
        assert sum(event.kind == "alert.firing" for event in reader.events) == 1
        run = engine.run_id
    with contextlib.closing(queries.open_readonly(database)) as db:
        (kept,) = queries.alerts(db, run)
    assert kept.evidence["count"] == 5


def test_what_came_last_is_counted_in_the_end(tmp_path: Path) -> None:
    """Counts are told once a second: nobody has to wait for that when the run ends."""
    database = tmp_path / "runs.db"
    heard: list[Event] = []
    with Engine(2, record=database, crash_limit=3, on_event=heard.append, settings=quiet(tmp_path)) as engine:
        with pytest.raises(Exception, match="3 times"):
            engine.submit(die, 1).result(60)
        run = engine.run_id
    with contextlib.closing(queries.open_readonly(database)) as db:
        kept = {alert.rule: alert for alert in queries.alerts(db, run)}
    assert kept["agent-crash"].evidence["count"] == 3
    crashes = [event.data["count"] for event in heard if event.data.get("rule") == "agent-crash"]
    assert crashes[-1] == 3
    assert heard[-1].kind == "run.ended"


def test_a_task_that_is_given_up_is_told(tmp_path: Path) -> None:
    heard: list[Event] = []
    with Engine(2, crash_limit=2, on_event=heard.append) as engine:
        with pytest.raises(Exception, match="2 times"):
            engine.submit(die, 1).result(60)
        assert engine._worker.run.sampler.delivered() == 0.0, "no agent has said how it ended"
    (given_up,) = [event for event in heard if event.kind == "task.poisoned"]
    assert (given_up.data["pool"], given_up.data["job"], given_up.level) == ("main", "die", "warning")
    assert given_up.text.startswith("die[0] is given up: its agent died 2 times")
    (alert,) = [event for event in heard if event.data.get("rule") == "poison-task"]
    assert alert.kind == "alert.firing"


DEPTH = """
[rules.depth]
mode = "level"
signal = "queue_depth"
critical = { raise = 20, clear = 10 }
keep_for = "0s"
summary = "{value} wait"
"""


def test_a_threshold_is_seen_soon_and_counted_in_frames(tmp_path: Path) -> None:
    with watched(tmp_path, 1, "events", "frames", rules=DEPTH) as (engine, reader):
        futures = [engine.submit(nap_until, str(tmp_path / "go")) for _ in range(40)]
        fired = reader.event("alert.firing", rule="depth")
        assert (fired.level, fired.data["severity"], fired.text) == ("error", "critical", "depth: 39 wait")
        run = engine._worker.run
        wait_for(
            lambda: run.showing.frame is not None and run.showing.frame.alerts == (0, 1), what="a frame that counts it"
        )
        (tmp_path / "go").touch()
        reader.event("alert.resolved", rule="depth")
        assert len([future.result(20) for future in futures]) == 40


def test_whoever_asks_is_told_of_alerts_that_fire(tmp_path: Path) -> None:
    with watched(tmp_path, 2) as (_, reader):
        assert reader.live() == []
        kill_one(reader)
        reader.event("alert.firing")
        (alert,) = reader.live()
    assert (alert.rule, alert.state, alert.severity, alert.labels) == (
        "agent-crash", "firing", "warning", {"pool": "main"},
    )  # fmt: skip
    assert alert.hint
    assert alert.area == "crash"
    assert alert.happened is not None


def test_acknowledgements_end_with_the_alert(tmp_path: Path) -> None:
    with watched(tmp_path, 3, rules=CRASH.replace("1s", "3s")) as (_, reader):
        kill_one(reader)
        fingerprint = reader.event("alert.firing").data["fingerprint"]
        command = reader.client.command
        assert command("acknowledge", "7").text == "no alert '7' fires; those that do: 1"
        assert command("acknowledge", fingerprint[:6], "looking into it").ok
        taken = reader.event("alert.acknowledged")
        assert f"pid {os.getpid()}" in taken.data["why"]
        assert taken.text.startswith(f"acknowledged by {pwd.getpwuid(os.getuid()).pw_name} (pid {os.getpid()}, ")
        (alert,) = reader.live()
        assert alert.ack is not None
        assert alert.ack.note == "looking into it"
        assert command("unacknowledge", "1").ok
        assert command("unacknowledge", "1").text == "alert 1 is not acknowledged"
        assert command("acknowledge", "1", "", "600").ok
        reader.event("alert.resolved")
        assert reader.event("alert.unacknowledged", why="resolved").data["state"] == "resolved"
        assert command("acknowledge", "1").text.startswith("no alert '1' fires")


def test_silences_keep_people_from_being_told(tmp_path: Path) -> None:
    with watched(tmp_path, 3, "events", "alerts") as (_, reader):
        command = reader.client.command
        done = command("silence", "600", "known", "agent-crash", "pool=main")
        assert done.ok
        assert done.text == "silence 1: agent-crash pool=main for 10 min (known)"
        assert command("silence", "600", "x", "agent-crush").text == (
            "no rule 'agent-crush': did you mean 'agent-crash'?"
        )
        assert command("silence", "600", " ", "agent-crash").text == "a silence needs a reason"
        reader.event("silence.began")
        wait_for(lambda: reader.read().now[-1].silences, what="readers are told of it")
        (silence,) = reader.now[-1].silences
        assert (silence.matchers, silence.reason) == ({"rule": "agent-crash", "pool": "main"}, "known")
        kill_one(reader)
        fired = reader.event("alert.firing")
        assert (fired.level, fired.data["notify"]) == ("info", False)
        (alert,) = reader.live()
        assert alert.silence == done.data["silence"]
        assert command("unsilence", str(alert.silence)).ok
        told = reader.event("alert.unsilenced")
        assert (told.level, told.data["notify"]) == ("warning", True), "it fires still, and people do not know"
        assert command("unsilence", "99").text == "no silence 99"


def test_a_silence_ends_when_it_is_to_though_nothing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.alerting.alerting.REST", 3600.0)
    with watched(tmp_path, 2) as (_, reader):
        kill_one(reader)
        reader.event("alert.firing")
        assert reader.client.command("silence", "0.5", "known", "agent-crash").ok
        reader.event("alert.silenced")
        assert reader.event("alert.unsilenced").data["why"] == "it has ended"


# -- outside ----------------------------------------------------------------------------------------------------------


@contextmanager
def server(*statuses: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server on loopback, which gives these answers, the last of them for ever; and what was posted to it."""
    posted: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response((statuses or (200,))[: len(posted)][-1])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{found.server_port}/alerts", posted
        finally:
            found.shutdown()
            thread.join()


def test_a_web_server_is_told(tmp_path: Path) -> None:
    with server() as (address, posted), watched(tmp_path, 2, settings={"alert_webhook": address}) as (engine, reader):
        _, killed = kill_one(reader)
        reader.event("alert.firing")
        wait_for(lambda: posted, what="it is posted")
    assert posted[0]["run"] == engine.run_id
    assert posted[0]["alert"]["rule"] == "agent-crash"
    assert posted[0]["alert"]["timeline"]["fired"] >= killed
    assert posted[0]["line"].startswith("warning: agent crashed: agent main/")
    assert len(posted) == 1


def test_a_command_is_told_without_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "tell me; echo.py"
    script.write_text(
        "import json, os, sys\n"
        "told = json.load(sys.stdin) | {'rule': os.environ['SHOAL_ALERT_RULE'], 'arguments': sys.argv[1:]}\n"
        f"open({str(tmp_path / 'told')!r}, 'a').write(json.dumps(told) + '\\n')\n"
    )
    command = (sys.executable, str(script), "$HOME", "a b")
    with watched(tmp_path, 2, settings={"alert_command": command}) as (_, reader):
        kill_one(reader)
        reader.event("alert.firing")
    (line,) = (tmp_path / "told").read_text().splitlines()  # the engine has waited for it in the end
    told = json.loads(line)
    assert told["rule"] == "agent-crash"
    assert told["arguments"] == ["$HOME", "a b"]
    assert told["after"] == "firing"


def test_a_sink_that_fails_is_told_of_and_is_an_alert_itself(tmp_path: Path) -> None:
    with server(404, 200) as (address, _), watched(tmp_path, 2, settings={"alert_webhook": address}) as (_, reader):
        kill_one(reader)
        failed = reader.event("sink.failed")
        assert failed.text == "an alert was not passed on: webhook: 127.0.0.1: it answers 404"
        assert reader.event("alert.firing", rule="sink-failed").data["labels"] == {"sink": "webhook"}
        well = reader.event("sink.well")  # for the alert about it has arrived
        assert (well.level, well.text) == ("info", "alerts are passed on again: webhook")
        reader.event("alert.resolved", rule="sink-failed")


# -- rules ------------------------------------------------------------------------------------------------------------


def test_rules_that_are_wrong_are_said_before_anything_starts(tmp_path: Path) -> None:
    wrong = quiet(tmp_path, '[rules.recorder-backlog]\nwarning = { raise = "2%", clear = "50%" }\nfro = "2s"\n')
    with pytest.raises(SettingsError) as told:
        Engine(1, settings=wrong)
    lines = str(told.value).splitlines()
    assert len(lines) == 2
    assert all("rules.toml: rule recorder-backlog: " in line for line in lines)
    assert isinstance(told.value, ValueError)
    with pytest.raises(ValueError, match="no such file"):
        Engine(1, settings={"alert_rules": str(tmp_path / "none.toml")})


def test_the_rules_beside_the_config_file_are_in_force(tmp_path: Path) -> None:
    folder = tmp_path / "xdg-config" / "shoal"
    folder.mkdir(parents=True)
    (folder / "alerts.toml").write_text('[rules.agent-crash]\ntitle = "somebody fell"\n')
    with Engine(2) as engine:
        engine.wait_ready(60)
        with reading(engine) as reader:
            kill_one(reader)
            assert reader.event("alert.firing").text.startswith("somebody fell: agent main/")


# -- what it costs ----------------------------------------------------------------------------------------------------


def wakes(engine: Engine, seconds: float) -> int:
    """How often the engine's loop comes back within this time."""
    loop, found = engine._worker.run.fleet.loop, [0]
    step: Callable[[float | None], None] = loop.step

    def counted(timeout: float | None) -> None:
        step(timeout)
        found[0] += 1

    loop.step = counted  # type: ignore[method-assign]
    time.sleep(seconds)
    del loop.step
    return found[0]


@pytest.mark.parametrize("record", [False, True])
def test_an_idle_engine_is_hardly_woken(tmp_path: Path, record: bool) -> None:
    with Engine(4, record=tmp_path / "runs.db" if record else None) as engine:
        engine.wait_ready(60)
        assert list(engine.map(abs, range(100))) == list(range(100))
        time.sleep(0.2)  # what has come of that is written
        assert wakes(engine, 2.0) <= (10 if record else 4)


def test_an_engine_that_was_not_started_is_not_woken() -> None:
    with Engine(1) as engine:
        wait_for(lambda: engine._worker.run.fleet.loop, what="it is there")
        time.sleep(0.1)
        assert wakes(engine, 1.2) <= 1


def test_an_engine_that_nobody_can_see_reads_no_rules() -> None:
    with Engine(1, attachable=False) as engine:
        assert engine.submit(abs, -1).result(60) == 1
        assert engine._worker.run.alerting._core is None
        assert engine._worker.run.alerting.counts == (0, 0)


def test_alerts_that_fail_do_not_end_the_run(caplog: pytest.LogCaptureFixture) -> None:
    with Engine(2) as engine:
        engine.wait_ready(60)
        with reading(engine) as reader, reading(engine, "frames", "alerts") as listening:
            run = engine._worker.run
            alerting = run.alerting
            wait_for(lambda: alerting._core is not None, what="rules are read")

            def fail(*_: object) -> None:
                raise RuntimeError("a bug")

            alerting._core.event = fail  # type: ignore[union-attr, method-assign]
            kill_one(reader)
            reader.event("agent.died")
            assert engine.submit(abs, -1).result(60) == 1
            told = reader.event("alerts.failed")
            assert (told.level, told.text) == (
                "error", f"{FAILED}: nobody is told of what goes wrong from here on",
            )  # fmt: skip
            with reading(engine, "alerts") as late:
                for asked in (listening, late):
                    wait_for(lambda: asked.read().now and asked.now[-1].unknown, what="it is told")  # noqa: B023
                    assert (asked.now[-1].unknown, asked.now[-1].alerts) == (FAILED, [])
            wait_for(
                lambda: run.showing.frame is not None and run.showing.frame.alerts is None,
                what="a frame that knows of none",
            )
            assert run.showing.frame is not None
            assert "alerts unknown" in line(run.showing.frame)
            assert as_object(reader.client.hello, run.showing.frame)["alerts"] is None
            refused = CliRunner().invoke(shoal, ["alerts", engine.run_id])
            assert refused.exit_code != 0
            assert refused.stderr.splitlines() == [f"Error: nobody knows which alerts there are: {FAILED}"]
            assert reader.client.command("acknowledge", "1").text == FAILED
    assert "the alerts failed" in caplog.text


def test_an_engine_that_stood_still_says_so_and_blames_no_agent() -> None:
    events: list[Event] = []
    run = Run([PoolSpec(PoolSettings(size=1))], RunOptions("still", control=False))
    run.on_frame = lambda frame: None  # somebody sees it
    run.fleet.listeners.append(events.append)
    try:
        run.fleet.start()
        while run.alerting._core is None or not run.fleet.core.settled:
            run.step(0.05)
        stood = time.monotonic() + 2 * REST
        time.sleep(2.1 * REST)
        while not any(event.data.get("rule") == "loop-stalled" for event in events):
            run.step(0.05)
        assert run.alerting._readings is not None
        assert run.alerting._readings._debts.heard_from > stood
    finally:
        run.close()


def interrupted(options: RunOptions, text: str) -> str:
    """A run in which one alert fires; its id."""
    run = Run([PoolSpec(PoolSettings(size=1))], options)
    try:
        run.fleet.start()
        while not run.fleet.core.settled:
            run.step(0.05)
        run.fleet.event("error", "nursery.died", text)
        run.finish("interrupted", {})
    finally:
        run.close()
    return run.id


@pytest.mark.parametrize(
    ("rule", "counted"),
    [
        ('on = ["metrics.served"]\nkeep_for = "1ms"', (0, 0)),
        ('on = ["run.ended"]\nseverity = "critical"', (0, 1)),
    ],
    ids=["over in the end", "of the end"],
)
def test_the_last_frame_and_the_record_have_alerts_as_they_are_in_the_end(
    tmp_path: Path, rule: str, counted: tuple[int, int]
) -> None:
    database = tmp_path / "runs.db"
    frames: list[Frame] = []
    settings = Settings(**quiet(tmp_path, f'[rules.mine]\nmode = "event"\n{rule}\n'))
    run = Run([PoolSpec(PoolSettings(size=1))], RunOptions("brief", database, control=False, settings=settings))
    run.on_frame = frames.append
    try:
        run.fleet.start()
        while not run.fleet.core.settled or run.alerting._core is None:
            run.step(0.05)
        run.fleet.event("info", "metrics.served", "somewhere")
        time.sleep(0.002)
        run.finish("done", {})
    finally:
        run.close()
    assert (frames[-1].state, frames[-1].alerts) == ("ended", counted)
    (over,) = ask(database, "SELECT count(resolved) = count(*) FROM alerts WHERE rule = 'mine'")[0]
    assert over == (not sum(counted))
    recorded = [
        message
        for _, told in StoredRecording(database, run.id).window(0.0, math.inf)
        for message in told
        if isinstance(message, Frame)
    ]
    assert (recorded[-1].state, recorded[-1].alerts) == ("ended", counted)


def test_numbers_of_alerts_go_on_where_a_run_is_resumed(tmp_path: Path) -> None:
    """The same for those who read the stream, and in the record."""
    database = tmp_path / "runs.db"
    settings = Settings(**quiet(tmp_path))
    first = interrupted(RunOptions("again", database, control=False, settings=settings), "number 0")
    for resumed in (1, 2):
        options = RunOptions("again", database, control=False, settings=settings, run=first, resumed=resumed)
        interrupted(options, f"number {resumed}")
    kept = [(number + 1, "nursery-crash", f"number {number}") for number in range(3)]
    assert ask(database, "SELECT number, rule, text FROM alerts ORDER BY number") == kept
    told = "SELECT data ->> 'alert', data ->> 'rule' FROM events WHERE kind = 'alert.firing' ORDER BY number"
    assert ask(database, told) == [(number, rule) for number, rule, _ in kept]
