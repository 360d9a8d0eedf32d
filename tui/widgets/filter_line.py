"""The line in which one writes what a list is to show."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from tui.commands import Command, bindings
from tui.glyphs import plain


class _Text(Input):
    """What is written; the key by which it is kept is told as those of everything else are."""

    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("filter.keep", "enter", "submit", "Keep", "Keep it, back to the list", 90, "enter", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)


class FilterLine(Horizontal):
    """A line under a list: what is written, and at the right what is wrong with it. Not there while it is empty and
    nobody writes.
    """

    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("filter.end", "escape", "end", "Clear", "Show all again", 90, "esc", palette=False),
        Command("filter.up", "up", "move(-1)", "", "The row above", palette=False),
        Command("filter.down", "down", "move(1)", "", "The row below", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    DEFAULT_CSS = """
    FilterLine {
        height: 1;
        display: none;
        background: $panel;
        padding: 0 1;

        &.-shown { display: block; }

        #sign { width: 2; color: $primary; text-style: bold; }
        Input {
            width: 1fr;
            min-width: 16;
            padding: 0;
            border: none;
            height: 1;
            background: $panel;
            &:focus { border: none; background-tint: $foreground 0%; }
        }
        #told {
            width: auto;
            max-width: 70%;
            padding: 0 0 0 2;
            color: $quiet;
            text-wrap: nowrap;
            text-overflow: ellipsis;
        }
        &.-wrong #told { color: $error; }
    }
    """

    class Written(Message):
        """Something else is written."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The user is done, and wants back to the list."""

    class Moved(Message):
        """The user wants to see another row while they write."""

        def __init__(self, lines: int) -> None:
            super().__init__()
            self.lines = lines

    def __init__(self, hint: str, *, id: str | None = None) -> None:  # noqa: A002
        """`hint`: what to write, shown while nothing is written."""
        super().__init__(id=id)
        self._hint = hint

    def compose(self) -> ComposeResult:
        """The sign of the key, what is written, and what is to say about it."""
        yield Static("/", id="sign")
        yield _Text(placeholder=self._hint, compact=True, select_on_focus=False)
        yield Static("", id="told", markup=False)

    @property
    def text(self) -> str:
        """What is written."""
        return self.query_one(Input).value

    def write(self) -> None:
        """Let the user write."""
        self.add_class("-shown")
        self.query_one(Input).focus()

    def clear(self) -> None:
        """Nothing is filtered any more."""
        self.query_one(Input).value = ""
        self.remove_class("-shown")

    def tell(self, told: str, wrong: bool = False) -> None:
        """Say something about it, in one line."""
        self.set_class(wrong, "-wrong")
        text = f"✕ {told}" if wrong else told
        self.query_one("#told", Static).update(plain(text) if getattr(self.app, "ascii", False) else text)

    def on_input_changed(self, event: Input.Changed) -> None:
        """At once."""
        event.stop()
        self.post_message(self.Written(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the list, filtered."""
        event.stop()
        self.set_class(bool(self.text.strip()), "-shown")
        self.post_message(self.Left())

    def action_end(self) -> None:
        """Back to the list, all of it."""
        self.clear()
        self.post_message(self.Left())

    def action_move(self, lines: int) -> None:
        """Another row."""
        self.post_message(self.Moved(lines))
