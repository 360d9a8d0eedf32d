"""What moves a replay about in time."""

from __future__ import annotations

from typing import Literal

from tui.feed import Feed
from tui.shell import Shell
from tui.view import View


class Moving(Shell):
    """An app over a feed, which may be a replay; over others its keys do nothing."""

    _feed: Feed
    _latest: View

    def action_play(self) -> None:
        """Play, or hold."""
        if self._feed.transport is not None:
            self._feed.transport.play()

    def action_step(self, seconds: int) -> None:
        """So much on, or back."""
        if self._feed.transport is not None:
            self._feed.transport.step(seconds)

    def action_speed(self, steps: int) -> None:
        """Twice as fast, or half."""
        if self._feed.transport is not None:
            self._feed.transport.speed(2.0**steps)

    def seek(self, at: float) -> None:
        """Go to a moment of a replay, in seconds since the Unix epoch."""
        if self._feed.transport is not None:
            self._feed.transport.seek(at)

    def action_seek(self, where: Literal["start", "end"]) -> None:
        """To one of the ends."""
        replay = self._latest.replay
        if replay is not None:
            self.seek(replay.start if where == "start" else replay.end)
