"""Alert cores in virtual time, and rules of real engines, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.alerts.core import AlertCore
from engine.alerts.rules import Text, parse
from engine.alerts.types import NOTHING, Alert, Labels, Rule, Signals, Transition, labels

TICK = 0.05
"""Seconds between two ticks, as in an engine."""
MAIN = labels(pool="main")

LEVEL = """
[rules.depth]
mode = "level"
signal = "queue_depth"
warning = { raise = 100, clear = 50 }
critical = { raise = 1000, clear = 500 }
for = "2s"
keep_for = "5s"
summary = "{pool}: {value} wait, beyond {threshold}"
"""
CRASH = """
[rules.crash]
mode = "event"
on = ["agent.died"]
by = ["pool"]
keep_for = "10s"
"""
_BUSY = ("cpu", "memory", "disk", "descriptors", "loop-lag", "loop-stalled", "alerts-late", "recorder-behind")
"""Rules that find something on a busy machine."""


def quiet(folder: Path, text: str = "") -> dict[str, Any]:
    """Settings of an engine with the rules of this text, and without those that a busy machine would raise."""
    path = folder / "rules.toml"
    path.write_text(text + "".join(f"[rules.{name}]\nenabled = false\n" for name in _BUSY))
    return {"alert_rules": str(path)}


def rules(*texts: str) -> list[Rule]:
    """Rules of TOML."""
    return parse([Text(f"rules{number}.toml", text) for number, text in enumerate(texts, 1)])


class Watched:
    """A core, the time, and all transitions so far."""

    def __init__(self, *texts: str, rules_: Sequence[Rule] | None = None) -> None:
        self.core = AlertCore(rules(*texts) if rules_ is None else rules_)
        self.now = 0.0
        self.told: list[Transition] = []

    def tick(self, signals: Signals | None = None, after: float = TICK) -> list[Transition]:
        """Let so much time pass, and tick."""
        self.now += after
        self.core.tick(self.now, signals)
        return self.take()

    def take(self) -> list[Transition]:
        """What has changed."""
        found = self.core.take()
        self.told += found
        return found

    def level(
        self, value: float, seconds: float = TICK, signal: str = "queue_depth", about: Labels = MAIN
    ) -> list[Transition]:
        """Have a signal be so for so long."""
        return self.signals({signal: {about: value}}, seconds)

    def signals(self, signals: Signals, seconds: float = TICK, tick: float = TICK) -> list[Transition]:
        """Have all signals be so for so long."""
        found = []
        for _ in range(max(1, round(seconds / tick))):
            found += self.tick(signals, tick)
        return found

    def event(
        self, kind: str = "agent.died", text: str = "it died", after: float = 0.0, **about: str
    ) -> list[Transition]:
        """An event, so much later."""
        self.now += after
        self.core.event(self.now, kind, about, text, self.now - 0.004)
        return self.take()

    def idle(self, seconds: float, tick: float = TICK) -> list[Transition]:
        """Let time pass without signals."""
        found = []
        for _ in range(max(1, round(seconds / tick))):
            found += self.tick(None, tick)
        return found

    @property
    def only(self) -> Alert:
        """The one alert there is."""
        (alert,) = self.core.alerts(resolved=True)
        return alert


def states(told: Sequence[Transition]) -> list[str]:
    """What the state became, in order."""
    return [found.after for found in told if found.change == "state"]


def fired(told: Sequence[Transition]) -> list[Transition]:
    """Those by which an alert began to fire."""
    calm = ("normal", "pending", "resolved")
    return [found for found in told if found.change == "state" and found.after == "firing" and found.before in calm]


def notified(told: Sequence[Transition]) -> list[Transition]:
    """Those that people are told."""
    return [found for found in told if found.notify]


def one(name: str, value: float, about: Mapping[str, str] | None = None) -> Signals:
    """A single signal."""
    return {name: {NOTHING if about is None else labels(**about): value}}
