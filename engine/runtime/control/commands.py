"""What readers may have done, by name: each is carried out or refused with a reason, and told in an event."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from engine.runtime import claimed, naming
from engine.runtime.control import knobs
from engine.runtime.control.refusal import Refusal
from engine.runtime.fleet import limits
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.subtasks_told import waits_data
from engine.stream.types import Level

if TYPE_CHECKING:
    from engine.runtime.plans.planned import Planned

_SIZE: Final = re.compile(r"(\d{1,9})(?:\.\.(\d{1,9}))?", re.ASCII)
_FAMILIAR: Final = 200
"""Characters of what somebody wrote that are said again."""


class Alerts(Protocol):
    """Who keeps the alerts of a run."""

    def acknowledge(self, alert: str, who: str, note: str = "", seconds: float | None = None) -> str:
        """Somebody takes an alert on, for so long at the most. Tells of it; says what was done; raises `Refusal`."""

    def unacknowledge(self, alert: str, who: str) -> str:
        """Take that back. Tells of it; says what was done; raises `Refusal`."""

    def silence(self, what: list[str], seconds: float, reason: str, who: str) -> tuple[int, str]:
        """Nobody is to be told of alerts that all of this fits, for a while: the name of a rule, or ``LABEL=VALUE``.
        Its number, and what was done; raises `Refusal`."""

    def unsilence(self, number: int, who: str) -> str:
        """End a silence. Says what was done; raises `Refusal`."""


class Work(Protocol):
    """Who knows the steps of a plan's run, and what of it waits for people."""

    def done(self, task: str, who: str, note: str = "", found: str = "") -> str:
        """Work of people, ``name`` or ``name[3]``, is done; what was found is a JSON object. Returns how it is called;
        raises `Refusal`."""

    def failed(self, task: str, who: str, why: str) -> str:
        """It has failed. Returns how it is called; raises `Refusal`."""

    def decide(self, gate: str, decided: str, why: str, who: str) -> str:
        """Somebody decides on a gate that is held. Tells of it; says what was decided; raises `Refusal`."""

    def open(self) -> list[dict[str, Any]]:
        """What waits for somebody: ``task`` or ``gate``, ``owner``, ``tasks``, ``at`` (seconds since the Unix epoch)
        and ``text``."""

    def explain(self, written: str) -> dict[str, Any] | None:
        """Why a step, or a task of one, has not begun, as `claimed.explained_data` has it; None if that is not
        known."""


class Target(Protocol):
    """What commands are about: a run."""

    fleet: Fleet
    alerts: Alerts | None
    work: Work | None
    plan: Planned | None

    def ask_to(self, what: Literal["drain", "stop"]) -> None:
        """Whoever drives the run is to end it."""

    def resized(self, pool: int) -> None:
        """A pool has another size by now."""


@dataclass(slots=True, frozen=True)
class Done:
    """What a command came to, as its event tells it."""

    kind: str
    """"" where that has been told by those who did it."""
    text: str
    data: dict[str, Any]
    level: Level = "warning"


class Commands:
    """The commands of one run. To be called on the thread that owns it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[str, tuple[str, Callable[..., Done]]] = {
            "pause": ("", self._pause),
            "resume": ("", self._resume),
            "drain": ("", self._drain),
            "stop": ("", self._stop),
            "scale": ("POOL N|MIN..MAX", self._scale),
            "recycle": ("AGENT", self._recycle),
            "kill": ("AGENT", self._kill),
            "set": ("SETTING VALUE", self._set),
            "lane": ("LANE LIMIT", self._lane),
            "explain": ("TASK", self._explain),
            "waits": ("", self._waits),
            "done": ("TASK [NOTE] [RESULT]", self._work_done),
            "failed": ("TASK WHY", self._work_failed),
            "gate": ("GATE DECISION [WHY]", self._gate),
            "open": ("", self._open),
            "acknowledge": ("ALERT [NOTE] [SECONDS]", self._acknowledge),
            "unacknowledge": ("ALERT", self._unacknowledge),
            "silence": ("SECONDS REASON RULE|LABEL=VALUE...", self._silence),
            "unsilence": ("NUMBER", self._unsilence),
        }
        """What arguments each takes, and who carries it out."""
        self._who = ""

    def carry_out(self, name: str, args: list[str], who: str) -> Done:
        """Do what `who` asks for, and tell of it. Raises `Refusal`."""
        known = self._known.get(name)
        if known is None:
            raise Refusal(f"no command {name[:_FAMILIAR]!r}; known: {', '.join(self._known)}")
        usage, method = known
        words = usage.split()
        least, most = sum(word[0] != "[" for word in words), len(words)
        if len(args) < least or (len(args) > most and not usage.endswith("...")):
            raise Refusal(f"{name} takes {usage or 'no arguments'}")
        self._who = who
        try:
            done = method(*args)
        except ValueError as error:  # of the core, or because it would not fit this machine
            raise Refusal(str(error)) from None
        if done.kind:
            self._target.fleet.event(done.level, done.kind, f"{done.text}, as {who} asked", **done.data, by=who)
        return done

    # -- the run ------------------------------------------------------------------------------------------------------

    def _pause(self) -> Done:
        core = self._target.fleet.core
        if core.paused:
            raise Refusal("the run is paused already")
        if core.draining:
            raise Refusal("the run is ending: nothing more is begun anyway")
        core.pause()
        return Done("run.paused", "paused: what runs finishes, nothing is begun", {})

    def _resume(self) -> Done:
        core = self._target.fleet.core
        if not core.paused:
            raise Refusal("the run is not paused")
        core.resume()
        return Done("run.resumed", "resumed", {}, "info")

    def _drain(self) -> Done:
        self._target.ask_to("drain")
        return Done("run.drain", "draining: what runs finishes, then the run ends", {})

    def _stop(self) -> Done:
        self._target.ask_to("stop")
        return Done("run.stop", "stopping at once", {})

    # -- pools and agents ---------------------------------------------------------------------------------------------

    def _scale(self, name: str, written: str) -> Done:
        fleet = self._target.fleet
        pool = next((pool for pool in fleet.core.pools if pool.name == name), None)
        if pool is None:
            raise Refusal(f"no pool {name[:_FAMILIAR]!r}; known: {', '.join(pool.name for pool in fleet.core.pools)}")
        match = _SIZE.fullmatch(written)
        if match is None:
            raise Refusal(f"{written[:_FAMILIAR]!r} is no size such as 8 or 2..16")
        least = int(match[1])
        most = int(match[2] or least)
        if not 1 <= least <= most:
            raise Refusal(f"a pool has at least one agent, and no more than its most: not {written}")
        before = f"{pool.minimum}..{pool.maximum}" if pool.minimum < pool.maximum else str(pool.maximum)
        if pool.maximum < most <= len(pool.rows):
            limits.check(most - pool.maximum, len(pool.shards))
        fleet.core.resize(pool.id, least, most)
        self._target.resized(pool.id)
        text = f"pool {name} is scaled from {before} to {written} agents"
        return Done("pool.scaled", text, {"pool": name, "minimum": least, "maximum": most, "before": before}, "info")

    def _row(self, name: str) -> int:
        """The row of ``pool/number``. Raises `Refusal`."""
        pool_name, _, number = name.rpartition("/")
        for pool in self._target.fleet.core.pools:
            if pool.name == pool_name and number.isdecimal() and number.isascii() and len(number) < 10:
                if int(number) < pool.extent:
                    return pool.rows.start + int(number)
                raise Refusal(f"no agent {name}: pool {pool_name} has {pool.name}/0 to {pool.name}/{pool.extent - 1}")
        raise Refusal(f"no agent {name[:_FAMILIAR]!r}: they are called POOL/NUMBER, such as {self._example()}")

    def _example(self) -> str:
        return f"{self._target.fleet.core.pools[0].name}/0"

    def _recycle(self, name: str) -> Done:
        self._target.fleet.core.recycle(self._row(name))
        return Done("agent.recycle", f"agent {name} is replaced after its task", {"agent": name}, "info")

    def _kill(self, name: str) -> Done:
        self._target.fleet.core.kill(self._row(name))
        return Done("agent.kill", f"agent {name} is killed", {"agent": name})

    # -- settings and alerts ------------------------------------------------------------------------------------------

    def _set(self, name: str, written: str) -> Done:
        before, after = knobs.change(self._target.fleet, name[:_FAMILIAR], written)
        text = f"{name} is {_written(after)}" + (f", was {_written(before)}" if after != before else " as before")
        return Done("setting.changed", text, {"name": name, "value": after, "before": before}, "info")

    # -- tasks --------------------------------------------------------------------------------------------------------

    def _lane(self, name: str, written: str) -> Done:
        core = self._target.fleet.core
        lane = core.desk.claims.lanes.get(name)
        if lane is None:
            known = ", ".join(core.desk.claims.lanes) or "none"
            raise Refusal(f"no lane {name[:_FAMILIAR]!r}; known: {known}")
        if not (written.isdecimal() and written.isascii() and len(written) < 10):
            raise Refusal(f"{written[:_FAMILIAR]!r} is no limit such as 1, or 0 to close a lane")
        before = lane.limit
        core.set_lane(name, int(written))
        text = f"lane {name} has a limit of {lane.limit:,}" + (f", was {before:,}" if before != lane.limit else "")
        return Done("lane.changed", text, {"lane": name, "limit": lane.limit, "before": before}, "info")

    def _explain(self, written: str) -> Done:
        fleet = self._target.fleet
        try:
            found, lines = claimed.explained(fleet, *naming.find(fleet, written))
        except naming.Unknown:
            known = self._explained_step(written)
            if known is None:
                raise
            data = known
        else:
            data = claimed.explained_data(fleet, found, lines)
        return Done("", f"{data['task']}: {'; '.join(data['lines'])}", data)

    def _waits(self) -> Done:
        data = waits_data(self._target.fleet)
        return Done("", "; ".join(data["lines"]) or "no task waits for subtasks", data)

    def _explained_step(self, written: str) -> dict[str, Any] | None:
        """Why a step of a plan does not go on, or a task of one has not begun; None if that is not known."""
        if self._target.plan is not None:
            from engine.runtime.plans.stepwise import step_explained  # a run that has no plan does not load it

            known = step_explained(self._target.plan, self._target.fleet, written)
            if known is not None:
                return known
        return None if self._target.work is None else self._target.work.explain(written)

    # -- what waits for people ----------------------------------------------------------------------------------------

    @property
    def _work(self) -> Work:
        if self._target.work is None:
            raise Refusal("nothing of this run waits for people: it is of no plan")
        return self._target.work

    def _work_done(self, task: str, note: str = "", found: str = "") -> Done:
        name = self._work.done(task, self._who, note, found)
        text = f"{name} is done" + (f" ({note})" if note else "")
        return Done("work.done", text, {"task": name, "note": note}, "info")

    def _work_failed(self, task: str, why: str) -> Done:
        name = self._work.failed(task, self._who, why)
        return Done("work.failed", f"{name} has failed: {why}", {"task": name, "why": why})

    def _gate(self, gate: str, decided: str, why: str = "") -> Done:
        text = self._work.decide(gate, decided, why, self._who)
        return Done("", text, {"gate": gate, "decided": decided, "why": why})

    def _open(self) -> Done:
        found = [] if self._target.work is None else self._target.work.open()
        return Done("", f"{len(found):,} things wait for somebody", {"open": found})

    @property
    def _alerts(self) -> Alerts:
        if self._target.alerts is None:
            raise Refusal("this run has no alerts")
        return self._target.alerts

    def _acknowledge(self, alert: str, note: str = "", written: str = "") -> Done:
        seconds = _seconds(written) if written else None
        text = self._alerts.acknowledge(alert, self._who, note, seconds)
        return Done("", text, {"alert": alert})

    def _unacknowledge(self, alert: str) -> Done:
        return Done("", self._alerts.unacknowledge(alert, self._who), {"alert": alert})

    def _silence(self, written: str, reason: str, *what: str) -> Done:
        seconds = _seconds(written)
        number, text = self._alerts.silence(list(what), seconds, reason, self._who)
        data = {"silence": number, "what": list(what), "seconds": seconds, "reason": reason}
        return Done("silence.began", text, data, "info")

    def _unsilence(self, written: str) -> Done:
        if not (written.isdecimal() and written.isascii() and len(written) < 10):
            raise Refusal(f"{written[:_FAMILIAR]!r} is no number of a silence")
        text = self._alerts.unsilence(int(written), self._who)
        return Done("silence.ended", text, {"silence": int(written)}, "info")


def _seconds(written: str) -> float:
    """A length of time. Raises `Refusal`."""
    try:
        seconds = float(written)
    except ValueError:
        raise Refusal(f"{written[:_FAMILIAR]!r} is no number of seconds") from None
    if not 0 < seconds < 1e9:
        raise Refusal(f"{written[:_FAMILIAR]!r} is no number of seconds above 0")
    return seconds


def _written(value: Any) -> str:
    """A setting's value as people write it."""
    if value is None:
        return "auto"
    return f"{value:.15g}" if isinstance(value, float) else str(value).lower()
