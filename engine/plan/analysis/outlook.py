"""How the rest of a plan may go: what is left of each task set, taken through the network alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.plan.analysis.gains import gains
from engine.plan.analysis.network import Network
from engine.plan.analysis.rank import upward_ranks
from engine.plan.analysis.times import critical_path, times

_EDGES: Final = 50_000
"""Pairs of sets that come after each other, above which it is not found out what a second less would bring."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a task set. Times are in seconds.

    Attributes:
        tasks: that are not over; 0: the set is over.
        one: what one takes, None where nobody can say.
        workers: tasks that can run at the same time; None: all.
        running: how long the newest of those that run has run, if all that are left run; else 0.
        wait: that passes before it can begin.
        ended: of a set that is over, when that was, by any clock that all of them share.
    """

    tasks: int
    one: float | None = None
    workers: int | None = None
    running: float = 0.0
    wait: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """From now, or from where it could begin, to its end."""
        if not self.tasks or self.one is None:
            return self.wait if self.tasks else 0.0
        rounds = 1.0 if self.workers is None else max(1.0, self.tasks / max(1, self.workers))
        return self.wait + max(0.0, self.one * rounds - self.running)


@dataclass(frozen=True, slots=True)
class Outlook:
    """By set, seconds from now on.

    Attributes:
        starts, ends: when it may begin and end; 0 where that is over.
        slack: by which it could be late without moving the end of all.
        ranks: from its beginning to the end of all, along the longest chain.
        gains: by which all is over sooner if what is left of it took a second less; None where that takes too long to
            be found out.
        chain: the sets that the end hangs on: those that are over as it was, those to come as it looks.
        length: to the end of all.
    """

    starts: list[float]
    ends: list[float]
    slack: list[float]
    ranks: list[float]
    gains: list[float] | None
    chain: list[int]
    length: float


def outlook(network: Network, rests: Sequence[Rest]) -> Outlook:
    """How the rest may go. The seconds of the network do not matter."""
    left = replace(network, seconds=[rest.seconds for rest in rests])
    found = times(left)
    slack = [found.slack(node) for node in range(len(rests))]
    more = gains(left, found) if sum(map(len, network.before)) <= _EDGES else None
    chain = _chain(left, [node for node in critical_path(left, found) if rests[node].tasks], rests)
    ranks = upward_ranks(left)
    return Outlook(found.early_start, found.early_end, slack, ranks, more, chain, found.length)


def _chain(network: Network, path: list[int], rests: Sequence[Rest]) -> list[int]:
    """The path with what came before it: back from set to set, each time to that which was over last."""
    over = [node for node, rest in enumerate(rests) if not rest.tasks]
    before = [path[0]] if path else [max(over, key=lambda node: rests[node].ended)] if over else []
    while before:
        last = [node for node in network.before[before[-1]] if not rests[node].tasks]
        if not last:
            break
        before.append(max(last, key=lambda node: rests[node].ended))
    return [*reversed(before), *path[1:]]
