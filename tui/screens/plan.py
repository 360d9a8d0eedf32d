"""The plan of a run: its steps as a tree or over time, what the end hangs on, gates, claims, owners."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical

from engine.stream.types import Topic
from tui.commands import Command, bindings
from tui.plan.tree import HINT, StepFilter, kinds
from tui.plan.words import claim_lines, mark_lines, owner_lines, path_lines
from tui.screens.answering import answer, can_answer
from tui.screens.base import LiveScreen
from tui.screens.filtering import FilteringScreen
from tui.screens.step import StepScreen
from tui.view import Phase, View
from tui.widgets.filter_line import FilterLine
from tui.widgets.listing import Listing
from tui.widgets.plan_list import PlanList
from tui.widgets.plan_words import PlanWords

_PANELS: Final = ("path", "marks", "claims", "owners")
"""Beside the steps, in their order."""


class PlanScreen(FilteringScreen):
    """The steps, and beside them what there is to say of them all."""

    CSS_PATH: ClassVar[str] = "plan.tcss"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"plan", "claims"})
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012
        *(LiveScreen.HORIZONTAL_BREAKPOINTS or ()),
        (160, "-vast"),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#steps"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("plan.open", "enter", "open", "Open", "All that is known of the step, and why it waits", 96, "enter"),
        Command("plan.answer", "x", "answer", "Answer", "Decide on the gate, or say that it is done", 97, writes=True),
        Command("plan.look", "v", "look", "Tree/time", "The steps as a tree, or over time", 94),
        Command("plan.filter", "slash", "filter", "Filter", "Show only steps that fit", 65, "/"),
        Command("plan.all", "escape", "unfilter", "All", "Show all steps again", 66, "esc", palette=False),
        Command("plan.by", "b", "by", "By", "Branches by group, owner, milestone or pool, or none", 62),
        Command("plan.panel", "n", "panel", "Panel", "The next of: what the end hangs on, gates, claims, owners", 64),
        Command("plan.fold", "left,h", "fold(False)", "Fold", "Fold the branch", 40, "←", palette=False),
        Command("plan.unfold", "right,l", "fold(True)", "Unfold", "Unfold the branch", 41, "→", palette=False),
        Command("plan.larger", "z", "zoom(1)", "Zoom", "A smaller part of time, round now", 50),
        Command("plan.smaller", "Z", "zoom(-1)", "Wider", "A larger part of time", 0),
        Command("plan.critical", "c", "critical", "Critical", "To the step that the end hangs on now", 45),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    _panel = "path"
    """The one that is shown where there is room for one."""

    def panels(self) -> ComposeResult:
        """The steps over the rest, or beside it."""
        with Container(id="all"):
            with Vertical(id="list"):
                yield PlanList(id="steps", classes="panel").data_bind(LiveScreen.view)
                yield FilterLine(HINT, id="filter")
            with Vertical(id="side"):
                for teller, title, name, words in (
                    (path_lines, "the end hangs on", "path", _PATH),
                    (mark_lines, "gates and milestones", "marks", _MARKS),
                    (claim_lines, "claims and lanes", "claims", _CLAIMS), (owner_lines, "owners", "owners", _OWNERS),
                ):  # fmt: skip
                    yield PlanWords(teller, title=title, words=words, id=name).data_bind(LiveScreen.view)

    @property
    def steps(self) -> PlanList:
        """The steps."""
        return self.query_one(PlanList)

    def show(self, view: View, behind: int | None, phase: Phase) -> None:
        """A view more: which panels have something to say may be others."""
        super().show(view, behind, phase)
        if self.has_panels:
            self._arrange()
            self.tell_found()
            answers = self.check_action("answer", ())
            if answers != self._answers:
                self._answers = answers
                self.refresh_bindings()

    _answers: bool | None = False
    """What was last offered."""

    def _arrange(self) -> None:
        talking = self._talking()
        shown = self._panel if self._panel in talking else talking[0] if talking else ""
        for name in _PANELS:
            panel = self.query_one(f"#{name}", PlanWords)
            panel.set_class(name not in talking, "-nothing")
            panel.set_class(name == shown, "-chosen")
        self.query_one("#side").set_class(not talking, "-nothing")

    def _talking(self) -> list[str]:
        return [name for name in _PANELS if self.query_one(f"#{name}", PlanWords).says]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What makes no sense now is not offered."""
        if not self.has_panels or super().check_action(action, parameters) is False:
            return False
        plan = self.steps.plan
        match action:
            case "filter":
                return plan is not None
            case "unfilter":
                return bool(self.steps.tree_.filter) and self.maximized is None
            case "open":
                return self.steps.under_cursor is not None and not self.writes
            case "zoom":
                return plan is not None and self.steps.look == "chart"
            case "panel":
                return not self._is_wide and len(self._talking()) > 1
            case "answer":
                step = self.steps.step
                return plan is not None and step is not None and can_answer(plan, step)
            case "fold":
                return plan is not None and self.steps.has_focus and self.steps.tree_.kind(plan) != "order"
            case "by":
                return plan is not None and len(kinds(plan)) > 1
            case "critical":
                return plan is not None and not plan.ended
            case "look":
                return plan is not None
        return True

    @property
    def _is_wide(self) -> bool:
        return self.has_class("-wide") or self.has_class("-vast")

    # -- what the user does --------------------------------------------------------------------------------------------

    def on_listing_moved(self, _event: Listing.Moved) -> None:
        """Other keys may hold."""
        self.refresh_bindings()

    def on_listing_opened(self, _event: Listing.Opened) -> None:
        """As enter."""
        self.action_open()

    def action_open(self) -> None:
        """All of a step; of a branch, whether its steps are shown."""
        row, plan = self.steps.under_cursor, self.steps.plan
        if row is None or plan is None:
            return
        if row.branch is not None:
            self.steps.fold(not row.branch.open)
        elif row.step is not None:
            numbers = list(
                dict.fromkeys(one.step.number for one in self.steps.tree_.rows(plan) if one.step is not None)
            )
            self.app.push_screen(StepScreen(row.step.number, numbers, self.view), self._looked_at)

    def _looked_at(self, number: int | None) -> None:
        """The cursor goes to the step that was looked at last."""
        plan, here = self.steps.plan, self.steps.step
        if plan is None or number is None or (here is not None and here.number == number):
            return
        rows = self.steps.tree_.rows(plan)
        self.steps.go_to(next((one.key for one in rows if one.step is not None and one.step.number == number), ""))

    def action_fold(self, open_: bool) -> None:
        """Fold the branch under the cursor, or that of the step there; or unfold it."""
        self.steps.fold(open_)

    def action_answer(self) -> None:
        """What people are waited for."""
        plan, step = self.steps.plan, self.steps.step
        if plan is not None and step is not None:
            answer(self.shoal, plan, step)

    def action_look(self) -> None:
        """The other look."""
        self.steps.toggle_look()
        self.refresh_bindings()

    def action_by(self) -> None:
        """By what comes next."""
        self.steps.branch_by()

    def action_zoom(self, steps: int) -> None:
        """A smaller part of time, or a larger one."""
        self.steps.enlarge(steps)

    def action_critical(self) -> None:
        """To the first step of the chain that is not over."""
        plan = self.steps.plan
        if plan is None:
            return
        step = next((step for step in plan.chain() if not step.over), None)
        if step is None:
            self.notify("nothing is to come any more", timeout=2)
            return
        rows = self.steps.tree_.rows(plan)
        key = next((one.key for one in rows if one.step is not None and one.step.number == step.number), "")
        if not self.steps.go_to(key):
            self.notify(f"{step.name} is folded, or filtered", timeout=3, markup=False)

    def action_panel(self) -> None:
        """The next one that has something to say."""
        talking = self._talking()
        at = talking.index(self._panel) if self._panel in talking else -1
        self._panel = talking[(at + 1) % len(talking)]
        self._arrange()

    # -- filtering -----------------------------------------------------------------------------------------------------

    @property
    def filtered(self) -> PlanList:
        """The steps."""
        return self.steps

    def narrow(self, text: str) -> None:
        """As `FilteringScreen`."""
        self.steps.narrow(StepFilter.read(text))

    def tell_found(self) -> None:
        """How many steps fit."""
        line = self.filter_line
        if line.has_class("-shown") and line.text == self.steps.tree_.filter.text:
            line.tell(self.steps.counted if line.text.strip() else "")


_PATH: Final = (
    "tells when all may be over, and which steps that hangs on: how long each took or may take, and by how much the "
    "end moves if it took a second less. Below them the steps that have the least slack."
)
_MARKS: Final = (
    "tells what was decided at each gate, and why; what those that are to come ask; and how near milestones are."
)
_CLAIMS: Final = "tells which lanes are how full, who holds which claim since when, and who waits for it."
_OWNERS: Final = "tells whose work is how far, and how many seconds of work are left of it."
