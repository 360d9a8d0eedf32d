"""How far a plan is, as Markdown: for a stand-up, a ticket, a mail. Pure but for `of_run`, which asks the database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from engine.cli.recorded.markdown import code, plain, table
from engine.cli.recorded.show import decided
from engine.cli.words import duration, number, several
from engine.plan.effort import effort_text, span_text
from engine.plan.review import Review, review
from engine.plan.simulation.simulate import Reached, simulate
from engine.plan.status import Count, StepState, Sum, by_group, by_milestone, by_owner, members, states, total
from engine.plan.steps import RunSpec, SpecError
from engine.store.queries.decisions import StoredDecision

_MOST: Final = 40
"""Rows of one list."""
_BLOCKERS: Final = 3
_BAR: Final = 10
_WEIGHT: Final = {"low": 1, "medium": 2, "high": 3}
_SIMULATED: Final = 100_000
"""Tasks up to which the milestones of a report are simulated."""


class Reported(msgspec.Struct, frozen=True):
    """What is told of."""

    spec: RunSpec
    counts: dict[str, Count]
    source: str
    """Where the plan is from."""
    run: str = ""
    """In words: the run that was asked for; "" for none."""
    live: bool = False
    """It goes on."""
    gates: tuple[StoredDecision, ...] = ()
    """What was decided, of each gate that was reached."""


def of_file(spec: RunSpec, path: str) -> Reported:
    """A plan of which nothing was run."""
    return Reported(spec, {}, path)


def of_run(name: str, given: Path | None, now: float) -> Reported:
    """A recorded run of a plan. Raises `click.ClickException` where there is none, or it was of no plan."""
    from engine.cli.recorded.document import moment
    from engine.cli.recorded.recorded import StoreProblem, asked
    from engine.plan.kept import decode
    from engine.plan.load import parse
    from engine.settings.types import SettingsError
    from engine.store import queries

    with asked(given) as db:
        run = queries.find(db, name)
        text = queries.spec(db, run.id)
        rows = queries.jobs(db, run.id)
        gates = {one.gate: one for one in queries.decisions(db, run.id)}
        counts = {row.name: Count(row.done, row.failed) for row in rows}
        origin = run
        while origin.rerun == "failed" and origin.origin:  # what was done then is not done again
            earlier = queries.of_id(db, origin.origin)
            if earlier is None:
                break
            origin = earlier
            gates = {one.gate: one for one in queries.decisions(db, origin.id)} | gates
            for row in queries.jobs(db, origin.id):
                count = counts.get(row.name, Count())
                counts[row.name] = Count(count.done + row.done, count.failed)
    try:
        kept = None if text is None else decode(text)
        if kept is None or kept.plan is None:
            why = "" if kept is None or not kept.why_not else f": {kept.why_not}"
            raise StoreProblem(f"run {run.id} was of no plan that is known{why} (shoal report {run.id})")
        where = Path(kept.cwd) / kept.what[0]
        spec = parse(where, kept.plan, settings=kept.settings, set=kept.assigned, included=kept.included)
    except (SpecError, SettingsError) as error:
        raise StoreProblem(f"the plan of run {run.id} can't be read: {error}") from None
    at = moment(now if run.ended is None else run.ended)
    told = f"run `{run.id}`, {run.status}, as of {at}, after {duration(run.seconds)}"
    return Reported(spec, counts, kept.what[0], told, run.status == "running", tuple(gates.values()))


def document(found: Reported) -> str:
    """The whole report, ending with a line end."""
    spec = found.spec
    known = states(spec, found.counts)
    looked = review(spec)
    reached = _reached(spec, known)
    begun = "In progress" if found.live or not found.run else "Begun"
    parts = [
        _title(found, known), _list("Done", spec, [one for one in known if one.state == "done"]),
        _list(begun, spec, [one for one in known if one.state == "begun"]),
        _list("Failed", spec, [one for one in known if one.state == "failed"]),
        _list("Next", spec, [one for one in known if one.state == "next"]),
        _list("Blocked", spec, [one for one in known if one.state == "blocked"], blocked=True),
        _risks(spec, known, looked, reached), _sums("Categories", "category", by_group(spec, known)),
        _sums("Owners", "owner", by_owner(spec, known)), _milestones(spec, known, reached), _requests(spec, known),
        _gates(found),
        _tests(spec, known),
        _merge(spec, looked),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _title(found: Reported, known: Sequence[StepState]) -> list[str]:
    spec = found.spec
    every = total("", "", known)
    lines = [f"# Plan {plain(spec.name)}", ""]
    if spec.outline.title:
        lines += [plain(spec.outline.title), ""]
    counts = f"**{every.share:.0%}** done: {number(every.steps_done)} of {several(every.steps, 'task set')}"
    counts += f", {number(every.done)} of {several(every.tasks, 'task')}"
    if every.failed:
        counts += f", {number(every.failed)} failed"
    if every.work:
        counts += f"; {effort_text(every.work_done)} of {effort_text(every.work)} of work"
    source = found.run or f"from {code(found.source)} alone: nothing of it was run"
    return [*lines, f"{counts}.", "", f"({source})"]


def _list(title: str, spec: RunSpec, found: Sequence[StepState], blocked: bool = False) -> list[str]:
    if not found:
        return []
    steps = {step.name: step for step in spec.steps}
    rows = []
    for one in found[:_MOST]:
        step = steps[one.name]
        cells = [code(one.name), plain(step.title or ""), plain(step.owner or ""), _tasks(one)]
        if blocked:
            more = len(one.blocked_by) - _BLOCKERS
            names = ", ".join(code(name) for name in one.blocked_by[:_BLOCKERS])
            cells.append(names + (f" and {more:,} more" if more > 0 else ""))
        rows.append(cells)
    heads = ["tasks", "what", "owner", "done", *(["waits for"] if blocked else [])]
    kept = [at for at in range(len(heads)) if any(row[at] for row in rows)]
    lines = table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows])
    if len(found) > _MOST:
        lines += ["", f"And {several(len(found) - _MOST, 'more set')}."]
    return [f"## {title}", "", *lines]


def _tasks(one: StepState) -> str:
    failed = f", {number(one.failed)} failed" if one.failed else ""
    return f"{number(one.done)} of {number(one.tasks)}{failed}"


def _reached(spec: RunSpec, known: Sequence[StepState]) -> dict[str, Reached]:
    """When milestones are reached by a simulation of the whole plan, where it is of people's estimates and small."""
    if not any(step.estimate is not None for step in spec.steps) or sum(one.tasks for one in known) > _SIMULATED:
        return {}
    from engine.runtime.fleet.limits import cores

    try:
        return {one.name: one for one in simulate(spec, cores(), rounds=0).milestones}
    except SpecError:
        return {}


def _risks(spec: RunSpec, known: Sequence[StepState], looked: Review, reached: dict[str, Reached]) -> list[str]:
    lines = [f"- {plain(one.text)}" for one in looked.proof.conflicts[:_MOST]]
    failed = [one.name for one in known if one.state == "failed"]
    lines += [f"- {code(name)} has failed" for name in failed[:_MOST]]
    late = [one for one in reached.values() if one.slack is not None and one.slack < 0]
    lines += [
        f"- milestone {code(one.name)} is {effort_text(-(one.slack or 0.0))} late in the simulation" for one in late
    ]
    lines += [f"- {plain(text)}" for text in looked.remarks]
    rows = []
    for risk in sorted(spec.outline.risks, key=lambda one: -_WEIGHT[one.likelihood] * _WEIGHT[one.impact]):
        about = ", ".join(code(step.name) for step in members(spec, risk.tasks)[:_BLOCKERS])
        rows.append([plain(risk.text), risk.likelihood, risk.impact, about, plain(risk.mitigation)])
    heads = ["risk", "likelihood", "impact", "tasks", "what is done about it"]
    kept = [at for at in range(len(heads)) if any(row[at] for row in rows)]
    drawn = table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows]) if rows else []
    if not lines and not drawn:
        return []
    return ["## Risks", "", *lines, *([""] if lines and drawn else []), *drawn]


def _sums(title: str, head: str, found: Sequence[Sum]) -> list[str]:
    if not found:
        return []
    rows = [
        (
            code(one.name) if one.name else plain(one.title), plain(one.title) if one.name else "",
            f"{number(one.steps_done)} of {number(one.steps)}", f"{number(one.done)} of {number(one.tasks)}",
            effort_text(one.work), _bar(one.share),
        )
        for one in found
    ]  # fmt: skip
    return [f"## {title}", "", *table((head, "what", "sets", "tasks", "work", "done"), rows, right=(2, 3, 4))]


def _bar(share: float) -> str:
    full = min(_BAR, int(share * _BAR))
    return f"{'█' * full}{'░' * (_BAR - full)} {share:.0%}"


def _milestones(spec: RunSpec, known: Sequence[StepState], reached: dict[str, Reached]) -> list[str]:
    calendar = spec.outline.calendar
    rows = []
    for one, milestone in zip(by_milestone(spec, known), spec.outline.milestones.values(), strict=True):
        at = reached.get(one.name)
        when = "" if at is None or at.at is None else span_text(at.at, calendar)
        slack = None if at is None else at.slack
        told = "" if slack is None else effort_text(slack) if slack >= 0 else f"{effort_text(-slack)} late"
        target = "" if milestone.target is None else span_text(milestone.target, calendar)
        rows.append((code(one.name), plain(one.title), target, when, told, _bar(one.share)))
    if not rows:
        return []
    heads = ("milestone", "what", "target", "simulated", "slack", "done")
    return ["## Milestones", "", *table(heads, rows, right=(2, 3, 4))]


def _gates(found: Reported) -> list[str]:
    """All gates of the plan: what was decided, by whom, and why."""
    known = {one.gate: one for one in found.gates}
    rows = []
    for step in found.spec.steps:
        if step.gate is None:
            continue
        one = known.get(step.name)
        cells = ("open", "", "") if one is None else decided(one)
        rows.append((code(step.name), plain(step.title or ""), *map(plain, cells)))
    if not rows:
        return []
    heads = ("gate", "what", "decided", "by", "why")
    kept = [at for at in range(len(heads)) if any(row[at] for row in rows)]
    return ["## Gates", "", *table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows])]


def _requests(spec: RunSpec, known: Sequence[StepState]) -> list[str]:
    """Who waits for whose answer: those that are not given."""
    owners = {step.name: step.owner for step in spec.steps}
    asking: dict[str, dict[str, None]] = {}
    for step in spec.steps:
        for other in step.after:
            asking.setdefault(other, {})[owners[step.name] or step.name] = None
    rows = []
    for step, one in zip(spec.steps, known, strict=True):
        if step.request is not None and one.state != "done":
            who = [name for name in asking.get(step.name, {}) if name != step.owner]
            rows.append(
                (plain(step.request), code(step.name), plain(", ".join(who)), plain(step.owner or ""), one.state)
            )
    if not rows:
        return []
    lines = table(("request", "tasks", "who waits", "for whom", "state"), rows[:_MOST])
    more = ["", f"And {several(len(rows) - _MOST, 'more request')}."] if len(rows) > _MOST else []
    return ["## Requests", "", *lines, *more]


def _tests(spec: RunSpec, known: Sequence[StepState]) -> list[str]:
    suites = spec.outline.tests
    if not suites:
        return []
    at = {one.name: one for one in known}
    rows = []
    for suite in suites.values():
        writers = [at[step.name] for step in members(spec, suite.tasks)]
        done = total("", "", writers)
        coverage = "" if suite.coverage is None else f"{suite.coverage:.0%}"
        rows.append(
            (
                code(suite.name), number(suite.planned), coverage, ", ".join(code(one.name) for one in writers),
                _bar(done.share) if writers else "",
            )
        )  # fmt: skip
    rows.append(("together", number(sum(suite.planned for suite in suites.values())), "", "", ""))
    return ["## Tests", "", *table(("suite", "planned", "coverage", "written by", "done"), rows, right=(1, 2))]


def _merge(spec: RunSpec, looked: Review) -> list[str]:
    if len(looked.merge.order) < 2 or (looked.merge.circle and not spec.outline.merge.order):
        return []
    then = spec.outline.merge.then
    names = [*looked.merge.order, *([then] if then is not None else [])]
    return ["## Merge order", "", " → ".join(code(name) for name in names)]
