"""What the gate and the history tell people."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.bench.aligned import aligned
from engine.bench.guard.gate import Result
from engine.bench.guard.history import LAST_GOOD, History
from engine.bench.guard.past import told
from engine.bench.guard.sessions import Seen, Session
from engine.bench.report import figure

_HEADS = ("CELL", "NOW", "WORSE BY", "95 %", "P", "ROUNDS", "BASELINE", "VERDICT")
_SESSIONS = ("SESSION", "BEGAN", "SUITE", "CODE", "MACHINE", "CELLS", "VERDICT", "BASELINE OF")
_STATES = ("regression", "unmeasured", "unsure", "suspected", "slightly worse", "improved", "first", "fine")
"""The worst first."""


def verdicts(session: Session) -> str:
    """One cell a line."""
    rows = [_HEADS]
    for name, seen in session.seen.items():
        cell = session.cell(name)
        now = "" if cell is None else figure(cell.value(), cell.unit)
        p = "" if seen.p is None else f"{seen.p:.1g}"
        rounds = "" if seen.rounds is None else str(seen.rounds)
        rows.append(
            (name, now, percent(seen.ratio), _between(seen), p, rounds, seen.baseline, _verdict(seen))
        )  # fmt: skip
    return aligned(rows, (0, 6, 7))


def percent(ratio: float | None) -> str:
    """By how much a ratio is above 1."""
    return "" if ratio is None else f"{(ratio - 1) * 100:+.1f} %"


def _between(seen: Seen) -> str:
    if seen.low is None or seen.high is None:
        return ""
    return f"{(seen.low - 1) * 100:+.1f} .. {(seen.high - 1) * 100:+.1f}"


def _verdict(seen: Seen) -> str:
    words = {
        "first": "first of its kind, nothing to compare",
        "suspected": "suspected, and not confirmed" if seen.confirmed is False else "suspected",
        "unsure": "unsure: 10 % worse is not excluded",
        "unmeasured": "not compared",
    }.get(seen.state, seen.state)
    return f"{words}: {seen.why}" if seen.why else words


def summary(result: Result) -> str:
    """The last line: what it comes to."""
    session = result.session
    bad = [name for name, seen in session.seen.items() if seen.state == "regression"]
    left = [name for name, seen in session.seen.items() if seen.state in ("unsure", "unmeasured")]
    if result.accepted:
        return f"session {session.id} is accepted: it is what the next one is compared with"
    if bad:
        text = f"regression: {', '.join(bad)}"
        return text if session.against else f"{text}; `shoal bench baseline {LAST_GOOD} {session.id}` accepts it"
    if all(seen.state == "first" for seen in session.seen.values()):
        return (
            f"no baseline of this machine yet (fingerprint {session.fingerprint}): session {session.id} is the first, "
            "nothing was compared (--accept says that this is meant)"
        )
    if left:
        return f"could not be measured: {', '.join(left)}"
    return "no regression"


def state(session: Session) -> str:
    """The worst verdict of its cells, and how many have it; "" for a session that was not judged."""
    states = [seen.state for seen in session.seen.values()]
    for worst in _STATES:
        if worst in states:
            count = states.count(worst)
            return worst if count == len(states) or worst == "fine" else f"{worst} ({count})"
    return ""


def sessions(history: History, found: Sequence[Session]) -> str:
    """One a line, the newest last."""
    rows = [_SESSIONS]
    for session in found:
        names = [name for name, pinned in history.baselines.named.items() if pinned.session == session.id]
        if session.id in history.baselines.accepted:
            names.append("accepted")
        kind = f"{session.suite}{' quick' if session.quick else ''}"
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(session.began))
        rows.append(
            (
                session.id, began, kind, session.code, session.fingerprint, str(len(session.cells)), state(session),
                ", ".join(names),
            )
        )  # fmt: skip
    return aligned(rows, (0, 1, 2, 3, 4, 6, 7))


def one(history: History, session: Session) -> str:
    """A session: what it was measured on, verdicts or figures, alerts, trends up to it."""
    machine = {name: text for name, text in session.machine.items() if text}
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(session.began))
    before, after = (f"{seconds * 1e3:.2f} ms" for seconds in session.calibration)
    lines = [
        f"session {session.id}, {'quick ' if session.quick else ''}{session.suite}, {began}, {session.seconds:.0f} s",
        f"code      {session.code}{f', beside {session.against}' if session.against else ''}",
        f"machine   {session.fingerprint}: {', '.join(f'{name} {text}' for name, text in machine.items())}",
        f"steady    {'yes' if session.steady else 'no'}: calibration {before} before, {after} after",
        f"command   {' '.join(session.command)}",
        "",
    ]
    if session.seen:
        lines.append(verdicts(session))
    else:
        rows = [("CELL", "NOW", "ROUNDS")]
        rows += [(cell.name, figure(cell.value(), cell.unit), str(cell.rounds)) for cell in session.cells]
        lines.append(aligned(rows, (0,)))
    lines += [f"alert     {alert.get('level')}: {alert.get('text')}" for alert in session.alerts]
    earlier = [other for other in history.like(session) if other.began < session.began]
    for cell in session.cells:
        lines += [f"trend     {cell.name} {step.text}" for step in told(cell.name, [*earlier, session])]
    return "\n".join(lines)
