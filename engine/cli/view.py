"""The screens, for the commands that show one: this installation's, whatever else is called ``tui``."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from engine.cli.recorded.archive import StoreArchive
    from engine.stream.recordings import Recording
    from tui.feed import Feed
    from tui.preferences import Preferences
    from tui.shell import Outcome

_PLACE = Path(__file__).resolve().parent.parent.parent / "tui"


def load() -> None:
    """Make the package ``tui`` ours: a user's own package of that name may come first on the path.

    From here on garbage is not looked for, which takes a fifth of the time of loading the screens; once they stand
    there that begins again, and passes over all that was loaded: see `tui.late`.
    """
    gc.disable()
    if "tui" in sys.modules:
        return
    spec = spec_from_file_location("tui", _PLACE / "__init__.py", submodule_search_locations=[str(_PLACE)])
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["tui"] = module
        spec.loader.exec_module(module)


def warm() -> None:
    """Load all that the screens are made of: what somebody does who waits for an engine to begin."""
    load()
    import tui.session  # noqa: F401


class ScreensFailed(click.ClickException):
    """The screens have ended by a mistake of ours: one line, and an exit code that no run has."""

    exit_code = 70

    def __init__(self, text: str, outcome: Outcome) -> None:
        super().__init__(text)
        self.outcome = outcome
        """What became of the run."""

    def tell(self) -> None:
        """Say so now, for there is more to be said."""
        click.echo(f"shoal: {self.format_message()}", err=True)


def shown(
    feed: Feed | None, *, preferences: Preferences, archive: StoreArchive | Callable[[], StoreArchive]
) -> Outcome:
    """As `tui.session.show`, but that it raises `ScreensFailed`."""
    from tui import session

    try:
        return session.show(feed, preferences=preferences, archive=archive)
    except session.Failed as error:
        raise ScreensFailed(str(error), error.outcome) from error


def _archive(database: Path | None) -> StoreArchive:
    """Loaded once somebody looks at the history: the screen of a run need not wait for it."""
    from engine.cli.recorded.archive import StoreArchive

    return StoreArchive(database)


def show(path: Path, preferences: Preferences) -> Outcome:
    """Show the run whose engine listens at `path` until the user leaves, and return how that ended.

    Raises `StreamError` if no engine answers there, before the terminal is touched.
    """
    load()
    from engine.cli.live.live import again
    from tui.feed import SocketFeed

    feed = SocketFeed(path, again)
    hello = feed.take().hello
    database = Path(hello.database) if hello is not None and hello.database else None
    return shown(feed, preferences=preferences, archive=lambda: _archive(database))


def show_history(preferences: Preferences) -> Outcome:
    """Show the recorded runs until the user leaves, and return how that ended."""
    load()
    from engine.cli.recorded.archive import StoreArchive

    return shown(None, preferences=preferences, archive=StoreArchive())


def show_recording(recording: Recording, at: float, speed: float, database: Path, preferences: Preferences) -> None:
    """Show a recording from a moment on until the user leaves. `database`: where its run is, if that is recorded there.

    Raises `RecordingError` if it can't be read, before the terminal is touched.
    """
    load()
    from engine.cli.recorded.archive import StoreArchive
    from tui.replay import ReplayFeed

    shown(ReplayFeed(recording, at, speed), preferences=preferences, archive=StoreArchive(database))
