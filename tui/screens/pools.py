"""Each pool, and its agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical

from engine.stream.types import Condition, Topic
from tui import format as fmt
from tui.agent_listing import AgentFilter, wanted
from tui.commands import Command, bindings
from tui.screens import acting
from tui.screens.base import LiveScreen
from tui.screens.filtering import FilteringScreen
from tui.view import Phase, View
from tui.widgets.agent_list import AgentList
from tui.widgets.filter_line import FilterLine
from tui.widgets.histogram import Histogram
from tui.widgets.pool_card import PoolCard
from tui.widgets.pool_lines import PoolFacts
from tui.widgets.pool_table import PoolTable


class PoolsScreen(FilteringScreen):
    """The pools as a table, one of them in detail, and the list of its agents."""

    CSS_PATH: ClassVar[str] = "pools.tcss"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"cells", "metrics", "queues", "shapes"})
    HORIZONTAL_BREAKPOINTS = [*(LiveScreen.HORIZONTAL_BREAKPOINTS or ()), (160, "-vast")]  # noqa: RUF012
    AUTO_FOCUS: ClassVar[str | None] = "#agents"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("pools.filter", "slash", "filter", "Filter", "Show only agents that fit", 65, "/"),
        Command("pools.next", "n", "select(1)", "Pool", "Select the next pool", 62),
        Command("pools.previous", "N", "select(-1)", "Pool", "Select the pool before", 0),
        Command("pools.grow", "g", "grow(1)", "Grow", "A tenth more agents for the selected pool", 44, writes=True),
        Command(
            "pools.shrink", "G", "grow(-1)", "Shrink", "A tenth fewer agents for the selected pool", 43, writes=True
        ),
        Command("pools.size", "s", "size", "Size", "Set the size of the selected pool: N or MIN..MAX", 42, writes=True),
        Command("pools.recycle", "", "recycle", "Recycle", "Replace all agents of the selected pool", writes=True),
        Command("pools.halt", "c", "halt", "Halt", "Tell no more agents of those that are still to be told", 75),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    def panels(self) -> ComposeResult:
        """The table over the selected pool over its agents; side by side where there is a lot of room."""
        with Container(id="halves"):
            yield PoolTable(id="table", classes="panel").data_bind(LiveScreen.view)
            with Container(id="selected"):
                yield PoolCard(id="card", classes="panel").data_bind(LiveScreen.view)
                for name, title, empty, keep in (
                    ("spawn", "spawn time", "no agent started within a minute", True),
                    ("assign", "assignment", "nothing was assigned within a minute", False),
                    ("run", "task time", "no task ended within a minute", False),
                ):
                    histogram = Histogram(name, title=title, empty=empty, keep=keep, id=name, classes="panel")
                    yield histogram.data_bind(LiveScreen.view)
            with Vertical(id="list"):
                yield AgentList(id="agents", classes="panel").data_bind(LiveScreen.view)
                yield FilterLine("state=busy, failed>0, or words of a name or a task", id="filter")

    @property
    def table(self) -> PoolTable:
        """The pools."""
        return self.query_one(PoolTable)

    @property
    def agents(self) -> AgentList:
        """The agents."""
        return self.query_one(AgentList)

    def agents_wanted(self) -> Sequence[Condition]:
        """Those of the selected pool, or all."""
        return wanted(self.table.pool)

    def show(self, view: View, behind: int | None, phase: Phase) -> None:
        """A view more: and what is under way."""
        super().show(view, behind, phase)
        self._tell_progress()
        self.tell_found()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to halt but while many are told something."""
        if action == "halt":
            return bool(self.shoal.orders.progress)
        return super().check_action(action, parameters)

    # -- pools --------------------------------------------------------------------------------------------------------

    def on_pool_table_selected(self, message: PoolTable.Selected) -> None:
        """Another pool in detail."""
        self.query_one(PoolCard).show_pool(message.pool)
        for histogram in self.query(Histogram):
            histogram.show_pool(message.pool or "")
        self.agents.show_pool(message.pool)
        self.tell_found()
        self.shoal.want()

    def on_pool_table_opened(self) -> None:
        """To its agents."""
        self.agents.focus()

    def on_pool_table_acted(self) -> None:
        """What to do to it."""
        pool = self.table.selected
        if pool is not None:
            acting.act_on_pool(self.shoal, self.view, pool)

    def action_select(self, lines: int) -> None:
        """The next pool, or the one before; from the last to the first."""
        self.table.step(lines)

    def action_grow(self, steps: int) -> None:
        """More agents, or fewer."""
        pool = self._one()
        if pool is not None:
            acting.scale(self.shoal, pool, acting.grown(pool, steps))

    def action_size(self) -> None:
        """Just so many."""
        pool = self._one()
        if pool is not None:
            acting.set_size(self.shoal, pool)

    def action_recycle(self) -> None:
        """All of them anew."""
        acting.recycle_pool(self.shoal, self.view, self.table.pool)

    def action_halt(self) -> None:
        """No more of them."""
        self.shoal.halt()
        self._tell_progress()

    def _one(self) -> PoolFacts | None:
        """The selected pool; if all are selected, the user is told how to choose one."""
        pool = self.table.selected
        if pool is None or pool.whole:
            self.notify("n selects a pool", timeout=3)
            return None
        return pool

    def _tell_progress(self) -> None:
        progress = self.shoal.orders.progress
        title = f" pools  {progress} " if progress else " pools "
        if title != self.table.border_title:
            self.table.border_title = title
            self.refresh_bindings()

    # -- agents -------------------------------------------------------------------------------------------------------

    @property
    def filtered(self) -> AgentList:
        """The agents."""
        return self.agents

    def narrow(self, text: str) -> None:
        """As `FilteringScreen`."""
        self.agents.narrow(AgentFilter.read(text))

    def tell_found(self) -> None:
        """How many fit, or that nobody can say."""
        line, listing = self.filter_line, self.agents.listing
        if not line.has_class("-shown") or line.text != listing.filter.text:
            return
        unknown = listing.filter.unknown(listing.roster)
        if unknown:
            line.tell(f"{unknown} is not known here: agent, pool and state are", wrong=True)
        else:
            line.tell(f"{fmt.count(len(listing.order))} of {fmt.count(listing.there)}")

    def on_agent_list_unfiltered(self) -> None:
        """All again."""
        self.action_unfilter()

    def on_agent_list_opened(self, message: AgentList.Opened) -> None:
        """One of them; the cursor follows to the one that was looked at last."""
        self.shoal.open_agent(message.name, message.among, self.agents.find)

    def on_agent_list_acted(self, message: AgentList.Acted) -> None:
        """What to do to them."""
        tasks = dict(zip(message.names, self.agents.tasks_of(message.names), strict=True))
        acting.act_on_agents(self.shoal, message.names, tasks)
