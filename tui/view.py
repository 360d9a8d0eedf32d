"""What the screens show: an immutable view, folded from an engine's messages. Pure: no clock, no socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from engine.stream.plans import PlanSeen
from engine.stream.types import (
    AgentRow,
    AlertChanged,
    AlertsNow,
    AlertView,
    Cells,
    ClaimsNow,
    Condition,
    Event,
    Frame,
    Hello,
    MetricsNow,
    PlanNow,
    PlanOutline,
    QueuesNow,
    Refused,
    Reply,
    ShapesNow,
    SilenceView,
    ToReader,
)
from tui.history import History
from tui.shapes import Measured, measured

Phase: TypeAlias = Literal["idle", "starting", "live", "paused", "draining", "ended", "lost"]
"""``idle``: no run is open. ``paused``: it begins nothing. That the view of it is held is another thing."""

EVENTS_KEPT = 500
REPLIES_KEPT = 20

_PHASES: dict[str, Phase] = {"draining": "draining", "paused": "paused"}
_OVER = ("resolved", "normal")


@dataclass(frozen=True, slots=True)
class Replaying:
    """Where a replay stands. Times are seconds since the Unix epoch."""

    at: float
    start: float
    end: float
    speed: float
    playing: bool
    complete: bool = True
    """Whether the states of single agents were recorded."""


@dataclass(frozen=True, slots=True, eq=False)
class AgentTable:
    """Agents, as they were asked for a moment ago."""

    rows: tuple[AgentRow, ...]
    """In the order of the scoreboard."""
    at: float
    """When the last of them came, by the monotonic clock."""
    of: tuple[Condition, ...] = ()
    """What was asked of them: only those that fulfil it are here."""


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: every message makes a new view
class View:
    """Everything a screen may show, at one moment."""

    hello: Hello | None = None
    frame: Frame | None = None
    cells: bytes = b""
    """The states of all agents, one byte each in the order of the scoreboard; too short while they are not known."""
    history: History = field(default_factory=History)
    """``rate``, ``queued``, ``busy``, ``cpu``, ``memory``; of each pool ``NAME:queued``, ``NAME:busy``, ``NAME:rate``.
    Shares are 0..1."""
    depths: History = field(default_factory=History)
    """Tasks that wait in each shard, by ``POOL/SHARD``."""
    events: tuple[Event, ...] = ()
    """The last ones, the oldest first."""
    missed: int = 0
    """Events that were numbered and never came."""
    metrics: MetricsNow | None = None
    queues: QueuesNow | None = None
    shapes: ShapesNow | None = None
    claims: ClaimsNow | None = None
    """None where no screen wants to know, or a recording tells of none."""
    plan: PlanSeen | None = None
    """What was heard of the plan; None where nothing was."""
    measured: Measured = field(default_factory=dict)
    """What was last told of distributions that may be empty by now."""
    alerts: Mapping[str, AlertView] = field(default_factory=dict)
    """By fingerprint, those that are not over, and those that were resolved since we look on."""
    alerts_unknown: str = ""
    """Why nobody knows which alerts there are; "" where they are known."""
    silences: tuple[SilenceView, ...] = ()
    agents: AgentTable | None = None
    """None while no screen wants them."""
    replies: tuple[Reply, ...] = ()
    """The last answers to what was asked, the oldest first."""
    refused: str = ""
    """Why the engine last refused something."""
    lost: str = ""
    """Why the stream broke; empty while it holds."""
    ended: bool = False
    """Whether the engine said that the run is over."""
    replay: Replaying | None = None
    """None: it is live."""
    idle: bool = False
    """Whether no run is open at all."""

    @property
    def phase(self) -> Phase:
        """How the run is, as far as one can see from here."""
        if self.idle:
            return "idle"
        if self.ended:
            return "ended"
        if self.lost:
            return "lost"
        if self.frame is None or self.frame.state == "starting":
            return "starting"
        return _PHASES.get(self.frame.state, "live")

    @property
    def number(self) -> int:
        """Of the frame, 0 before the first."""
        return 0 if self.frame is None else self.frame.number

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.ended or bool(self.lost)


def fold(view: View, message: ToReader) -> View:
    """The view after one message more."""
    match message:
        case Frame():
            # The last frame repeats an elapsed time that stands still: it would only blur the newest value.
            over = message.state == "ended"
            history = view.history if over else view.history.add(message.elapsed, _values(view.frame, message))
            return replace(view, frame=message, history=history, ended=view.ended or over)
        case Event():
            before = view.events[-1].number if view.events else message.number - 1
            return replace(
                view,
                events=(*view.events, message)[-EVENTS_KEPT:],
                missed=view.missed + max(0, message.number - before - 1),
                ended=view.ended or message.kind == "run.ended",
            )
        case Cells():
            first, states = message.first, message.states
            cells = view.cells[:first].ljust(first, b"\0") + states + view.cells[first + len(states) :]
            return replace(view, cells=cells)
        case Hello():
            return replace(view, hello=message)
        case MetricsNow():
            return replace(view, metrics=message)
        case QueuesNow():
            began = view.hello.started if view.hello is not None else message.at
            depths = {f"{shard.pool}/{shard.shard}": float(shard.depth) for shard in message.shards}
            return replace(view, queues=message, depths=view.depths.add(max(0.0, message.at - began), depths))
        case ShapesNow():
            return replace(view, shapes=message, measured=measured(view.measured, message))
        case ClaimsNow():
            return replace(view, claims=message)
        case PlanOutline() | PlanNow():
            return replace(view, plan=(view.plan or PlanSeen()).heard(message))
        case AlertsNow():
            alerts, silences = _alerts(view, message), tuple(message.silences)
            return replace(view, alerts=alerts, silences=silences, alerts_unknown=message.unknown)
        case AlertChanged():
            return replace(view, alerts={**view.alerts, message.alert.fingerprint: message.alert})
        case Reply():
            replies = (*view.replies, message)[-REPLIES_KEPT:]
            return replace(view, replies=replies, refused=view.refused if message.ok else message.text)
        case Refused():
            return replace(view, refused=message.why)


def _values(before: Frame | None, frame: Frame) -> dict[str, float]:
    """What the history keeps of a frame."""
    machine = frame.machine
    values = {
        "rate": frame.rate, "queued": float(frame.queued), "busy": float(frame.running), "cpu": machine.cpu,
        "memory": machine.memory_used / machine.memory_total if machine.memory_total else 0.0,
    }  # fmt: skip
    seconds = frame.elapsed - before.elapsed if before is not None else 0.0
    for number, pool in enumerate(frame.pools):
        values[f"{pool.name}:queued"] = float(pool.queued)
        values[f"{pool.name}:busy"] = pool.busy / pool.size if pool.size else 0.0
        if before is not None and seconds > 0 and number < len(before.pools):
            earlier = before.pools[number]
            values[f"{pool.name}:rate"] = max(0, pool.done + pool.failed - earlier.done - earlier.failed) / seconds
    return values


def _alerts(view: View, told: AlertsNow) -> dict[str, AlertView]:
    """All alerts after a message that tells of those that are not over: what it leaves out is, unless it is a part."""
    found = {alert.fingerprint: alert for alert in told.alerts}
    if told.part:
        return {**view.alerts, **found}
    kept = {mark: alert for mark, alert in view.alerts.items() if alert.state in _OVER}
    return {**kept, **found}


def lose(view: View, why: str) -> View:
    """The view after the stream broke off."""
    return replace(view, lost=why or "the stream broke off")
