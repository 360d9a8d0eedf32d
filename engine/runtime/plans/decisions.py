"""The gates of a run: what is decided once they are over, and what that is for what comes after them; those that are
held, until somebody has said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from engine.plan.gates import METRICS, Decision, decide, sources
from engine.plan.model import Decided, Gate
from engine.plan.steps import Step
from engine.stream.types import Level

if TYPE_CHECKING:  # a run that is begun has no need of it
    from engine.runtime.fleet.fleet import Fleet
    from engine.runtime.record.recording import Recording
    from engine.runtime.sampler import Sampler
    from engine.store.queries import StoredDecision

_DECIDED: Final[dict[str, Decided]] = {"go": "go", "pivot": "pivot", "stop": "stop"}
GIVES_BACK: Final = "builtins:dict"
"""The call of a gate that does nothing itself: its result is what it looks at, so that this is recorded."""


class Owner(Protocol):
    """The run whose gates they are."""

    fleet: Fleet
    recording: Recording | None
    sampler: Sampler

    @property
    def outside(self) -> tuple[int, int]:
        """Tasks that were done, and failed, without this engine."""


class Gates:
    """Decides on the gates of a run, each once.

    Attributes:
        asks: there are gates, and one that is held waits for somebody.
        decided: by the names of their tasks, in the order in which that was decided; also those that are held.
        held: those that wait for somebody.
    """

    def __init__(self, run: Owner, steps: Sequence[Step], asks: bool, answers: Iterable[StoredDecision] = ()) -> None:
        """`answers`: what people have said before the run was resumed, the newest last."""
        self._run = run
        self._answers = {one.gate: one for one in answers}
        self._left = {step.name: step for step in steps if step.gate is not None}
        self.asks = asks and bool(self._left)
        self.decided: dict[str, Decision] = {}
        self.held: dict[str, Decision] = {}
        self._by: dict[str, tuple[str, str]] = {}
        """Who has decided, and why as they said."""

    @property
    def kept(self) -> set[str]:
        """Tasks whose results have to be kept: those of gates, and those that they look at."""
        return {name for step in self._left.values() for name in (step.name, *_others(step))}

    @property
    def closed(self) -> bool:
        """Some gate does not let go on."""
        return any(one.decided != "go" for one in self.decided.values())

    def summary(self) -> list[dict[str, Any]]:
        """All that was decided, as plain values."""
        return [
            {
                "gate": name, "decided": one.decided, "reasons": list(one.reasons), "text": self.told(name),
                **self._who(name),
            }
            for name, one in self.decided.items()
        ]  # fmt: skip

    def told(self, name: str) -> str:
        """What was decided on a gate, or that it is held, as one line."""
        who, why = self._by.get(name, ("", ""))
        return told(name, self.decided[name]) + (f", by {who}" if who else "") + (f": {why}" if why else "")

    def _who(self, name: str) -> dict[str, str]:
        who, why = self._by.get(name, ("", ""))
        return {key: text for key, text in (("by", who), ("why", why)) if text}

    def step(self, step: Step, result: Callable[[str], Any]) -> Step:
        """A gate that does nothing itself, as the task that gives back what it looks at; any other as it is."""
        if step.gate is None or step.call is not None or step.command is not None:
            return step
        found = {name: result(name) for name in _others(step)}
        return replace(step, call=GIVES_BACK, keywords=True, arguments=[found])

    def decide(self, name: str, failed: int, result: Callable[[str], Any]) -> str | None:
        """Decide on a gate whose tasks are over, `failed` of which have failed. `result` gives what came of tasks.

        Returns why nothing that comes after it is begun, "" where it is; None while it waits for somebody to say.
        """
        step = self._left.pop(name)
        gate = step.gate or Gate()
        if failed:
            found = Decision("stop", (f"{failed:,} of its tasks failed" if failed > 1 else "its task failed",))
        else:
            looked_at = gate.of or (step.after[0] if _is_bare(step) and len(step.after) == 1 else name)
            others = {other: result(other) for other in sources(gate)}
            found = decide(gate, result(looked_at), self._metrics(), others)
        answer = self._answers.get(name) if found.decided == "hold" else None
        if answer is not None:  # as before the run was resumed
            self._by[name] = answer.by, answer.why
            found = Decision(_DECIDED[answer.decided], found.reasons)
        elif found.decided == "hold" and self.asks:
            self.decided[name] = self.held[name] = found
            self._tell(name, found, f": shoal ctl gate {name} go|pivot|stop")
            return None
        return self._settle(name, found)

    def answer(self, name: str, decided: Decided, why: str, who: str) -> str:
        """Somebody decides on a gate that is held. Returns the same as `decide`."""
        held = self.held.pop(name)
        self._by[name] = who, why
        return self._settle(name, Decision(decided, held.reasons))

    def _settle(self, name: str, found: Decision) -> str:
        self.decided[name] = found
        self._tell(name, found)
        return "" if found.decided == "go" else self.told(name)

    def _tell(self, name: str, found: Decision, more: str = "") -> None:
        level: Level = "info" if found.decided == "go" else "warning"
        data = {"decided": found.decided, "reasons": list(found.reasons), **self._who(name)}
        kind = "gate.answered" if name in self._by else "gate.decided"
        self._run.fleet.event(level, kind, self.told(name) + more, gate=name, **data)
        if self._run.recording is not None:
            self._run.recording.line.push()  # whoever has said it is told so now

    def _metrics(self) -> Mapping[str, float]:
        """What is known of the run by numbers at this moment: `METRICS`."""
        run = self._run
        core, before = run.fleet.core, run.outside
        seconds = run.sampler.elapsed
        found = (
            core.submitted + sum(before), core.done + before[0], core.failed + before[1], core.redelivered,
            core.restarts, run.fleet.agents, seconds, core.over / seconds if seconds else 0.0,
        )  # fmt: skip
        return dict(zip(METRICS, found, strict=True))


def _is_bare(step: Step) -> bool:
    return step.call is None and step.command is None


def _others(step: Step) -> Iterable[str]:
    """The tasks whose results a gate looks at, beside its own."""
    named = sources(step.gate or Gate())
    return dict.fromkeys([*named, *(step.after if _is_bare(step) and len(step.after) == 1 else ())])


def told(name: str, decision: Decision) -> str:
    """A decision as one line."""
    why = f" ({'; '.join(decision.reasons)})" if decision.reasons else ""
    return f"gate {name}: {decision.decided}{why}"
