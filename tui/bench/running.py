"""A benchmark that measures now, as far as it has told: a fold of its messages, and the lines that it makes by then.
Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from engine.stream.benchmarks import Begun, Ended, Failed, Measured, Message, Planned, Row, Said
from tui.bench.record import End, How, Line, Point, Samples, SessionRow, SessionTold, Trend, Wanted

Phase: TypeAlias = Literal["starting", "measuring", "stopping", "done", "stopped", "refused", "failed", "regression"]
OVER: Final[tuple[Phase, ...]] = ("done", "stopped", "refused", "failed", "regression")
_USAGE: Final = 2
"""Exit code of what could not be measured, or was not even begun."""
_REGRESSION: Final = 1


@dataclass(frozen=True, slots=True)
class Running:
    """How far it is.

    Attributes:
        suite: its name.
        how: it is measured.
        began: by a clock that only goes on.
        phase: "refused" is one that measured nothing, "failed" one that broke off or could not measure something.
        plan: None before it has said.
        step: measurements begun, of `steps`.
        round: of the last one; 0 is the warm-up.
        row: name of what is measured now; "" between two.
        since: when that began, by the same clock.
        left: seconds that it said were left, then.
        told_at: when it said so.
        values: by row and side.
        failures: why rows were not measured.
        words: the last thing that it said.
        ended: when it was over; None while it is not.
        session: that it was kept as.
        again: the gate measures some rows once more.
    """

    suite: str
    how: How = field(default_factory=How)
    began: float = 0.0
    phase: Phase = "starting"
    plan: Planned | None = None
    step: int = 0
    steps: int = 0
    round: int = 0
    row: str = ""
    since: float = 0.0
    left: float | None = None
    told_at: float = 0.0
    values: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    ended: float | None = None
    session: str = ""
    again: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.phase in OVER

    @property
    def done(self) -> int:
        """Measurements that are over."""
        return max(0, self.step - bool(self.row))

    @property
    def share(self) -> float:
        """Of all measurements, 0..1."""
        return self.done / self.steps if self.steps else 0.0

    def elapsed(self, now: float) -> float:
        """Seconds since it began, or that it took."""
        return max(0.0, (now if self.ended is None else self.ended) - self.began)

    def remaining(self, now: float) -> float | None:
        """Seconds until it is over; None where nobody can say."""
        if self.left is None or self.over:
            return None
        return max(0.0, self.left - (now - self.told_at))


def fold(state: Running, message: Message, now: float) -> Running:
    """The state after a message that came at a moment."""
    match message:
        case Planned():
            values = dict(state.values) if message.again else {}
            return replace(
                state, phase=_going(state), plan=message if not message.again or state.plan is None else state.plan,
                step=0, steps=message.steps, round=0, row="", values=values, again=message.again,
            )  # fmt: skip
        case Begun(step=step, round=number, row=row, left=left):
            left, at = (left, now) if left is not None else (state.left, state.told_at)
            return replace(
                state, phase=_going(state), step=step, round=number, row=row, since=now, left=left, told_at=at,
            )  # fmt: skip
        case Measured(row=row, values=values, left=left):
            found = dict(state.values)
            sides = dict(found.get(row, {}))
            for side, taken in values.items():
                sides[side] = (*sides.get(side, ()), *taken)
            if sides:
                found[row] = sides
            return replace(state, row="", values=found, left=left, told_at=now)
        case Failed(row=row, why=why, steps=steps):
            return replace(state, row="", steps=steps, failures={**state.failures, row: why}, words=f"{row}: {why}")
        case Said(text=text):
            return replace(state, words=text)
        case Ended(session=session, failures=failures, verdict=verdict):
            return replace(
                state, row="", session=session, failures={**state.failures, **failures}, words=verdict or state.words,
            )  # fmt: skip


def _going(state: Running) -> Phase:
    return "stopping" if state.phase == "stopping" else "measuring"


def stopping(state: Running) -> Running:
    """It was asked to end."""
    return state if state.over else replace(state, phase="stopping")


def end(state: Running, how: End, now: float) -> Running:
    """Its process is over."""
    phase: Phase
    if state.phase == "stopping":
        phase = "stopped"
    elif how.code == 0:
        phase = "done"
    elif state.plan is None:
        phase = "refused" if how.code == _USAGE else "failed"
    elif state.how.baseline and how.code == _REGRESSION:
        phase = "regression"
    elif state.session and not state.failures:  # measured, and something that was wanted is not so
        phase = "done"
    else:
        phase = "failed"
    words = state.words
    if phase in ("refused", "failed"):
        words = how.words or words or _how(how.code)
        if phase == "failed" and state.failures:
            words = "; ".join(f"{row}: {why}" for row, why in state.failures.items())
    return replace(state, phase=phase, row="", ended=now, words=words)


def _how(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"exit code {code}"


# -- lines -------------------------------------------------------------------------------------------------------------


def lines(state: Running) -> tuple[Line, ...]:
    """All rows that were planned, each with what is known of it by now."""
    return () if state.plan is None else tuple(_line(row, state.values.get(row.name, {})) for row in state.plan.rows)


def told(state: Running, before: SessionTold | None, now: float) -> SessionTold:
    """The same as a session that is not over, with the history of one `before`, of the same suite and size, and what is
    known by now as its newest point. `now`: seconds since the Unix epoch.
    """
    row = SessionRow("", state.suite, now, 0.0, state.how.quick)
    found = lines(state)
    alike = before is not None and before.row.suite == state.suite and before.row.quick == state.how.quick
    trends = {}
    for line in found:
        known = before.trends.get(line.name) if before is not None and alike else None
        if known is not None and line.value is not None:
            trends[line.name] = Trend((*known.points, Point("", now, line.value)), known.steps, known.at)
    return SessionTold(row, found, tuple(state.failures.items()), trends=trends)


def _line(row: Row, sides: Mapping[str, tuple[float, ...]]) -> Line:
    ours = sides.get("ours", ())
    other = next((values for side, values in sides.items() if side != "ours"), ())
    factor = low = high = None
    if ours and other and len(ours) == len(other) and all(value > 0 for value in (*ours, *other)):
        logs = sorted(_sign(row) * (math.log(one) - math.log(two)) for one, two in zip(ours, other, strict=True))
        factor, low, high = (math.exp(log) for log in (_median(logs), logs[0], logs[-1]))
    elif ours and row.bound and _median(ours) > 0:
        factors = sorted((row.bound / one if row.better == "low" else one / row.bound) for one in ours if one > 0)
        factor, low, high = _median(factors), factors[0], factors[-1]
    rounds = len(ours)
    return Line(
        name=row.name, title=row.title, unit=row.unit, value=_median(ours) if ours else None, rounds=rounds,
        beside=row.beside, other=_median(other) if other else None, factor=factor,
        factor_low=low if rounds > 1 else None, factor_high=high if rounds > 1 else None,
        of="" if factor is None else "beside" if other else "must", must=_wanted(row.must, row.must_at, factor),
        aim=_wanted(row.aim, row.aim_at, factor), cell=row.name,
        samples=Samples(sides) if ours else None, better=row.better,
    )  # fmt: skip


def _wanted(text: str, at: float | None, factor: float | None) -> Wanted | None:
    """As far as the factor says; what is about something else is judged when all is over."""
    if not text or at is None:
        return None
    return Wanted(text, factor is None or factor >= at, None, at)


def _sign(row: Row) -> int:
    return -1 if row.better == "low" else 1


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
