"""The fold from messages to a view."""

from __future__ import annotations

import math
from collections.abc import Callable

from engine.stream.types import Cells, Event, Frame, Hello, Refused, Reply
from tui.history import KEPT, History
from tui.view import EVENTS_KEPT, View, fold, lose

MakeFrame = Callable[..., Frame]
MakeEvent = Callable[..., Event]


def test_a_run_from_greeting_to_end(hello: Hello, make_frame: MakeFrame) -> None:
    view = fold(View(), hello)
    assert (view.hello, view.phase, view.over) == (hello, "starting", False)
    phases = []
    for state in ("starting", "running", "paused", "draining", "ended"):
        view = fold(view, make_frame({"micro": b"\2\3"}, state=state))
        phases.append(view.phase)
    assert phases == ["starting", "live", "paused", "draining", "ended"]
    assert lose(view, "the engine has ended").phase == "ended"


def test_a_broken_stream_is_lost(hello: Hello, make_frame: MakeFrame) -> None:
    view = lose(fold(fold(View(), hello), make_frame({"micro": b"\3"})), "the engine is gone")
    assert (view.phase, view.over, view.lost) == ("lost", True, "the engine is gone")
    assert view.frame is not None
    assert lose(View(), "").lost


def test_the_event_of_the_end_counts_even_without_a_last_frame(make_event: MakeEvent) -> None:
    view = lose(fold(View(), make_event(1, "info", "run.ended", "over", 1.0)), "the engine has ended")
    assert view.phase == "ended"


def test_views_are_never_changed(make_frame: MakeFrame) -> None:
    before = View()
    after = fold(before, make_frame({"micro": b"\3"}))
    assert before.frame is None
    assert before.history.steps == ()
    assert after is not before


def test_events_are_bounded_and_gaps_counted(make_event: MakeEvent) -> None:
    view = View()
    for number in (41, 42, 45, 46):  # a late reader begins anywhere
        view = fold(view, make_event(number, "info", "x", "", 0.0))
    assert view.missed == 2
    for number in range(47, 47 + EVENTS_KEPT):
        view = fold(view, make_event(number, "info", "x", "", 0.0))
    assert len(view.events) == EVENTS_KEPT
    assert view.events[-1].number == 46 + EVENTS_KEPT
    assert view.missed == 2


def test_a_refusal_is_remembered() -> None:
    assert fold(View(), Refused("not now")).refused == "not now"
    assert fold(View(), Reply(1, False, "no agent x")).refused == "no agent x"
    assert fold(View(), Reply(1, True, "paused")).refused == ""


def test_states_of_agents_are_put_where_they_belong() -> None:
    view = fold(View(), Cells(2, b"\3\2"))
    assert view.cells == b"\0\0\3\2"
    assert fold(view, Cells(1, b"\5\5")).cells == b"\0\5\5\2"
    assert fold(view, Cells(0, b"\1" * 6)).cells == b"\1" * 6


def test_history_averages_the_frames_of_half_a_second() -> None:
    history = History()
    for tenth in range(10):
        history = history.add(tenth / 10, {"rate": float(tenth)})
    assert history.series("rate") == [2.0, 7.0]
    assert (history.last, history.samples) == (1, 5)


def test_history_keeps_two_minutes() -> None:
    history = History()
    for step in range(1000):
        history = history.add(step / 2, {"rate": float(step)})
    assert len(history.series("rate")) == KEPT
    assert history.series("rate")[-1] == 999.0


def test_history_knows_what_it_did_not_see() -> None:
    history = History().add(0.0, {"rate": 10.0}).add(5.0, {"rate": 20.0})
    assert math.isnan(history.series("rate")[1])
    # A rate looks back two seconds, so the four values before it are known.
    assert history.series("rate")[-5:] == [20.0] * 5
    assert len(history.series("rate")) == 11
    assert len(history.add(1e6, {"rate": 1.0}).series("rate")) == KEPT


def test_history_survives_a_clock_that_stands_or_steps_back() -> None:
    history = History().add(3.0, {"rate": 10.0}).add(3.0, {"rate": 20.0}).add(1.0, {"rate": 30.0})
    assert history.series("rate") == [20.0]


def test_the_end_does_not_blur_the_history(make_frame: MakeFrame) -> None:
    view = fold(View(), make_frame({"micro": b"\3"}, rate=500.0))
    assert fold(view, make_frame({"micro": b"\0"}, state="ended", rate=0.0)).history.series("rate") == [500.0]
