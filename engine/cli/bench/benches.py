"""Benchmarks for the screens: `tui.bench.record.Benches` over the sessions that are kept."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.cli.words import printable
from tui.archive import ArchiveError
from tui.bench.record import (
    LAST_GOOD,
    Compared,
    Comparison,
    How,
    Judged,
    Line,
    Measuring,
    Point,
    Samples,
    SessionRow,
    SessionTold,
    State,
    Suite,
    Trend,
    Wanted,
)

if TYPE_CHECKING:
    from engine.bench import lines as found
    from engine.bench.guard.beside import Beside
    from engine.bench.guard.cells import Cell
    from engine.bench.guard.history import History
    from engine.bench.guard.sessions import Session

_TRENDS: Final = 100
"""Sessions that a trend goes back."""
_STATES: Final[tuple[State, ...]] = (
    "regression", "unmeasured", "unsure", "suspected", "slightly worse", "improved", "first", "fine",
)  # fmt: skip
"""The worst first."""
_Files = tuple[tuple[str, int, int], ...]


class KeptBenches:
    """As `tui.bench.record.Benches`. Files that have not changed are not read again."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: of the sessions; None for the one where they are kept by default. It need not be there yet."""
        self._folder = folder
        self._read: tuple[_Files, History] | None = None
        self._rows: tuple[History, list[SessionRow]] | None = None
        self._lock = threading.Lock()

    @cached_property
    def machine(self) -> dict[str, str]:
        """This one, as `engine.bench.guard.fingerprint` has it."""
        from engine.bench.guard import fingerprint

        return fingerprint.taken()

    def _alike(self, session: Session) -> bool:
        from engine.bench.guard import fingerprint

        return session.fingerprint == fingerprint.short(self.machine)

    def _past(self) -> History:
        """All of it, as it is now. Raises `ArchiveError`."""
        from engine.bench.guard import history

        folder = self._folder or history.default_folder()
        with self._lock, _told():
            files = tuple(map(_stamp, history.files(folder)))
            if self._read is None or self._read[0] != files:
                self._read = files, history.History(folder)
            return self._read[1]

    # -- as the screens ask --------------------------------------------------------------------------------------------

    def suites(self) -> tuple[Suite, ...]:
        """As `tui.bench.record.Benches`."""
        from engine.bench.catalogue import ALL
        from engine.cli.bench.session import SUITES

        return tuple(Suite(suite.name, suite.title, suite.about, gate=suite.name in SUITES) for suite in ALL)

    def sessions(self) -> list[SessionRow]:
        """As `tui.bench.record.Benches`."""
        past = self._past()
        known = self._rows
        if known is None or known[0] is not past:
            known = self._rows = past, [self._row(past, session) for session in reversed(past.sessions)]
        return list(known[1])

    def session(self, session: str) -> SessionTold:
        """As `tui.bench.record.Benches`."""
        from engine.bench.catalogue import BY_NAME
        from engine.bench.guard import derived
        from engine.cli.bench.document import reproduces

        past = self._past()
        one = _found(past, session)
        lines = [_line(line, one) for line in derived.lines(one)]
        known = {line.name for line in lines}
        lines += [
            Line(name, printable(name), part="not measured" if any(line.part for line in lines) else "")
            for name in one.failures
            if name not in known
        ]
        suite = BY_NAME.get(one.suite)
        return SessionTold(
            row=self._row(past, one),
            lines=tuple(lines),
            failures=tuple((name, printable(why)) for name, why in one.failures.items()),
            facts=tuple(_facts(one)),
            command=printable(" ".join(one.command) if suite is None else reproduces(one, suite)),
            banners=tuple(self._banners(one)),
            alerts=tuple(printable(str(alert.get("text", ""))) for alert in one.alerts),
            trends=_trends(past, one),
        )

    def compare(self, left: str, right: str) -> Comparison:
        """As `tui.bench.record.Benches`."""
        from engine.bench.guard import beside

        past = self._past()
        first, second = _found(past, left), _found(past, right)
        return Comparison(
            self._row(past, first),
            self._row(past, second),
            tuple(map(_compared, beside.beside(first, second))),
            tuple((name, printable(one), printable(other)) for name, one, other in beside.differences(first, second)),
            tuple(beside.banners(first, second)),
        )

    def name(self, session: str, name: str) -> str:
        """As `tui.bench.record.Benches`."""
        from engine.bench.guard import history

        past = self._past()
        one = _found(past, session)
        if one.against:
            raise ArchiveError(f"session {one.id} was measured beside other code: it can be no baseline")
        with _told():
            history.pin(past.folder, name, one.id)
        return f"session {one.id} is {'accepted' if name == LAST_GOOD else f'baseline {name}'}"

    def measure(self, suite: str, how: How) -> Measuring:
        """As `tui.bench.record.Benches`."""
        from engine.cli.bench import measuring

        arguments = ["gate", suite, "--baseline", how.baseline] if how.baseline else [suite]
        try:
            return measuring.Measuring([*arguments, *(["--quick"] if how.quick else [])])
        except OSError as error:
            raise ArchiveError(f"can't start it: {error.strerror}") from error

    # -- inside --------------------------------------------------------------------------------------------------------

    def _row(self, past: History, session: Session) -> SessionRow:
        from engine.bench.guard import derived

        lines = derived.lines(session)
        state, count = _state(session)
        names = tuple(name for name, pinned in past.baselines.named.items() if pinned.session == session.id)
        return SessionRow(
            id=session.id, suite=session.suite, began=session.began, seconds=session.seconds, quick=session.quick,
            code=printable(session.code), machine=session.fingerprint, alike=self._alike(session),
            whole=session.whole, gate=bool(session.seen), state=state, count=count, against=printable(session.against),
            names=names, accepted=session.id in past.baselines.accepted, steady=session.steady,
            must=_reached([line.must for line in lines]), aim=_reached([line.aim for line in lines]),
            failures=len(session.failures),
        )  # fmt: skip

    def _banners(self, session: Session) -> Iterator[str]:
        from engine.bench.guard import decide, fingerprint

        if not self._alike(session):
            different = fingerprint.differences(session.machine, self.machine)
            yield f"measured on a machine unlike this one ({different})"
        if not session.steady:
            by = decide.ratio(session.drift) - 1
            yield f"the machine was not steady: {by:+.0%} in a calibration from the beginning to the end"
        if session.quick:
            yield "small sizes: this says whether it works, not how fast it is"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    from engine.bench.guard.history import HistoryError

    try:
        yield
    except HistoryError as error:
        raise ArchiveError(str(error)) from error


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        found = os.stat(path)
    except OSError:  # it was deleted just now
        return path.name, 0, 0
    return path.name, found.st_mtime_ns, found.st_size


def _found(past: History, session: str) -> Session:
    with _told():
        return past.find(session)


def _state(session: Session) -> tuple[State, int]:
    """The worst verdict of the gate, and how many cells have it."""
    states = [seen.state for seen in session.seen.values()]
    return next(((state, states.count(state)) for state in _STATES if state in states), ("", 0))


def _known(state: str) -> State:
    """A verdict as the screens know it; "" for one that they don't."""
    return next((known for known in _STATES if known == state), "")


def _reached(wanted: Sequence[found.Wanted | None]) -> tuple[int, int]:
    known = [one for one in wanted if one is not None]
    return sum(one.reached for one in known), len(known)


def _line(line: found.Line, session: Session) -> Line:
    cell = session.cell(line.cell) if line.cell else None
    return Line(
        name=line.name, title=printable(line.title), part=printable(line.part), unit=line.unit, value=line.value,
        low=line.low, high=line.high, confidence=line.confidence, rounds=line.rounds, beside=printable(line.beside),
        other=line.other, factor=line.factor, factor_low=line.factor_low, factor_high=line.factor_high, of=line.of,
        must=_wanted(line.must), aim=_wanted(line.aim),
        figures=tuple((name, figure.value, figure.unit) for name, figure in line.figures.items()),
        note=printable(line.note), cell=line.cell,
        samples=None if cell is None else Samples(
            {side: tuple(values) for side, values in cell.samples.items()}, cell.repeat, cell.again
        ),
        judged=_judged(session, line.cell), better="low" if cell is None else cell.better,
    )  # fmt: skip


def _wanted(wanted: found.Wanted | None) -> Wanted | None:
    return None if wanted is None else Wanted(wanted.text, wanted.reached, wanted.certain, wanted.at)


def _judged(session: Session, cell: str) -> Judged | None:
    seen = session.seen.get(cell)
    if seen is None:
        return None
    return Judged(
        state=_known(seen.state) or "unmeasured", baseline=printable(seen.baseline), ratio=seen.ratio, low=seen.low,
        high=seen.high, p=seen.p, rounds=seen.rounds, confirmed=seen.confirmed, why=printable(seen.why),
    )  # fmt: skip


def _facts(session: Session) -> Iterator[tuple[str, str]]:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(session.began))
    yield "measured", f"{began}, in {session.seconds:.0f} s"
    yield "session", f"{session.id}, seed {session.seed}"
    yield "code", printable(session.code) + (f", beside {printable(session.against)}" if session.against else "")
    yield from ((f"machine {name}", printable(value)) for name, value in session.machine.items() if value)
    yield "fingerprint", session.fingerprint
    before, after = (f"{seconds * 1e3:.2f} ms" for seconds in session.calibration)
    yield "calibration", f"{before} before, {after} after"
    loads = [f"{when} {found['load']}" for when, found in (("before", session.before), ("after", session.after))
             if found.get("load") is not None]  # fmt: skip
    if loads:
        yield "load", ", ".join(loads)
    yield "packages", ", ".join(f"{name} {version}" for name, version in sorted(session.packages.items()))
    yield "settings", session.settings_hash


def _trends(past: History, session: Session) -> dict[str, Trend]:
    """Of each cell, over sessions like this one, itself among them."""
    from engine.bench.guard.past import told

    like = sorted([*past.like(session), session], key=lambda one: one.began)[-_TRENDS:]
    names = {
        one.id: tuple(name for name, pinned in past.baselines.named.items() if pinned.session == one.id)
        for one in like
    }  # fmt: skip
    trends = {}
    for cell in session.cells:
        points = tuple(_points(cell, like, names))
        steps = told(cell.name, like)
        trends[cell.name] = Trend(points, tuple(step.text for step in steps), tuple(step.session for step in steps))
    return trends


def _points(cell: Cell, like: Sequence[Session], names: dict[str, tuple[str, ...]]) -> Iterator[Point]:
    for one in like:
        there = one.cell(cell.name)
        if there is None or there.unlike(cell):
            continue
        seen = one.seen.get(cell.name)
        state = "" if seen is None else seen.state
        yield Point(one.id, one.began, there.value(), None, _known(state), names.get(one.id, ()))


def _compared(one: Beside) -> Compared:
    cell = one.right or one.left
    assert cell is not None
    factor = one.factor
    return Compared(
        one.name, printable(cell.metric), cell.unit, None if one.left is None else one.left.value(),
        None if one.right is None else one.right.value(), None if factor is None else factor[0],
        None if factor is None else factor[1], None if factor is None else factor[2], printable(one.why),
    )  # fmt: skip
