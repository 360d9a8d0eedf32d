"""The last line of every screen: what the keys do here, as many as find room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import ActiveBinding
from textual.events import Click, Resize
from textual.screen import Screen
from textual.strip import Strip

from tui.commands import Command, can_be_pressed
from tui.widgets.lines import LineWidget


@dataclass(frozen=True, slots=True)
class Key:
    """One of the keys: what is written, and what it does."""

    shown: str
    command: Command
    node: Any
    """Where its action belongs."""

    @property
    def width(self) -> int:
        """Cells, with the gap to the next."""
        return cell_len(self.shown) + cell_len(self.command.label) + 3


def offers(node: object) -> tuple[Command, ...]:
    """What a widget, a screen or the app says that it can do."""
    found: tuple[Command, ...] = getattr(node, "OFFERS", ())
    return found


def active(screen: Screen[Any]) -> list[tuple[ActiveBinding, Command]]:
    """The commands that hold now and have keys, each once, those of what has the focus first."""
    seen: dict[str, tuple[ActiveBinding, Command]] = {}
    for key, binding in screen.active_bindings.items():
        if not can_be_pressed(key):
            continue
        command = next((offer for offer in offers(binding.node) if offer.id == binding.binding.id), None)
        if command is not None and binding.enabled and command.id not in seen:
            seen[command.id] = binding, command
    return list(seen.values())


def fitting(keys: list[Key], width: int) -> list[Key]:
    """The keys that find room in a line, in their order: those that weigh least go first."""
    shown = [key for key in keys if key.command.weight]
    while shown and sum(key.width for key in shown) > width:
        shown.remove(min(shown, key=lambda key: key.command.weight))
    return shown


class Keys(LineWidget[tuple[Key, ...]]):
    """The footer."""

    COMPONENT_CLASSES = {"keys--key", "keys--label"}  # noqa: RUF012
    DEFAULT_CSS = """
    Keys {
        .keys--key { color: $footer-key-foreground; text-style: bold; }
        .keys--label { color: $footer-description-foreground; }
    }
    """

    _due = False
    """Whether they are about to be looked at anew."""

    def on_mount(self) -> None:
        """Follow what has the focus."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self._look_later())
        self.update_keys()

    def _look_later(self) -> None:
        """After whatever made them others, and once for all of it: it takes milliseconds."""
        if not self._due:
            self._due = True
            self.call_later(self.update_keys)

    def update_keys(self) -> None:
        """Other keys hold."""
        self._due = False
        if not self.size.width or not self.is_attached:
            return
        keys = [
            Key(self.app.get_key_display(binding.binding), command, binding.node)
            for binding, command in active(self.screen)
        ]
        new = tuple(fitting(keys, self.size.width))
        if not self._lines or self._lines[0] != new:
            self._lines, self._width = [new], self.size.width
            self._strips.clear()
            self.refresh()

    def redraw(self) -> None:
        """The view does not change what keys do."""

    def on_resize(self, event: Resize) -> None:
        """More room, or less."""
        self._lines.clear()
        self.update_keys()

    def draw(self, line: tuple[Key, ...], width: int) -> Strip:
        """The keys, each followed by what it does."""
        key_style = self._component("keys--key")
        label_style = self._component("keys--label")
        segments = []
        for key in line:
            segments += [Segment(f" {key.shown}", key_style), Segment(f" {key.command.label} ", label_style)]
        return Strip(segments)

    def _component(self, name: str) -> Style:
        if name not in self._inks:
            self._inks[name] = self.filtered(self.rich_style + self.get_component_rich_style(name, partial=True))
        return self._inks[name]

    async def on_click(self, event: Click) -> None:
        """A click on a key is that key."""
        at = 0
        for key in self._lines[0] if self._lines else ():
            if at <= event.x < at + key.width:
                await self.app.run_action(key.command.action, key.node)
                return
            at += key.width
