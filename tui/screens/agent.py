"""One agent: what it does now, what it said last, what it ran last."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content

from engine.stream.types import ABSENT, BUSY, Condition, Topic
from tui import format as fmt
from tui.agents import Layout, Roster, pools_of
from tui.archive import ArchiveError, PastTask
from tui.commands import Command, bindings
from tui.history import History
from tui.screens import acting
from tui.screens.asking import ask
from tui.screens.base import LiveScreen
from tui.view import AgentTable, Phase, View
from tui.widgets.agent_card import AgentCard, AgentCourse, AgentTasks, AgentWords, Seen

_TASKS: Final = 100
"""The most tasks that are read."""
_AGAIN: Final = 5.0
"""Seconds of the run after which the record is read again."""


class AgentScreen(LiveScreen):
    """Stands over the screen from which it was opened; what it is about can be changed by a step."""

    CSS_PATH: ClassVar[str] = "agent.tcss"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"cells"})
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("agent.leave", "escape", "leave", "Back", "Back to where you were", 95, "esc"),
        Command("agent.previous", "left,h", "step(-1)", "Previous", "The agent before", 70, "←"),
        Command("agent.next", "right,l", "step(1)", "Next", "The next agent", 71, "→"),
        Command("agent.act", "x", "act", "Act", "Recycle or kill it", 66, writes=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    def __init__(self, agent: str, among: Sequence[str] = ()) -> None:
        """`agent`: ``pool/number``; `among`: those that a step goes through, all of the run if there are none."""
        super().__init__()
        self.agent = agent
        self._among = list(among)
        self._layout = Layout()
        self._course = History()
        self._looked_at = 0.0
        self._tasks_of: tuple[str, str] = ("", "")
        self._read_at = 0.0

    def panels(self) -> ComposeResult:
        """What it is, how busy it was, what it said, what it ran."""
        with Container(id="parts"):
            yield AgentCard(id="card", classes="panel").data_bind(LiveScreen.view)
            yield AgentCourse(id="course", classes="panel").data_bind(LiveScreen.view)
            yield AgentWords(id="words", classes="panel").data_bind(LiveScreen.view)
            yield AgentTasks(id="tasks", classes="panel").data_bind(LiveScreen.view)

    def agents_wanted(self) -> Sequence[Condition]:
        """This one alone."""
        return (Condition("agent", "=", [self.agent]),)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def show(self, view: View, behind: int | None, phase: Phase) -> None:
        """A view more."""
        frame = view.frame
        pools = pools_of(frame.pools) if frame is not None else ()
        if pools != self._layout.pools:
            self._layout = Layout.of(pools)
        self.query_one(AgentWords).agent = self.agent
        super().show(view, behind, phase)
        seen = self._seen(view)
        card = self.query_one(AgentCard)
        card.show_agent(seen)
        title = Content(f" agent  {fmt.clean(self.agent)} ")
        if card.border_title != title.markup:
            card.border_title = title  # not a text: its pool may be called anything
        if frame is not None and view.cells and seen.state is not None:
            if frame.elapsed < self._looked_at:  # another run, or an earlier moment of a replay
                self._course = History()
            self._looked_at = frame.elapsed
            self._course = self._course.add(frame.elapsed, {"busy": float(seen.state == BUSY)})
            self.query_one(AgentCourse).show_course(self._course)
        self._read_tasks(view)

    def _seen(self, view: View) -> Seen:
        place = self._layout.places.get(self.agent)
        table = view.agents
        if place is None:
            return Seen(self.agent, None if view.frame is not None else ABSENT, awaited=view.frame is None)
        mine = table if table is not None and any(row.agent == self.agent for row in table.rows) else None
        one = AgentTable(tuple(row for row in mine.rows if row.agent == self.agent), mine.at) if mine else None
        roster = Roster.of(self._layout, one, view.cells)
        return Seen(
            self.agent, roster.state(place), roster.rows[place], awaited=view.replay is None and not view.over
        )  # fmt: skip

    # -- the record ---------------------------------------------------------------------------------------------------

    def _read_tasks(self, view: View) -> None:
        """Read the record of another agent at once, and of the same one from time to time."""
        hello, frame, panel = view.hello, view.frame, self.query_one(AgentTasks)
        archive = self.shoal.archive
        if hello is None:
            return
        if archive is None or not hello.database:
            panel.show_tasks(None, "this run is not recorded")
            return
        of, elapsed = (hello.run, self.agent), frame.elapsed if frame is not None else 0.0
        if of == self._tasks_of and abs(elapsed - self._read_at) < _AGAIN:
            return
        if of != self._tasks_of:
            panel.show_tasks(None, "◌ reading the record")
        self._tasks_of, self._read_at = of, elapsed
        question = partial(archive.tasks_of, *of, _TASKS)
        ask(self, question, partial(self._told, of), "tasks", exclusive=True)

    def _told(self, of: tuple[str, str], answer: list[PastTask] | ArchiveError) -> None:
        """Show them, if it is still about the same agent. `of`: run and agent."""
        if of != self._tasks_of:
            return
        panel = self.query_one(AgentTasks)
        if isinstance(answer, ArchiveError):
            panel.show_tasks([], f"✕ {answer}", wrong=True)
        else:
            panel.show_tasks(answer, "no task of it is recorded yet")

    # -- what the user does -------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Back, and say which one was looked at last."""
        if self.maximized is not None:
            self.minimize()
        else:
            self.dismiss(self.agent)

    def action_step(self, agents: int) -> None:
        """To another agent."""
        names = self._names()
        if not names:
            return
        at = names.index(self.agent) + agents if self.agent in names else 0
        self.agent = names[at % len(names)]
        self._course = History()
        self.query_one(AgentCourse).show_course(self._course)
        self.show(self.view, self.behind, self.phase)
        self.shoal.want()

    def _names(self) -> list[str]:
        """Those to go through: those that are still there of those it was opened among."""
        places, cells = self._layout.places, self.view.cells
        if self._among:
            return [name for name in self._among if name in places]
        return [name for name, place in places.items() if place < len(cells) and cells[place] != ABSENT]

    def action_act(self) -> None:
        """Do something to it."""
        row = self.query_one(AgentCard).seen.row
        acting.act_on_agents(self.shoal, [self.agent], {self.agent: row.task if row is not None else ""})
