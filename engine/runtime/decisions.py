"""The gates of a run: what is decided once they are over, and what that is for what comes after them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from engine.plan.gates import METRICS, Decision, decide, sources
from engine.plan.model import Gate
from engine.plan.steps import Step
from engine.runtime.run import Run
from engine.stream.types import Level

GIVES_BACK: Final = "builtins:dict"
"""The call of a gate that does nothing itself: its result is what it looks at, so that this is recorded."""


class Gates:
    """Decides on the gates of a run, each once.

    Attributes:
        decided: by the names of their tasks, in the order in which that was decided.
    """

    def __init__(self, run: Run, steps: Sequence[Step]) -> None:
        self._run = run
        self._left = {step.name: step for step in steps if step.gate is not None}
        self.decided: dict[str, Decision] = {}

    @property
    def left(self) -> list[str]:
        """Those that are not decided on."""
        return list(self._left)

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
            {"gate": name, "decided": one.decided, "reasons": list(one.reasons), "text": told(name, one)}
            for name, one in self.decided.items()
        ]

    def step(self, step: Step, result: Callable[[str], Any]) -> Step:
        """A gate that does nothing itself, as the task that gives back what it looks at; any other as it is."""
        if step.gate is None or step.call is not None or step.command is not None:
            return step
        found = {name: result(name) for name in _others(step)}
        return replace(step, call=GIVES_BACK, keywords=True, arguments=[found])

    def decide(self, name: str, failed: int, result: Callable[[str], Any]) -> str:
        """Decide on a gate whose tasks are over, `failed` of which have failed. `result` gives what came of tasks.

        Returns why nothing that comes after it is begun, "" where it is.
        """
        step = self._left.pop(name)
        gate = step.gate or Gate()
        if failed:
            found = Decision("stop", (f"{failed:,} of its tasks failed" if failed > 1 else "its task failed",))
        else:
            looked_at = gate.of or (step.after[0] if _is_bare(step) and len(step.after) == 1 else name)
            others = {other: result(other) for other in sources(gate)}
            found = decide(gate, result(looked_at), self._metrics(), others)
        self.decided[name] = found
        text = told(name, found)
        level: Level = "info" if found.decided == "go" else "warning"
        self._run.fleet.event(
            level, "gate.decided", text, gate=name, decided=found.decided, reasons=list(found.reasons)
        )
        return "" if found.decided == "go" else text

    def _metrics(self) -> Mapping[str, float]:
        """What is known of the run by numbers at this moment: `METRICS`."""
        run = self._run
        core, before = run.fleet.core, run.before
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
