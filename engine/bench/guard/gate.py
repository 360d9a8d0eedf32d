"""The gate: a session is measured, compared, measured again where that may matter, judged and kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from engine.bench.code import Code
from engine.bench.guard import alerting, calibration, compare, decide, fingerprint, history
from engine.bench.guard.alerting import Raised
from engine.bench.guard.cells import Cell
from engine.bench.guard.compare import Basis
from engine.bench.guard.decide import Verdict
from engine.bench.guard.history import LAST_GOOD, History, HistoryError
from engine.bench.guard.measuring import judgeable, measured
from engine.bench.guard.past import comparable, told
from engine.bench.guard.sessions import Recorder, Seen, Session
from engine.bench.progress import Progress
from engine.bench.rows import SUITES, Row

AGAIN: Final = 2
"""Rounds of a re-run, for each of the first run."""
_LOOKED_AT: Final = 50
"""Sessions of the past that say how much sessions differ."""
_OPEN: Final = ("unsure", "unmeasured")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be judged, and by what.

    Attributes:
        suite: whose rows.
        only: names of some; none for all that can be judged.
        rounds: of the first run.
        quick: sizes that only show whether it works.
        baseline: `history.LAST_GOOD`, or a name that was given to a session.
        unlike: compare with a machine of another kind, too.
        accept: whatever is found is good from now on.
        against: another code, in the place of a baseline.
        seed: of the order.
    """

    suite: str
    only: Sequence[str] = ()
    rounds: int = 10
    quick: bool = False
    baseline: str = LAST_GOOD
    unlike: bool = False
    accept: bool = False
    against: Code | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it.

    Attributes:
        session: as it is kept.
        verdicts: by cell.
        code: the exit code: 0 fine, or accepted; 1 a regression; 2 something could not be measured, or compared.
        banners: what is to be known before the figures are believed.
        trends: steps in the history of cells, in words.
        raised: alerts.
        place: the file that it is kept in.
        accepted: whatever was found is good from now on.
    """

    session: Session
    verdicts: dict[str, Verdict]
    code: int
    banners: list[str]
    trends: list[str]
    raised: list[Raised]
    place: Path
    accepted: bool = False


def run(asked: Asked, folder: Path, progress: Progress) -> Result:
    """Measure, judge, keep, and raise alerts.

    Raises `HistoryError`, `AlertingError` and `SettingsError`; before anything is measured, but where the disk is full
    by the end.
    """
    past = History(folder)
    rows = _rows(asked, progress)
    seed = time.time_ns() % 2**32 if asked.seed is None else asked.seed
    recorder = Recorder(asked.suite, asked.quick, seed)
    wanted = alerting.rules(recorder.settings)
    pinned = None if asked.against or asked.baseline == LAST_GOOD else past.named(asked.baseline)
    if pinned is not None:
        _check(pinned, recorder, asked)
    cells, failures = measured(asked.suite, rows, asked.rounds, asked.quick, seed, progress, asked.against)
    session = recorder.ended(cells, failures, "" if asked.against is None else asked.against.text)
    sessions = _sessions(session, past, pinned)
    bases = _bases(session, sessions, past)
    names = decide.to_repeat(compare.estimates(session.cells, bases)[0])
    if names:
        progress(f"again, for more than 10 % is not excluded: {', '.join(names)}")
        flagged = [row for row in rows if row.name in names]
        more, failed = measured(
            asked.suite, flagged, asked.rounds * AGAIN, asked.quick, seed + 1, progress, asked.against, again=True
        )  # fmt: skip
        failures |= {name: f"its re-run failed: {why}" for name, why in failed.items()}
        after = {cell.name: cell for cell in more}
        cells = [cell.and_again(after[cell.name]) if cell.name in after else cell for cell in cells]
        session = recorder.ended(cells, failures, session.against)
        bases = _bases(session, sessions, past)
    verdicts = compare.verdicts(session.cells, bases)
    # Of one whose re-run has failed nothing is known for sure.
    verdicts |= {name: Verdict("unmeasured", why=why) for name, why in failures.items()}
    beside = session.against or "baseline " + ", ".join(sorted({base.id for base in sessions.values()}))
    found = [] if asked.accept else alerting.raised(wanted, session.suite, session.id, beside, verdicts)
    result = _kept(asked, session, sessions, verdicts, past, found)
    alerting.tell(recorder.settings, found)
    return result


def _rows(asked: Asked, progress: Progress) -> list[Row]:
    """What is to be measured. Raises `HistoryError` if that is nothing."""
    rows = [row for row in SUITES[asked.suite] if (row.name in asked.only if asked.only else judgeable(row))]
    if not rows:
        raise HistoryError(f"the rows of {asked.suite} are measured once a session: name with --only what to repeat")
    if asked.against is None or asked.against.commands:
        return rows
    # It would be the command of this environment that is timed, on either side.
    left = [row for row in rows if row.measured_by == "help"]
    rows = [row for row in rows if row not in left]
    for row in left:
        progress(f"{row.name}: left out, for {asked.against.text} has no environment of its own")
    if not rows:
        raise HistoryError(f"nothing to measure: {asked.against.text} has no environment of its own")
    return rows


def _check(pinned: Session, recorder: Recorder, asked: Asked) -> None:
    """Refuse a named baseline that says nothing of what is to be measured."""
    if pinned.against:
        raise HistoryError(f"baseline {asked.baseline!r} was measured beside other code: name another session")
    if (pinned.suite, pinned.quick) != (recorder.suite, recorder.quick):
        kind = f"{'quick ' if pinned.quick else ''}{pinned.suite}"
        raise HistoryError(f"baseline {asked.baseline!r} is a session of {kind}: nothing to compare")
    different = fingerprint.differences(pinned.machine, recorder.machine)
    if different and not asked.unlike:
        raise HistoryError(f"baseline {asked.baseline!r} is of an unlike machine ({different}): --unlike compares it")


def _sessions(session: Session, past: History, pinned: Session | None) -> dict[str, Session]:
    """What each cell is compared with, by name; those that have nothing are left out."""
    if session.against:
        return {}
    found = {cell.name: pinned or past.last_good(session, cell.name) for cell in session.cells}
    return {name: base for name, base in found.items() if base is not None}


def _bases(session: Session, sessions: dict[str, Session], past: History) -> dict[str, Basis]:
    like = past.like(session)[-_LOOKED_AT:]
    return {
        cell.name: _basis(
            cell, session, sessions.get(cell.name), decide.between_sessions(list(comparable(cell, like).values()))
        )
        for cell in session.cells
    }


def _basis(cell: Cell, session: Session, base: Session | None, between: float) -> Basis:
    if session.against:
        return Basis(compare.as_before(cell), in_turns=True)
    if base is None:
        return Basis(None)
    before = base.cell(cell.name)
    machine = compare.Machine(
        alike=base.fingerprint == session.fingerprint,
        moved=calibration.moved(base.speed, session.speed),
        drift=max(abs(base.drift), abs(session.drift)),
    )
    if before is None:
        return Basis(None, why=f"session {base.id} has no such cell")
    return Basis(before, machine, between)


def _kept(
    asked: Asked,
    session: Session,
    sessions: dict[str, Session],
    verdicts: dict[str, Verdict],
    past: History,
    found: list[Raised],
) -> Result:
    session = msgspec.structs.replace(
        session,
        baseline="" if session.against else asked.baseline,
        seen={name: _seen(verdict, sessions.get(name), session) for name, verdict in verdicts.items()},
        alerts=[one.row for one in found],
    )
    place = history.keep(past.folder, session)
    if asked.accept and session.cells:
        history.pin(past.folder, LAST_GOOD, session.id)
    return Result(
        session, verdicts, exit_code(verdicts, asked.accept), _banners(session, sessions, past), _trends(session, past),
        found, place, asked.accept,
    )  # fmt: skip


def exit_code(verdicts: Mapping[str, Verdict], accept: bool = False) -> int:
    """0 fine; 1 a regression; 2 something could not be measured, or nothing be compared.

    A cell that is new does not matter beside others that were compared. Where all is accepted, it has to have been
    measured.
    """
    states = [verdict.state for verdict in verdicts.values()]
    if accept:
        measured = any(verdict.state == "first" or verdict.estimate is not None for verdict in verdicts.values())
        return 0 if measured else 2
    if "regression" in states:
        return 1
    return 2 if any(state in _OPEN for state in states) or all(state == "first" for state in states) else 0


def _seen(verdict: Verdict, base: Session | None, session: Session) -> Seen:
    found = verdict.estimate
    baseline = session.against if base is None else base.id
    if found is None:
        return Seen(state=verdict.state, baseline=baseline, why=verdict.why)
    return Seen(
        state=verdict.state, baseline=baseline, ratio=decide.ratio(found.effect), low=decide.ratio(found.low),
        high=decide.ratio(found.high), p=verdict.p, rounds=found.rounds, confirmed=verdict.confirmed, why=verdict.why,
    )  # fmt: skip


def _banners(session: Session, sessions: dict[str, Session], past: History) -> list[str]:
    """What is to be known before the figures are believed."""
    found = []
    others = [one for one in past.sessions if (one.suite, one.quick) == (session.suite, session.quick)]
    if not sessions and not session.against and others and others[-1].fingerprint != session.fingerprint:
        different = fingerprint.differences(others[-1].machine, session.machine)
        found.append(f"the last session, {others[-1].id}, is of an unlike machine ({different})")
    if not session.steady:
        by = decide.ratio(session.drift) - 1
        found.append(f"the machine was not steady: {by:+.0%} in a calibration from the beginning to the end")
    for base in {base.id: base for base in sessions.values()}.values():
        if different := fingerprint.differences(base.machine, session.machine):
            found.append(f"UNLIKE MACHINES: session {base.id} is of another one ({different})")
        if not base.steady:
            found.append(f"the machine was not steady while session {base.id} was measured")
        names = sorted(
            name
            for name in base.settings.keys() | session.settings.keys()
            if base.settings.get(name) != session.settings.get(name)
        )
        if names:
            found.append(f"other settings than in session {base.id}: {', '.join(names)}")
        packages = sorted(
            f"{name} {base.packages.get(name, 'none')} then, {session.packages.get(name, 'none')} now"
            for name in (base.packages.keys() | session.packages.keys()) - {"shoal"}
            if base.packages.get(name) != session.packages.get(name)
        )
        if packages:
            found.append(f"other packages than in session {base.id}: {', '.join(packages)}")
    return found


def _trends(session: Session, past: History) -> list[str]:
    """The newest step of each cell's history, this session included, that made it worse and has not been undone."""
    if session.against:
        return []
    sessions = [*past.like(session), session]
    newest = [(cell.name, step) for cell in session.cells for step in told(cell.name, sessions)[-1:]]
    return [f"{name} {step.text}" for name, step in newest if step.effect > 0]
