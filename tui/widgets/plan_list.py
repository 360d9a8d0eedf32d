"""The steps of a plan: a tree with columns, or with bars over time. The cursor is the same in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final, Literal, TypeAlias

from rich.cells import cell_len

from tui import draw
from tui import format as fmt
from tui.plan import chart
from tui.plan.chart import ZOOMS, Scale
from tui.plan.facts import CRITICAL, GLYPHS, Plan, State, Step, plan_of, reason, seconds_of
from tui.plan.tree import Branch, By, Row, StepFilter, Tree, kinds
from tui.view import View
from tui.widgets.columns import Column, Place, aligned
from tui.widgets.lines import Line, Piece, cut
from tui.widgets.listing import Heading, Item, Listing, told
from tui.widgets.rows import RowLine

Look: TypeAlias = Literal["tree", "chart"]

_NAME: Final = Column("name", "step", 20, 100, grow=3, most=44)
_STATE: Final = Column("state", "state", 8, 96)
_DONE: Final = Column("done", "done", 11, 94, right=True)
_BAR: Final = Column("bar", "progress", 10, 72, grow=1, most=24)
_RUNNING: Final = Column("running", "run", 5, 50, right=True)
_TIME: Final = Column("time", "time", 8, 70, right=True)
_MEAN: Final = Column("mean", "each", 7, 40, right=True)
_SLACK: Final = Column("slack", "slack", 8, 75, right=True)
_OWNER: Final = Column("owner", "owner", 10, 30)
_WAITS: Final = Column("waits", "waits for", 12, 90, grow=4, most=60)
_TELLING: Final[tuple[State, ...]] = ("running", "held", "people", "failed", "barred")
"""States that the frame counts."""


class PlanList(Listing[Row]):
    """All steps that fit the filter."""

    HELP: ClassVar[str] = (
        "The steps of the plan, as a tree or over time. **●** marks what the end of all hangs on; *slack* is by how "
        "much a step may be late without moving the end; *waits for*: why it does not go on. Over time, what is full "
        "was so, and what is dotted may become so: `█` and `▒` are what the end hangs on, `▄` and `░` the others, `╌` "
        "their slack, `┃` a gate, `◆` a milestone, `▽` its target, `│` now. `enter` tells all of a step."
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.tree_ = Tree()
        self.look: Look = "tree"
        self.zoom = 1
        self._plan: Plan | None = None
        self._drawn: tuple[object, ...] = ()
        self._shown = 0
        self._scale: Scale | None = None

    # -- what it shows -------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> Plan | None:
        """What is shown; None where nothing is known of it."""
        return self._plan

    def watch_view(self) -> None:
        """It changes with the plan, which is told twice a second, and with claims."""
        view = self.view
        drawn = (view.plan, view.claims, view.over, view.phase)
        if drawn != self._drawn:
            self._drawn = drawn
            self._plan = plan_of(view)
            self.rearrange()

    def rearrange(self) -> None:
        """The rows, as they are by now."""
        plan = self._plan
        rows = [] if plan is None else self.tree_.rows(plan)
        self._shown = len({row.step.number for row in rows if row.step is not None})
        items: list[Item[Row]] = [(row.key, row) for row in rows]
        if plan is not None and self.look == "chart" and plan.outline.milestones and not self.tree_.filter:
            items.append(Heading((("milestones", "brand"),)))
            items += [
                (f"milestone {place}", Row(f"milestone {place}", fmt.clean(one.name), 1))
                for place, one in enumerate(plan.outline.milestones)
            ]
        self.set_items(items)
        self.say()

    def hold(self) -> None:
        """Their order does not change."""

    def narrow(self, wanted: StepFilter) -> None:
        """Show only what fits."""
        if wanted != self.tree_.filter:
            self.tree_ = replace(self.tree_, filter=wanted)
            self.rearrange()

    @property
    def counted(self) -> str:
        """How many steps fit the filter."""
        return "" if self._plan is None else f"{fmt.count(self._shown)} of {fmt.count(len(self._plan.steps))}"

    def toggle_look(self) -> None:
        """The tree, or time."""
        self.look = "chart" if self.look == "tree" else "tree"
        self.rearrange()
        self.redraw()

    def branch_by(self) -> None:
        """By what comes next."""
        if self._plan is None:
            return
        known = kinds(self._plan)
        now = self.tree_.kind(self._plan)
        by: By = known[(known.index(now) + 1) % len(known)]
        step = self.step
        self.tree_ = replace(self.tree_, by=by, folded=frozenset())
        self.rearrange()
        if step is not None:
            key = next(
                (
                    row.key
                    for row in self.tree_.rows(self._plan)
                    if row.step is not None and row.step.number == step.number
                ),
                "",
            )
            self.go_to(key)

    def enlarge(self, steps: int) -> None:
        """A smaller part of time, or a larger one."""
        place = min(max(ZOOMS.index(self.zoom) + steps, 0), len(ZOOMS) - 1)
        self.zoom = ZOOMS[place]
        self.say()
        self.redraw()

    def fold(self, open_: bool) -> None:
        """Fold the branch under the cursor, or that of the step there; or unfold it."""
        row, plan = self.under_cursor, self._plan
        if row is None or plan is None or self.tree_.filter:
            return
        if row.branch is None:
            if not open_ and row.depth and row.step is not None:
                rows = self.tree_.rows(plan)
                at = next(at for at, one in enumerate(rows) if one.key == row.key)
                self.go_to(next(one.key for one in reversed(rows[:at]) if one.branch is not None))
            return
        name = row.branch.name
        if self.tree_.is_open(plan, name) != open_:
            self.tree_ = replace(self.tree_, folded=self.tree_.folded ^ {name})
            self.rearrange()

    @property
    def step(self) -> Step | None:
        """The step under the cursor."""
        row = self.under_cursor
        return None if row is None else row.step

    # -- the frame -----------------------------------------------------------------------------------------------------

    def title(self) -> str:
        """How many steps, and how they are."""
        plan = self._plan
        if plan is None:
            return "plan"
        steps = [step.state for step in plan.steps]
        over = sum(step.over for step in plan.steps)
        parts = [f"plan  {over}/{len(steps)} steps over"]
        parts += [f"{GLYPHS[state][0]} {steps.count(state)} {state}" for state in _TELLING if state in steps]
        if plan.outline.left:
            parts.append(f"+{fmt.count(plan.outline.left)} not told of")
        return "  ".join(parts)

    def order(self) -> str:
        """By what it is arranged."""
        plan = self._plan
        if plan is None:
            return ""
        by = self.tree_.kind(plan)
        zoom = f"  {self.zoom}x" if self.look == "chart" and self.zoom > 1 else ""
        return f"{'as written' if by == 'order' else f'by {by}'}{zoom}"

    def empty(self, width: int, height: int) -> list[Line]:
        """What is shown where there is no step."""
        view = self.view
        if view.idle:
            return told("□", "quiet", "no run is open", width, height, "7 shows the history")
        if self._plan is not None:
            return told("□", "quiet", "no step fits", width, height, "esc shows all again")
        seen = view.plan
        if seen is not None and seen.complete:
            more = "queues and pools tell of its tasks: 2, 3"
            return told("□", "quiet", "no plan: the run is part of a program", width, height, more)
        if view.replay is not None or view.over:
            return told("□", "quiet", "its plan was not recorded", width, height, "shoal show RUN lists its jobs")
        return told("◌", "starting", "waiting for the plan", width, height)

    # -- rows ----------------------------------------------------------------------------------------------------------

    def columns(self, width: int) -> Sequence[Column]:
        """Those for a width."""
        plan = self._plan
        longest = max(map(_length, self._rows()), default=20)
        if self.look == "chart":
            name = min(max(14, longest), max(14, min(36, width // 3)))
            cells = width - name - 1
            if plan is not None:
                self._scale = chart.scale_of(plan, self._began(), cells, self.zoom)
            return (Column("name", "step", name, 100), Column("chart", self._ruler(), cells, 99))
        name = min(max(16, longest), 18 if width < 60 else 26)
        found = [replace(_NAME, most=min(max(16, longest), 48), width=name), _STATE, _DONE, _BAR]
        found += [_TIME, _MEAN] if width >= 70 else []
        if plan is not None and not plan.told.guessed and not plan.ended:
            found.append(_SLACK)
        if width >= 100 and plan is not None and plan.outline.owners and self.tree_.kind(plan) != "owner":
            found.append(_OWNER)
        return (*found, _WAITS)

    def _rows(self) -> list[Row]:
        return [item[1] for item in self._items if not isinstance(item, Heading)]

    def _ruler(self) -> str:
        return "" if self._scale is None else self._scale.ruler()

    def _began(self) -> float:
        frame, hello = self.view.frame, self.view.hello
        if frame is not None:
            return frame.at - frame.elapsed
        return hello.started if hello is not None else 0.0

    def row(self, row: Row, places: Sequence[Place]) -> Line:
        """One step, one branch, or one milestone."""
        pieces: list[Piece] = []
        at = 0
        for place in places:
            if place.left > at:
                pieces.append((" " * (place.left - at), ""))
            pieces += self._cell(row, place)
            at = place.left + place.width
        return tuple(pieces)

    def _cell(self, row: Row, place: Place) -> Line:
        plan = self._plan
        assert plan is not None
        name = place.column.name
        if name == "name":
            return self._label(row, place.width)
        if name == "chart":
            return self._bar(plan, row, place.width)
        if row.step is not None:
            text, ink = self._of_step(plan, row.step, name)
        elif row.branch is not None:
            text, ink = self._of_branch(plan, row.branch, name)
        else:
            return ()
        if name == "bar":
            tasks, over, ink = _progress(row)
            return ((draw.bar(over / tasks if tasks else 0.0, place.width), ink),)
        return ((aligned(text, place), ink),)

    def _label(self, row: Row, width: int) -> Line:
        indent = "  " * row.depth
        if row.branch is not None:
            mark = (f"{'▾' if row.branch.open else '▸'} ", "quiet")
            title = fmt.clean(row.branch.title)
            title = f"  {title}" if title.casefold() != row.name.casefold() else ""
            line = cut((mark, (row.name, "brand"), (title, "quiet")), width)
        elif row.step is not None:
            glyph, ink = GLYPHS[row.step.state]
            lit = row.step.critical
            text = "strong" if lit and not row.step.over else "quiet" if row.step.over else ""
            line = cut(
                ((indent, ""), (f"{glyph} ", ink), (row.name, text), (f" {CRITICAL}" if lit else "", "brand")), width
            )
        else:
            line = cut(((f"{indent}{chart.REACHED} ", "brand"), (row.name, "")), width)
        return _padded(line, width)

    def _bar(self, plan: Plan, row: Row, width: int) -> Line:
        scale = self._scale
        if scale is None or scale.cells != width:
            scale = self._scale = chart.scale_of(plan, self._began(), width, self.zoom)
        if row.step is not None:
            return chart.step_bar(plan, row.step, scale)
        if row.branch is not None:
            return chart.branch_bar(plan, row.branch, scale)
        return chart.milestone_bar(plan, int(row.key.partition(" ")[2]), self._began(), scale)

    def _of_step(self, plan: Plan, step: Step, column: str) -> Piece:
        now, written, quiet = step.now, step.written, "quiet" if step.over else ""
        match column:
            case "state":
                return step.state, GLYPHS[step.state][1]
            case "done":
                return _counts(now.done, written.total), quiet
            case "time":
                seconds = seconds_of(plan, step)
                return ("" if seconds is None else fmt.duration(seconds)), quiet
            case "mean":
                mean = now.mean if now.mean is not None else None
                if mean is None and written.estimate is not None:
                    return f"~{fmt.duration(written.estimate)}", "quiet"
                return ("" if mean is None else fmt.duration(mean)), quiet
            case "slack":
                if step.over or now.slack is None:
                    return "", ""
                return ("none", "brand") if step.critical else (fmt.duration(now.slack), "quiet")
            case "owner":
                return fmt.clean(written.owner), "quiet"
            case "waits":
                return reason(plan, step, self.view.claims)
        return "", ""

    def _of_branch(self, plan: Plan, branch: Branch, column: str) -> Piece:
        match column:
            case "state":
                return branch.state, GLYPHS[branch.state][1]
            case "done":
                return _counts(branch.done, branch.tasks), "strong"
            case "time":
                began = branch.began
                ended = branch.state in ("done", "failed", "barred", "not run")
                ends = [step.now.ended for step in branch.steps if step.now.ended is not None]
                end = max(ends, default=None) if ended else plan.at
                return ("" if began is None or end is None else fmt.duration(max(0.0, end - began))), ""
            case "waits":
                over = sum(step.over for step in branch.steps)
                failed = f", {fmt.count(branch.failed)} failed" if branch.failed else ""
                return f"{over}/{len(branch.steps)} steps over{failed}", "error" if failed else "quiet"
        return "", ""

    def lines(self, view: View, width: int, height: int) -> list[RowLine]:
        """The titles and the rows, and below those, where there is room, what the glyphs mean."""
        found = super().lines(view, width, height)
        if self.look == "chart" and self._plan is not None and self._at and len(found) + 2 <= height:
            found += [RowLine((), row=False)] * (height - 1 - len(found))
            found.append(RowLine(((" " * 3, ""), *chart.legend(width - 4)), row=False))
        return found

    def copied(self) -> str:
        """All rows, as text."""
        return self.text()


def _length(row: Row) -> int:
    """Cells of what stands in the first column."""
    if row.branch is None:
        return cell_len(row.name) + 2 * row.depth + 4
    title = fmt.clean(row.branch.title)
    return cell_len(row.name) + 2 + (cell_len(title) + 2 if title.casefold() != row.name.casefold() else 0)


def _counts(done: int, total: int | None) -> str:
    return f"{fmt.si(done)}/{'?' if total is None else fmt.si(total)}"


def _progress(row: Row) -> tuple[int, int, str]:
    """Tasks, those that are over, and the ink of the bar."""
    if row.step is not None:
        total, over, failed = row.step.written.total, row.step.finished, row.step.now.failed
    else:
        assert row.branch is not None
        total, over, failed = row.branch.tasks, row.branch.done + row.branch.failed, row.branch.failed
    return total or max(over, 1), over, "bar-error" if failed else "bar"


def _padded(line: Line, width: int) -> Line:
    used = sum(cell_len(text) for text, _ in line)
    return (*line, (" " * max(0, width - used), ""))
