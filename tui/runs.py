"""The history of runs as a list: what is shown of it, in which order, and how one run reads. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tui import draw
from tui import format as fmt
from tui.archive import RunRow
from tui.widgets.lines import Line, Piece

STATUSES: Final = ("running", "done", "failed", "interrupted", "crashed")
_STATUS: Final[dict[str, Piece]] = {
    "running": ("◌ running", "starting"),
    "done": ("✓ done", "good"),
    "failed": ("✕ failed", "error"),
    "interrupted": ("‖ interrupted", "warning"),
    "crashed": ("▲ crashed", "error"),
}
HINT: Final = "name or id, failed, since=3d, until=2025-11-21"
"""What may be written to filter."""


def status(run: RunRow) -> Piece:
    """How a run is, by glyph, word and colour."""
    return ("● live", "brand") if run.live else _STATUS[run.status]


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are shown.

    Attributes:
        words: each of which is in the name or begins the id.
        statuses: one of which they have; empty for all. ``live`` is one of them.
        since: when they began at the earliest, seconds since the Unix epoch.
        until: and at the latest.
    """

    words: tuple[str, ...] = ()
    statuses: frozenset[str] = frozenset()
    since: float | None = None
    until: float | None = None

    def __bool__(self) -> bool:
        return self != RunFilter()

    def fits(self, run: RunRow) -> bool:
        """Whether a run is shown."""
        name = run.name.casefold()
        return (
            all(word in name or run.id.startswith(word) for word in self.words)
            and (not self.statuses or run.status in self.statuses or (run.live and "live" in self.statuses))
            and (self.since is None or run.started >= self.since)
            and (self.until is None or run.started < self.until)
        )


def parse(text: str, moment: Callable[[str, bool], float]) -> RunFilter:
    """A filter as people write it: words apart by spaces. `moment` reads times. Raises what that raises, and
    ValueError, each with one line.
    """
    words: list[str] = []
    statuses: set[str] = set()
    since: float | None = None
    until: float | None = None
    for word in text.split():
        key, equals, value = word.partition("=")
        if not equals:
            if word in STATUSES or word == "live":
                statuses.add(word)
            else:
                words.append(word.casefold())
        elif key == "name":
            words.append(value.casefold())
        elif key == "status":
            for status_ in value.split("|"):
                if status_ not in STATUSES and status_ != "live":
                    raise ValueError(f"no status {status_!r}: {', '.join((*STATUSES, 'live'))}")
                statuses.add(status_)
        elif key == "since":
            since = moment(value, False)
        elif key == "until":
            until = moment(value, True)
        else:
            raise ValueError(f"{key!r} is none of name, status, since, until")
    return RunFilter(tuple(words), frozenset(statuses), since, until)


_KEYS: Final[dict[str, Callable[[RunRow], tuple[float, str]]]] = {
    "started": lambda run: (run.started, ""),
    "status": lambda run: (0, run.status),
    "name": lambda run: (0, run.name.casefold()),
    "id": lambda run: (0, run.id),
    "time": lambda run: (run.seconds, ""),
    "done": lambda run: (run.done, ""),
    "failed": lambda run: (run.failed, ""),
    "rate": lambda run: (run.rate, ""),
}
SORTS: Final = tuple(_KEYS)
"""By what runs can be sorted, in the order in which `<` and `>` go through them."""


def ordered(runs: Sequence[RunRow], by: str, descending: bool) -> list[RunRow]:
    """Runs in order; those that go on stand first whatever the order, and of equals the newest."""
    newest = sorted(runs, key=lambda run: -run.started)
    found = sorted(newest, key=_KEYS[by], reverse=descending)  # which leaves equals as they are
    return sorted(found, key=lambda run: not run.live)


def about(run: RunRow, width: int) -> list[Line]:
    """One run in a few lines: how it went, when, how much, and what was typed."""
    word, ink = status(run)
    more = [f"resumed {run.resumed}×"] * bool(run.resumed) + [f"rerun of {fmt.clean(run.origin)}"] * bool(run.origin)
    more += ["▲ recorded nowhere"] * (not run.recorded)
    room = width - len(word) - len(run.id) - 4 - sum(len(text) + 2 for text in more)
    lines: list[Line] = [
        (
            (word, ink), ("  ", ""), (fmt.fit(run.name, max(8, room)), "strong"), (f"  {fmt.clean(run.id)}", "quiet"),
            *((f"  {text}", "warning" if text.startswith("▲") else "quiet") for text in more),
        ),
        (("time     ", "quiet"), (when(run), ""), (f"  {fmt.duration(run.seconds)}", "strong")),
        outcome(run, width),
    ]  # fmt: skip
    if run.command:
        lines.append((("command  ", "quiet"), (fmt.fit(run.command, width - 9), "")))
    return lines


def when(run: RunRow) -> str:
    """From when to when; the day once, where it is the same."""
    began = fmt.date(run.started)
    if run.ended is None:
        return f"since {began}"
    ended = fmt.date(run.ended)
    return f"{began} to {ended[11:] if ended[:10] == began[:10] else ended}"


def outcome(run: RunRow, width: int) -> Line:
    """How much was done, and what failed, with a bar of it; where there is little room, in fewer words."""
    done, tasks = fmt.count(run.done), fmt.count(run.tasks)
    cells = bar(run, min(24, width - 56))
    head: Line = (("tasks    ", "quiet"), *cells, ("  " if cells else "", ""), (done, "strong"))
    rate: Line = ((f"  {fmt.si(run.rate)}/s", ""),)
    failed: Line = ((f"  ✕ {fmt.count(run.failed)} failed", "error"),) if run.failed else ()
    of = f" of {tasks} done"
    if not run.known:
        of = " done so far" if run.status == "running" else " done, of how many is not known"
    left: Line = ((f"  · {fmt.count(run.left)} not run", "quiet"),) if run.left and run.status != "running" else ()
    said: Line = ((of, "quiet"), *failed, *left)
    for line in ((*head, *said, *rate), (*head, *said)):
        if sum(len(text) for text, _ in line) <= width:
            return line
    return (
        *head,
        (f"/{tasks}" if run.known else " done", "quiet"),
        *((f"  ✕ {fmt.si(run.failed)}", "error") for _ in failed),
    )


def bar(run: RunRow, width: int) -> Line:
    """Done, failed and the rest as parts of all tasks; nothing where there is no room."""
    if width < 6:
        return ()
    done, failed, left = draw.shares([run.done, run.failed, run.left], width)
    blank = width - done - failed - left
    return (("■" * done, "busy"), ("✕" * failed, "error"), ("·" * (left + blank), "quiet"))
