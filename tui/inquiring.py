"""What the app asks of an engine without having anything changed."""

from __future__ import annotations

from engine.stream.client import StreamError
from tui.moving import Moving


class Inquiring(Moving):
    """An app that can ask; the answer is in a view, as `Reply`."""

    def inquire(self, name: str, *args: str) -> int | None:
        """Ask something. The number of the `Reply` to come; None: there is nobody who could answer."""
        view = self._latest
        if view.replay is not None or view.over or view.idle:
            return None
        try:
            return self._feed.command(name, *args)
        except StreamError:
            return None
