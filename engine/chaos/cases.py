"""What a run of chaos consists of: sets of tasks, and what must become of each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.chaos import nasty

Fates = tuple[str, ...]
"""What may become of a task: ``done``, or the kind of its failure, with the type of an exception."""

_SURE: Final = 1000
"""As a crash limit: no storm may be what a task is given up for."""
_LIMIT: Final = 3
"""Deaths after which a task that kills is given up."""
_APART: Final = 1_000_000_000
"""Where the numbers begin of tasks whose function others are called by, too: each is of one task."""
MEMORY_LIMIT: Final = 256 << 20
"""Bytes that an agent of the second pool may hold."""


@dataclass(frozen=True, slots=True)
class Case:
    """A set of tasks of one function. Task `i` is called with ``first + i``."""

    name: str
    call: str
    count: int
    fates: Fates
    options: dict[str, Any] = field(default_factory=dict)
    pool: str = "main"
    first: int = 0
    other: Callable[[int], Fates | None] = lambda _: None
    """What must become of a task that is unlike the others, by its index; None: it is like them."""

    def allowed(self, index: int) -> Fates:
        """What may become of a task."""
        return self.other(index) or self.fates

    def result(self, index: int) -> Any:
        """What a task returns that returns, as it is told in JSON."""
        n = self.first + index
        return f"Large({n})" if self.call == "large" else nasty.answer(n)


def _mixed(index: int) -> Fates | None:
    return ("poisoned",) if nasty.is_poison(index) else None


def cases(seed: int, seconds: float, agents: int, memory: int) -> list[Case]:
    """The tasks of a run that is busy for about so many seconds. `memory`: bytes that the machine has to spare."""
    dice = random.Random(f"{seed} cases")
    many = max(1, round(seconds / 3))
    sure = {"crash_limit": _SURE}
    bad = {"crash_limit": _LIMIT}
    found = [
        Case("poison", "poison", 5 * min(many, 3), ("poisoned",), bad),
        Case("mixed", "mixed", 800 * many, ("done",), {"crash_limit": 5}, other=_mixed),
        Case("complaints", "complain", 20 * many, ("exception:ValueError",), sure),
        Case("swelling", "swell", 2, ("poisoned",), bad, "small"),
        Case("overdrawn", "overdraw", 5, ("exception:MemoryError",), sure),
        Case("hoards", "hoard", 3, ("done",), sure),
        Case("children", "breed", 4, ("done",), sure),
        Case("alone", "alone", 4, ("done",), sure),
        Case("deaf", "deaf", 4, ("done",), sure),
        Case("shouts", "shout", 1, ("done",), sure),
        # By an agent whose descriptors are gone, a large result can't travel, and that is said.
        Case("large", "large", 1, ("done", "result"), sure, first=min(nasty.LARGE, memory // 8)),
        Case("endless", "endless", 3, ("timeout",), sure | {"timeout": 0.5}),
        Case("hung up", "hang_up", 3, ("done", "poisoned"), bad),
        Case("babble", "babble", 6, ("done", "poisoned"), bad),
        Case("corrupt", "corrupt", 60, ("done", "poisoned"), {"crash_limit": 1}),
        Case("quick", "quick", 2000 * many, ("done",), sure),
        Case("small", "steady", 20 * many, ("done",), sure, "small", first=_APART),
    ]
    dice.shuffle(found)
    # Ordinary ones around each of the others: these must not notice.
    steady = max(20, round(seconds * agents / 0.014 / len(found)))
    woven: list[Case] = []
    for number, case in enumerate(found):
        woven += [Case(f"steady {number}", "steady", steady, ("done",), sure, first=number * steady), case]
    return woven


def plan_file(cases: Sequence[Case], agents: int) -> str:
    """A plan for ``shoal run`` of these tasks, as TOML."""
    lines = [
        'name = "chaos"', "[pools.main]", f"agents = {agents}", f"shards = {2 if agents > 1 else 1}",
        f'preload = ["{nasty.__name__}"]',
        "[pools.small]", "agents = 2", f"memory_limit = {MEMORY_LIMIT}", f'preload = ["{nasty.__name__}"]',
    ]  # fmt: skip
    for case in cases:
        lines += [
            "[[tasks]]", f"name = {json.dumps(case.name)}", f'call = "{nasty.__name__}:{case.call}"',
            f'pool = "{case.pool}"', f"over = {{ n = {{ from = {case.first}, to = {case.first + case.count - 1} }} }}",
        ]  # fmt: skip
        lines += [f"{name} = {json.dumps(value)}" for name, value in case.options.items()]
    return "\n".join(lines) + "\n"
