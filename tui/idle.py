"""The feed of nothing: the screens are open, and no run is."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from engine.stream.client import StreamError
from tui.feed import Transport, Wish
from tui.view import View


class IdleFeed:
    """Has one view, in which there is nothing."""

    transport: ClassVar[Transport | None] = None

    def start(self, post: Callable[[], None]) -> None:
        """The one view is there."""
        post()

    def take(self) -> View:
        """Nothing."""
        return View(idle=True)

    def stop(self) -> None:
        """Nothing to end."""

    def want(self, wish: Wish) -> None:
        """Nothing to tell of."""

    def command(self, name: str, *args: str) -> int:
        """Nobody to ask. Raises `StreamError`."""
        raise StreamError("no run is open")
