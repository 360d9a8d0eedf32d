"""One chaos: a recorded run in a folder of its own, a storm over it, and the account of both."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import secrets
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.chaos import nasty, storm, victims
from engine.chaos.accounting import Account, account
from engine.chaos.cases import Case, cases, plan_file
from engine.procs import boot, system
from engine.runtime.fleet import memory
from engine.store import queries
from engine.store.schema import StoreError

_TICK: Final = 0.02
_BEGIN: Final = 60.0
"""Seconds that the run may take to begin."""
_STALLED: Final = 60.0
"""Seconds without another outcome after which a run is taken to hang: how long all of it takes is the machine's affair,
which may have other things to do.
"""
_AFTER: Final = 600.0
"""Seconds that it may take after the storm however well it gets on, so that a chaos ends by itself."""
_COUNTED: Final = 1.0
"""Seconds between two looks at how many outcomes there are."""
_GRACE: Final = 5.0
"""Seconds after the end of the run within which everything of it must be gone."""


@dataclass(slots=True)
class Report:
    """What was done, what came of it, and whether all of it is as it must be."""

    seed: int
    seconds: float
    agents: int
    took: float = 0.0
    run: str = ""
    struck: dict[str, Counter[str]] = field(default_factory=dict)
    """How often what was done to whom."""
    missed: int = 0
    """Strikes for which there was nobody to be hit."""
    events: Counter[str] = field(default_factory=Counter)
    """Of the run, by kind."""
    redelivered: int = 0
    resumed: int = 0
    descriptors: int = 0
    """The most that an engine had open."""
    account: Account = field(default_factory=Account)
    problems: list[str] = field(default_factory=list)
    """What is wrong beside the tasks."""
    folder: str = ""
    """Where all of it is kept, if it was to be."""

    @property
    def faults(self) -> list[str]:
        """Everything that is not as it must be."""
        return [*self.problems, *self.account.problems]

    @property
    def ok(self) -> bool:
        """All is accounted for."""
        return not self.faults


@dataclass(slots=True)
class _Lasting:
    """Something that is to be undone."""

    until: float
    pid: int
    what: int
    """A limit (RLIMIT_...); -1: it was stopped."""
    before: tuple[int, int] = (0, 0)


class Chaos:
    """A run under a storm. `run` does all of it, and leaves nothing."""

    def __init__(self, seed: int, seconds: float, agents: int, *, keep: bool = False) -> None:
        self.report = Report(seed, seconds, agents)
        self._keep = keep
        self._mark = secrets.token_hex(16)
        self._folder = Path()
        self._cases: list[Case] = cases(seed, seconds, agents, memory.left())
        self._plan = storm.plan(seed, seconds)
        self._engine: subprocess.Popen[bytes] | None = None
        self._lasting: list[_Lasting] = []
        self._begun = time.monotonic()
        self._code = 0
        self._cut = False
        """Whether the run had to be ended."""
        self._looked = 0.0

    def run(self) -> Report:
        """From the start to the account. Raises KeyboardInterrupt, after everything was ended and removed."""
        system.adopt_orphans()
        before = _own_descriptors()
        self._folder = Path(tempfile.mkdtemp(prefix="shoal-chaos-"))
        try:
            self._begin()
            self._storm()
            self._calm()
            self._check_left()
            self._account()
        finally:
            with _deaf():
                victims.end_all(self._mark, _GRACE)
                if self._engine is not None:
                    self._engine.wait()
                if self._keep:
                    self.report.folder = str(self._folder)
                else:
                    shutil.rmtree(self._folder, ignore_errors=True)
        if more := _own_descriptors() - before:
            self.report.problems.append(f"this process has {more} more descriptors open than before")
        self.report.took = time.monotonic() - self._begun
        return self.report

    # -- the run ------------------------------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _begin(self) -> None:
        for name in ("data", "config", "cache", "state", "run", "tmp", "here"):
            self._path(name).mkdir(mode=0o700)
        self._path("plan.toml").write_text(plan_file(self._cases, self.report.agents))
        self._start(
            "run", str(self._path("plan.toml")), "--json", "--out", str(self._path("results.jsonl")),
            "--db", str(self._path("runs.db")),
        )  # fmt: skip

    def _start(self, *arguments: str) -> None:
        environment = dict(os.environ)
        for name in ("data", "config", "cache", "state"):
            environment[f"XDG_{name.upper()}_HOME"] = str(self._path(name))
        environment |= {"XDG_RUNTIME_DIR": str(self._path("run")), "TMPDIR": str(self._path("tmp"))}
        environment |= {victims.MARK: self._mark, nasty.EFFECTS: str(self._path("effects.txt"))}
        with self._path("events.jsonl").open("ab") as events, self._path("errors.txt").open("ab") as errors:
            self._engine = subprocess.Popen(
                boot.argv("engine.cli.main", "shoal", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=events,
                stderr=errors,
                cwd=self._path("here"),
                env=environment,
                start_new_session=True,  # ctrl-c is for us, who tidy up
            )

    def _run_id(self) -> str:
        """The run's id, as its first event says; "" as long as it has not."""
        if not self.report.run:
            with self._path("events.jsonl").open("rb") as file:
                for line in file:
                    with contextlib.suppress(ValueError):
                        row = json.loads(line)
                        if row.get("event") == "run.started":
                            self.report.run = row["run"]
                            break
        return self.report.run

    def _up(self) -> bool:
        """Whether the engine of the moment has said that the run goes on."""
        with self._path("events.jsonl").open("rb") as file:
            return sum(b'"run.started"' in line for line in file) > self.report.resumed

    def _over(self) -> bool:
        """Whether the run has come to its end; an engine that was killed is followed by another."""
        assert self._engine is not None
        victims.reap(self._engine.pid)
        code = self._engine.poll()
        if code is None:
            return False
        self._code = code
        if code >= 0 or not self._run_id():
            return True
        self.report.resumed += 1
        self._start("resume", self.report.run, "--json", "--db", str(self._path("runs.db")))
        return False

    # -- the storm ----------------------------------------------------------------------------------------------------

    def _storm(self) -> None:
        while not self._run_id():  # before there is anything to be hit, nothing would be shown
            if self._over() or time.monotonic() - self._begun > _BEGIN:
                return
            time.sleep(_TICK)
        start = time.monotonic()
        for strike in self._plan:
            while (now := time.monotonic()) < start + strike.at:
                if self._over():
                    return
                self._undo(now)
                self._look(now)
                time.sleep(min(_TICK, start + strike.at - now))
            self._strike(strike, now)

    def _calm(self) -> None:
        """Let it come to its end; end it if it never does."""
        assert self._engine is not None
        begun = moved = counted = time.monotonic()
        outcomes = self._outcomes()
        while not self._over():
            now = time.monotonic()
            self._undo(now)
            self._look(now)
            if now - counted > _COUNTED:
                counted = now
                if (more := self._outcomes()) > outcomes:
                    outcomes, moved = more, now
            if now - moved > _STALLED or now - begun > _AFTER:
                self.report.problems.append(
                    f"the run had not come to its end {now - begun:.0f} s after the storm, "
                    f"and its last outcome was {now - moved:.0f} s old"
                )
                self._cut = True
                victims.end_all(self._mark, _GRACE)  # or else the account would be of a run that goes on
                self._code = self._engine.wait()
                break
            time.sleep(_TICK)
        self._undo(float("inf"))

    def _outcomes(self) -> int:
        """How many are recorded; 0 if that can't be read just now."""
        try:
            with contextlib.closing(queries.open_readonly(self._path("runs.db"))) as db:
                return sum(job.done + job.failed for run in queries.runs(db) for job in queries.jobs(db, run.id))
        except (StoreError, sqlite3.Error):
            return 0

    def _strike(self, strike: storm.Strike, now: float) -> None:
        assert self._engine is not None
        there = [kin.pid for kin in victims.family(self._mark, self._engine.pid) if kin.role == strike.role]
        if not there or not self._hit(strike, there[int(strike.pick * len(there))], now):
            self.report.missed += 1
            return
        self.report.struck.setdefault(strike.role, Counter())[strike.deed] += 1

    def _hit(self, strike: storm.Strike, pid: int, now: float) -> bool:
        match strike.deed:
            case "kill":
                return victims.send(pid, self._mark, signal.SIGKILL)
            case "segfault":
                return victims.send(pid, self._mark, signal.SIGSEGV)
            case "stop":
                if not victims.send(pid, self._mark, signal.SIGSTOP):
                    return False
                self._lasting.append(_Lasting(now + strike.seconds, pid, -1))
                return True
            case "no descriptors" if strike.role == "engine" and not self._up():
                return False  # a program that can't open itself can't start
            case "no descriptors":
                return self._limit(strike, pid, now, resource.RLIMIT_NOFILE, victims.descriptors(pid))
            case "no disk":
                return self._limit(strike, pid, now, resource.RLIMIT_FSIZE, 0)

    def _limit(self, strike: storm.Strike, pid: int, now: float, what: int, soft: int) -> bool:
        if any(lasting.pid == pid and lasting.what == what for lasting in self._lasting):
            return False  # or what it had before would be forgotten
        before = victims.limit(pid, self._mark, what, soft)
        if before is None:
            return False
        self._lasting.append(_Lasting(now + strike.seconds, pid, what, before))
        return True

    def _undo(self, now: float) -> None:
        """End what has lasted long enough."""
        for lasting in [one for one in self._lasting if one.until <= now]:
            self._lasting.remove(lasting)
            if lasting.what < 0:
                victims.send(lasting.pid, self._mark, signal.SIGCONT)
            else:
                victims.limit(lasting.pid, self._mark, lasting.what, lasting.before[0])

    def _look(self, now: float) -> None:
        assert self._engine is not None
        if now - self._looked > 0.2:
            self._looked = now
            self.report.descriptors = max(self.report.descriptors, victims.descriptors(self._engine.pid))

    # -- the account --------------------------------------------------------------------------------------------------

    def _check_left(self) -> None:
        """Nothing of the run may be left but its files."""
        assert self._engine is not None
        deadline = time.monotonic() + _GRACE
        while (left := victims.strays(self._mark)) and time.monotonic() < deadline:
            victims.reap(self._engine.pid)
            time.sleep(_TICK)
        problems = self.report.problems
        if left:
            names = Counter(kin.role or "other" for kin in victims.family(self._mark, self._engine.pid))
            told = ", ".join(f"{count} {name}" for name, count in names.items())
            problems.append(f"{len(left)} processes are left {_GRACE:g} s after the end ({told})")
        if not self._cut:  # who is killed removes nothing
            problems += [
                f"left behind: {path.relative_to(self._folder)}"
                for name in ("run", "tmp", "here") for path in sorted(self._path(name).rglob("*"))
            ]  # fmt: skip
        errors = self._path("errors.txt").read_text(errors="replace")
        if "Traceback" in errors:
            problems.append("the engine wrote a traceback: " + errors[errors.index("Traceback") :][-500:])
        if self._code not in (0, 1) and not self._cut:
            last = errors.strip().splitlines()[-1:]
            problems.append(f"the engine ended with {self._code}" + (f": {last[0]}" if last else ""))

    def _account(self) -> None:
        try:
            db = queries.open_readonly(self._path("runs.db"))
        except StoreError as error:
            self.report.problems.append(f"there is no database to account by: {error}")
            return
        try:
            db.execute("BEGIN")  # all of it is of one moment
            found = queries.runs(db)
            if len(found) != 1:
                self.report.problems.append(f"{len(found)} runs are recorded where there was one")
                return
            run = found[0]
            if run.status != "failed" and not self._cut:  # some tasks must have
                self.report.problems.append(f"the run is recorded as {run.status!r}")
            query = "SELECT kind, count(*) FROM events WHERE run = ? GROUP BY kind"
            self.report.events.update(dict(db.execute(query, (run.id,)).fetchall()))
            self.report.redelivered = int(run.summary.get("redelivered", 0)) if run.summary else 0
            told: list[str] = []
            if self._path("results.jsonl").exists():
                told = self._path("results.jsonl").read_text().splitlines()
            with contextlib.ExitStack() as stack:
                effects: Iterable[str] = ()
                if self._path("effects.txt").exists():
                    effects = stack.enter_context(self._path("effects.txt").open())
                complete = self._code in (0, 1) and not self._cut
                again = self.report.resumed > 0
                self.report.account = account(self._cases, db, run.id, told, complete, effects, again)
        finally:
            db.close()


def _own_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Nobody breaks off what is done in here by a signal that asks this process to end."""
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler or signal.SIG_DFL)


def as_dict(report: Report) -> dict[str, Any]:
    """A report as JSON has it."""
    return {
        "seed": report.seed, "seconds": report.seconds, "agents": report.agents, "took": round(report.took, 2),
        "ok": report.ok, "tasks": report.account.tasks, "fates": dict(report.account.fates),
        "told": report.account.told, "struck": {role: dict(deeds) for role, deeds in report.struck.items()},
        "missed": report.missed, "deaths": report.events["agent.died"], "events": dict(report.events),
        "redelivered": report.redelivered, "resumed": report.resumed, "descriptors": report.descriptors,
        "problems": report.faults,
    }  # fmt: skip
