"""Alerts as readers get them: nothing is lost, times are those of the wall, and every message fits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from alerting import CRASH, LEVEL, Watched
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.alerts.types import Ack, Alert, Silence, Timeline
from engine.runtime.alerting import views
from engine.stream.types import MESSAGE_MAX, AckView, AlertsNow, encoder, to_reader

EPOCH = 1_763_726_400.0


def an_alert(number: int = 1, /, **given_: Any) -> Alert:
    watched = Watched(CRASH)
    watched.event(pool="main")
    return msgspec.structs.replace(watched.only, number=number, **given_)


def a_silence(number: int, reason: str = "known", **matchers: str) -> Silence:
    return Silence(number, matchers or {"rule": "crash"}, 10.0, 70.0, "ada", reason)


# -- one alert ---------------------------------------------------------------------------------------------------------


def test_what_a_view_has_is_what_the_alert_has() -> None:
    watched = Watched(LEVEL)
    watched.level(200.0, 3)
    watched.core.acknowledge(watched.only.fingerprint, watched.now, "ada", "mine", watched.now + 60)
    alert = watched.only
    seen = views.view(alert, EPOCH)
    same = set(seen.__struct_fields__) & set(alert.__struct_fields__) - {"ack"}
    assert same >= {"number", "fingerprint", "rule", "severity", "state", "text", "labels", "value", "peak", "count"}
    for name in same:
        assert getattr(seen, name) == getattr(alert, name), name
    assert seen.ack == AckView("ada", EPOCH + watched.now, "mine", EPOCH + watched.now + 60)
    times = msgspec.structs.asdict(alert.timeline)
    assert times.keys() <= set(seen.__struct_fields__)
    assert times["fired"] is not None
    assert times["resolved"] is None
    for name, at in times.items():
        assert getattr(seen, name) == (None if at is None else EPOCH + at), name


@settings(deadline=None)
@given(st.builds(Timeline, *[st.none() | st.floats(0, 1e6)] * 6))
def test_times_are_those_of_the_wall_and_what_has_not_been_is_none(line: Timeline) -> None:
    seen = views.view(an_alert(timeline=line), EPOCH)
    for name, at in msgspec.structs.asdict(line).items():
        assert getattr(seen, name) == (None if at is None else at + EPOCH)


def test_an_acknowledgement_without_an_end_has_none() -> None:
    assert views.view(an_alert(ack=Ack("ada", 5.0)), EPOCH).ack == AckView("ada", EPOCH + 5.0, "", None)
    assert views.view(an_alert(), EPOCH).ack is None


@pytest.mark.parametrize("name", ["title", "hint", "action"])
def test_texts_of_rules_are_cut(name: str) -> None:
    assert getattr(views.view(an_alert(**{name: "x" * 999}), 0.0), name) == "x" * 999
    assert getattr(views.view(an_alert(**{name: "x" * 5000}), 0.0), name) == "x" * 1000


def test_a_change_is_told_with_the_alert_as_it_is_after_it() -> None:
    watched = Watched(CRASH)
    (fired,) = watched.event(pool="main", after=3.0)
    told = views.changed(fired, EPOCH)
    assert (told.at, told.change, told.before, told.notify, told.why) == (EPOCH + 3.0, "state", "normal", True, "")
    assert told.alert == views.view(fired.alert, EPOCH)
    assert told.number == fired.number == 1
    watched.idle(1.0)
    watched.core.acknowledge(fired.alert.fingerprint, watched.now, "ada")
    (taken,) = watched.take()
    told = views.changed(taken, EPOCH)
    assert (told.change, told.before, told.notify, told.why) == ("acknowledged", "firing", False, "ada")


# -- all of them -------------------------------------------------------------------------------------------------------


def whole(messages: list[AlertsNow]) -> list[int]:
    """The numbers of all alerts, of messages as they come; each is one that a reader understands."""
    for number, message in enumerate(messages):
        data = encoder.encode(message)
        assert len(data) <= MESSAGE_MAX
        assert to_reader.decode(data) == message
        assert (message.at, message.part, message.parts) == (EPOCH + 7.0, number, len(messages))
        assert message.silences == messages[0].silences
    return [alert.number for message in messages for alert in message.alerts]


def test_without_any_there_is_a_message_that_says_so() -> None:
    (message,) = views.now([], [], 7.0, EPOCH, 12)
    assert message.number == 12
    assert whole([message]) == []
    assert message.silences == []


def test_few_are_one_message() -> None:
    messages = views.now([an_alert(n) for n in range(1, 26)], [a_silence(1, pool="main")], 7.0, EPOCH)
    assert len(messages) == 1
    assert whole(messages) == list(range(1, 26))
    (silence,) = messages[0].silences
    assert (silence.id, silence.matchers, silence.since, silence.until, silence.by, silence.reason) == (
        1, {"pool": "main"}, EPOCH + 10.0, EPOCH + 70.0, "ada", "known",
    )  # fmt: skip


LENGTHS = st.sampled_from([0, 10, 1000, 20_000])


@example([(20_000, "🐟")] * 30, [])
@example([], [(3900, "x")] * 100)
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(LENGTHS, st.sampled_from("xé漢🐟")), max_size=60),
    st.lists(st.tuples(st.integers(1, 3900), st.sampled_from("xé")), max_size=130),
)
def test_however_long_the_texts_are_every_message_fits_and_no_alert_is_left_out(
    alerts: list[tuple[int, str]], reasons: list[tuple[int, str]]
) -> None:
    known = [
        an_alert(number, title=letter * length, hint=letter * length, action=letter * length)
        for number, (length, letter) in enumerate(alerts, 1)
    ]
    silences = [a_silence(number, letter * length) for number, (length, letter) in enumerate(reasons, 1)]
    messages = views.now(known, silences, 7.0, EPOCH)
    assert whole(messages) == list(range(1, len(alerts) + 1))
    shown = [silence.id for silence in messages[0].silences]
    assert shown == list(range(len(reasons) - len(shown) + 1, len(reasons) + 1)), "the last ones"
    assert len(shown) >= min(len(reasons), 3)


def test_many_short_silences_are_all_shown_up_to_a_hundred() -> None:
    (message,) = views.now([], [a_silence(number) for number in range(1, 131)], 7.0, EPOCH)
    assert [silence.id for silence in message.silences] == list(range(31, 131))
