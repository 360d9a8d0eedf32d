"""One step of a plan, all of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from engine.stream.types import ClaimsNow
from tui import format as fmt
from tui.plan.facts import CRITICAL, DECISIONS, GLYPHS, Plan, Step, reason, seconds_of
from tui.widgets.columns import wrapped
from tui.widgets.lines import Line, cut

_NAME: Final = 11
"""Cells of the names at the left."""
_MOST: Final = 30
"""Steps before and after it that are named."""


def step_lines(
    plan: Plan, step: Step, claims: ClaimsNow | None, explained: Sequence[str] | None, width: int
) -> list[Line]:
    """All that is known of it.

    Args:
        plan: that it belongs to.
        step: it.
        claims: who holds what.
        explained: what the engine says why it does not go on; None: nobody can be asked.
        width: cells.
    """
    written, now = step.written, step.now
    glyph, ink = GLYPHS[step.state]
    lines: list[Line] = [
        ((f"{glyph} {step.state}", ink), ("  ", ""), (step.name, "strong"),
         (f"  {CRITICAL} the end {'hung' if step.over else 'hangs'} on it" if step.critical else "", "brand"))
    ]  # fmt: skip
    if written.title:
        lines += [((text, ""),) for text in wrapped(written.title, width)]
    if not step.over:
        lines.append(())
        lines += _explained(plan, step, claims, explained, width)
    elif step.state == "barred":
        lines += _named("because", now.why or "what it comes after has failed", width, "dead")
    lines.append(())
    total = "nobody knows of how many" if written.total is None else f"of {fmt.count(written.total)}"
    lines += _named(
        "tasks",
        f"{fmt.count(now.done)} done, {fmt.count(now.failed)} failed, {fmt.count(now.running)} at work, {total}",
        width,
        "error" if now.failed else "",
    )
    lines += _named("time", _times(plan, step), width)
    lines += _named("each", _each(step), width)
    lines += _named("slack", _slack(step), width)
    lines += _named(
        "runs",
        written.what or ("work of people" if written.people else "nothing: it looks at what came before it"),
        width,
    )
    lines += _named("belongs to", _belongs(plan, step), width)
    lines += _named("pool", written.pool + (f", priority {written.priority}" if written.priority else ""), width)
    lines += _named("lane", written.lane, width)
    lines += _named("claims", ", ".join(written.claims), width)
    lines += _named("memory", f"{fmt.size(written.memory)}B a task" if written.memory else "", width)
    lines += _named("labels", ", ".join(written.labels), width)
    lines += _named("waits", f"{fmt.duration(written.wait)} before it begins" if written.wait else "", width)
    lines += _gate(step, width)
    lines += _neighbours(plan, step)
    return [cut(line, width) for line in lines]


def _named(name: str, told: str, width: int, ink: str = "") -> Iterator[Line]:
    """A name at the left and a text beside it, if there is one."""
    if not told:
        return
    for number, text in enumerate(wrapped(told, max(10, width - _NAME - 1))):
        yield ((fmt.pad("" if number else name, _NAME), "quiet"), (" ", ""), (text, ink))


def _explained(
    plan: Plan, step: Step, claims: ClaimsNow | None, explained: Sequence[str] | None, width: int
) -> Iterator[Line]:
    if step.ended:
        yield from _named("why", "the run is over: it was not begun, or not finished", width)
        return
    if explained is None:
        text, ink = reason(plan, step, claims)
        yield from _named("waits for" if step.state != "running" else "now", text, width, ink)
    elif not explained:
        yield (("◌ asking the engine", "starting"),)
    else:
        yield from _named("why", explained[0], width, "strong")
        for line in explained[1:]:
            yield from _named("", line, width)


def _times(plan: Plan, step: Step) -> str:
    now, parts = step.now, []
    if now.began is not None:
        parts.append(f"began {fmt.of_day(now.began)}")
    elif now.starts is not None and not step.ended:
        parts.append(f"may begin {fmt.of_day(now.starts)}, in {fmt.remaining(max(0.0, now.starts - plan.at))}")
    if step.over and now.ended is not None:
        parts.append(f"ended {fmt.of_day(now.ended)}")
    elif now.ends is not None and not step.over and not step.ended:
        parts.append(f"may end {fmt.of_day(now.ends)}, in {fmt.remaining(max(0.0, now.ends - plan.at))}")
    seconds = seconds_of(plan, step)
    if seconds is not None:
        parts.append(f"{'took' if step.over else 'for'} {fmt.duration(seconds)}")
    return ", ".join(parts)


def _each(step: Step) -> str:
    parts = []
    if step.now.mean is not None:
        parts.append(f"{fmt.duration(step.now.mean)} measured")
    if step.written.estimate is not None:
        parts.append(f"{fmt.duration(step.written.estimate)} estimated")
    return ", ".join(parts)


def _slack(step: Step) -> str:
    now = step.now
    if step.over or step.ended or now.slack is None:
        return ""
    parts = ["none" if step.critical else f"it may be {fmt.duration(now.slack)} late"]
    if now.rank is not None:
        parts.append(f"{fmt.duration(now.rank)} to the end from its beginning")
    if now.gain is not None:
        parts.append(f"1 s shorter moves the end by {fmt.duration(now.gain) if now.gain else '0'}")
    return "; ".join(parts)


def _belongs(plan: Plan, step: Step) -> str:
    written = step.written
    parts = [
        f"{kind} {name}"
        for kind, name in (("group", written.group), ("owner", written.owner), ("team", written.team))
        if name
    ]
    parts += [f"milestone {plan.outline.milestones[place].name}" for place in written.milestones]
    return ", ".join(parts)


def _gate(step: Step, width: int) -> Iterator[Line]:
    written = step.written.gate
    if written is None:
        return
    yield ()
    if step.gate is None:
        yield from _named("gate", "not decided on", width, "quiet")
    else:
        glyph, ink = DECISIONS.get(step.gate.decided, ("?", "quiet"))
        held = ", and waits for an answer" if step.gate.waits else ""
        yield from _named("gate", f"{glyph} {step.gate.decided}{held}", width, ink)
        for text in step.gate.reasons:
            yield from _named("", text, width)
    for line in written or ("go if its task succeeds",):
        yield from _named("asks", line, width, "quiet")


def _neighbours(plan: Plan, step: Step) -> Iterator[Line]:
    before = [plan.steps[number] for number in step.written.after if number < len(plan.steps)]
    after = [other for other in plan.steps if step.number in other.written.after]
    for title, steps, more in (("it comes after", before, step.written.more_after), ("after it come", after, 0)):
        if not steps:
            continue
        yield ()
        yield ((title, "brand"), (f"  {len(steps) + more}", "quiet"))
        for other in steps[:_MOST]:
            glyph, ink = GLYPHS[other.state]
            total = "?" if other.written.total is None else fmt.si(other.written.total)
            yield (
                ("  ", ""), (f"{glyph} ", ink), (other.name, ""), (f"  {other.state}", ink),
                (f"  {fmt.si(other.now.done)}/{total}", "quiet"), (f"  {CRITICAL}" if other.critical else "", "brand"),
            )  # fmt: skip
        if len(steps) - _MOST + more > 0:
            yield ((f"  and {len(steps[_MOST:]) + more} more", "quiet"),)
