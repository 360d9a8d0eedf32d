"""What the keys of the alerts do: whom they name, what they ask for, and where they are not offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from live_alerts import ALERTS, CRASH, MEMORY, NOW, SILENCE, alerting
from msgspec.structs import replace as changed
from past_runs import FakeArchive, past_alert, runs_of
from pilots import drive, settled
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, Static

from engine.stream.types import Reply
from tui.app import ShoalApp
from tui.screens.acknowledge import AcknowledgeScreen
from tui.screens.alert import AlertScreen
from tui.screens.alerts import AlertsScreen
from tui.screens.silence import SilenceScreen
from tui.view import Replaying, View
from tui.widgets.alerts_list import AlertsList
from tui.widgets.keys import active
from tui.widgets.pager import Pager

AppOf = Callable[..., ShoalApp]


@pytest.fixture(autouse=True)
def _long_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.widgets.listing.HOLD", 3600.0)


def record() -> FakeArchive:
    """A record with alerts of two runs."""
    past = [past_alert(number) for number in range(12, 5, -1)]
    return FakeArchive(runs_of(5), [*past, past_alert(1, "93f3cfc7", at=NOW - 20_000)])


def listing(pilot: Pilot[Any]) -> AlertsList:
    """The list that is shown."""
    return pilot.app.screen.query_one(AlertsList)


def offered(pilot: Pilot[Any]) -> set[str]:
    """Ids of the screen's own commands that can be used now."""
    return {command.id for _, command in active(pilot.app.screen) if command.place == "alerts"}


async def opened(pilot: Pilot[Any], *keys: str) -> None:
    """On the screen, with the record read."""
    await pilot.press("5")
    await settled(pilot)
    await pilot.press(*keys)
    await settled(pilot)


def test_an_alert_is_taken_on_with_a_note_and_without(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed = feed_of(alerting(running))

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "a")
        assert isinstance(pilot.app.screen, AcknowledgeScreen)
        await pilot.press("escape")
        assert feed.commands == []
        await pilot.press("a", *"mine", "space", *"q", "enter")
        await pilot.press("down", "a", "enter")
        await settled(pilot)
        assert feed.commands == [
            ("acknowledge", MEMORY.fingerprint, "mine q"),
            ("acknowledge", CRASH.fingerprint),
        ]

    drive(app_of(feed, record()), play)


def test_what_comes_of_an_order_is_told(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed = feed_of(alerting(running))

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "a", "enter")
        feed.push(replace(feed.view, replies=(Reply(1, False, "no alert 4 fires; none does"),)))
        await settled(pilot)
        assert [note.severity for note in pilot.app._notifications if "no alert 4" in note.message] == ["error"]

    drive(app_of(feed, record()), play)


def test_silence_for_a_while(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed = feed_of(alerting(running))

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "down", "z")
        screen = pilot.app.screen
        assert isinstance(screen, SilenceScreen)
        await pilot.press("enter")
        assert "say why" in str(screen.query_one("#wrong", Static).content)
        await pilot.click("#for-1h")
        await pilot.press(*"known", "enter")
        await settled(pilot)
        assert feed.commands == [
            ("silence", "3600", "known", "agent-crash", "pool=micro", "agent=micro/131"),
        ]
        await pilot.press("z", *"x")
        screen = pilot.app.screen
        screen.query_one("#span", Input).value = "soon"
        await pilot.press("enter")
        assert "'soon' is no time" in str(screen.query_one("#wrong", Static).content)
        assert pilot.app.focused is screen.query_one("#span", Input)
        screen.query_one("#span", Input).value = "90s"
        screen.query_one("#whole", Checkbox).value = True
        await pilot.press("enter")
        await settled(pilot)
        assert feed.commands[1:] == [("silence", "90", "x", "agent-crash")]

    drive(app_of(feed, record()), play)


def test_undo(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed = feed_of(alerting(running))
    acknowledged = next(alert for alert in ALERTS if alert.ack is not None)
    silenced = next(alert for alert in ALERTS if alert.silence is not None)

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "u")
        assert feed.commands == [], "there is nothing to take back"
        for alert in (acknowledged, silenced):
            listing(pilot).go_to(f"alert:{alert.fingerprint}")
            await pilot.press("u")
        listing(pilot).go_to(f"silence:{SILENCE.id}")
        await pilot.press("u")
        assert feed.commands == [("unacknowledge", acknowledged.fingerprint), ("unsilence", "7"), ("unsilence", "7")]

    drive(app_of(feed, record()), play)


def test_only_what_can_be_done_is_offered(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed = feed_of(alerting(running))
    always = {"alerts.open", "alerts.everywhere"}
    wanted = {
        MEMORY.rule: {"alerts.acknowledge", "alerts.silence"},
        CRASH.rule: {"alerts.acknowledge", "alerts.silence", "alerts.jump"},
        "queue-growing": {"alerts.silence", "alerts.undo"},
        "agent-silent": {"alerts.acknowledge", "alerts.silence", "alerts.undo"},
        "hit-rate": {"alerts.silence"},
        "long-task": {"alerts.silence"},
    }

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        for alert in ALERTS:
            listing(pilot).go_to(f"alert:{alert.fingerprint}")
            await pilot.pause()
            assert offered(pilot) == always | wanted[alert.rule], alert.rule
        listing(pilot).go_to("past:7f3a/12")
        await pilot.pause()
        assert offered(pilot) == {*always, "alerts.jump"}
        listing(pilot).go_to(f"silence:{SILENCE.id}")
        await pilot.pause()
        assert offered(pilot) == {*always, "alerts.undo"}

    drive(app_of(feed, record()), play)


@pytest.mark.parametrize("how", ["read only", "replay", "ended"])
def test_where_one_may_only_look(app_of: AppOf, feed_of: Any, running: View, how: str) -> None:
    view = alerting(running)
    if how == "replay":
        view = replace(view, replay=Replaying(NOW, NOW - 100, NOW + 100, 1.0, False))
    if how == "ended":
        view = replace(view, ended=True)
    feed = feed_of(view)

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "down")
        assert offered(pilot) == {"alerts.open", "alerts.everywhere", "alerts.jump"}
        await pilot.press("a", "z", "u")
        await settled(pilot)
        assert isinstance(pilot.app.screen, AlertsScreen)
        assert feed.commands == []

    drive(app_of(feed, record(), read_only=how == "read only"), play)


def test_jumping_to_the_agent(app_of: AppOf, running: View, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(ShoalApp, "open_agent", lambda _, name: seen.append(name))

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "J")
        assert seen == [], "it is about none"
        await pilot.press("down", "J")
        assert seen == ["micro/131"]
        listing(pilot).go_to("past:7f3a/11")
        await pilot.press("enter", "J")
        await settled(pilot)
        assert seen == ["micro/131", "micro/134"], "the last one that made it"
        assert isinstance(pilot.app.screen, AlertsScreen)

    drive(app_of(alerting(running), record()), play)


def test_one_alert_follows_what_becomes_of_it(app_of: AppOf, feed_of: Any, running: View) -> None:
    feed = feed_of(alerting(running))

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "enter")
        screen = pilot.app.screen
        assert isinstance(screen, AlertScreen)
        assert "at the worst 96.1%" in screen.query_one(Pager).copied()
        worse = changed(MEMORY, peak=0.994, text="99.1% of the memory is in use", value=0.991)
        assert feed.view.frame is not None
        later = changed(feed.view.frame, at=feed.view.frame.at + 2.0)
        feed.push(replace(feed.view, frame=later, alerts={**feed.view.alerts, MEMORY.fingerprint: worse}))
        await settled(pilot)
        assert "at the worst 99.4%" in screen.query_one(Pager).copied()

    drive(app_of(feed, record()), play)


def test_the_cursor_stays_on_its_alert_though_a_worse_one_comes(app_of: AppOf, feed_of: Any, running: View) -> None:
    mild = alerting(running, tuple(alert for alert in ALERTS if alert is not MEMORY))
    feed = feed_of(mild)

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot, "a", "escape")
        rows = listing(pilot)
        assert rows.cursor == f"alert:{CRASH.fingerprint}"
        feed.push(replace(alerting(running), replies=()))
        await settled(pilot)
        assert rows.cursor == f"alert:{CRASH.fingerprint}"
        assert "memory" in rows.render_line(2).text
        assert "agent-crash" in pilot.app.screen.query_one("#details", Pager).copied()
        resolved = changed(CRASH, state="resolved", resolved=NOW)
        feed.push(replace(feed.view, alerts={**feed.view.alerts, CRASH.fingerprint: resolved}))
        await settled(pilot)
        assert rows.cursor == f"alert:{CRASH.fingerprint}", "it has gone to another group"
        await pilot.press("a")
        assert isinstance(pilot.app.screen, AlertsScreen), "and can't be taken on any more"

    drive(app_of(feed, record()), play)


def test_earlier_alerts_of_this_run_and_of_all(app_of: AppOf, running: View) -> None:
    archive = record()

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert archive.asked == ["alerts 7f3a"]
        assert not listing(pilot).go_to("past:93f3cfc7/1")
        await pilot.press("A")
        await settled(pilot)
        assert archive.asked[-1] == "alerts None"
        assert listing(pilot).go_to("past:93f3cfc7/1")
        await pilot.pause()
        assert "alerts.jump" not in offered(pilot), "an agent of another run"
        assert listing(pilot).go_to("past:7f3a/12")

    drive(app_of(alerting(running), archive), play)


def test_a_replay_does_not_tell_what_comes_later(app_of: AppOf, running: View) -> None:
    at = past_alert(9).fired
    assert at is not None
    view = replace(alerting(running, (), ()), replay=Replaying(at, at - 100, NOW, 1.0, False))

    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert listing(pilot).go_to("past:7f3a/9")
        assert listing(pilot).go_to("past:7f3a/12")
        assert not listing(pilot).go_to("past:7f3a/8")

    drive(app_of(view, record()), play)


def test_without_a_run_there_is_the_record(app_of: AppOf) -> None:
    async def play(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert listing(pilot).go_to("past:93f3cfc7/1")
        assert offered(pilot) == {"alerts.open"}, "its agent is no agent of any run on view"

    drive(app_of(None, record()), play)
