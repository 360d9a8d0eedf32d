"""How a session of the screens ended, for whoever opened them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.stream.types import STREAM_VERSION, Hello
from tui import session
from tui.app import ShoalApp
from tui.preferences import Preferences
from tui.shell import Outcome
from tui.view import View


@pytest.mark.parametrize("outcome", ["detached", "stopped", "ended", "lost", None])
@pytest.mark.parametrize("other", [False, True])
def test_the_outcome_is_that_of_the_run_that_was_opened(
    feed_of: Any, running: View, outcome: Outcome | None, other: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(app: ShoalApp, mouse: bool) -> Outcome | None:
        assert not mouse
        app._latest = replace(running, hello=Hello(STREAM_VERSION, "ffff", "other", 1, 0.0)) if other else running
        return outcome

    monkeypatch.setattr(ShoalApp, "run", run)
    feed = feed_of(running)
    wanted = Preferences(mouse=False)
    assert session.show(feed, preferences=wanted) == ("detached" if other or outcome is None else outcome)
    assert feed.stopped
    assert session.show(None, preferences=wanted) == (outcome or "detached")
