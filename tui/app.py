"""The app: takes views from a feed, hands them to the screens, and knows how to leave."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.binding import BindingType
from textual.command import Provider
from textual.events import AppBlur, AppFocus
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from engine.stream.client import StreamError
from engine.stream.types import Reply
from tui import late
from tui.commands import EVERYWHERE, REPLAY, SCREENS, Command, allowed, bindings
from tui.feed import Feed, Wish
from tui.idle import IdleFeed
from tui.inquiring import Inquiring
from tui.orders import Orders, Round
from tui.pace import Pace
from tui.palette import ShoalCommands
from tui.preferences import Preferences
from tui.screens.base import LiveScreen
from tui.screens.fleet import FleetScreen
from tui.shell import Outcome
from tui.terminal import Terminal
from tui.view import View

if TYPE_CHECKING:
    from tui.archive import Archive
    from tui.screens.confirm import Question
    from tui.screens.quit import Choice

_LEAVING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_HANG_UP = 1.0
"""Seconds between two looks whether there is still a terminal: not every one says so when it goes."""
_STUCK: Final = 8
"""Writes that wait, from which on nothing more is drawn: the terminal does not take them."""
_LATER: Final = 0.25
"""Seconds until it is looked at again."""
_SETTLED: Final = 0.5
"""Seconds after which the first screen stands there, and the others may be loaded."""
_ALWAYS: frozenset[Any] = frozenset({"frames", "events", "alerts"})


class ShoalApp(Inquiring):
    """The screens over one run at a time."""

    TITLE = "Shoal"
    CSS_PATH: ClassVar[list[str | PurePath]] = ["shoal.tcss", "screens/fleet.tcss"]
    """With that of the first screen: read when that opens, it would have the other one parsed again."""
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ShoalCommands}
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "fleet": FleetScreen,
        "pools": late.screen("pools", "PoolsScreen"),
        "queues": late.screen("queues", "QueuesScreen"),
        "plan": late.screen("plan", "PlanScreen"),
        "alerts": late.screen("alerts", "AlertsScreen"),
        "analysis": late.screen("analysis", "AnalysisScreen"),
        "runs": late.screen("runs", "RunsScreen"),
        "bench": late.screen("bench", "BenchScreen"),
    }
    DEFAULT_MODE = "fleet"
    OFFERS: ClassVar[tuple[Command, ...]] = (*EVERYWHERE, *REPLAY)
    BINDINGS: ClassVar[list[BindingType]] = bindings(OFFERS)

    class Fresh(Message):
        """The feed has something new. The newest view is taken when the message is handled, not before."""

        def __init__(self, feed: Feed) -> None:
            super().__init__()
            self.feed = feed

    def __init__(
        self,
        feed: Feed | None = None,
        *,
        preferences: Preferences | None = None,
        archive: Archive | Callable[[], Archive] | None = None,
        catch_signals: bool = False,
    ) -> None:
        """Show what `feed` tells, or without one the history; with `catch_signals`, leave when the terminal hangs up
        or somebody ends us. `archive`: the history, or what makes it once it is wanted.

        Raises:
            ValueError: if there is no theme of that name, or no command of an id that is to have other keys.
        """
        super().__init__(preferences or Preferences())
        if self.preferences.keys:
            self.set_keymap(dict(self.preferences.keys))
        self._archive = archive
        self.orders = Orders()
        self.pace = Pace(self.preferences.rate)
        self._feed: Feed = feed or IdleFeed()
        self._catch_signals = catch_signals
        self._terminal = Terminal()
        self._latest = View(idle=feed is None)
        self._held: View | None = None
        self._later: Timer | None = None
        """Set while the terminal takes nothing."""

    def on_mount(self) -> None:
        """Begin to listen."""
        if self._catch_signals:
            loop = asyncio.get_running_loop()
            for number in _LEAVING_SIGNALS:
                loop.add_signal_handler(number, self._leave, "detached")
            self.set_interval(_HANG_UP, self._look_for_terminal)
        if self._latest.idle:
            self.switch_mode("runs")
        self._listen()
        self.set_timer(_SETTLED, partial(late.load_beside, self._prepare))
        self.set_timer(2 * _SETTLED, partial(late.read_styles, self.stylesheet))

    def on_unmount(self) -> None:
        """Stop to listen."""
        self._feed.stop()

    def _prepare(self) -> None:
        if self.archive is not None:
            self.archive.prepare()

    @property
    def archive(self) -> Archive | None:
        """The history, if there is any."""
        if callable(self._archive):
            self._archive = self._archive()
        return self._archive

    # -- views --------------------------------------------------------------------------------------------------------

    def open(self, feed: Feed) -> None:
        """Show another run. The one before goes on without us."""
        self._feed.stop()
        self._feed = feed
        self._latest, self._held = View(), None
        self.orders.forget()
        self._listen()
        self.switch_mode("fleet")

    def _listen(self) -> None:
        feed = self._feed
        self.want()

        def poked() -> None:
            self.post_message(self.Fresh(feed))

        feed.start(poked)

    def want(self) -> None:
        """Tell the feed what the screen that is shown needs: to be called when that has changed."""
        shown = next((screen for screen in reversed(self.screen_stack) if isinstance(screen, LiveScreen)), None)
        if shown is None:
            return
        agents = shown.agents_wanted()
        over = next((screen for screen in reversed(self.screen_stack) if hasattr(screen, "agents_wanted")), shown)
        if over is not shown:
            agents = over.agents_wanted()
        self._feed.want(Wish(_ALWAYS | shown.TOPICS, self.pace.hz, None if agents is None else tuple(agents)))

    def on_shoal_app_fresh(self, message: Fresh) -> None:
        """Something new: show it, unless the view is held; then only say how much."""
        if message.feed is not self._feed:
            return
        self._latest = self._feed.take()
        if self._latest.ended and self._latest.hello is None:  # it never began: there is nothing to be looked at
            self._leave("ended")
            return
        if self._latest.lost:
            self.orders.forget()
        self._tell(self.orders.answered(self._latest.replies))
        self._send_due()
        self.show()
        before = self.pace.hz
        self.pace.drawn(self.waiting_writes)
        if self.pace.hz != before:
            self.want()

    def show(self) -> None:
        """Show the newest view, or the one that is held, on what can be seen: screens beneath wait until they are."""
        if not self.is_running or not self.screen_stack:
            return
        if self.waiting_writes > _STUCK:
            if self._later is None:
                self._later = self.set_timer(_LATER, self._show_later)
            return
        shown = self._latest if self._held is None else self._held
        behind = None if self._held is None else self._latest.number - self._held.number
        with self.batch_update():
            for screen in reversed(self.screen_stack):
                if isinstance(screen, LiveScreen):
                    screen.show(shown, behind, self._latest.phase)
                    break
                if hasattr(screen, "show_view"):
                    screen.show_view(shown)
        self.paint()

    def _show_later(self) -> None:
        self._later = None
        self.show()

    @property
    def latest(self) -> View:
        """The newest view, whatever is shown."""
        return self._latest

    def on_app_focus(self, event: AppFocus) -> None:
        """Somebody looks again."""
        self.pace.focused = True
        self.want()

    def on_app_blur(self, event: AppBlur) -> None:
        """Another window has the focus: a look a second will do."""
        self.pace.focused = False
        self.want()

    # -- what holds everywhere ----------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Moving about in time is for replays, changing a run for those who may."""
        if any(command.action.partition("(")[0] == action for command in REPLAY):
            return self._latest.replay is not None
        return allowed(self, self.OFFERS, action)

    @property
    def may_write(self) -> bool:
        """Whether the run on view can be changed from here."""
        view = self._latest
        return not (self.preferences.read_only or view.replay is not None or view.over or view.idle)

    async def action_mode(self, name: str) -> None:
        """Show one of the screens."""
        assert name in SCREENS
        while len(self.screen_stack) > 1:
            self.pop_screen()
        await self.switch_mode(name)

    def action_pause(self) -> None:
        """Hold the view, or let it follow again: the engine and its recording go on either way. A replay stops."""
        transport = self._feed.transport
        if transport is not None:
            transport.play()
        else:
            self._held = self._latest if self._held is None else None
            self.show()

    def action_pace(self, steps: int) -> None:
        """More looks a second, or fewer."""
        rate = self.pace.faster(steps)
        self.want()
        self.notify("one look a second" if rate == 1 else f"{rate} looks a second", timeout=2)

    def open_agent(
        self, name: str, among: Sequence[str] = (), then: Callable[[str | None], None] | None = None
    ) -> None:
        """Show one agent; `among`: those that are a step away from it, all of the run if there are none. `then` is
        told which one was looked at last.
        """
        from tui.screens.agent import AgentScreen

        self.push_screen(AgentScreen(name, among), then)

    def action_report(self) -> None:
        """All there is to tell of the run."""
        hello = self._latest.hello
        if hello is None:
            self.notify("no run is open", severity="warning")
            return
        from tui import saving

        self.run_worker(
            lambda: self.saved(lambda: saving.save_report(self.archive, hello, self.screen)),
            thread=True,
            group="report",
        )

    # -- orders -------------------------------------------------------------------------------------------------------

    def action_order(self, name: str) -> None:
        """Have the run do something that concerns all of it."""
        from tui import questions

        self.order(name, question=questions.before_order(name, self._latest))

    def order(self, name: str, *args: str, question: Question | None = None) -> None:
        """Ask something of the engine, once the user has said yes to a question, if there is one. What comes of it is
        told in a line.
        """
        if not self.may_write:
            self.notify("one may only look here", severity="warning")
        elif question is not None:
            question.ask(self, lambda: self._send(name, args))
        else:
            self._send(name, args)

    def order_all(self, name: str, whom: Sequence[str], question: Question) -> None:
        """As `order`, once for each of some agents: a few at a time, so that the engine keeps listening to others."""
        if not self.may_write:
            self.notify("one may only look here", severity="warning")
        elif len(whom) == 1:
            self.order(name, whom[0], question=question)
        else:

            def begin() -> None:
                self.orders.begin(name, whom)
                self._send_due()

            question.ask(self, begin)

    def halt(self) -> None:
        """Tell no more of those that `order_all` has not come to."""
        self._tell(self.orders.halt())

    def _send_due(self) -> None:
        while (due := self.orders.due()) is not None:
            round_, agent = due
            if not self._send(round_.name, (agent,), round_):
                self.halt()

    def _tell(self, replies: Iterable[Reply]) -> None:
        for reply in replies:
            self.notify(reply.text, severity="information" if reply.ok else "error", markup=False)

    def _send(self, name: str, args: tuple[str, ...], of: Round | None = None) -> bool:
        try:
            self.orders.sent(self._feed.command(name, *args), of)
        except StreamError as error:
            self.notify(str(error), title=f"{name}: not done", severity="error", markup=False)
            return False
        return True

    # -- the newest moment --------------------------------------------------------------------------------------------

    def action_live(self) -> None:
        """To the newest moment."""
        hello = self._latest.hello
        if self.archive is not None and hello is not None:
            self.run_worker(lambda: self._go_live(hello.run), thread=True, group="open", exclusive=True)
        else:
            self.action_seek("end")

    def _go_live(self, run: str) -> None:
        from tui.archive import ArchiveError

        assert self.archive is not None
        try:
            feed = self.archive.attach(run)
        except ArchiveError:  # it is over
            self.call_from_thread(self.action_seek, "end")
        else:
            self.call_from_thread(self.open, feed)

    # -- leaving ------------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Leave; ask first about what would end with us, and what is to become of a run that goes on."""
        from tui.screens.confirm import ConfirmScreen

        if self.at_stake is None:
            self._quit()
        elif not isinstance(self.screen, ConfirmScreen):
            self.at_stake.ask(self, self._quit)

    def _quit(self) -> None:
        from tui import questions
        from tui.screens.quit import QuitScreen

        view = self._latest
        if view.over or view.idle or view.replay is not None:
            self._leave("detached")
        elif not isinstance(self.screen, QuitScreen):
            self.push_screen(QuitScreen(*questions.before_leaving(view), may_stop=self.may_write), self._answered)

    def _answered(self, choice: Choice | None) -> None:
        if choice == "detach" or (choice == "stop" and self._latest.over):
            self._leave("detached")
        elif choice == "stop" and self._send("stop", ()):
            # Had it not been told, we would stay, and the badge says what became of it.
            self._leave("stopped")

    def _leave(self, outcome: Outcome) -> None:
        """Exit; an end that is known counts more than what was asked for."""
        phase = self._latest.phase
        known: tuple[Outcome, ...] = ("ended", "lost")
        self.exit(next((end for end in known if end == phase and self._latest.replay is None), outcome))

    def _look_for_terminal(self) -> None:
        """A terminal that went without a word leaves an end of file, of which nothing else would make an end."""
        if not self.is_web and self._terminal.is_gone():
            self._leave("detached")
