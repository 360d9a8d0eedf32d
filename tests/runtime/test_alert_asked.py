"""What people write when they mean an alert, or alerts that they want to hear nothing of."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TypeVar, cast

import pytest
from alerting import CRASH, LEVEL, Watched
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.alerts import sources
from engine.alerts.core import AlertCore
from engine.runtime.alerting.asked import matchers_of, named
from engine.runtime.control.refusal import Refusal

_SOME = ("agent-crash", "disk", "hit-rate", "memory")
RULES = {rule.id: rule for rule in sorted(sources.load(None), key=lambda rule: rule.id) if rule.id in _SOME}
T = TypeVar("T")


def answered(ask: Callable[..., T], *asked: object) -> T | str:
    """What is found; or why nothing is."""
    try:
        return ask(*asked)
    except Refusal as refusal:
        return str(refusal)


# -- an alert ----------------------------------------------------------------------------------------------------------


def of(**alerts: int) -> AlertCore:
    """A core whose alerts have these fingerprints and numbers; 0: it has not fired."""
    watched = Watched(CRASH)
    watched.event(pool="main")
    known = [replace(watched.only, fingerprint=name, number=number) for name, number in alerts.items()]
    return cast(AlertCore, SimpleNamespace(alerts=lambda: known))


def test_alerts_of_a_core_are_meant_by_number_and_by_fingerprint() -> None:
    watched = Watched(CRASH, LEVEL)
    watched.level(200.0)  # pending: it has no number
    for number in range(12):
        watched.event(pool=f"p{number}")
    found = [alert for alert in watched.core.alerts() if alert.number]
    assert [alert.number for alert in found] == list(range(1, 13))
    for alert in found:
        assert named(watched.core, str(alert.number)) == named(watched.core, alert.fingerprint) == alert
    with pytest.raises(Refusal, match=r"^no alert 'x' fires; those that do: 1, 2, 3, "):
        named(watched.core, "x")


def test_the_beginning_of_a_fingerprint_is_enough_if_no_other_begins_so() -> None:
    core = of(ab12=1, ab34=2, cd56=3)
    assert named(core, "ab1").number == 1
    assert named(core, "c").number == 3
    with pytest.raises(Refusal, match=r"^'ab' could be ab12 or ab34$"):
        named(core, "ab")
    with pytest.raises(Refusal, match=r"^no alert '' fires; those that do: 1, 2, 3$"):
        named(core, "")


def test_a_number_counts_before_a_fingerprint_that_begins_with_it() -> None:
    core = of(**{"7f": 1, "22": 7, "9a": 3})
    assert named(core, "7").fingerprint == "22"
    assert named(core, "7f").number == 1
    assert named(core, "9").number == 3


def test_what_has_not_fired_is_not_meant() -> None:
    with pytest.raises(Refusal, match=r"^no alert 'ab' fires; none does$"):
        named(of(ab12=0), "ab")


@settings(deadline=None)
@given(st.text(), st.dictionaries(st.text("0123456789abcdef", min_size=1, max_size=4), st.integers(0, 30), max_size=40))
def test_who_means_no_alert_is_told_so_in_a_short_line(text: str, alerts: dict[str, int]) -> None:
    found = answered(named, of(**alerts), text)
    if isinstance(found, str):
        assert "\n" not in found
        assert len(found) < 700
    else:
        assert found.number
        assert text in (str(found.number), found.fingerprint[: len(text)])


# -- a silence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "matchers"),
    [
        ([], {}),
        (["memory"], {"rule": "memory"}),
        (["rule=memory"], {"rule": "memory"}),
        (["agent-*", "pool=main"], {"rule": "agent-*", "pool": "main"}),
        (["severity=critical", "class=crash"], {"severity": "critical", "class": "crash"}),
        (["severity=w*"], {"severity": "w*"}),
        (["path=/data/a=b"], {"path": "/data/a=b"}),
        (["hit-rat?"], {"rule": "hit-rat?"}),
    ],
)
def test_what_a_silence_is_about(words: list[str], matchers: dict[str, str]) -> None:
    assert matchers_of(words, RULES) == matchers


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([""], "'' is neither the name of a rule nor such as pool=main"),
        (["=main"], "'=main' is neither the name of a rule nor such as pool=main"),
        (["pool="], "'pool=' is neither the name of a rule nor such as pool=main"),
        (["memory", "rule=hit-rate"], "rule is named twice: one silence for each"),
        (["pool=a", "pool=b"], "pool is named twice: one silence for each"),
        (["agent-crush"], "no rule 'agent-crush': did you mean 'agent-crash'?"),
        (["rule=x"], "no rule 'x'; known: agent-crash, disk, hit-rate, memory"),
        (["pol=main"], "no label of any alert is called 'pol': did you mean 'pool'?"),
        (["agent=main/1"], "no label of any alert is called 'agent'; known: path, pool"),
        (["class=crush"], "no class 'crush': did you mean 'crash'?"),
        (["severity=warn"], "no severity 'warn': did you mean 'warning'?"),
    ],
)
def test_what_a_silence_can_not_be_about(words: list[str], told: str) -> None:
    with pytest.raises(Refusal) as refused:
        matchers_of(words, RULES)
    assert str(refused.value) == told


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["pool", "path"]), st.text(min_size=1)))
def test_labels_are_taken_as_they_are_written(labels: dict[str, str]) -> None:
    assert matchers_of([f"{name}={value}" for name, value in labels.items()], RULES) == labels


@settings(deadline=None)
@given(st.lists(st.text(max_size=300)))
def test_whoever_writes_nonsense_is_told_so_in_a_short_line(words: list[str]) -> None:
    found = answered(matchers_of, words, RULES)
    if isinstance(found, str):
        assert "\n" not in found
        assert len(found) < 1500
    else:
        assert len(found) == len(words)
        assert all(name and value for name, value in found.items())
