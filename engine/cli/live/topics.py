"""What `shoal watch`, `status` and `replay` tell beside frames: the options for it, and the newest of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.live.live import LiveProblem
from engine.cli.live.objects import plain

if TYPE_CHECKING:
    from engine.stream.client import Client
    from engine.stream.plans import PlanSeen
    from engine.stream.types import ClaimsNow, MetricsNow, QueuesNow, ShapesNow, Topic, ToReader

_OPTIONS: Final[dict[str, tuple[Topic, str]]] = {
    "pools": ("metrics", "Also each pool's rate, hits and times, of the last 10 s, the last minute, and all."),
    "queues": ("queues", "Also each shard's queue, and how each pool hands out tasks and gets its agents."),
    "shapes": ("shapes", "Also how times and sizes of batches are distributed, over the last minute."),
    "claims": ("claims", "Also claims, lanes and memory: who has them, since when, and who waits."),
    "plan": ("plan", "Also the plan: its steps, what they wait for, what the end hangs on, its gates."),
}
"""By the names of options."""


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that can tell of more than frames, which gets a `Newest` as its argument `more`."""

    @functools.wraps(command)
    def with_topics(*args: Any, everything: bool, **options: Any) -> Any:
        wanted = [topic for name, (topic, _) in _OPTIONS.items() if options.pop(name) or everything]
        return command(*args, more=Newest(wanted), **options)

    found: Callable[..., Any] = click.option("--all", "everything", is_flag=True, help="All of this.")(with_topics)
    for name, (_, text) in reversed(_OPTIONS.items()):
        found = click.option(f"--{name}", is_flag=True, help=text)(found)
    return found


class Newest:
    """The newest that an engine has told of each of some topics."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        self._told: dict[Topic, QueuesNow | ShapesNow | ClaimsNow | Windows | PlanSeen | None] = {}
        for topic in topics:
            self._told[topic] = None
            if topic == "metrics":
                self._told[topic] = Windows()
            elif topic == "plan":
                from engine.stream.plans import PlanSeen

                self._told[topic] = PlanSeen()

    @property
    def asked(self) -> bool:
        """Whether anything is asked for."""
        return bool(self._told)

    def subscribe(self, client: Client, topics: list[Topic], hz: float) -> None:
        """Be told of this, and of these topics. Raises `LiveProblem` where the engine knows no such topic."""
        reply = client.subscribe([*topics, *self._told], hz)
        if not reply.ok:
            raise LiveProblem(reply.text)

    def none_yet(self, at: float) -> None:
        """Whoever tells it has told all there was so far, and of claims and a plan nothing: there are none."""
        from engine.stream.claims import no_claims
        from engine.stream.plans import no_plan

        for message in (no_claims(at), *no_plan(at)):
            self.take(message)

    def take(self, message: ToReader | None) -> None:
        """Something was told, whether or not it is asked for."""
        from engine.stream.plans import PlanSeen
        from engine.stream.types import ClaimsNow, MetricsNow, PlanNow, PlanOutline, QueuesNow, ShapesNow

        match message:
            case QueuesNow() if "queues" in self._told:
                self._told["queues"] = message
            case ShapesNow() if "shapes" in self._told:
                self._told["shapes"] = message
            case ClaimsNow() if "claims" in self._told:
                self._told["claims"] = message
            case MetricsNow():
                if isinstance(windows := self._told.get("metrics"), Windows):
                    windows.heard(message)
            case PlanOutline() | PlanNow():
                if isinstance(seen := self._told.get("plan"), PlanSeen):
                    self._told["plan"] = seen.heard(message)

    @property
    def missing(self) -> list[Topic]:
        """What is asked for and was not told yet."""
        return [topic for topic, told in self._told.items() if not _complete(told)]

    def lines(self) -> Iterator[str]:
        """As text, for people."""
        from engine.cli.live.claims import claim_lines
        from engine.cli.live.measures import pool_lines
        from engine.cli.live.queues import queue_lines, shape_lines
        from engine.cli.plans.now import plan_lines
        from engine.stream.types import ClaimsNow, QueuesNow, ShapesNow

        for told in self._told.values():
            if told is None or not _complete(told):
                continue
            if isinstance(told, QueuesNow):
                yield from queue_lines(told)
            elif isinstance(told, ShapesNow):
                yield from shape_lines(told)
            elif isinstance(told, ClaimsNow):
                yield from claim_lines(told)
            elif isinstance(told, Windows):
                yield from pool_lines(told.messages)
            else:
                yield from plan_lines(told)

    def as_objects(self) -> dict[str, Any]:
        """All of it by name; None for what was not told yet."""
        return {topic: _object(told) if _complete(told) else None for topic, told in self._told.items()}


class Windows:
    """What was measured of the pools, which comes in several messages where there are very many.

    Attributes:
        messages: the parts of the newest that is whole.
    """

    def __init__(self) -> None:
        self.messages: list[MetricsNow] = []
        self._coming: list[MetricsNow] = []

    def heard(self, message: MetricsNow) -> None:
        """A part came."""
        if message.part == 0:
            self._coming = []
        if message.part == len(self._coming):
            self._coming.append(message)
            if len(self._coming) == message.parts:
                self.messages, self._coming = self._coming, []


def _complete(told: Any) -> bool:
    from engine.stream.plans import PlanSeen

    if isinstance(told, PlanSeen):
        return told.complete
    return bool(told.messages) if isinstance(told, Windows) else told is not None


def _object(told: Any) -> Any:
    from engine.cli.plans.now import plan_object
    from engine.stream.plans import PlanSeen

    if isinstance(told, PlanSeen):
        return plan_object(told)
    if isinstance(told, Windows):
        first = plain(told.messages[0])
        first["windows"] = [plain(window) for message in told.messages for window in message.windows]
        return first
    return plain(told)
