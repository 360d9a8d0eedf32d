"""What readers may have done, by name: each is carried out or refused with a reason, and told in an event."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from engine.runtime import limits
from engine.runtime.control import knobs
from engine.runtime.control.refusal import Refusal
from engine.runtime.fleet import Fleet
from engine.stream.types import Level

_SIZE: Final = re.compile(r"(\d{1,9})(?:\.\.(\d{1,9}))?", re.ASCII)
_FAMILIAR: Final = 200
"""Characters of what somebody wrote that are said again."""


class Alerts(Protocol):
    """Who keeps the alerts of a run."""

    def acknowledge(self, alert: str, who: str) -> str:
        """Somebody has seen an alert. Says what was done; raises `Refusal`."""

    def silence(self, rule: str, seconds: float, who: str) -> str:
        """A rule is not to tell of itself for a while. Says what was done; raises `Refusal`."""


class Target(Protocol):
    """What commands are about: a run."""

    fleet: Fleet
    alerts: Alerts | None

    def ask_to(self, what: Literal["drain", "stop"]) -> None:
        """Whoever drives the run is to end it."""

    def resized(self, pool: int) -> None:
        """A pool has another size by now."""


@dataclass(slots=True, frozen=True)
class Done:
    """What a command came to, as its event tells it."""

    kind: str
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
            "acknowledge": ("ALERT", self._acknowledge),
            "silence": ("RULE SECONDS", self._silence),
        }
        """What arguments each takes, and who carries it out."""
        self._who = ""

    def carry_out(self, name: str, args: list[str], who: str) -> Done:
        """Do what `who` asks for, and tell of it. Raises `Refusal`."""
        known = self._known.get(name)
        if known is None:
            raise Refusal(f"no command {name[:_FAMILIAR]!r}; known: {', '.join(self._known)}")
        usage, method = known
        if len(args) != len(usage.split()):
            raise Refusal(f"{name} takes {usage or 'no arguments'}")
        self._who = who
        try:
            done = method(*args)
        except ValueError as error:  # of the core, or because it would not fit this machine
            raise Refusal(str(error)) from None
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

    def _acknowledge(self, alert: str) -> Done:
        if self._target.alerts is None:
            raise Refusal(f"no alert {alert[:_FAMILIAR]!r}")
        text = self._target.alerts.acknowledge(alert, self._who)
        return Done("alert.acknowledged", text, {"alert": alert}, "info")

    def _silence(self, rule: str, written: str) -> Done:
        if self._target.alerts is None:
            raise Refusal(f"no alert {rule[:_FAMILIAR]!r}")
        try:
            seconds = float(written)
        except ValueError:
            raise Refusal(f"{written[:_FAMILIAR]!r} is no number of seconds") from None
        if not 0 <= seconds < 1e9:
            raise Refusal(f"{written[:_FAMILIAR]!r} is no number of seconds")
        text = self._target.alerts.silence(rule, seconds, self._who)
        return Done("alert.silenced", text, {"rule": rule, "seconds": seconds}, "info")


def _written(value: Any) -> str:
    """A setting's value as people write it."""
    if value is None:
        return "auto"
    return f"{value:.15g}" if isinstance(value, float) else str(value).lower()
