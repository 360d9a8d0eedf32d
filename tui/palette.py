"""The palette: every command that makes sense now, by its name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode

from tui.commands import Command, every
from tui.widgets.keys import offers


class ShoalCommands(Provider):
    """What the widget in focus, the screen and the app offer."""

    def _offered(self) -> Iterator[tuple[DOMNode, Command]]:
        seen: set[str] = set()
        focused = self.screen.focused
        nodes: list[DOMNode] = [*(focused.ancestors_with_self if focused is not None else (self.screen,)), self.app]
        for node in nodes:
            for command in every(offers(node)):
                action = command.action.partition("(")[0]
                if command.id in seen or not command.palette or node.check_action(action, ()) is False:
                    continue
                seen.add(command.id)
                yield node, command

    async def discover(self) -> Hits:
        """All of them, those of what has the focus first."""
        for node, command in self._offered():
            yield DiscoveryHit(self._title(command), partial(self._run, node, command), command.label, command.text)

    async def search(self, query: str) -> Hits:
        """Those whose words fit."""
        matcher = self.matcher(query)
        for node, command in self._offered():
            title = self._title(command)
            score = max(matcher.match(title), matcher.match(command.text))
            if score > 0:
                yield Hit(score, matcher.highlight(title), partial(self._run, node, command), title, command.text)

    def _title(self, command: Command) -> str:
        place = "" if command.place == "app" else f"{command.place.capitalize()}: "
        return f"{place}{command.label}"

    async def _run(self, node: Any, command: Command) -> None:
        await self.app.run_action(command.action, node)
