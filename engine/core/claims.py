"""What tasks hold while they run: claims on names and patterns, exclusive or shared, places in lanes, and memory.

All that a task needs is taken at once, when it is sent, or not at all: who waits holds nothing, so nobody waits in a
circle. It is held by the batch in which the task was sent, from then until nothing of that is out any more: all its
outcomes were accepted, or it was given back, or its agent is dead. No clock is asked. A batch's number is used once:
what an earlier attempt has to say later touches nothing that another holds now.

A name is looked up in a table; only patterns are compared, once for each pair whose beginnings agree, when they first
come up (`patterns.Names`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from engine.core.amounts import UNLIMITED, Counted, Lane, Memory
from engine.core.patterns import Names, is_pattern, normal

if TYPE_CHECKING:
    from engine.core.lines import Line, Queue

Key: TypeAlias = tuple[int, int, int]
"""Where a task stands in the order of all: its priority, negated; its range; its index there."""


class Claim(NamedTuple):
    """What a task wants to itself, or shares with others that only share it."""

    name: str
    """A name, or a pattern of paths, as `patterns` reads it."""
    shared: bool = False


class Reservation:
    """Somebody who was passed over too often: nobody who stands behind takes what it wants."""

    __slots__ = ("key",)

    def __init__(self, key: Key) -> None:
        self.key = key


class Resource:
    """A name or pattern that somebody claims.

    Attributes:
        exclusive: batches that hold it to themselves, one at the most.
        shared: batches that share it.
        below_exclusive: of a pattern: exclusive claims held on names that it means.
        below_shared: likewise, shared ones.
        patterns: the patterns, other than itself, that overlap with it. A name knows its patterns, and not they their
            names: there may be very many.
        holders: numbers of the batches that hold it.
        uses: `Needs` that name it.
    """

    __slots__ = (
        "below_exclusive", "below_reserved", "below_shared", "exclusive", "holders", "is_pattern", "name", "patterns",
        "queues", "reserved", "shared", "uses", "watchers",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_pattern = is_pattern(name)
        self.exclusive = self.shared = self.below_exclusive = self.below_shared = self.uses = 0
        self.patterns: list[Resource] = []
        self.holders: dict[int, None] = {}
        self.reserved: dict[Reservation, bool] = {}
        """Who has reserved it, and whether exclusively."""
        self.below_reserved: dict[tuple[Reservation, str], bool] = {}
        """Of a pattern: who has reserved a name that it means, which, and whether exclusively."""
        self.queues: dict[tuple[int, int], Queue] = {}
        """Who waits for it, by pool and whether exclusively."""
        self.watchers: dict[Resource, None] = {}
        """Others whose waiters wait for this one to be free."""


class Needs:
    """All that a task holds while it runs; one object for all tasks that need the same.

    Attributes:
        claims: what it claims, and whether exclusively.
        lane: in which it runs, None for none.
        memory: bytes that it says it takes, 0 for none.
        amounts: what it takes of what is counted.
        uses: ranges that have such tasks, and batches of them that are out.
        lines: the tasks that wait for it, by pool.
    """

    __slots__ = ("alone", "amounts", "claims", "key", "lane", "lines", "memory", "uses")

    def __init__(
        self, key: _Known, claims: tuple[tuple[Resource, bool], ...], lane: Lane | None, memory: Memory
    ) -> None:
        self.key = key
        self.claims = claims
        self.lane = lane
        self.memory = key[2]
        places: tuple[tuple[Counted, int], ...] = () if lane is None else ((lane, 1),)
        self.amounts = (*places, (memory, self.memory)) if self.memory else places
        self.uses = 0
        self.lines: dict[int, Line] = {}
        self.alone = any(exclusive for _, exclusive in claims)
        """No two of these can run at once."""

    @property
    def width(self) -> int:
        """How many of these may run at once, as far as that depends on them alone."""
        if self.alone:
            return 1
        return min((of.limit // (of.part(amount) or 1) for of, amount in self.amounts), default=UNLIMITED)


_Known: TypeAlias = tuple[tuple[Claim, ...], str | None, int]


class Claims:
    """All names, patterns and lanes of a run, its memory, and what is held of them.

    Attributes:
        lanes: by name.
        memory: that tasks may take together, by what they say.
        resources: by name; those that no task which is not over claims are forgotten.
    """

    def __init__(self) -> None:
        self.lanes: dict[str, Lane] = {}
        self.memory = Memory("memory", UNLIMITED)
        self.resources: dict[str, Resource] = {}
        self._names = Names()
        self._patterns = 0
        self._needs: dict[_Known, Needs] = {}

    def wanted(
        self, tasks: int, claims: Iterable[Claim], lane: str | None, each: Sequence[Iterable[Claim]] | None,
        memory: int = 0,
    ) -> Needs | list[Needs] | None:  # fmt: skip
        """What the tasks of a new range need: all the same, each its own, or nothing. It is theirs until `done_with`.

        Args:
            tasks: how many there are.
            claims: of every task.
            lane: of every task.
            each: what each of them claims beside that.
            memory: bytes that each of them takes.

        Raises ValueError for a name that can't be, an unknown lane, more memory than there is, or where `each` is not
        of each task.
        """
        common = tuple(claims)
        if not 0 <= memory <= self.memory.limit:
            raise ValueError(f"{memory:,} bytes of memory can't be had: there are {self.memory.limit:,} for tasks")
        if each is None:
            if not common and lane is None and not memory:
                return None
            alike = self._find(common, lane, memory)
            alike.uses += 1
            return alike
        if len(each) != tasks:
            raise ValueError(f"claims of {len(each):,} tasks were given, for {tasks:,}")
        known: dict[tuple[Claim, ...], Needs] = {}
        found: list[Needs] = []
        try:
            for own in each:
                key = tuple(own)
                needs = known.get(key)
                if needs is None:
                    needs = known[key] = self._find(common + key, lane, memory)
                found.append(needs)
        except ValueError:
            for needs in dict.fromkeys(known.values()):
                needs.uses += 1
                self.forget(needs)
            raise
        for needs in dict.fromkeys(known.values()):
            needs.uses += 1
        return found

    def done_with(self, wanted: Needs | list[Needs]) -> None:
        """A range is over."""
        for needs in (wanted,) if isinstance(wanted, Needs) else dict.fromkeys(wanted):
            self.forget(needs)

    def _find(self, claims: Iterable[Claim], lane: str | None, memory: int) -> Needs:
        modes: dict[str, bool] = {}
        for name, shared in claims:
            spelt = normal(name)
            modes[spelt] = modes.get(spelt, True) and shared
        key = tuple(Claim(name, modes[name]) for name in sorted(modes)), lane, memory
        known = self._needs.get(key)
        if known is None:
            if lane is not None and lane not in self.lanes:
                raise ValueError(f"no lane {lane!r}; there is {', '.join(map(repr, self.lanes)) or 'none'}")
            resources = tuple((self._resource(name), not shared) for name, shared in key[0])
            place = None if lane is None else self.lanes[lane]
            known = self._needs[key] = Needs(key, resources, place, self.memory)
        return known

    def forget(self, needs: Needs) -> None:
        """One user less: a range or a batch."""
        needs.uses -= 1
        if needs.uses:
            return
        del self._needs[needs.key]
        for resource, _ in needs.claims:
            resource.uses -= 1
            if not resource.uses:
                self._drop(resource)

    def _resource(self, name: str) -> Resource:
        found = self.resources.get(name)
        if found is None:
            found = self.resources[name] = Resource(name)
            if found.is_pattern:
                self._patterns += 1
                for other in map(self.resources.__getitem__, self._names.overlapping(name)):
                    self._meet(found, other)
            elif self._patterns:
                found.patterns = [
                    other for text in self._names.overlapping(name) if (other := self.resources[text]).is_pattern
                ]
            self._names.add(name)
        found.uses += 1
        return found

    @staticmethod
    def _meet(pattern: Resource, other: Resource) -> None:
        """A new pattern, and what was there and overlaps with it."""
        other.patterns.append(pattern)
        if other.is_pattern:
            pattern.patterns.append(other)
            return
        pattern.below_exclusive += other.exclusive
        pattern.below_shared += other.shared
        pattern.below_reserved.update(((who, other.name), alone) for who, alone in other.reserved.items())

    def _drop(self, resource: Resource) -> None:
        del self.resources[resource.name]
        self._names.discard(resource.name)
        if resource.is_pattern:
            self._patterns -= 1
            for name in self._names.overlapping(resource.name):
                self.resources[name].patterns.remove(resource)

    # -- what is free, and what is held ----------------------------------------------------------------------

    @staticmethod
    def bar(wanted: Resource, exclusive: bool, key: Key, mine: Reservation | None) -> Resource | None:
        """Why a claim can't be had now: what is held or reserved, the wanted itself or a pattern that overlaps with it;
        None if it is free. `key`: of the task that wants it; `mine`: what it has reserved itself."""
        if wanted.exclusive or wanted.below_exclusive or (exclusive and (wanted.shared or wanted.below_shared)):
            return wanted
        if wanted.reserved and _is_kept(wanted.reserved, exclusive, key, mine):
            return wanted
        for (who, _), alone in wanted.below_reserved.items():
            if who is not mine and who.key < key and (exclusive or alone):
                return wanted
        for other in wanted.patterns:
            if other.exclusive or (exclusive and other.shared):
                return other
            if other.reserved and _is_kept(other.reserved, exclusive, key, mine):
                return other
        return None

    @staticmethod
    def hold(needs: Needs, batch: int) -> None:
        """A batch is sent, and holds what it needs. All of it must be free."""
        needs.uses += 1
        for of, amount in needs.amounts:
            of.take(batch, amount)
        for resource, exclusive in needs.claims:
            resource.holders[batch] = None
            if exclusive:
                resource.exclusive += 1
            else:
                resource.shared += 1
            if resource.patterns and not resource.is_pattern:
                _count_below(resource, exclusive, 1)

    @staticmethod
    def release(needs: Needs, batch: int) -> None:
        """Nothing of a batch is out any more. The caller wakes who waits, then calls `forget`."""
        for of, _ in needs.amounts:
            of.give_back(batch)
        for resource, exclusive in needs.claims:
            del resource.holders[batch]
            if exclusive:
                resource.exclusive -= 1
            else:
                resource.shared -= 1
            if resource.patterns and not resource.is_pattern:
                _count_below(resource, exclusive, -1)

    @staticmethod
    def reserve(needs: Needs, who: Reservation) -> None:
        """From now on nobody who stands behind takes what is needed here."""
        for of, amount in needs.amounts:
            of.reserved[who] = amount
        for resource, exclusive in needs.claims:
            resource.reserved[who] = exclusive
            if not resource.is_pattern:
                for pattern in resource.patterns:
                    pattern.below_reserved[who, resource.name] = exclusive

    @staticmethod
    def unreserve(needs: Needs, who: Reservation) -> None:
        """It has what it wanted, or wants it no longer. The caller wakes who waits."""
        for of, _ in needs.amounts:
            del of.reserved[who]
        for resource, _ in needs.claims:
            del resource.reserved[who]
            if not resource.is_pattern:
                for pattern in resource.patterns:
                    pattern.below_reserved.pop((who, resource.name), None)


def _is_kept(reserved: dict[Reservation, bool], exclusive: bool, key: Key, mine: Reservation | None) -> bool:
    return any(who is not mine and who.key < key and (exclusive or alone) for who, alone in reserved.items())


def _count_below(name: Resource, exclusive: bool, by: int) -> None:
    for pattern in name.patterns:
        if exclusive:
            pattern.below_exclusive += by
        else:
            pattern.below_shared += by
