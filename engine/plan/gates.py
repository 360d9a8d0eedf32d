"""Gates: what must be so before what comes next, and what is decided by what was found."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final

import msgspec

from engine.plan.model import Condition, Decided, Gate
from engine.plan.steps import SpecError
from engine.plan.tables import ConditionTable, GateTable

_SIGNS: Final = {"at_least": ">=", "at_most": "<=", "above": ">", "below": "<", "equals": "="}
_COMPARED: Final = tuple(_SIGNS)
MISSING: Final = object()
METRICS: Final = ("tasks", "done", "failed", "redelivered", "restarts", "agents", "seconds", "tasks_per_second")
"""Numbers of a run that a gate may look at, as its summary has them at the end."""


class Decision(msgspec.Struct, frozen=True):
    """What a gate comes to, and why: a line for each condition that counted."""

    decided: Decided
    reasons: tuple[str, ...] = ()


def gate_of(where: str, table: GateTable) -> Gate:
    """A gate as it is written. Raises `SpecError`."""
    go = [_condition(f"{where}: go of gate", one) for one in table.go]
    if any(getattr(table, name) is not None for name in ("metric", "result", *_COMPARED)):
        go.insert(0, _condition(f"{where}: gate", table))
    lists = {
        name: tuple(_condition(f"{where}: {name} of gate", one) for one in getattr(table, name))
        for name in ("pivot", "stop")
    }
    if not go and (lists["pivot"] or lists["stop"]):
        raise SpecError(f"{where}: gate says when to pivot or to stop, and not when to go")
    return Gate(tuple(go), lists["pivot"], lists["stop"], table.of)


def _condition(where: str, table: ConditionTable) -> Condition:
    if (table.metric is None) == (table.result is None):
        raise SpecError(f"{where}: a condition is about either a metric or a result")
    compared = {name: getattr(table, name) for name in _COMPARED if getattr(table, name) is not None}
    if not compared:
        raise SpecError(f"{where}: a condition has one of {', '.join(_COMPARED)}")
    for name, value in compared.items():
        if name != "equals" and not math.isfinite(value):
            raise SpecError(f"{where}: {name} is a number, not {value}")
    if table.metric is not None and table.of is not None:
        raise SpecError(f"{where}: a metric is of the run, and not of any tasks")
    return Condition(table.metric, table.result, None if isinstance(table, GateTable) else table.of, **compared)


def written(gate: Gate) -> tuple[str, ...]:
    """What must be so, for people: a line for each decision that has conditions; none where its task must succeed."""
    lines = []
    for name, word, conditions in (("go", "all", gate.go), ("pivot", "any", gate.pivot), ("stop", "any", gate.stop)):
        if conditions:
            one = f" if {word} of" if len(conditions) > 1 else " if"
            lines.append(f"{name}{one} {'; '.join(map(_wanted, conditions))}")
    return tuple(lines)


def _wanted(condition: Condition) -> str:
    name = condition.metric if condition.metric is not None else condition.result or "result"
    of = f" of {condition.of}" if condition.of is not None else ""
    return f"{name}{of} {_limits(condition)}"


def _limits(condition: Condition) -> str:
    wanted = [(sign, getattr(condition, key)) for key, sign in _SIGNS.items() if getattr(condition, key) is not None]
    return " and ".join(f"{sign} {_shown(limit)}" for sign, limit in wanted)


def looked_at(value: Any) -> Any:
    """What conditions see of a result: of a command, what it has printed as JSON, all of it or in the last line."""
    if not isinstance(value, Mapping) or not isinstance(value.get("stdout"), str):
        return value
    text = value["stdout"].strip()
    for part in (text, text[text.rfind("\n") + 1 :]):
        try:
            return json.loads(part)
        except (ValueError, RecursionError):
            continue
    return value


def sources(gate: Gate) -> list[str]:
    """The tasks whose results it looks at, beside its own."""
    conditions = (*gate.go, *gate.pivot, *gate.stop)
    return list(dict.fromkeys(of for of in (gate.of, *(one.of for one in conditions)) if of is not None))


def decide(
    gate: Gate, result: Any, metrics: Mapping[str, float], others: Mapping[str, Any] = MappingProxyType({})
) -> Decision:
    """What a gate comes to by the result that it looks at, by those of other tasks that its conditions name, and by
    metrics of the run.

    The first that holds of: any condition to stop, any to pivot, all to go. Else it is held: somebody has to say. What
    a condition is about and can't be found decides nothing, so it also holds.
    """
    for decided, conditions in (("stop", gate.stop), ("pivot", gate.pivot)):
        found = [reason for one in conditions if (reason := _holds(one, result, metrics, others))[0]]
        if found:
            return Decision("stop" if decided == "stop" else "pivot", tuple(text for _, text in found))
    judged = [_holds(one, result, metrics, others) for one in gate.go]
    short = tuple(text for good, text in judged if not good)
    return Decision("hold", short) if short else Decision("go", tuple(text for _, text in judged))


def _holds(
    condition: Condition, result: Any, metrics: Mapping[str, float], others: Mapping[str, Any]
) -> tuple[bool, str]:
    name = condition.metric if condition.metric is not None else condition.result or "result"
    if condition.metric is not None:
        value = metrics.get(condition.metric, MISSING)
    elif condition.of is not None:
        name = f"{name} of {condition.of}"
        value = _at(others[condition.of], condition.result or "") if condition.of in others else MISSING
    else:
        value = _at(result, condition.result or "")
    wanted = [(sign, getattr(condition, key)) for key, sign in _SIGNS.items() if getattr(condition, key) is not None]
    text = _limits(condition)
    if value is MISSING:
        return False, f"{name} is not known, and was to be {text}"
    good = all(_compared(value, sign, limit) for sign, limit in wanted)
    return good, f"{name} is {_shown(value)}, {'' if good else 'not '}{text}"


def _at(result: Any, path: str) -> Any:
    """What lies at a path: by keys of objects; of lists by numbers, or by the ``name`` of an object in them."""
    value = looked_at(result)
    for part in path.split(".") if path else ():
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, list | tuple):
            named = (one for one in value if isinstance(one, Mapping) and one.get("name") == part)
            value = next(named, MISSING)
        else:
            return MISSING
    return value


def _compared(value: Any, sign: str, limit: Any) -> bool:
    try:
        if sign == "=":
            return bool(value == limit)
        if isinstance(value, bool) or not isinstance(value, Real):  # numpy's numbers are real ones, too
            return False
        found = {">=": value >= limit, "<=": value <= limit, ">": value > limit, "<": value < limit}
        return bool(found[sign])
    except Exception:  # its class may raise anything; an array does that is neither equal nor not
        return False


def _shown(value: Any) -> str:
    try:
        if isinstance(value, bool) or not isinstance(value, Real):
            text = repr(value)
        elif isinstance(value, Integral):
            text = str(int(value))
        else:
            return f"{float(value):.6g}"
    except Exception:  # an integer of thousands of digits, too
        return f"<{type(value).__name__}>"
    return text if len(text) <= 40 else text[:37] + "..."
