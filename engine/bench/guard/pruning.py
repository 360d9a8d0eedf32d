"""Old sessions are deleted: never what anything is still compared with, or was given a name."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.bench.guard.history import BASELINES, History, HistoryError, files, place
from engine.bench.guard.sessions import Session
from engine.bench.guard.trend import LEAST

KEPT: Final = 500
"""Sessions of one suite and size on one machine, beyond which the oldest ones go by themselves."""
_Kind = tuple[str, bool, str]


def held(past: History) -> set[str]:
    """Ids of sessions that are never deleted.

    Those that have a name, or were accepted; that some cell of the newest session of their kind would be compared with
    now; the newest whole one of each suite, of which documents are written; and the newest of each kind, as many as say
    something of a trend.
    """
    found = {pinned.session for pinned in past.baselines.named.values()} | set(past.baselines.accepted)
    newest: dict[_Kind, list[Session]] = {}
    whole: dict[tuple[str, str], str] = {}
    for session in past.sessions:
        newest.setdefault(_kind(session), []).append(session)
        if session.whole and not session.quick and not session.against:
            whole[session.suite, session.fingerprint] = session.id
    found |= set(whole.values())
    for sessions in newest.values():
        last = sessions[-1]
        good = (past.last_good(last, cell.name) for cell in last.cells)
        found |= {session.id for session in good if session is not None}
        found |= {session.id for session in sessions[-LEAST:]}
    return found


def chosen(past: History, before: float | None = None, most: int | None = None) -> list[Session]:
    """Those to be deleted, the oldest first: that began `before` a moment, or are beyond `most` of their kind (suite,
    size and machine). Pure.
    """
    keep = held(past)
    left = Counter(map(_kind, past.sessions))
    found = []
    for session in past.sessions:
        kind = _kind(session)
        old = before is not None and session.began < before
        many = most is not None and left[kind] > most
        if (old or many) and session.id not in keep:
            found.append(session)
            left[kind] -= 1
    return found


def remove(folder: Path, sessions: Sequence[Session]) -> list[Session]:
    """Delete sessions; those that were there. Raises `HistoryError`."""
    removed = []
    for session in sessions:
        try:
            place(folder, session).unlink()
        except FileNotFoundError:  # somebody else has, or it has another name
            continue
        except OSError as error:
            raise HistoryError(f"can't delete {place(folder, session)}: {error.strerror}") from None
        removed.append(session)
    return removed


def bound(folder: Path, suite: str) -> None:
    """Delete what is beyond `KEPT` of a kind. What can't be read, or deleted, stays: it is no time for that."""
    with contextlib.suppress(HistoryError):
        if sum(f"-{suite}-" in path.name for path in files(folder) if path.name != BASELINES) > KEPT:
            past = History(folder)
            remove(folder, [session for session in chosen(past, most=KEPT) if session.suite == suite])


def _kind(session: Session) -> _Kind:
    return session.suite, session.quick, session.fingerprint
