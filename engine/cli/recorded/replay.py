"""``shoal replay``: how a recorded run was, told once more."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.live.topics import Newest, options
from engine.cli.numeric import Number
from engine.cli.preferences import screen_options
from engine.cli.recorded.recorded import StoreProblem, database, db_option, say, told
from engine.cli.words import can_show_screens

if TYPE_CHECKING:
    from engine.stream.recordings import Recording

_LONGEST: Final = 10.0
"""Seconds of the run in which nothing was told that a replay waits for: it may have been resumed days later."""
_AT: Final = re.compile(r"\+(\d{1,9}(?:\.\d{1,9})?)|(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_SPEEDS: Final = 0.01, 1000.0


@click.command()
@click.argument("run", metavar="RUN|FILE")
@db_option
@options
@click.option("--at", metavar="TIME", help="Begin at HH:MM:SS of that day, or +SECONDS after the run began.")
@click.option("--speed", type=Number(*_SPEEDS), metavar="X", help="X seconds of the run in each second.")
@click.option("--plain", is_flag=True, help="Lines of text on a terminal, too; at once, if no --speed is given.")
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")
@screen_options
def replay(
    run: str,
    db: Path | None,
    more: Newest,
    at: str | None,
    speed: float | None,
    plain: bool,
    as_json: bool,
    **wishes: Any,
) -> None:
    """Show how a recorded run was, on the screens that it had: any moment of it, at any speed. Where there is no
    terminal, and with --plain, --json, --queues and the like, tell it: a line for each second, as `shoal watch` does.

    RUN is its id, the beginning of it, or `last`; it may still be going on. FILE is a recording that `shoal export
    --recording` has written: its name ends in .shoal, or has a slash.
    """
    with told(database(db)):
        recording = opened(run, db)
        if recording.damage:
            say(recording.damage)
        if not recording.complete:
            say("made of samples: what its screens showed was not recorded, or not all the time")
        began = beginning(recording, at)
        if plain or as_json or more.asked or not can_show_screens():
            _tell(recording, began, speed, more, as_json)
        else:
            _show(recording, began, 1.0 if speed is None else speed, database(db), wishes)


def _show(recording: Recording, at: float, speed: float, database: Path, options: dict[str, Any]) -> None:
    from engine.cli.config import ConfigProblem
    from engine.cli.preferences import preferences
    from engine.cli.view import show_recording
    from engine.settings.types import SettingsError

    try:
        wanted = preferences(options)
    except SettingsError as error:
        raise ConfigProblem(str(error)) from None
    show_recording(recording, at, speed, database, wanted)


def opened(run: str, db: Path | None) -> Recording:
    """The recording that is meant. Raises `StoreError` or `RecordingError`."""
    from engine.stream.files import SUFFIX, FileRecording

    if run.endswith(SUFFIX) or "/" in run:
        if db is not None:
            raise click.UsageError("--db is for a RUN of a database, not for a FILE")
        return FileRecording(Path(run))
    from engine.store.recording import StoredRecording

    return StoredRecording(database(db), run)


def beginning(recording: Recording, at: str | None) -> float:
    """When to begin, in seconds since the Unix epoch. Raises `click.UsageError`, and `StoreProblem` where it has
    nothing of that time."""
    if at is None:
        return recording.start
    match = _AT.fullmatch(at.strip())
    if match is None:
        raise click.UsageError(f"--at is a time such as 14:30:05, or +90 for so many seconds, not {at!r}")
    if match[1] is not None:
        found = recording.start + float(match[1])
    else:
        hour, minute, second = (int(part or 0) for part in match.groups()[1:])
        if hour > 23 or minute > 59 or second > 59:
            raise click.UsageError(f"--at: there is no such time of day as {at!r}")
        found = _next(recording.start, hour, minute, second)
    if found > recording.end:
        long = recording.end - recording.start
        when = (time.strftime("%H:%M:%S", time.localtime(moment)) for moment in (recording.start, recording.end))
        raise StoreProblem(f"--at {at} is after its end: it goes from {' to '.join(when)}, {long:.0f} s")
    return found


def _next(start: float, hour: int, minute: int, second: int) -> float:
    """When it was that time of day, here, for the first time since `start`, or within the same second."""
    from datetime import datetime, timedelta

    began = datetime.fromtimestamp(start)
    found = began.replace(hour=hour, minute=minute, second=second, microsecond=0)
    if found < began.replace(microsecond=0):
        found += timedelta(days=1)
    return max(start, found.timestamp())


def _tell(recording: Recording, at: float, speed: float | None, more: Newest, as_json: bool) -> None:
    import msgspec

    from engine.cli.live.watch import as_object, line
    from engine.cli.words import countdown
    from engine.stream.recordings import COVERS
    from engine.stream.types import Event, Frame

    def show(frame: Frame) -> None:
        if as_json:
            click.echo(msgspec.json.encode(as_object(recording.hello, frame) | more.as_objects()))
        else:
            click.echo("\n".join((line(frame), *more.lines())))

    newest: Frame | None = None
    status, shown = "", at
    if recording.complete:
        more.none_yet(recording.start)
    for _, messages in recording.window(at - COVERS, at):
        for message in messages:
            more.take(message)
            newest = message if isinstance(message, Frame) else newest
    if newest is not None:
        show(newest)
    for when, messages in recording.window(at, recording.end):
        if speed is not None:
            time.sleep(min(_LONGEST, max(0.0, when - shown)) / speed)
        shown = when
        for message in messages:
            more.take(message)
            if isinstance(message, Event) and message.kind == "run.ended":
                status = str(message.data.get("status", "done"))
            elif isinstance(message, Frame):
                newest, status = message, status if message.state == "ended" else ""
                show(newest)
    if as_json:
        return
    if not status:
        say("the recording ends here, before the end of the run")
    else:
        say(f"run {status}" if newest is None else f"run {status} in {countdown(newest.elapsed)}")
