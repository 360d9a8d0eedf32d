"""A screen with a list, and below it the line by which the list is filtered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

from tui.screens.base import LiveScreen
from tui.widgets.filter_line import FilterLine

if TYPE_CHECKING:
    from tui.widgets.agent_list import AgentList
    from tui.widgets.listing import Listing


class FilteringScreen(LiveScreen):
    """A `LiveScreen` with a `FilterLine` among its panels. Which list it is for, and how to filter it, a subclass says;
    it offers the action ``filter`` by a key of its own.
    """

    @property
    def filtered(self) -> AgentList | Listing:  # type: ignore[type-arg]  # of whatever rows
        """The list."""
        raise NotImplementedError

    def narrow(self, text: str) -> None:
        """Show what fits alone. Raises ValueError, whose text is for people, if it can't be read."""
        raise NotImplementedError

    def tell_found(self) -> None:
        """Say in the line what was found, if anything is filtered."""
        raise NotImplementedError

    @property
    def filter_line(self) -> FilterLine:
        """The line."""
        return self.query_one(FilterLine)

    @property
    def writes(self) -> bool:
        """Whether the user is writing."""
        return isinstance(self.focused, Input)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Its key is a letter to whoever writes."""
        return False if action == "filter" and self.writes else super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Write a filter: where one can see it."""
        if self.maximized is not None:
            self.minimize()
        self.filter_line.write()

    def action_unfilter(self) -> None:
        """All again."""
        self.filter_line.clear()

    def on_filter_line_written(self, message: FilterLine.Written) -> None:
        """Filter at once; as long as it can't be read, the one before holds."""
        try:
            self.narrow(message.text)
        except ValueError as error:
            self.filter_line.tell(str(error), wrong=True)
        else:
            self.tell_found()
            self.refresh_bindings()

    def on_filter_line_left(self) -> None:
        """Back to the list."""
        self.filtered.focus()

    def on_filter_line_moved(self, message: FilterLine.Moved) -> None:
        """Another row, while one writes."""
        self.filtered.action_move(message.lines)
