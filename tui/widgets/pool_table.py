"""The pools of a run as a table, one of them selected."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Size
from textual.message import Message

from tui.commands import Command, bindings
from tui.view import View
from tui.widgets.pool_lines import PoolFacts, facts_of, table_lines
from tui.widgets.rows import RowLine, RowsPanel


class PoolTable(RowsPanel):
    """Each pool: how large it is, what its agents do, what came of their work."""

    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("pool-table.up", "up,k", "move(-1)", "Up", "To the pool above", palette=False),
        Command("pool-table.down", "down,j", "move(1)", "Down", "To the pool below", palette=False),
        Command("pool-table.first", "home", "move(-1000)", "", "To the first line", palette=False),
        Command("pool-table.last", "end", "move(1000)", "", "To the last pool", palette=False),
        Command("pool-table.open", "enter", "open", "Agents", "To the list of its agents", 70, "enter", palette=False),
        Command("pool-table.act", "x", "act", "Act", "Resize or recycle the pool", 50, writes=True),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    BORDER_TITLE = " pools "
    HELP: ClassVar[str] = (
        "A line for each pool. The bar is as long as the pool may get, and shows what its agents do; a line in it "
        "is where it gets no smaller. `rate`: tasks finished per second within the last ten. `hit`: batches that found "
        "an idle agent; `refills`: agents started in place of others; `exits`: agents that ended, for whatever reason; "
        "`recycled`: those of them that were replaced by a fresh one. Counts are since the run began."
    )

    class Selected(Message):
        """Another pool is selected, or all."""

        def __init__(self, pool: str | None) -> None:
            super().__init__()
            self.pool = pool

    class Opened(Message):
        """The user wants to its agents."""

    class Acted(Message):
        """The user wants to do something to the pool."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.pool: str | None = None
        """The selected one; None for all."""
        self._pools: list[PoolFacts] = []
        self._top = 0

    @property
    def at(self) -> int:
        """The line of the selected one."""
        return next((n for n, pool in enumerate(self._pools) if not pool.whole and pool.view.name == self.pool), 0)

    @property
    def selected(self) -> PoolFacts | None:
        """What is known of the selected one."""
        return self._pools[self.at] if self._pools else None

    def lines(self, view: View, width: int, height: int) -> list[RowLine]:
        """The table for this size."""
        self._pools = facts_of(view)
        if not self._pools:
            told = "no run is open" if view.idle else "no pools yet"
            return [RowLine(((told, "quiet"),), row=False)]
        rows = max(height - 1, 1)
        self._top = min(max(self._top, self.at - rows + 1, 0), self.at, max(len(self._pools) - rows, 0))
        return table_lines(self._pools, self.at, self._top, width, height)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The heading and a line a pool; the stylesheet says when it is enough."""
        return 1 + max(1, len(facts_of(self.view)))

    def watch_view(self, old: View, new: View) -> None:  # type: ignore[override]
        """A new view; another number of pools needs another height, and one pool alone is selected."""
        before, after = (
            [pool.name for pool in view.frame.pools] if view.frame is not None else [] for view in (old, new)
        )
        if before != after:
            self.refresh(layout=True)
            if self.pool is not None and self.pool not in after:
                self.select(None)
            elif len(after) == 1:
                self.select(after[0])
        super().watch_view()

    def select(self, pool: str | None) -> None:
        """Another one from now on; None: all of them."""
        if pool != self.pool:
            self.pool = pool
            self.post_message(self.Selected(pool))
        self.redraw()

    def action_move(self, lines: int) -> None:
        """Up or down."""
        self._put(min(max(self.at + lines, 0), len(self._pools) - 1))

    def step(self, lines: int) -> None:
        """Up or down, and from one end to the other."""
        self._put((self.at + lines) % max(len(self._pools), 1))

    def _put(self, at: int) -> None:
        if self._pools:
            pool = self._pools[at]
            self.select(None if pool.whole else pool.view.name)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """The wheel."""
        event.stop()
        self.action_move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """The wheel."""
        event.stop()
        self.action_move(-1)

    def on_click(self, event: Click) -> None:
        """The pool under the mouse; twice: its agents."""
        where = event.get_content_offset(self)
        if where is not None and 0 < where.y <= len(self._pools) - self._top:
            self._put(self._top + where.y - 1)
            if event.chain == 2:
                self.action_open()

    def action_open(self) -> None:
        """To its agents."""
        self.post_message(self.Opened())

    def action_act(self) -> None:
        """Do something to it."""
        self.post_message(self.Acted())
