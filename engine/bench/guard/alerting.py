"""A regression as an alert: by the rule `bench-regression`, which a file of one's own may change or switch off, to the
command and the web server that alerts of runs go to.

There is no run that it could be an alert of in the database, so it is kept with its session, in the same form.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.alerts.rules import RulesError
from engine.alerts.types import Rule
from engine.bench.guard.decide import Verdict, ratio
from engine.settings.types import Settings

KIND: Final = "bench.regression"


class AlertingError(Exception):
    """The rules are none. The text is one line."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert.

    Attributes:
        line: for people.
        message: for programs, as sinks tell it.
        row: as alerts of a run are kept.
    """

    line: str
    message: dict[str, Any]
    row: dict[str, Any]


def rules(settings: Settings) -> list[Rule]:
    """Those in force that are about regressions. Raises `AlertingError`."""
    from engine.alerts import sources
    from engine.alerts.places import users_file

    try:
        found = sources.load(users_file(settings.alert_rules))
    except RulesError as error:
        raise AlertingError(str(error).splitlines()[0]) from None
    return [rule for rule in found if any(match.event == KIND for match in rule.on)]


def raised(wanted: list[Rule], suite: str, session: str, beside: str, verdicts: Mapping[str, Verdict]) -> list[Raised]:
    """An alert for each regression, as the rules have it. `session`: its id.

    `beside`: what it was compared with, for people.
    """
    from engine.alerts import told
    from engine.alerts.core import AlertCore

    now = time.monotonic()
    epoch = time.time() - now
    core = AlertCore(wanted)
    for name, verdict in verdicts.items():
        if verdict.state == "regression" and verdict.estimate is not None:
            core.event(now, KIND, {"suite": suite, "cell": name}, _text(verdict, session, beside), now)
    return [
        Raised(told.line(found), told.described(found, epoch), told.as_row(found.alert, epoch, {}))
        for found in core.take()
        if found.notify
    ]


def _text(verdict: Verdict, session: str, beside: str) -> str:
    found = verdict.estimate
    assert found is not None
    low, high = (ratio(end) - 1 for end in (found.low, found.high))
    return (
        f"{ratio(found.effect) - 1:.0%} worse than {beside} ({low:.0%} to {high:.0%}, p {verdict.p:.1g}, confirmed), "
        f"session {session}"
    )


def tell(settings: Settings, found: list[Raised]) -> None:
    """Pass alerts on to whom the settings name, and wait some seconds for it. What does not arrive is logged."""
    from engine.runtime.alerting.passing import Outlets

    outlets = Outlets(settings, lambda: None)
    for one in found:
        outlets.offer(one.message)
    outlets.close()
