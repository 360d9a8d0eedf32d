"""``shoal events``: what has happened to a run, without gaps, and what happens while it goes on."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.live.live import LiveProblem, find, told
from engine.cli.recorded.recorded import StoreProblem, asked, data_on_stdout, db_option, quiet_colors, say
from engine.cli.words import printable, several

if TYPE_CHECKING:
    import sqlite3

    from engine.stream.client import Client
    from engine.stream.follow import Missed
    from engine.stream.types import Event

_LEVELS: Final = ("info", "warning", "error")
_COLORS: Final = {"warning": "yellow", "error": "red"}
_AT_ONCE: Final = 1000
_WRITTEN_WITHIN: Final = 5.0
"""Seconds that the recorder may take to write an event that was missed."""
_LOOK_AGAIN: Final = 0.1


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@click.option("--follow", "-f", is_flag=True, help="Go on telling until the run ends.")
@click.option("--level", type=click.Choice(_LEVELS), default="info", help="Only events of this level or above.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one event a line.")
@db_option
def events(run: str | None, follow: bool, level: str, as_json: bool, db: Path | None) -> None:
    """Tell what has happened to a run: one that is going on, or one that was recorded.

    Events are numbered from 1. What a reader misses that does not keep up is read from the record; where there is none,
    it is said how many are missing.

    RUN: its id, the beginning of it, its name where it is going on, or `last`.
    """
    data_on_stdout()
    quiet_colors()
    teller = _Teller(as_json, _LEVELS.index(level))
    try:
        found = find(run) if db is None else None
    except LiveProblem as problem:
        _recorded(run, db, teller, problem)
        return
    if found is None:
        _recorded(run, db, teller, None)
        return
    from engine.stream.client import Client

    with told(), contextlib.closing(Client(found.path)) as client:
        _living(client, follow, teller)


class _Teller:
    """Writes events on stdout."""

    def __init__(self, as_json: bool, least: int) -> None:
        self._json = as_json
        self._least = least

    def put(self, number: int, at: float, level: str, kind: str, text: str, data: dict[str, Any]) -> None:
        if _LEVELS.index(level) < self._least:
            return
        if self._json:
            import msgspec

            known = {"number": number, "event": kind, "at": at, "level": level, "text": text}
            click.echo(msgspec.json.encode({**known, **{k: v for k, v in data.items() if k not in known}}))
            return
        moment = time.strftime("%H:%M:%S", time.localtime(at))
        styled = click.style(f"{level:<7}", fg=_COLORS.get(level))
        click.echo(f"{number:>5}  {moment}  {styled}  {printable(text)}")

    def missed(self, first: int, stop: int) -> None:
        if self._json:
            import msgspec

            click.echo(msgspec.json.encode({"event": "missed", "first": first, "last": stop - 1}))
        else:
            say(f"{several(stop - first, 'event')} before number {stop} can't be had any more")


def _recorded(run: str | None, db: Path | None, teller: _Teller, problem: LiveProblem | None) -> None:
    """What the database has of a run. `problem`: why none that is going on is meant."""
    from engine.store import queries

    if run is None and db is None and problem is not None:
        raise problem
    try:
        with asked(db) as connection:
            found = queries.find(connection, "last" if run is None else run)
            last = 0
            while some := queries.events(connection, found.id, after=last, limit=_AT_ONCE):
                for event in some:
                    teller.put(event.number, event.at, event.level, event.kind, event.text, event.data)
                last = some[-1].number
    except StoreProblem:
        if problem is not None:
            raise problem from None
        raise


def _living(client: Client, follow: bool, teller: _Teller) -> None:
    from engine.stream.client import StreamEnded
    from engine.stream.follow import Follower
    from engine.stream.types import Event

    reply = client.subscribe(("events",))
    until = int(reply.data.get("event", 0))
    with contextlib.ExitStack() as stack:
        record = _Record.of(client, stack)
        follower = Follower(record.fill, last=0)
        while follow or (follower.last or 0) < until:
            try:
                message = client.receive()
            except StreamEnded:
                break
            if isinstance(message, Event):
                for event in follower.put(message):
                    _put(event, record.before, teller)


def _put(event: Event | Missed, before: int, teller: _Teller) -> None:
    from engine.stream.types import Event

    if isinstance(event, Event):
        teller.put(before + event.number, event.at, event.level, event.kind, event.text, event.data)
    else:
        teller.missed(before + event.first, before + event.stop)


class _Record:
    """The database of a run that is going on; or none.

    Attributes:
        before: events of the run that were recorded before its engine of now began to count.
    """

    def __init__(self, db: sqlite3.Connection | None, run: str) -> None:
        self._db = db
        self._run = run
        self.before = 0
        if db is not None:
            from engine.store import queries

            self.before = queries.events_before(db, run)

    @classmethod
    def of(cls, client: Client, stack: contextlib.ExitStack) -> _Record:
        """As the engine says; none if that can't be read."""
        from engine.store.queries import open_readonly
        from engine.store.schema import FAULTS, StoreError

        hello = client.hello
        if hello.database:
            with contextlib.suppress(StoreError, *FAULTS):
                return cls(stack.enter_context(contextlib.closing(open_readonly(Path(hello.database)))), hello.run)
        return cls(None, hello.run)

    def fill(self, first: int, stop: int) -> list[Event]:
        """As `engine.stream.follow.Fill`. The recorder may be a moment behind: once it has written the last of them, or
        a later one, it has them all."""
        from engine.store import queries
        from engine.store.schema import FAULTS
        from engine.stream.types import Event

        if self._db is None:
            return []
        deadline = time.monotonic() + _WRITTEN_WITHIN
        found: list[Event] = []
        with contextlib.suppress(*FAULTS):
            while True:
                after = self.before + (found[-1].number if found else first - 1)
                some = queries.events(self._db, self._run, after=after, limit=_AT_ONCE)
                found += [
                    Event(e.number - self.before, e.at, e.level, e.kind, e.text, e.data)  # type: ignore[arg-type]
                    for e in some
                ]
                if found and found[-1].number >= stop - 1:
                    break
                if len(some) < _AT_ONCE:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(_LOOK_AGAIN)
        return [event for event in found if event.number < stop]
