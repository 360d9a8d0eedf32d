"""The ground of modals that tell of something the record knows: read in a thread, shown when it is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from tui.archive import Archive, ArchiveError
from tui.commands import Command, bindings
from tui.screens.asking import ask
from tui.widgets.lines import Line
from tui.widgets.listing import framed, told
from tui.widgets.pager import Pager

if TYPE_CHECKING:
    from tui.app import ShoalApp

T = TypeVar("T")


class TellingScreen(ModalScreen[None], Generic[T]):
    """One pager over the screen; says that it is reading, and what went wrong."""

    CSS_PATH: ClassVar[str] = "telling.tcss"
    OFFERS: ClassVar[tuple[Command, ...]] = (
        Command("tell.close", "escape,q", "dismiss", "Close", "Back", 90, "esc", palette=False),
        Command("tell.copy", "y", "copy_all", "Copy", "Copy all of it as text", 80, palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (76, "-medium")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (24, "-tall")]  # noqa: RUF012
    AUTO_FOCUS: ClassVar[str | None] = "#told"

    @property
    def shoal(self) -> ShoalApp:
        """The app."""
        from tui.app import ShoalApp

        assert isinstance(self.app, ShoalApp)
        return self.app

    def title_of(self) -> str:
        """What stands in the frame."""
        raise NotImplementedError

    def ask(self, archive: Archive) -> T:
        """Ask the record; in a thread. Raises `ArchiveError`."""
        raise NotImplementedError

    def tell(self, found: T, width: int) -> Sequence[Line]:
        """What it has said, as lines."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """The pager."""
        pager = Pager(id="told")
        pager.border_title = framed(self.title_of(), self.shoal.ascii)
        pager.border_subtitle = " esc closes "
        yield pager

    def on_mount(self) -> None:
        """Begin to ask."""
        self.set_class(self.shoal.ascii, "-ascii")
        archive = self.shoal.archive
        if archive is None:
            self._say("✕", "error", "there is no record to ask")
            return
        self._say("◌", "starting", "reading the record")
        ask(self, lambda: self.ask(archive), self._answered, "telling")

    def _say(self, glyph: str, ink: str, text: str) -> None:
        pager = self.query_one(Pager)
        pager.show(lambda width: told(glyph, ink, text, width, max(1, pager.size.height)))

    def _answered(self, answer: T | ArchiveError) -> None:
        """Show it."""
        if isinstance(answer, ArchiveError):
            self._say("✕", "error", str(answer))
            return
        self.query_one(Pager).show(lambda width: self.tell(answer, width), anew=True)

    def action_copy_all(self) -> None:
        """To the clipboard."""
        self.app.copy_to_clipboard(self.query_one(Pager).copied())
        self.notify("copied", timeout=2)
