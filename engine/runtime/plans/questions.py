"""What of a plan's run waits for somebody, what people say to that, and why steps that have not begun have not."""

from __future__ import annotations

import re
import time
from typing import Any, Final

import msgspec

from engine.core.explain import holders
from engine.core.patterns import overlaps
from engine.core.wording import seconds
from engine.plan.gates import Decision
from engine.plan.model import Decided
from engine.plan.steps import RunSpec, Step
from engine.runtime.control.refusal import Refusal
from engine.runtime.fleet.fleet import Fleet
from engine.runtime.naming import task_name
from engine.runtime.plans.driver import Driver
from engine.runtime.plans.opened import Opened
from engine.settings.fields import nearest

MOST: Final = 200
"""Things that wait for somebody that are told at once."""
_REASONS: Final = 20
_NAMED: Final = 3
"""Holders that are named at once."""
_TEXT: Final = 200
"""Characters of what somebody wrote, or a plan, that are said again."""
_DEPTH: Final = 100
"""Of a result: far from what other tasks could not be sent."""
_TASK: Final = re.compile(r"(.+?)(?:\[(\d{1,12})\])?", re.DOTALL | re.ASCII)
_DECISIONS: Final[dict[str, Decided]] = {"go": "go", "pivot": "pivot", "stop": "stop"}


class Questions:
    """As `control.commands.Work`, of one run."""

    def __init__(self, fleet: Fleet, spec: RunSpec, driver: Driver) -> None:
        self._fleet = fleet
        self._driver = driver
        self._numbers = {step.name: number for number, step in enumerate(spec.steps)}
        self._steps = spec.steps

    # -- what people say ----------------------------------------------------------------------------------------------

    def done(self, task: str, who: str, note: str = "", found: str = "") -> str:
        """As `control.commands.Work`."""
        name, index = self._open_task(task)
        try:  # by a strict reader: what NaN or half a character is in the record, a resumed run reads otherwise
            values = msgspec.json.decode(found) if found else {}
        except (msgspec.MsgspecError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise Refusal(f"{found[:_TEXT]!r} is no JSON object, such as " + '{"speedup": 3}')
        if not _is_shallow(values, _DEPTH):
            raise Refusal(f"a result is nested {_DEPTH} deep at the most")
        self._driver.people.done(name, index, who, note, values)
        return self._label(name, index)

    def failed(self, task: str, who: str, why: str) -> str:
        """As `control.commands.Work`."""
        if not why.strip():
            raise Refusal("say why it failed: --why TEXT")
        name, index = self._open_task(task)
        self._driver.people.failed(name, index, who, why)
        return self._label(name, index)

    def decide(self, gate: str, decided: str, why: str, who: str) -> str:
        """As `control.commands.Work`."""
        if decided not in _DECISIONS:
            raise Refusal(f"{decided[:_TEXT]!r} is no decision: go, pivot or stop")
        gates = self._driver.gates
        if gate in gates.held:
            return self._driver.answer(gate, _DECISIONS[decided], why, who)
        if gate in gates.decided:
            raise Refusal(f"{gates.told(gate)}: that was decided before")
        number = self._numbers.get(gate)
        if number is None or self._steps[number].gate is None:
            known = [step.name for step in self._steps if step.gate is not None]
            raise Refusal(f"no gate {gate[:_TEXT]!r}{nearest(gate, known)}")
        raise Refusal(f"gate {gate} is not held: its task is not over, or what it comes after")

    def _open_task(self, written: str) -> tuple[str, int]:
        """The task of people that is meant. Raises `Refusal`."""
        name, index = self._parsed(written)
        if name not in self._numbers:
            people = [step.name for step in self._steps if step.of_people]
            raise Refusal(f"no task {written[:_TEXT]!r}{nearest(name, people)}")
        step = self._step(name)
        if not step.of_people:
            raise Refusal(f"{name} is not work of people: agents do it")
        waiting = self._driver.people.open.get(name, {})
        if index is None and step.total == 1:
            index = 0
        if index is None:
            example = f", such as {name}[{next(iter(waiting))}]" if waiting else ""
            raise Refusal(f"{name} has {step.total or 0:,} tasks: say which{example}")
        if index in waiting:
            return name, index
        if index >= (step.total or 1):
            raise Refusal(f"no task {name}[{index}]: it has {step.total or 1:,}")
        if (bar := self._driver.people.bar(name, index)) is not None:
            raise Refusal(f"{self._label(name, index)} is not to be done yet: {self._barred(bar)}")
        state = "not waited for yet: what it comes after is not over" if name not in self._driver.steps else "over"
        raise Refusal(f"{self._label(name, index)} is {state}")

    # -- what waits ---------------------------------------------------------------------------------------------------

    def open(self) -> list[dict[str, Any]]:
        """As `control.commands.Work`."""
        found: list[dict[str, Any]] = []
        for name, decision in self._driver.gates.held.items():
            found.append(
                {"gate": name, "owner": self._step(name).owner, "text": _held(name, decision), "tasks": 1, "at": None}
            )
        for name, works in self._driver.people.open.items():
            owner, (first, work) = self._step(name).owner, next(iter(works.items()))
            found.append(
                {
                    "task": self._label(name, first), "owner": owner, "tasks": len(works), "at": round(work.since, 3),
                    "text": f"{name}: {_waits(len(works), owner)} for {seconds(time.time() - work.since)}",
                }
            )  # fmt: skip
        return found[:MOST]

    # -- why not ------------------------------------------------------------------------------------------------------

    def explain(self, written: str) -> dict[str, Any] | None:
        """As `control.commands.Work`."""
        name, index = self._parsed(written)
        number = self._numbers.get(name)
        if number is None or (index is not None and index >= (self._steps[number].total or index + 1)):
            return None
        opened = self._driver.steps.get(name)
        reasons = self._not_begun(number) if opened is None else self._begun(opened, index)
        if reasons is None:
            return None
        state, *rest = reasons
        return {
            "task": name if index is None else f"{name}[{index}]", "state": state["kind"], "seconds": None,
            "agent": None, "batch": None, "shard": None, "reasons": rest[:_REASONS],
            "lines": [one["text"] for one in reasons[: _REASONS + 1]],
        }  # fmt: skip

    def _not_begun(self, number: int) -> list[dict[str, Any]]:
        driver = self._driver
        due = driver.turns.due(self._steps[number].name)
        if due is not None:
            left = seconds(due - time.monotonic())
            return [_reason("waiting", f"begins in {left}: what it comes after is over, and time has to pass")]
        if not driver.turns.comes_after(number):
            return [_reason("waiting", "it is about to begin: others of its pool are being taken in")]
        found = [_reason("waiting", "waits for what it comes after")]
        for other in self._steps[number].after:
            opened = driver.steps.get(other)
            if opened is None:
                found.append(_reason("dependency", f"it comes after {other}, which has not begun", other))
            elif other in driver.gates.held:
                found.append(_reason("gate", _held(other, driver.gates.held[other]), other))
            elif other in driver.people.open:
                works = driver.people.open[other]
                text = f"it comes after {other}, {_progress(opened)}: {_waits(len(works), opened.step.owner)}"
                found.append(_reason("people", text, other))
            elif not opened.passed:
                found.append(_reason("dependency", f"it comes after {other}, {_progress(opened)}", other))
        return found

    def _begun(self, opened: Opened, index: int | None) -> list[dict[str, Any]] | None:
        name, driver = opened.step.name, self._driver
        if name in driver.gates.held:
            return [_reason("over", "over"), _reason("gate", _held(name, driver.gates.held[name]), name)]
        waiting = driver.people.open.get(name, {})
        if index is None and waiting and len(waiting) == 1:
            index = next(iter(waiting))
        if index in waiting:
            since = seconds(time.time() - waiting[index].since)
            text = f"{_waits(1, opened.step.owner)} for {since}: shoal ctl done {self._label(name, index)}"
            return [_reason("open", text, name)]
        if (bar := driver.people.bar(name, index)) is not None:
            return [_reason("waiting", "waits for what it claims"), _reason("claim", self._barred(bar), bar)]
        if waiting and index is None:
            return [_reason("open", f"{_progress(opened)}: {_waits(len(waiting), opened.step.owner)}", name)]
        if index is not None and not opened.exhausted and index >= opened.submitted:
            return [_reason("waiting", f"is not taken in yet: {opened.submitted:,} tasks before it are")]
        return None

    def _barred(self, name: str) -> str:
        """Who has what a task of people needs."""
        fleet = self._fleet
        known = fleet.core.desk.claims
        lane = known.lanes.get(name)
        held = [of for of in known.resources.values() if of.holders and overlaps(of.name, name)]
        tasks = [task for of in (held if lane is None else [lane]) for task in holders(fleet.core, of, _NAMED)]
        names = ", ".join(task_name(fleet, one.range, one.index) for one in tasks[:_NAMED])
        return f"{name[:_TEXT]} is held by {names}" if names else f"{name[:_TEXT]} is not free"

    def _parsed(self, written: str) -> tuple[str, int | None]:
        """A step, and the number of a task in it: a step may be called ``b[1]`` itself."""
        match = None if written in self._numbers else _TASK.fullmatch(written)
        if match is None:
            return written, None
        return match[1], None if match[2] is None else int(match[2])

    def _step(self, name: str) -> Step:
        return self._steps[self._numbers[name]]

    def _label(self, name: str, index: int) -> str:
        return name if self._step(name).total == 1 else f"{name}[{index}]"


def _is_shallow(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    several = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_shallow(one, depth - 1) for one in several)


def _reason(kind: str, text: str, name: str = "") -> dict[str, Any]:
    return {"kind": kind, "name": name[:_TEXT], "count": 0, "text": text[: 4 * _TEXT], "tasks": [], "after": []}


def _waits(tasks: int, owner: str | None) -> str:
    return f"{'waits' if tasks == 1 else f'{tasks:,} tasks wait'} to be done" + (f" by {owner}" if owner else "")


def _held(name: str, decision: Decision) -> str:
    why = f" ({'; '.join(decision.reasons)})" if decision.reasons else ""
    return f"gate {name} is held{why}: shoal ctl gate {name} go|pivot|stop"


def _progress(opened: Opened) -> str:
    total = opened.step.total
    of = "" if total is None else f" of {total:,}"
    failed = f", {opened.failed:,} failed" if opened.failed else ""
    return f"of which {opened.over - opened.failed:,}{of} tasks are done{failed}"
