"""What a user can do: one list of commands for each place, of which its keys, footer, palette and help are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from textual.binding import Binding, BindingType
from textual.dom import DOMNode


@dataclass(frozen=True, slots=True)
class Command:
    """Something that a key does.

    Attributes:
        id: by which a config file gives it other keys, ``PLACE.WHAT``.
        keys: as Textual names them, apart by commas; "" for none but the palette, until a config file gives it one.
        action: as Textual writes them.
        label: a word or two for the footer.
        text: what it does, one sentence without a full stop, for help and palette.
        weight: how much its place in the footer is worth where there is little room; 0: none.
        show: how the footer writes the keys, "" for as they are.
        priority: its keys mean this whatever has the focus.
        palette: whether it makes sense there: not for moving about.
        writes: changes something in the run, so it is off where one may only look.
    """

    id: str
    keys: str
    action: str
    label: str
    text: str
    weight: int = 0
    show: str = ""
    priority: bool = False
    palette: bool = True
    writes: bool = False

    @property
    def place(self) -> str:
        """Where it holds: ``app``, or the name of a screen or of a widget."""
        return self.id.partition(".")[0]


_NO_KEY: Final = "no-key-"
"""What the names of keys begin with that no keyboard has."""


def bindings(commands: Iterable[Command]) -> list[BindingType]:
    """The keys of some commands, for `BINDINGS`. A command without keys is bound to one that no keyboard has: Textual
    gives other keys only to what is bound.
    """
    return [
        Binding(
            command.keys or f"{_NO_KEY}{command.id}", command.action, command.label, show=bool(command.weight),
            key_display=command.show or None, priority=command.priority, id=command.id,
        )
        for command in commands
    ]  # fmt: skip


def can_be_pressed(key: str) -> bool:
    """Whether a key of a binding is one of a keyboard."""
    return not key.startswith(_NO_KEY)


SCREENS: Final = ("fleet", "pools", "queues", "plan", "alerts", "analysis", "runs", "bench")
"""By the digits that open them, from 1 on."""
_SHOWN: Final = {
    "fleet": "every agent, the pools, the throughput, the alerts",
    "pools": "each pool, and the list of its agents",
    "queues": "each shard: depth, wait, batches, balance",
    "plan": "steps, what they wait for, and what the end hangs on",
    "alerts": "what fires, and what has fired",
    "analysis": "where the time goes",
    "runs": "the history of runs",
    "bench": "what was measured of this machine",
}

EVERYWHERE: Final = (
    *(
        Command(f"app.{name}", str(number), f"mode({name!r})", name.capitalize(), f"Show {_SHOWN[name]}")
        for number, name in enumerate(SCREENS, 1)
    ),
    Command("app.help", "question_mark", "help", "Help", "Tell what the keys do here", 90, "?"),
    Command("app.palette", "ctrl+p", "command_palette", "Find", "Find a command by its name", 55, "^p", palette=False),
    Command("app.pause", "p", "pause", "Pause", "Hold the view, or let it follow again; the run goes on", 80),
    Command("app.faster", "plus", "pace(1)", "Faster", "Show more looks a second", 0, "+"),
    Command("app.slower", "minus", "pace(-1)", "Slower", "Show fewer looks a second", 0, "-"),
    Command("app.maximise", "m", "maximise", "Max", "Give the panel in focus the whole screen, or take it back", 30),
    Command("app.theme", "t", "next_theme", "Theme", "Another theme", 20),
    Command("app.settings", "O", "settings", "Settings", "Theme, glyphs, pace, and the settings of the run"),
    Command("app.copy", "y", "copy", "Copy", "Copy the panel in focus, or the row, as text", 25),
    Command("app.save", "Y", "save_panel", "Save", "Save the screen as an SVG picture", 0),
    Command("app.report", "S", "report", "Report", "Write a report of the run into a file", 0),
    Command("app.run-pause", "P", "order('pause')", "Hold run", "Begin no more tasks; what runs finishes", writes=True),
    Command("app.run-resume", "R", "order('resume')", "Go on", "Begin tasks again", writes=True),
    Command("app.drain", "", "order('drain')", "Drain", "Finish what runs, then end the run", writes=True),
    Command("app.reconnect", "", "reconnect", "Reconnect", "Look for the engine again"),
    Command("app.suspend", "ctrl+z", "suspend_process", "Suspend", "Back to the shell; `fg` returns", palette=False),
    Command("app.back", "escape", "back", "Back", "Leave what is open, or what is filtered", palette=False),
    Command("app.quit", "q", "quit", "Quit", "Leave; asks once whether the run is to go on", 100),
    Command("app.quit-always", "ctrl+q", "quit", "Quit", "Leave, whatever has the focus", priority=True, palette=False),
)
"""What holds on every screen."""

REPLAY: Final = (
    Command("replay.play", "space", "play", "Play", "Play the recording, or hold it", 95, "space"),
    Command("replay.back", "comma", "step(-1)", "Back", "One second back", 85, ","),
    Command("replay.forward", "full_stop", "step(1)", "On", "One second on", 84, "."),
    Command("replay.jump-back", "left_square_bracket", "step(-30)", "-30s", "Half a minute back", 75, "["),
    Command("replay.jump-on", "right_square_bracket", "step(30)", "+30s", "Half a minute on", 74, "]"),
    Command("replay.slower", "left_curly_bracket", "speed(-1)", "Slower", "Half as fast", 0, "{"),
    Command("replay.faster", "right_curly_bracket", "speed(1)", "Faster", "Twice as fast", 0, "}"),
    Command("replay.start", "", "seek('start')", "Start", "To the beginning"),
    Command("replay.end", "", "seek('end')", "End", "To the end"),
    Command("replay.live", "L", "live", "Live", "To the newest moment; of a run that goes on, to its screens", 40),
)
"""What moves a replay about; only there."""


def allowed(node: DOMNode, offers: Iterable[Command], action: str) -> bool | None:
    """For `check_action`: False for what would change a run, where one may only look."""
    may_write: bool = getattr(node.app, "may_write", True)
    return may_write or not any(command.writes and command.action.partition("(")[0] == action for command in offers)


def every(*lists: Iterable[Command]) -> Iterator[Command]:
    """All commands of some lists, each id once."""
    seen: set[str] = set()
    for commands in lists:
        for command in commands:
            if command.id not in seen:
                seen.add(command.id)
                yield command
