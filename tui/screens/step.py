"""One step of a plan, all of it, over the screen: what it waits for, as the engine explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from tui.commands import Command, bindings
from tui.plan.details import step_lines
from tui.plan.facts import Step, plan_of
from tui.view import View
from tui.widgets.listing import framed
from tui.widgets.pager import Pager

if TYPE_CHECKING:
    from tui.app import ShoalApp

_AGAIN: Final = 2.0
"""Seconds of the run after which the engine is asked again."""


class StepScreen(ModalScreen[int]):
    """It follows its step while that changes; left, it tells which one was looked at last."""

    CSS_PATH: ClassVar[str] = "telling.tcss"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (76, "-medium")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (24, "-tall")]  # noqa: RUF012
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("step.close", "escape,q,enter", "leave", "Close", "Back", 90, "esc", palette=False),
        Command("step.previous", "left,h", "step(-1)", "Previous", "The step before", 70, "←"),
        Command("step.next", "right,l", "step(1)", "Next", "The next step", 71, "→"),
        Command("step.copy", "y", "copy_all", "Copy", "Copy all of it as text", 80, palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    AUTO_FOCUS: ClassVar[str | None] = "#told"

    def __init__(self, number: int, among: list[int], view: View) -> None:
        """About a step of the plan of a view; `among`: those that one goes through from here."""
        super().__init__()
        self._number = number
        self._among = among
        self._view = view
        self._asked: int | None = None
        """The number of the reply that is awaited."""
        self._asked_at = 0.0
        self._explained: list[str] | None = []
        self._drawn: tuple[object, ...] = ()

    @property
    def shoal(self) -> ShoalApp:
        """The app."""
        from tui.app import ShoalApp

        assert isinstance(self.app, ShoalApp)
        return self.app

    def compose(self) -> ComposeResult:
        """The pager."""
        pager = Pager(id="told")
        pager.border_subtitle = " ← → others   esc closes "
        yield pager

    def on_mount(self) -> None:
        """Show it."""
        self.set_class(self.shoal.ascii, "-ascii")
        if self.shoal.ascii:
            self.query_one(Pager).border_subtitle = " < > others   esc closes "
        self._ask()
        self._tell(anew=True)

    def show_view(self, view: View) -> None:
        """The same step, as it is by now."""
        self._view = view
        if self._asked is not None:
            reply = next((one for one in view.replies if one.id == self._asked), None)
            if reply is not None:
                self._asked = None
                lines = reply.data.get("lines") if reply.ok else [reply.text]
                self._explained = [str(line) for line in lines] if isinstance(lines, list) else [reply.text]
        elif view.frame is not None and abs(view.frame.elapsed - self._asked_at) >= _AGAIN:
            self._ask()
        self._tell()

    @property
    def _step(self) -> Step | None:
        plan = plan_of(self._view)
        return plan.steps[self._number] if plan is not None and self._number < len(plan.steps) else None

    def _ask(self) -> None:
        """Ask the engine why it does not go on; what it has said before is shown until it answers."""
        step, view = self._step, self._view
        self._asked_at = view.frame.elapsed if view.frame is not None else 0.0
        if step is None or step.over:
            self._asked = None
            return
        self._asked = self.shoal.inquire("explain", step.written.name)
        if self._asked is None:
            self._explained = None

    def _tell(self, anew: bool = False) -> None:
        plan, step, claims = plan_of(self._view), self._step, self._view.claims
        if plan is None or step is None:
            return
        explained = self._explained
        drawn = (plan, step.number, claims, None if explained is None else tuple(explained))
        if drawn == self._drawn:
            return
        self._drawn = drawn
        pager = self.query_one(Pager)
        pager.border_title = framed(f"step  {step.name}", self.shoal.ascii)
        pager.show(lambda width: step_lines(plan, step, claims, explained, width), anew=anew)

    def action_leave(self) -> None:
        """Back, and say which one was looked at last."""
        self.dismiss(self._number)

    def action_step(self, steps: int) -> None:
        """To another one."""
        if not self._among:
            return
        at = self._among.index(self._number) + steps if self._number in self._among else 0
        self._number = self._among[at % len(self._among)]
        self._explained = []
        self._ask()
        self._tell(anew=True)

    def action_copy_all(self) -> None:
        """To the clipboard."""
        self.app.copy_to_clipboard(self.query_one(Pager).copied())
        self.notify("copied", timeout=2)
