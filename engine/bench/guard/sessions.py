"""A session: what was measured, of which code, on which machine, and what was made of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.bench import machine
from engine.bench.guard import calibration, fingerprint
from engine.bench.guard.cells import Cell
from engine.bench.lines import Line

FORMAT: Final = 2
"""2: with `lines` and `whole`."""
_SECRET: Final = ("alert_command", "alert_webhook")
"""Settings that may hold somebody's key, and change no figure."""
_GIT_TIMEOUT: Final = 10.0


class Seen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of a cell in a session of the gate. Ratios are above 1 for worse.

    Attributes:
        state: one of `decide.State`, or "first": there was no baseline.
        baseline: the session it was compared with, "" for none, or another code.
        ratio, low, high, p, rounds: of its estimate, None for none; `p` is corrected for the number of cells.
        confirmed: what the re-run said by itself.
        why: where that is not plain.
    """

    state: str
    baseline: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    rounds: int | None = None
    confirmed: bool | None = None
    why: str = ""


class Session(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One session.

    Attributes:
        format: of this record.
        id: eight hexadecimal digits.
        suite: whose cells they are.
        began, seconds: Unix time, and how long it took.
        quick: sizes that show whether it works, never compared with others.
        seed: of the order in which sides and rows took turns.
        command: what was typed.
        version, commit, dirty: of the code; commit and dirty None outside of a checkout.
        against: the other code that was measured beside it, "" for none.
        fingerprint: short form of `machine`.
        machine: see `fingerprint.taken`.
        packages: versions.
        settings, settings_hash: in force.
        before, after: `fingerprint.surroundings`.
        calibration: seconds before and after, see `calibration`.
        cells: what was measured, samples and all.
        failures: why other cells were not, by name.
        seen: verdicts of the gate by cell; empty for a session that it did not judge.
        baseline: the name of the baseline that was asked for, "" for none.
        alerts: that it raised, as they are kept of a run.
        lines: what the suite itself has made of it; empty for a session of the gate, and of an older Shoal.
        whole: nothing of the suite was left out, and there were enough rounds for intervals.
    """

    format: int = FORMAT
    id: str
    suite: str
    began: float
    seconds: float
    quick: bool
    seed: int
    command: list[str]
    version: str
    commit: str | None
    dirty: bool | None
    against: str = ""
    fingerprint: str
    machine: dict[str, str]
    packages: dict[str, str]
    settings: dict[str, Any]
    settings_hash: str
    before: dict[str, Any]
    after: dict[str, Any]
    calibration: tuple[float, float]
    cells: list[Cell]
    failures: dict[str, str] = {}
    seen: dict[str, Seen] = {}
    baseline: str = ""
    alerts: list[dict[str, Any]] = []
    lines: list[Line] = []
    whole: bool = False

    def __post_init__(self) -> None:
        if not all(seconds > 0 for seconds in self.calibration):
            raise ValueError("a calibration takes time")

    def cell(self, name: str) -> Cell | None:
        """The cell of this name."""
        return next((cell for cell in self.cells if cell.name == name), None)

    @property
    def drift(self) -> float:
        """By how much the machine got slower from beginning to end, as the logarithm of the ratio."""
        return calibration.moved(*self.calibration)

    @property
    def steady(self) -> bool:
        """Whether it was as fast at the end as at the beginning."""
        return abs(self.drift) <= calibration.STEADY

    @property
    def speed(self) -> float:
        """Seconds of the calibration, the mean of both."""
        return sum(self.calibration) / 2

    @property
    def code(self) -> str:
        """Version and commit, for people."""
        if self.commit is None:
            return self.version
        return f"{self.version} at {self.commit[:9]}{' with changes' if self.dirty else ''}"


class Recorder:
    """What is known of a session before it has measured anything, and what is looked at once more when it has.

    Raises `SettingsError` of `engine.settings` where the settings in force are none.
    """

    def __init__(self, suite: str, quick: bool, seed: int) -> None:
        from engine.settings.resolve import resolve

        self.settings = resolve().settings
        found = msgspec.to_builtins(self.settings)
        self._settings = {name: value for name, value in found.items() if name not in _SECRET}
        self.suite = suite
        self.quick = quick
        self.seed = seed
        self.machine = fingerprint.taken()
        self.fingerprint = fingerprint.short(self.machine)
        self._began = time.time()
        self._before = fingerprint.surroundings()
        self._speed = calibration.seconds()

    def ended(
        self,
        cells: Sequence[Cell],
        failures: Mapping[str, str],
        against: str = "",
        lines: Sequence[Line] = (),
        whole: bool = False,
    ) -> Session:
        """The session, measured and not judged."""
        from engine.runtime.options import version

        speed = calibration.seconds()
        commit, dirty = _commit(Path(__file__).parents[3])
        text = msgspec.json.encode(self._settings, order="sorted")
        return Session(
            id=secrets.token_hex(4), suite=self.suite, began=self._began, seconds=time.time() - self._began,
            quick=self.quick, seed=self.seed, command=["shoal", *sys.argv[1:]], version=version(), commit=commit,
            dirty=dirty, against=against, fingerprint=self.fingerprint, machine=self.machine,
            packages=machine.facts()["versions"], settings=self._settings,
            settings_hash=hashlib.blake2b(text, digest_size=6).hexdigest(), before=self._before,
            after=fingerprint.surroundings(), calibration=(self._speed, speed), cells=list(cells),
            failures=dict(failures), lines=list(lines), whole=whole,
        )  # fmt: skip


def _commit(folder: Path) -> tuple[str | None, bool | None]:
    """The commit that the code was checked out from, and whether it has changes; both None outside of a checkout."""
    if not (folder / ".git").exists():
        return None, None
    found = []
    for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]):
        with _quietly():
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
                stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_TIMEOUT, check=True,
            )  # fmt: skip
            found.append(done.stdout.decode("utf-8", "replace").strip())
    return (found[0], bool(found[1])) if len(found) == 2 else (None, None)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        yield
