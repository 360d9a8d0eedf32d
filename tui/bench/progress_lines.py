"""A benchmark that measures, on two lines; or one that has just ended, on three at the most. Pure."""

from __future__ import annotations

from typing import Final

from tui import draw
from tui import format as fmt
from tui.bench.running import Phase, Running
from tui.widgets.columns import wrapped
from tui.widgets.lines import Line, Piece, cut

_ENDS: Final[dict[Phase, Piece]] = {
    "done": ("✓ finished", "good"),
    "stopped": ("■ stopped", "strong"),
    "refused": ("✕ refused", "error"),
    "failed": ("✕ failed", "error"),
    "regression": ("▼ regression", "error"),
}
_BAR_MIN: Final = 10
_BAR_MAX: Final = 60


def ended(state: Running) -> str:
    """How it ended, in a line."""
    word, _ = _ENDS[state.phase]
    return f"{titled(state)}: {word}" + (f": {state.words}" if state.words and state.phase != "done" else "")


def titled(state: Running) -> str:
    """What is measured, and how."""
    kind = f"gate, beside {state.how.baseline}: " if state.how.baseline else ""
    size = "quick " if state.how.quick else ""
    return f"{kind}{size}{state.suite}"


def progress_lines(state: Running, now: float, width: int) -> list[Line]:
    """How far it is and what it does just now; or how it ended and what came of it."""
    found = _over(state, now, width) if state.over else _going(state, now, width)
    return [cut(line, width) for line in found]


def _going(state: Running, now: float, width: int) -> list[Line]:
    spent = fmt.clock(state.elapsed(now))
    left = state.remaining(now)
    parts: list[Piece] = []
    if state.plan is None:
        parts.append(("◌ starting", "starting"))
    else:
        which = f"round {state.round} of {state.plan.rounds}" if state.round else "warm-up"
        if state.again:
            which = f"once more, {which}"
        parts += [(fmt.percent(state.share).rjust(4), "strong"), (f"  {state.done}/{state.steps}", "")]
        parts += [(f"  {which}", "quiet")] if width >= 56 else []
    right: list[Piece] = [(spent, "quiet")]
    if left is not None:
        right += [("  left ", "quiet"), (fmt.remaining(left).rjust(5), "strong")]
    used = sum(len(text) for text, _ in (*parts, *right)) + 4
    cells = min(_BAR_MAX, width - used)
    bar: list[Piece] = []
    if state.plan is not None and cells >= _BAR_MIN:
        bar = [(draw.bar(state.share, cells), "bar"), ("  ", "")]
    gap = max(1, width - sum(len(text) for text, _ in (*bar, *parts, *right)))
    first: Line = (*bar, *parts, (" " * gap, ""), *right)
    return [first, _now(state, width)]


def _now(state: Running, width: int) -> Line:
    if state.phase == "stopping":
        return (("◐ ", "draining"), (fmt.fit("stopping: what it has started is ended", width - 2), ""))
    if not state.row:
        text = state.words or ("importing what it needs" if state.plan is None else "")
        return ((fmt.fit(text, width), "quiet"),)
    title = next((row.title for row in state.plan.rows if row.name == state.row), "") if state.plan else ""
    told = f"  {title}" if title and title != state.row else ""
    return (
        ("◌ ", "starting"), (fmt.fit(state.row, width - 2), "strong"),
        (fmt.fit(told, max(0, width - 2 - len(state.row))), "quiet"),
    )  # fmt: skip


def _over(state: Running, now: float, width: int) -> list[Line]:
    word, ink = _ENDS[state.phase]
    kept = f", session {state.session}" if state.session else ", nothing was kept"
    after = f"  after {fmt.clock(state.elapsed(now))}{kept}"
    lines: list[Line] = [((word, ink), (fmt.fit(after, max(width - len(word), 4)), "quiet"))]
    if state.failures and state.phase != "failed":
        failed = f"{len(state.failures)} not measured: {', '.join(state.failures)}"
        return [*lines, ((fmt.fit(failed, width), "error"),)]
    text = state.words if state.phase in ("refused", "failed", "regression") or state.how.baseline else ""
    ink = "" if state.phase == "done" else ink
    first, *rest = wrapped(text, max(width, 10))
    return [*lines, ((first, ink),), *([((fmt.fit(" ".join(rest), width), ink),)] if rest else [])]
