"""Kills agents of a fleet at random times, fills a queue, and reads on the stream when an alert tells of it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.bench.alerts.fleet import QUEUE
from engine.bench.run import MeasurementFailed
from engine.procs import boot
from engine.stream import filters
from engine.stream.client import Client, StreamError
from engine.stream.types import AlertsNow, Event

_STEP: Final = 10
"""Tasks by which the queue grows at a time."""
_AGAIN: Final = 3.0
"""Seconds in which an agent is not killed again: what only changes in count is told once a second."""
_PAGE: Final = 500
_ASK_EVERY: Final = 40
"""Kills between two looks at which agents there are."""
_PATIENCE: Final = 20.0
"""Seconds after which an alert counts as missed."""
_READY: Final = 120.0

_KILLS: Final = """
[rules.bench-kill]
mode = "event"
on = [{ event = "agent.died", why = "died" }]
by = ["agent"]
keep_for = "1h"
max_alerts = 500
[rules.crash-loop]
enabled = false
[rules.agent-crash]
keep_for = "1h"
"""
_DEPTH: Final = """
[rules.bench-depth-%(step)d]
mode = "level"
signal = "queue_depth"
where = { pool = ["queue"] }
warning = { raise = %(raised)d, clear = %(cleared)d }
keep_for = "1h"
"""


@dataclass
class Deaths:
    """What became of agents that were killed.

    Attributes:
        latencies: seconds from just before the kill until its alert was read, in the order of the kills.
        noticed: the same, from when the kernel told the agent's host.
        missed: agents that were killed, as many times as no alert has counted that.
        doubled: those that alerts, or events of deaths, have counted too often.
        folded: deaths that the built-in alert about crashes has counted, one alert for all.
    """

    kills: int
    latencies: list[float] = field(default_factory=list)
    noticed: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    folded: int = 0
    others: list[str] = field(default_factory=list)
    """How agents ended that nobody killed, on a machine that is too busy for them."""

    @property
    def exact(self) -> bool:
        """Each was counted exactly once, by each who counts."""
        return not self.missed and not self.doubled and self.folded == self.kills


def _kill(pid: int) -> bool:
    """Kill an agent; False if it has ended meanwhile, and its number may be another process's."""
    try:
        if Path(f"/proc/{pid}/comm").read_text().strip() != "shoal-agent":
            return False
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


class Probe:
    """A fleet, and a reader of its stream."""

    def __init__(self, process: subprocess.Popen[str], client: Client, seed: int) -> None:
        self._process = process
        self._client = client
        self._random = random.Random(seed)
        self._pids: dict[str, int] = {}
        """Agents that may be killed."""
        self._killed: dict[str, float] = {}
        """When each was killed last, by the monotonic clock."""

    # -- deaths -------------------------------------------------------------------------------------------------------

    def kill(self, kills: int, mean: float) -> Deaths:
        """Kill so many agents at random times, every `mean` seconds; each dies once at a time."""
        found = Deaths(kills)
        wanted: Counter[str] = Counter()
        """Times that each agent was killed."""
        told: Counter[str] = Counter()
        """Times that its alert has counted."""
        died: Counter[tuple[str, int]] = Counter()
        """By agent and pid, events that tell of its death."""
        since: dict[tuple[str, int], float] = {}
        """When an agent was killed for the n-th time, while no alert has counted that."""
        victims: set[tuple[str, int]] = set()
        noticed: dict[str, float] = {}
        """When the kernel told of an agent's last death, in seconds since the Unix epoch."""
        left, asked, due, last = kills, -_ASK_EVERY, time.monotonic(), time.monotonic()
        while left or since:
            now = time.monotonic()
            if left and now >= due:
                if not since and kills - left - asked >= _ASK_EVERY:
                    asked = kills - left
                    self._look()
                name = self._choose()
                if name is not None:
                    pid = self._pids.pop(name)
                    began = time.monotonic()
                    if _kill(pid):
                        wanted[name] += 1
                        victims.add((name, pid))
                        self._killed[name] = last = since[name, wanted[name]] = began
                        left -= 1
                elif not since:  # all were killed lately
                    asked = -_ASK_EVERY
                due = time.monotonic() + self._random.expovariate(1 / mean)
                continue
            message = self._client.receive(max(0.0, due - now) if left else 0.5)
            at, wall = time.monotonic(), time.time()
            if isinstance(message, Event):
                if message.kind == "agent.died" and message.data["why"] != "died":
                    found.others.append(message.text)
                elif message.kind == "agent.died":
                    died[str(message.data["agent"]), int(message.data["pid"])] += 1
                    noticed[str(message.data["agent"])] = float(message.data["happened"])
                elif message.data.get("rule") == "bench-kill" and message.kind in ("alert.firing", "alert.update"):
                    name = str(message.data["labels"]["agent"])
                    count = int(message.data["count"])
                    for number in range(told[name] + 1, count + 1):
                        killed = since.pop((name, number), None)
                        if killed is not None:
                            found.latencies.append(at - killed)
                            found.noticed.append(wall - noticed[name])
                    told[name] = max(told[name], count)
            elif message is None and since and at - last > _PATIENCE:
                break
        found.missed = sorted((wanted - told).elements())
        found.missed += [name for name, pid in sorted(victims) if not died[name, pid]]
        found.doubled = sorted((told - wanted).elements())
        found.doubled += [name for (name, pid), times in sorted(died.items()) if times > ((name, pid) in victims)]
        found.folded = self._folded()
        return found

    def _look(self) -> None:
        """Which agents there are."""
        self._pids = {}
        conditions = filters.parse("pool=main,state=idle|busy")
        while True:
            rows, total = self._client.agents(conditions, offset=len(self._pids), limit=_PAGE)
            self._pids.update((row.agent, row.pid) for row in rows if row.pid > 1)
            if not rows or len(self._pids) >= total:
                return

    def _choose(self) -> str | None:
        """An agent that was not killed lately."""
        now = time.monotonic()
        names = [name for name in self._pids if now - self._killed.get(name, -_AGAIN) >= _AGAIN]
        return self._random.choice(names) if names else None

    def _folded(self) -> int:
        """The deaths that the built-in alert has counted, asked of the engine."""
        self._client.subscribe(("events", "alerts"))
        deadline = time.monotonic() + _PATIENCE
        found = 0
        while time.monotonic() < deadline:
            message = self._client.receive(1.0)
            if isinstance(message, AlertsNow):
                found += sum(alert.count for alert in message.alerts if alert.rule == "agent-crash")
                if message.part + 1 == message.parts:
                    break
        self._client.subscribe(("events",))
        return found

    # -- a threshold --------------------------------------------------------------------------------------------------

    def cross(self, times: int) -> list[float]:
        """Let the queue of a pool get longer again and again, at random times, each time beyond the bound of one more
        rule: seconds from just before that until its alert was read. Raises `MeasurementFailed`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        found = []
        for step in range(1, times + 1):
            self._idle(self._random.uniform(0.02, 0.2))
            self._process.stdin.write(f"{_STEP}\n")
            self._process.stdin.flush()
            deadline = time.monotonic() + _PATIENCE
            read = None
            while read is None:
                message = self._client.receive(1.0)
                at = time.monotonic()
                if isinstance(message, Event) and message.data.get("rule") == f"bench-depth-{step}":
                    read = at
                elif at > deadline:
                    raise MeasurementFailed(f"no alert though {step * _STEP} tasks wait")
            began = json.loads(self._process.stdout.readline())["at"]
            found.append(read - began)
        return found

    def _idle(self, seconds: float) -> None:
        """Let time pass, and read what comes."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._client.receive(left)


@contextlib.contextmanager
def probe(agents: int, burning: int, crossings: int, seed: int) -> Iterator[Probe]:
    """A fleet of so many agents, of which some compute all the time and the others wait. Raises `MeasurementFailed`."""
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder, tempfile.TemporaryFile() as errors:
        rules = Path(folder, "rules.toml")
        bounds = [{"step": n, "raised": n * _STEP - 5, "cleared": n * _STEP - 6} for n in range(1, crossings + 1)]
        rules.write_text(_KILLS + "".join(_DEPTH % bound for bound in bounds))
        asked: dict[str, Any] = {
            "agents": agents, "burning": burning, "rules": str(rules), "database": str(Path(folder, "runs.db")),
            "parent": os.getpid(),
        }  # fmt: skip
        process = subprocess.Popen(
            boot.argv("engine.bench.alerts.fleet", json.dumps(asked)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=boot.environment(),
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            if not said:
                errors.seek(0)
                last = errors.read().decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
                raise MeasurementFailed(f"the engine did not start: {last[0][:300]}")
            with contextlib.closing(Client(json.loads(said)["path"])) as client:
                client.subscribe(("events",))
                _settle(client, agents)
                yield Probe(process, client, seed)
        except StreamError as error:
            raise MeasurementFailed(str(error)) from None
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def _settle(client: Client, agents: int) -> None:
    """Wait until every agent works."""
    deadline = time.monotonic() + _READY
    conditions = filters.parse(f"pool=main|{QUEUE},state=busy")
    while client.agents(conditions, limit=1)[1] < agents + 1:
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"{agents} agents are not at work within {_READY:g} s")
        time.sleep(0.1)
    while client.receive(0.5) is not None:
        pass
