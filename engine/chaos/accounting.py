"""The account after the storm: every task has one outcome, which is the right one, and whoever asked was told of it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.chaos.cases import Case
from engine.store.queries import Outcome, jobs, outcomes

_SHOWN: Final = 5
"""Findings of one kind that are told one by one."""
_SLACK: Final = 0.1
"""Seconds that the clocks of engine and agents may be apart, for the system's is set now and then."""


@dataclass(slots=True)
class Account:
    """What was found."""

    fates: Counter[str] = field(default_factory=Counter)
    """How many tasks ended how."""
    tasks: int = 0
    told: int = 0
    """Results in the results file."""
    problems: list[str] = field(default_factory=list)

    def fault(self, case: str, what: str, where: Sequence[int]) -> None:
        """Note what is wrong with some tasks of a case."""
        if where:
            first = ", ".join(map(str, where[:_SHOWN])) + (", ..." if len(where) > _SHOWN else "")
            self.problems.append(f"{case}: {len(where)} {what} (task {first})")


def fate(case: Case, outcome: Outcome) -> str:
    """What became of a task, in the words of `cases.Fates`."""
    if outcome.state == "done":
        result = case.result(outcome.task)
        if case.call == "large":  # kept or too large for that: that it was is what there is to know
            return "done" if outcome.result_kind in ("large", "pieces") else f"wrong: {outcome.result_kind}"
        return "done" if outcome.result_kind is None and outcome.result == str(result) else f"wrong: {outcome.result}"
    if outcome.error_kind == "exception":
        return f"exception:{outcome.error_type}"
    return str(outcome.error_kind)


def told_fate(case: Case, index: int, row: dict[str, Any]) -> str:
    """The same of a line of a results file."""
    if row["ok"]:
        return "done" if row.get("result") == case.result(index) else f"wrong: {str(row.get('result'))[:100]}"
    if row["kind"] == "exception":
        return f"exception:{row['error'].partition(':')[0]}"
    return str(row["kind"])


def _last_effects(lines: Iterable[str]) -> dict[tuple[str, int], float]:
    """When each task was last begun, by its function and number, from the file of effects (`nasty.EFFECTS`)."""
    found: dict[tuple[str, int], float] = {}
    for line in lines:
        try:
            call, number, at = line.split()
            key = call, int(number)
            found[key] = max(float(at), found.get(key, 0.0))
        except ValueError:  # cut off with whoever wrote it
            continue
    return found


def account(
    cases: Sequence[Case],
    db: sqlite3.Connection,
    run: str,
    told: Iterable[str],
    complete: bool,
    effects: Iterable[str] = (),
    resumed: bool = False,
) -> Account:
    """Compare what is in the database, what was told (the lines of the results file), and when tasks were begun (the
    lines of the file of effects), with what must be.

    `complete`: the run came to its end, so that all must have been told. `resumed`: it was, at least once: then a task
    whose result was too large to be kept has run again, for it had to be told.
    """
    found = Account()
    begun = _last_effects(effects)
    kept: dict[tuple[str, int], str] = {}
    numbers = {job.name: job.job for job in jobs(db, run)}
    for case in cases:
        found.tasks += case.count
        seen: Counter[int] = Counter()
        wrong: dict[str, list[int]] = {}
        again: list[int] = []
        if case.name in numbers:
            for outcome in outcomes(db, run, numbers[case.name]):
                seen[outcome.task] += 1
                end = kept[case.name, outcome.task] = fate(case, outcome)
                found.fates[end] += 1
                over = (outcome.started or 0.0) + (outcome.seconds or 0.0)
                lost = resumed and outcome.result_kind == "large"
                if not lost and begun.get((case.call, case.first + outcome.task), 0.0) > over + _SLACK:
                    again.append(outcome.task)
                if outcome.task >= case.count or end not in case.allowed(outcome.task):
                    wrong.setdefault(end, []).append(outcome.task)
        for end, where in wrong.items():
            found.fault(case.name, f"ended as {end!r}, not as {'/'.join(case.allowed(where[0]))}", where)
        found.fault(case.name, "ran again though their outcome was recorded", again)
        found.fault(case.name, "have no outcome", [index for index in range(case.count) if index not in seen])
        found.fault(case.name, "have more than one outcome", [index for index, times in seen.items() if times > 1])
    _check_sums(found, db, run)
    _check_told(found, cases, kept, told, complete)
    return found


def _check_sums(found: Account, db: sqlite3.Connection, run: str) -> None:
    """What is counted as it comes must be what is there."""
    for job in jobs(db, run):
        done, failed = 0, 0
        for outcome in outcomes(db, run, job.job):
            done += outcome.state == "done"
            failed += outcome.state == "failed"
        if (job.done, job.failed) != (done, failed):
            found.problems.append(
                f"{job.name}: counted {job.done} done and {job.failed} failed, but {done} and {failed} are there"
            )


def _check_told(
    found: Account, cases: Sequence[Case], kept: dict[tuple[str, int], str], lines: Iterable[str], complete: bool
) -> None:
    by_name = {case.name: case for case in cases}
    seen: Counter[tuple[str, int]] = Counter()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            key = (row["task"], row["index"])
            case = by_name[key[0]]
            end = told_fate(case, key[1], row)
        except (ValueError, KeyError, TypeError):
            found.problems.append(f"line {number} of the results can't be read: {line[:80]!r}")
            continue
        seen[key] += 1
        found.told += 1
        if kept.get(key) != end:
            found.problems.append(f"{key[0]}: task {key[1]} was told as {end!r} and kept as {kept.get(key)!r}")
    twice = [f"{name} {index}" for (name, index), times in seen.items() if times > 1]
    if twice:
        found.problems.append(f"{len(twice)} results were told more than once ({', '.join(twice[:_SHOWN])})")
    if complete and (missing := [f"{name} {index}" for name, index in kept if (name, index) not in seen]):
        found.problems.append(f"{len(missing)} results were not told ({', '.join(missing[:_SHOWN])})")
