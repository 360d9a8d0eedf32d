"""A plan in words: what the end hangs on, gates and milestones, claims and lanes, owners. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len

from engine.stream.types import ClaimView, HolderView, LaneView
from tui import draw
from tui import format as fmt
from tui.plan.facts import DECISIONS, GLYPHS, Plan, Step, plan_of
from tui.view import View
from tui.widgets.columns import wrapped
from tui.widgets.lines import Line, Piece, cut

_FAR: Final = 100
"""Steps of the chain that have a line each."""


def path_lines(view: View, width: int) -> list[Line]:
    """The steps that the end hangs on, one a line: how long each took or may take, and what a second less brings."""
    plan = plan_of(view)
    if plan is None:
        return []
    chain = plan.chain()
    lines: list[Line] = [_end(plan, width)]
    if plan.told.guessed and not plan.ended:
        return [*lines, (("nothing is estimated or measured yet", "quiet"),)]
    room = max(8, width - 20)
    lines.append(((f"{'':2}{fmt.pad('step', room)} {'takes':>8}{'' if plan.ended else '  1s less'}", "quiet"),))
    over = sum(step.over for step in chain)
    if over and not plan.ended:  # what is to come is of interest
        lines.append((("✓ ", "good"), (f"{over} step{'s are' if over > 1 else ' is'} over", "quiet")))
        chain = chain[over:]
    for step in chain[:_FAR]:
        glyph, ink = GLYPHS[step.state]
        takes = _takes(plan, step)
        gain = "" if step.over or step.now.gain is None else f"-{fmt.duration(step.now.gain)}" if step.now.gain else "0"
        less: Piece = (f" {gain:>8}", "brand" if gain not in ("", "0") else "quiet")
        name: Piece = (fmt.pad(step.name, room), "quiet" if step.over else "strong")
        lines.append(((f"{glyph} ", ink), name, (f" {takes:>8}", "quiet" if step.over else ""), less))
    if len(chain) > _FAR:
        lines.append(((f"  and {len(chain) - _FAR} more", "quiet"),))
    others = [step for step in plan.steps if not step.over and not step.critical and step.now.slack is not None]
    others.sort(key=lambda step: step.now.slack or 0.0)
    if others and not plan.ended:
        lines += [(), (("next to it, by their slack", "quiet"),)]
        for step in others[:10]:
            glyph, ink = GLYPHS[step.state]
            slack = fmt.duration(step.now.slack or 0.0)
            lines.append(((f"{glyph} ", ink), (fmt.pad(step.name, room), ""), (f" {slack:>8}", "quiet")))
    return lines


def _end(plan: Plan, width: int) -> Line:
    if plan.ended:
        over = all(step.over for step in plan.steps)
        return (("the run is over" if over else "the run ended before its plan", "quiet"),)
    if plan.told.guessed or plan.ends is None:
        return (("the end: nobody can say", "quiet"),)
    left = max(0.0, plan.ends - plan.at)
    return cut(
        (("the end in ", "quiet"), (fmt.remaining(left), "strong"), (f"  at {fmt.of_day(plan.ends)}", "quiet")), width
    )


def _takes(plan: Plan, step: Step) -> str:
    now = step.now
    if now.starts is None or now.ends is None:
        return "-"
    return fmt.duration(max(0.0, now.ends - now.starts))


# -- gates and milestones ----------------------------------------------------------------------------------------------


def mark_lines(view: View, width: int) -> list[Line]:
    """Gates with what was decided and why, and milestones with how far they are."""
    plan = plan_of(view)
    if plan is None:
        return []
    lines: list[Line] = []
    for step in plan.steps:
        if step.written.gate is not None:
            lines += _gate(plan, step, width)
    if lines and plan.outline.milestones:
        lines.append(())
    for place in range(len(plan.outline.milestones)):
        lines += _milestone(plan, place, width)
    return lines


def _gate(plan: Plan, step: Step, width: int) -> Iterator[Line]:
    if step.gate is None:
        word = "not reached" if step.ended and not step.over else "barred" if step.state == "barred" else "to come"
        yield cut(((f"{'┃'} ", "quiet"), (step.name, ""), (f"  {word}", "quiet")), width)
        if not step.over:
            for line in step.written.gate or ():
                yield cut((("    ", ""), (line, "quiet")), width)
        return
    glyph, ink = DECISIONS.get(step.gate.decided, ("?", "quiet"))
    word = "held: waits for an answer" if step.gate.waits else step.gate.decided
    yield cut(((f"{glyph} ", ink), (step.name, "strong"), (f"  {word}", ink)), width)
    for reason in step.gate.reasons:
        for text in wrapped(reason, max(10, width - 4)):
            yield (("    ", ""), (text, "quiet"))


def _milestone(plan: Plan, place: int, width: int) -> Iterator[Line]:
    written, now = plan.outline.milestones[place], plan.told.milestones[place]
    share = now.done / now.tasks if now.tasks else 0.0
    late = now.slack is not None and now.slack < 0
    mark: Piece = ("◆", "good" if now.reached else "error" if late else "brand")
    when = ""
    if now.reached and now.ends is not None:
        when = f"reached {fmt.of_day(now.ends)}"
    elif now.failed and now.ends is None:
        when = "can't be reached"
    elif now.ends is not None and not plan.ended:
        when = f"in {fmt.remaining(max(0.0, now.ends - plan.at))}"
    slack: Piece = ("", "")
    if now.slack is not None:
        slack = (f"  {fmt.duration(abs(now.slack))} {'late' if late else 'early'}", "error" if late else "good")
    name = fmt.clean(written.name)
    bar = draw.bar(share, 8)
    room = max(6, width - 2 - 9 - 5)
    title: Piece = (fmt.pad(name, min(room, max(cell_len(name), 12))), "strong")
    share_told: Piece = (f" {fmt.percent(share):>4}", "")
    yield cut(((mark[0] + " ", mark[1]), title, (" ", ""), (bar, "bar"), share_told), width)
    if when or slack[0]:
        yield cut((("    ", ""), (when, "error" if now.ends is None else "quiet"), slack), width)


# -- claims and lanes --------------------------------------------------------------------------------------------------


def claim_lines(view: View, width: int) -> list[Line]:
    """Who holds what since when, and who waits."""
    claims = view.claims
    if claims is None or claims.nothing:
        return []
    lines: list[Line] = []
    for lane in claims.lanes:
        lines += _lane(lane, width, claims.at)
    if (memory := claims.memory) is not None:
        waits: Piece = (f"  {fmt.count(memory.waiting)} wait", "warning") if memory.waiting else ("", "")
        share = draw.bar(memory.used / memory.limit if memory.limit else 1.0, 6)
        used = f" {fmt.size(memory.used)}B/{fmt.size(memory.limit)}B"
        lines.append(cut((("memory ", "quiet"), (share, "bar"), (used, ""), waits), width))
    for claim in claims.claims:
        lines += _claim(claim, width, claims.at)
    more = claims.held - sum(claim.held > 0 for claim in claims.claims)
    if more > 0:
        lines.append(((f"{fmt.count(more)} more are held", "quiet"),))
    if not claims.claims:
        lines.append((("no claim is held", "quiet"),))
    return lines


def _lane(lane: LaneView, width: int, at: float) -> Iterator[Line]:
    full = lane.used >= lane.limit
    bar = draw.bar(lane.used / lane.limit if lane.limit else 1.0, 6)
    waits: Piece = (f"  {fmt.count(lane.waiting)} wait", "warning") if lane.waiting else ("", "")
    yield cut(
        (("lane ", "quiet"), (fmt.clean(lane.name), "strong"), (" ", ""), (bar, "bar"),
         (f" {lane.used}/{lane.limit}", "strong" if full else ""), waits), width,
    )  # fmt: skip
    yield from _holders(lane.holders, lane.used, width, at)


def _claim(claim: ClaimView, width: int, at: float) -> Iterator[Line]:
    how = "kept" if claim.kept and not claim.held else "shared" if claim.shared else "held" if claim.held else "free"
    waits: Piece = (
        (f"  {fmt.count(claim.waiting)} wait{'s' if claim.waiting == 1 else ''}", "warning")
        if claim.waiting
        else ("", "")
    )
    yield cut((("claim ", "quiet"), (fmt.clean(claim.name), "strong"), (f"  {how}", "quiet"), waits), width)
    yield from _holders(claim.holders, claim.held, width, at)
    if claim.next:
        yield cut((("    next ", "quiet"), (fmt.clean(claim.next), "")), width)


def _holders(holders: Sequence[HolderView], count: int, width: int, at: float) -> Iterator[Line]:
    for holder in holders:
        yield cut((("  ■ ", "busy"), (fmt.clean(holder.task), ""), (f"  {fmt.age(at - holder.since)}", "quiet")), width)
    if count > len(holders):
        yield (("    ", ""), (f"and {fmt.count(count - len(holders))} more", "quiet"))


# -- owners ------------------------------------------------------------------------------------------------------------


def owner_lines(view: View, width: int) -> list[Line]:
    """Whose work is how far, and what is left of it."""
    plan = plan_of(view)
    if plan is None or not plan.outline.owners:
        return []
    names = min(max(max(len(fmt.clean(one.name)) for one in plan.outline.owners), 5), max(6, width - 32))
    bar = max(4, min(16, width - names - 26))
    lines: list[Line] = [((f"{fmt.pad('owner', names)} {'':{bar}} {'done':>11} {'left':>8}", "quiet"),)]
    for written, now in zip(plan.outline.owners, plan.told.owners, strict=False):
        left = "" if now.left is None else fmt.duration(now.left) if now.left else "-"
        over = (now.done + now.failed) / now.tasks if now.tasks else 0.0
        lines.append((
            (fmt.pad(written.name, names), "strong"), (" ", ""),
            (draw.bar(over, bar), "bar-error" if now.failed else "bar"),
            (f" {fmt.si(now.done) + '/' + fmt.si(now.tasks):>11}", ""), (f" {left:>8}", "quiet"),
            (f"  {fmt.count(now.running)} at work" if now.running and width >= names + bar + 38 else "", "quiet"),
        ))  # fmt: skip
    return [cut(line, width) for line in lines]
