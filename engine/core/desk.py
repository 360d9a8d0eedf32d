"""Who of those that need claims, lanes or memory is next, and who waits for what.

The order of all is by priority, then by range, then by index: first come, first served. But nobody holds anything while
it waits, and what is free is given to the first who can take all that it needs: whoever can run, runs. So one who needs
several things might be passed over for ever, by others who need one of them each; or by others who share what it needs
alone. Therefore it is counted how often what the first in a queue waits for was let go by somebody, and it could not
have all that it needs; from the eighth time on (`PATIENCE`) that is reserved for it: nobody who stands behind it, in
whichever pool, takes any of it, until it has run. Those before it still may, and what is held is held to its end. So
the first of those with reservations waits for nobody who waits, and all come to their turn. Reservations of a pool that
has no agent are void.

When something is free again, the first of each pool that waits for it alone is called, and the next only when that one
did not take it: that a thousand wait for one name costs nobody anything.
"""

from __future__ import annotations

import heapq
from array import array
from itertools import count
from typing import Final

from engine.core.amounts import Counted, Lane
from engine.core.claims import Claims, Key, Needs, Reservation, Resource
from engine.core.lines import Line, Lot, Queue
from engine.core.pools import Pool
from engine.core.tasks import TaskRange

PATIENCE: Final = 8
"""How often what one waits for is let go, and it can't run, before what it needs is reserved for it."""


class Desk:
    """The lines of all pools.

    Attributes:
        claims: what there is to be claimed, and what of it is held.
        reserving: lines that have reserved what they need.
        releases: how often something may have become free.
    """

    def __init__(self) -> None:
        self.claims = Claims()
        self.reserving: dict[Line, None] = {}
        self._open: dict[int, list[tuple[Key, int, Line]]] = {}
        """By pool: lines that may be sent, as far as is known. Some entries count no longer."""
        self._tickets = count(1)
        self.releases = 0

    def __bool__(self) -> bool:
        """Somebody may be sent, as far as is known."""
        return bool(self._open)

    # -- who comes, and who is next --------------------------------------------------------------------------

    def line_up(self, pool: Pool, found: TaskRange, first: int, stop: int) -> list[Lot]:
        """Tasks of a range with needs are ready; the lots in which they wait."""
        pool.lined += stop - first
        needs = found.needs
        if isinstance(needs, Needs):
            return [self._push(pool, needs, Lot(found, range(first, stop)), stop - first)]
        assert needs is not None
        if stop - first == 1:
            return [self._push(pool, needs[first], Lot(found, range(first, stop)), 1)]
        apart: dict[Needs, array[int]] = {}
        for index in range(first, stop):
            known = apart.get(needs[index])
            if known is None:
                known = apart[needs[index]] = array("Q")
            known.append(index)
        return [self._push(pool, some, Lot(found, indexes), len(indexes)) for some, indexes in apart.items()]

    def first(self, pool: int) -> Line | None:
        """The line of a pool that is to be tried next; None if all wait for something, or there is none."""
        heap = self._open.get(pool)
        while heap:
            key, ticket, line = heap[0]
            if line.ticket != ticket:
                heapq.heappop(heap)
                continue
            line.head()
            if line.key == key:
                return line
            heapq.heapreplace(heap, (line.key, ticket, line))
        self._open.pop(pool, None)
        return None

    def try_to_have(self, line: Line) -> bool:
        """Whether all that an open line needs is free now; else it waits."""
        queue = self._barring(line)
        if queue is None:
            return True
        self._mind(line)
        self._wait(line, queue)
        self._call_after(line)
        return False

    def sent(self, line: Line, batch: int, size: int) -> None:
        """The first tasks of an open line are sent, and hold what they need. So whom a reservation kept from it has no
        more now, and need not be called."""
        self.claims.hold(line.needs, batch)
        line.pool.lined -= size
        line.cut(size)
        line.calls = 0
        origin, line.origin = line.origin, None
        if line.tasks:
            self._stand(line)
        else:
            self._leave(line)
        self._drop_reservation(line)
        if origin is not None:
            self._call(origin, 0)

    def release(self, needs: Needs, batch: int) -> None:
        """A batch is over, in whichever way."""
        self.claims.release(needs, batch)
        self.releases += 1
        for of, _ in needs.amounts:
            self._call_all(of, 1)
        for resource, _ in needs.claims:
            self._call_all(resource, 1)
        self.claims.forget(needs)

    def hole(self, pool: Pool, found: TaskRange, first: int, tasks: int) -> None:
        """Tasks that waited in lines are over before they were sent."""
        pool.lined -= tasks
        needs = found.needs
        if isinstance(needs, Needs):
            self._shorten(needs.lines[pool.id], tasks)
            return
        assert needs is not None
        for index in range(first, first + tasks):
            self._shorten(needs[index].lines[pool.id], 1)

    def desert(self, pool: int) -> None:
        """A pool has no agent any more: who could go on elsewhere does not wait for it."""
        for line in [line for line in self.reserving if line.pool.id == pool]:
            line.calls = PATIENCE - 1
            self._unreserve(line)

    def hold(self, needs: Needs, number: int, key: Key) -> Resource | Counted | None:
        """Somebody outside, who stands where `key` says, takes what he needs, if all of it is free; else what is not is
        returned. `number`: under which it is held, as if it were a batch."""
        for of, amount in needs.amounts:
            if of.full(amount, key, None):
                return of
        for resource, exclusive in needs.claims:
            if self.claims.bar(resource, exclusive, key, None) is not None:
                return resource
        self.claims.hold(needs, number)
        return None

    def set_lane(self, name: str, limit: int) -> None:
        """A lane has a limit from now on; it may be a new one. What is above a smaller limit runs to its end. Raises
        ValueError for a limit below 0."""
        if limit < 0:
            raise ValueError(f"lane {name!r}: a limit of {limit:,} tasks can't be")
        lane = self.claims.lanes.get(name)
        if lane is None:
            self.claims.lanes[name] = Lane(name, limit)
            return
        lane.set_limit(limit)
        self.releases += 1
        self._call_all(lane, 0)

    def set_memory(self, limit: int) -> None:
        """So many bytes may be taken from now on by tasks that say what they take. What is above a smaller limit runs
        to its end; who takes more than there is by then runs alone. Raises ValueError for less than one."""
        if limit < 1:
            raise ValueError(f"{limit:,} bytes of memory for tasks can't be")
        self.claims.memory.set_limit(limit)
        self._call_all(self.claims.memory, 0)

    # -- inside ----------------------------------------------------------------------------------------------

    def _push(self, pool: Pool, needs: Needs, lot: Lot, tasks: int) -> Lot:
        line = needs.lines.get(pool.id)
        if line is None:
            line = needs.lines[pool.id] = Line(needs, pool)
            line.push(lot, tasks)
            self._stand(line)
            return lot
        if line.push(lot, tasks):  # it stands before where it stood: what others have reserved may not concern it
            self._stand(line)
            if line.queue is not None:
                self._call_after(line)
        else:
            self._weigh(line)
        return lot

    def _stand(self, line: Line) -> None:
        """A line takes its place, by what is free."""
        queue = self._barring(line)
        if queue is None:
            self._be_open(line)
        else:
            self._wait(line, queue)

    def _be_open(self, line: Line) -> None:
        line.queue, line.ticket = None, next(self._tickets)
        heapq.heappush(self._open.setdefault(line.pool.id, []), (line.key, line.ticket, line))
        self._weigh(line)

    def _wait(self, line: Line, queue: Queue) -> None:
        line.queue, line.ticket = queue, next(self._tickets)
        queue.push(line)
        self._weigh(line)

    def _weigh(self, line: Line) -> None:
        weight = min(line.tasks, line.needs.width) if line.queue is None else 0
        line.pool.able += weight - line.weight
        line.weight = weight

    def _leave(self, line: Line) -> None:
        """Nobody is left in a line."""
        line.clear()
        line.queue, line.ticket = None, 0
        self._weigh(line)
        del line.needs.lines[line.pool.id]

    def _shorten(self, line: Line, tasks: int) -> None:
        line.tasks -= tasks
        if line.tasks:
            self._weigh(line)
            return
        self._leave(line)
        self._unreserve(line)
        self._call_after(line)

    def _barring(self, line: Line) -> Queue | None:
        """The queue in which a line must wait; None if all that it needs is free."""
        needs, key, mine = line.needs, line.key, line.reservation
        for of, amount in needs.amounts:
            if of.full(amount, key, mine):
                return _queue(of, line.pool.id, amount)
        for resource, exclusive in needs.claims:
            bar = self.claims.bar(resource, exclusive, key, mine)
            if bar is not None:
                if bar is not resource:
                    bar.watchers[resource] = None
                return _queue(resource, line.pool.id, exclusive)
        return None

    # -- calling ---------------------------------------------------------------------------------------------

    def _call_after(self, line: Line) -> None:
        """A line that was called has taken what it could: it may be somebody else's turn."""
        origin, line.origin = line.origin, None
        if origin is not None:
            self._call(origin, 0)

    def _call(self, queue: Queue, freed: int) -> None:
        """Have the first of a queue try, unless it would do so in vain. `freed`: 1 if somebody has let go of
        something."""
        line, of = queue.first(), queue.of
        if line is None:
            if of.queues.get((queue.pool, queue.wish)) is queue:  # else it was let go before
                del of.queues[queue.pool, queue.wish]
            return
        line.calls += freed
        if isinstance(of, Counted):
            if of.full(queue.wish, line.key, line.reservation):
                self._mind(line)
                return
        else:
            bar = self.claims.bar(of, bool(queue.wish), line.key, line.reservation)
            if bar is not None:
                if bar is not of:
                    bar.watchers[of] = None
                self._mind(line)
                return
        line.origin = queue
        self._be_open(line)

    def _call_all(self, of: Resource | Counted, freed: int) -> None:
        """Something is free, or freer than it was: call all whom that may concern."""
        if of.queues:
            for queue in list(of.queues.values()):
                self._call(queue, freed)
        if isinstance(of, Counted):
            return
        if of.watchers:
            watchers, of.watchers = of.watchers, {}
            for other in watchers:
                for queue in list(other.queues.values()):
                    self._call(queue, freed)
        if not of.is_pattern:
            for pattern in of.patterns:
                for queue in list(pattern.queues.values()):
                    self._call(queue, freed)

    def _mind(self, line: Line) -> None:
        """It can't run: if that has been so too often, what it needs is reserved for it."""
        if line.calls < PATIENCE or line.reservation is not None or not line.pool.up:
            return
        line.reservation = Reservation(line.key)
        self.reserving[line] = None
        self.claims.reserve(line.needs, line.reservation)

    def _drop_reservation(self, line: Line) -> bool:
        if line.reservation is None:
            return False
        self.claims.unreserve(line.needs, line.reservation)
        line.reservation = None
        del self.reserving[line]
        return True

    def _unreserve(self, line: Line) -> None:
        """What it had reserved, if it had, is for everybody again."""
        if not self._drop_reservation(line):
            return
        self.releases += 1
        for of, _ in line.needs.amounts:
            self._call_all(of, 0)
        for resource, _ in line.needs.claims:
            self._call_all(resource, 0)


def _queue(of: Resource | Counted, pool: int, wish: int) -> Queue:
    """Where lines of a pool wait for something."""
    found = of.queues.get((pool, wish))
    if found is None:
        found = of.queues[pool, wish] = Queue(of, pool, wish)
    return found
