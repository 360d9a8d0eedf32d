"""Why a task is not running, in words for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from engine.core.explain import Explanation, Reason, Task

_NAMED: Final = 3
"""Tasks or ranges that are named in a line at the most."""


def describe(
    found: Explanation, task: Callable[[int, int], str], several: Callable[[int], str], now: float
) -> list[str]:
    """What an explanation says: a line for the state, and one for each reason.

    Args:
        found: the explanation.
        task: gives the name of a task, by its range and index.
        several: gives the name of a range, or of a gate.
        now: the time, by the clock that the core was told.
    """
    above = found.parent
    of = [] if above is None else [f"it is a subtask of {task(above.range, above.task)}"]
    return [_state(found, now), *(_reason(reason, task, several, now) for reason in found.reasons), *of]


def _state(found: Explanation, now: float) -> str:
    since = "" if found.since is None else f" for {seconds(now - found.since)}"
    match found.state:
        case "sent" if found.reasons and found.reasons[0].kind == "subtasks":
            return f"waits for subtasks of its own, sent{since}"
        case "sent":
            return f"sent{since}: it has not begun" if found.reasons else f"runs, sent{since}"
        case "ready":
            return f"ready{since}"
        case "waiting":
            return "waits for what it comes after"
    return found.state


def _reason(reason: Reason, task: Callable[[int, int], str], several: Callable[[int], str], now: float) -> str:
    name, count, text = reason.name, reason.count, reason.text

    def who(one: Task) -> str:
        held = "" if one.name in ("", name) else f" (as {one.name})"
        return task(one.range, one.index) + held + ("" if one.since is None else f" for {seconds(now - one.since)}")

    tasks = _few([who(one) for one in reason.tasks], count)
    ranges = _few([several(number) for number in reason.ranges], count)
    match reason.kind:
        case "dependency":
            return f"it comes after {ranges}"
        case "gate":
            return f"nobody has decided on {ranges}"
        case "claim":
            how = "shared" if all(one.shared for one in reason.tasks) else "held"
            return f"claim {name} is {how} by {tasks}"
        case "reserved":
            return f"{text} {name} is kept for {tasks}: passed over too often"
        case "lane" if not count:
            return f"lane {name} is closed: its limit is 0"
        case "lane":
            return f"lane {name} is full, {count:,} at a time: {_few([who(one) for one in reason.tasks], 0)}"
        case "amount":
            return f"waits for {name}: {text}" + (f"; held by {tasks}" if reason.tasks else "")
        case "held":
            return f"nothing is sent: {text}"
        case "memory":
            return f"memory is short: {count:,} batches may be sent for now"
        case "broken":
            return f"pool {name} can't start: {text}"
        case "agents":
            return f"no agent of pool {name} is up" + (f": {text}" if text else "")
        case "busy":
            return f"all agents of pool {name} are busy: {tasks}"
        case "order":
            first = f", next {who(reason.tasks[0])}" if reason.tasks else ""
            return f"{count:,} {'task comes' if count == 1 else 'tasks come'} before it in pool {name}{first}"
        case "subtasks":
            return f"it waits for {_few([_subtask(one, task, now) for one in reason.tasks], count)}"
        case "batch":
            one = reason.tasks[0]
            there = "task is" if count == 1 else "tasks are"
            return f"{count:,} {there} before it in its batch, which is at {task(one.range, one.index)}"


def _subtask(one: Task, task: Callable[[int, int], str], now: float) -> str:
    where = "which is ready" if one.since is None else f"sent {seconds(now - one.since)} ago"
    return f"{task(one.range, one.index)}, {where}"


def _few(names: Sequence[str], count: int) -> str:
    """The first of these, and how many more there are."""
    more = max(count, len(names)) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def seconds(span: float) -> str:
    """A span of time as people say it."""
    if span < 0.0995:
        return f"{1000 * max(0.0, span):.0f} ms"
    if span < 99.5:
        return f"{span:.1f} s"
    minutes, rest = divmod(round(span), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
