"""The screens opened and closed again: for the commands that show one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from engine.stream.client import StreamError
from engine.stream.types import Hello
from tui.app import ShoalApp
from tui.archive import Archive
from tui.feed import Feed, SocketFeed
from tui.preferences import Preferences
from tui.shell import Outcome
from tui.view import View


class Failed(Exception):
    """The screens have ended by a mistake of ours. The text, for people, says which, and where its traceback is."""

    def __init__(self, text: str, outcome: Outcome) -> None:
        super().__init__(text)
        self.outcome: Outcome = outcome
        """What became of the run."""


def run(
    path: Path | str,
    *,
    preferences: Preferences | None = None,
    archive: Archive | Callable[[], Archive] | None = None,
    find: Callable[[Hello], Path | None] | None = None,
) -> Outcome:
    """Show the run behind a control socket until the user leaves; returns how it ended. `find`: where the run of a
    greeting is served by now, for one whose engine went.

    Raises:
        StreamError: if no engine answers there, before the terminal is touched.
        ValueError: for preferences that can't be.
        Failed: if the screens end by a mistake of ours.
    """
    return show(SocketFeed(path, find), preferences=preferences, archive=archive)


def show(
    feed: Feed | None,
    *,
    preferences: Preferences | None = None,
    archive: Archive | Callable[[], Archive] | None = None,
) -> Outcome:
    """Show what a feed tells, or without one the history, until the user leaves. `archive`: the history, or what makes
    it once it is wanted. Raises ValueError and `Failed` as `run`.

    The outcome is that of the run of `feed`: one that was left for another run goes on.
    """
    preferences = preferences or Preferences()
    try:
        app = ShoalApp(feed, preferences=preferences, archive=archive, catch_signals=True)
        outcome = app.run(mouse=preferences.mouse)
    finally:
        if feed is not None:
            with contextlib.suppress(StreamError):
                feed.stop()
    failure = app.failure
    if failure is not None:
        outcome = _outcome(app.latest)
    own, left = None if feed is None else feed.take().hello, app.latest.hello
    if outcome is None or (own is not None and (left is None or left.run != own.run)):
        outcome = "detached"
    if failure is not None:
        from tui.saving import save_failure

        raise Failed(save_failure(failure), outcome) from failure
    return outcome


def _outcome(view: View) -> Outcome:
    """How it is with a run whose screens have gone."""
    phase = view.phase
    return phase if view.replay is None and (phase == "ended" or phase == "lost") else "detached"
