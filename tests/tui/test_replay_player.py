"""Recordings of real runs, played."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.stream.client import StreamError
from engine.stream.files import FileRecording
from tui.replay import SPEEDS, Player, ReplayFeed
from tui.view import Replaying, View
from tui.widgets.scrubber import position, scrub_line, track_of

RECORDINGS = Path(__file__).resolve().parents[2] / "fixtures" / "recordings"
NAMES = ("small", "alerts", "elastic")


def recording(name: str) -> FileRecording:
    return FileRecording(RECORDINGS / f"{name}.shoal")


def essence(view: View) -> tuple[object, ...]:
    """What a screen would draw of a moment, whatever way led there."""
    alerts = {mark: alert for mark, alert in view.alerts.items() if alert.state not in ("resolved", "normal")}
    return view.hello, view.frame, view.cells, alerts, view.metrics, view.queues, view.shapes, view.phase


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_played_from_its_beginning_to_its_end(name: str) -> None:
    player = Player(recording(name))
    assert player.view.hello is not None
    seen = 0
    while player.pass_(0.5):
        frame = player.view.frame
        if frame is not None:
            assert frame.done >= seen
            seen = frame.done
    assert player.view.phase == "ended"
    assert seen > 0
    replay = player.view.replay
    assert replay is not None
    assert (replay.at, replay.playing) == (replay.end, False)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(NAMES), st.lists(st.floats(-0.1, 1.1), min_size=1, max_size=5))
def test_every_way_to_a_moment_shows_the_same(name: str, ways: list[float]) -> None:
    found = recording(name)
    player = Player(found)
    length = found.end - found.start
    for way in ways:
        player.seek(found.start + way * length)
    straight = Player(found, at=player.at)
    assert essence(player.view) == essence(straight.view)


def test_speed_and_bounds() -> None:
    found = recording("small")
    player = Player(found, speed=10_000.0)
    assert player.speed == SPEEDS[1]
    assert player.pass_(1e6)
    assert player.at == found.end
    assert not player.pass_(1.0)
    player.seek(0.0)
    assert player.at == found.start
    player.playing = False
    assert not player.pass_(1.0)


def test_a_feed_goes_where_it_is_told_and_ends() -> None:
    found = recording("small")
    feed = ReplayFeed(found)
    news = threading.Event()
    feed.start(news.set)

    def until_at(at: float) -> View:
        while True:
            assert news.wait(10.0)
            news.clear()
            view = feed.take()
            if view.replay is not None and abs(view.replay.at - at) < 1e-6:
                return view

    middle = (found.start + found.end) / 2
    feed.play(False)
    feed.seek(middle)
    assert until_at(middle).replay is not None
    feed.step(2.0)
    view = until_at(middle + 2.0)
    assert view.replay is not None
    assert not view.replay.playing
    feed.speed(2.0)
    feed.seek(found.end)
    view = until_at(found.end)
    assert view.phase == "ended"
    assert view.replay is not None
    assert view.replay.speed == 2.0
    with pytest.raises(StreamError, match="replay"):
        feed.command("stop")
    feed.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "shoal-replay"]


def test_the_track_has_its_place_and_its_marks() -> None:
    replay = Replaying(at=150.0, start=100.0, end=200.0, speed=4.0, playing=True)
    line = scrub_line(View(replay=replay), replay, 80)
    text = "".join(piece for piece, _ in line)
    assert len(text) == 80
    assert text.startswith(" 00:00:50 ")
    assert text.endswith(" 00:01:40 ×4 ")
    begin, room = track_of(80, "00:00:50", "00:01:40", " ×4")
    assert text[begin + position(replay, room)] == "◆"
    assert begin + room + len(" 00:01:40 ×4 ") == 80
