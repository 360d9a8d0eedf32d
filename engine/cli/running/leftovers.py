"""What an engine that is gone may have left: a recorder that still writes, files that stand in for the database."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.cli.recorded.recorded import say

if TYPE_CHECKING:
    from engine.store.queries import Run

_RECORDER: Final = b"engine.store.recorder"
"""In the command of a recorder; then come the database, a descriptor and the engine's pid."""
_RECORDER_SECONDS: Final = 90.0
"""For the recorder of an engine that is gone to write what it was told: it tries for a minute."""
_QUIET_SECONDS: Final = 2.0
"""After which it is said what is waited for."""


class Way(NamedTuple):
    """What is done with a recorded run, in words."""

    done: str
    """As in "it can't be resumed"."""
    goes: str
    """As in "the run goes on"."""


def await_recorder(run: Run, way: Way) -> None:
    """Wait until the recorder of an engine that is gone has written what it was told. Raises `SpecError` if it takes
    too long.
    """
    from engine.plan.steps import SpecError

    for pid in _recorders(run.pid):
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poller = select.poll()
            poller.register(process, select.POLLIN)
            ended = poller.poll(_QUIET_SECONDS * 1000)
            if not ended:
                say(f"waiting for the recorder of run {run.id} (process {pid}), which still writes what it was told")
                ended = poller.poll((_RECORDER_SECONDS - _QUIET_SECONDS) * 1000)
            if not ended:
                why = f"its recorder (process {pid}) is still writing"
                raise SpecError(f"run {run.id} is not {way.done}: {why}")
        finally:
            os.close(process)


def take_in_all(database: Path) -> None:
    """Have in the database what was put aside of any run, for it may be there alone; what can't be taken in now stays.

    Raises `StoreError` where the database can't be opened.
    """
    from engine.store import aside
    from engine.store.schema import FAULTS, open_database

    if not aside.waiting(database):
        return
    said: list[str] = []
    with contextlib.closing(open_database(database)) as db, contextlib.suppress(*FAULTS):
        aside.fold_in(database, db, say, said.append, busy=say)
    left = tuple(map(str, aside.waiting(database)))
    for text in said:
        if not text.startswith(left):  # or else whoever needs it says so
            say(f"shoal: warning: {text}")


def take_in(database: Path, run: Run, of: str, way: Way) -> bool:
    """Have in the database what was put aside of the run `of`, which `run` needs: tasks that are over would run again
    otherwise. Whoever is just doing that is waited for. Returns whether there was anything. Raises `SpecError`.
    """
    from engine.plan.steps import SpecError
    from engine.store import aside
    from engine.store.schema import FAULTS, explain, is_busy, open_database

    begun = time.monotonic()
    found = waits = False
    while left := aside.waiting(database, of):
        found, busy = True, False
        said: list[str] = []
        with contextlib.closing(open_database(database)) as db:
            try:
                aside.fold_in(database, db, lambda text: None, said.append, of, say)
            except FAULTS as error:
                busy = is_busy(error)
                said.append(str(explain(database, error)))
        still = aside.waiting(database, of)
        if still and ((said and not busy) or time.monotonic() - begun > _RECORDER_SECONDS):
            why = said[0] if said else f"somebody else has been at {left[0]} for {_RECORDER_SECONDS:g} s"
            raise SpecError(f"run {run.id} is not {way.done}: {why}")
        if not still:
            for text in said:
                say(f"shoal: warning: {text}")
            break
        if not waits and time.monotonic() - begun > _QUIET_SECONDS:
            waits = True
            say(f"waiting for {left[0]}, which somebody else takes into {database} just now")
        time.sleep(0.05)
    return found


def _recorders(engine: int) -> list[int]:
    """Processes that record for the engine with this pid, which is gone."""
    from engine.store.liveness import identity

    if identity(engine):  # another process has its number by now, and may have a recorder of its own
        return []
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            at = words.index(_RECORDER) if _RECORDER in words else len(words)
            if words[at + 3 : at + 4] == [str(engine).encode()]:
                found.append(int(entry))
    return found
