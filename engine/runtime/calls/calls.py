"""Submitting calls, and mapping over many: what an `Engine` and its views have in common."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Final

from engine.core.admission import size
from engine.core.claims import Claim
from engine.runtime import claimed
from engine.runtime.calls import arguments
from engine.runtime.calls.futures import TaskFuture
from engine.runtime.calls.inbox import Barrier, Call, Errand, How
from engine.runtime.calls.maps import Chunks, Left, MapChunk
from engine.runtime.calls.stats import stats
from engine.runtime.calls.worker import CHUNK, Worker
from engine.runtime.fleet.specs import Exceptions, options_with
from engine.runtime.run import Run
from engine.wire import values

_AS_IS: Final = frozenset({int, float, bool, type(None)})
"""Types whose values need no look before they are sent."""


class Calls(Executor):
    """Calls of one kind: with the same options, to the same pool."""

    _worker: Worker
    _how: How

    def _post(self, thing: Call | MapChunk | Barrier | Errand) -> None:
        """Hand something to the engine's thread. Raises what a refusal is told by."""
        raise NotImplementedError

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskFuture:
        """Schedule ``fn(*args, **kwargs)``. What can't be pickled is the future's exception."""
        if not callable(fn):
            raise TypeError(f"{fn!r} is not callable")
        how = self._how
        own = () if how.each is None else arguments.claims("claims", how.each(*args, **kwargs))
        future = TaskFuture(self._worker)
        star = len(args) != 1 or bool(kwargs)
        held: Any = (args, kwargs) if star else args[0]
        if type(held) not in _AS_IS:
            try:
                held = values.hold(held)
            except BaseException as error:
                future.set_exception(error)
                return future
        self._post((future, fn, star, held, how, own))
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results:
        """Results of ``fn`` over the items, in order.

        Args:
            timeout: seconds from now after which waiting for the next result raises TimeoutError.
            chunksize: accepted for compatibility; batches size themselves by measured times.
            buffersize: items taken ahead of the results that were asked for. None takes all items at once, as always.
        """
        arguments.whole("chunksize", chunksize)
        ahead = None if buffersize is None else arguments.whole("buffersize", buffersize)
        deadline = None if timeout is None else time.monotonic() + arguments.duration("timeout", timeout)
        star = len(iterables) != 1
        items: Iterator[Any] = ((args, {}) for args in zip(*iterables, strict=False)) if star else iter(iterables[0])
        size = CHUNK if ahead is None else max(1, min(CHUNK, ahead // 2))
        most = math.inf if ahead is None else max(1, ahead // size)
        chunks = Chunks()
        another = partial(self._chunk, fn, star, items, size, not star and type(iterables[0]) is range)
        while len(chunks) < most and (chunk := another()):
            chunks.append(chunk)
        refill = another if ahead is not None else lambda: None
        return Results.of(self._pieces(chunks, deadline, refill), partial(self._retract, chunks))

    def using(
        self,
        *,
        pool: str | None = None,
        priority: int | None = None,
        timeout: float | None = None,
        soft_timeout: float | None = None,
        retries: int | None = None,
        retry_on: Exceptions | None = None,
        crash_limit: int | None = None,
        key: object = None,
        claims: Claim | str | Iterable[Claim | str] | Callable[..., Claim | str | Iterable[Claim | str]] | None = None,
        lane: str | None = None,
        memory: int | str | None = None,
    ) -> View:
        """The same engine with other options for the calls that are made through what is returned, an executor as well.

        Args:
            pool: name of the pool that runs them.
            priority: they are sent before all calls of a lower one; 0 is usual.
            timeout: as for the engine; and so `soft_timeout`, `retries`, `retry_on` and `crash_limit`. What is not said
                stays as it is here.
            key: where the strategy is ``hash``, calls with an equal key (of text, bytes or an integer) go to the same
                shard, unless that has nobody idle and another has.
            claims: names, or patterns of paths such as ``src/gpu/**``, that a call has to itself while it runs, or
                shares (`Claim`); or what gives those by the arguments of a call. All are taken at once, in the
                moment in which the call is sent to an agent, and are free again when it is over or its agent is dead.
            lane: of those that the engine was made with; no more calls of it run at a time than its limit. "" for none.
            memory: bytes that a call takes (also written such as ``2G``), 0 for what is not counted. Calls that say so
                never take more together than there is: the machine's and its cgroups' memory, less the setting
                ``memory_reserve``, or ``memory_tasks``. A call gets it together with its claims and its lane.

        Raises ValueError for a pool or lane that there is not, names that can't be claimed, more memory than there is,
        and for numbers out of range, TypeError for what is none.
        """
        numbers = {known.name: number for number, known in enumerate(self._worker.run.fleet.core.pools)}
        if pool is not None and arguments.text("pool", pool) not in numbers:
            raise ValueError(f"no pool {pool!r}; there are {', '.join(numbers)}")
        options = options_with(
            self._how.options, priority=priority, timeout=timeout, soft_timeout=soft_timeout, retries=retries,
            retry_on=retry_on, crash_limit=crash_limit, key=key,
        )  # fmt: skip
        how = self._how
        pool_number = numbers[pool] if pool is not None else how.pool
        found, each = how.claims, how.each
        if callable(claims):
            found, each = (), claims
        elif claims is not None:
            found, each = arguments.claims("claims", claims), None
        if lane is None:
            lane = how.lane
        elif lane and arguments.text("lane", lane) not in (lanes := self._worker.run.fleet.core.desk.claims.lanes):
            raise ValueError(
                f"no lane {lane!r}; there {'is' if len(lanes) == 1 else 'are'} {', '.join(lanes) or 'none'}"
            )
        taken = how.memory if memory is None else 0 if memory == 0 else arguments.size("memory", memory)
        room = self._worker.run.fleet.core.desk.claims.memory.limit
        if taken > room:
            raise ValueError(f"memory: {size(taken)} are more than the {size(room)} that there are for tasks")
        return View(self, How(pool_number, options, found, each, lane or None, taken))

    def explain(self, future: Future[Any]) -> list[str]:
        """Why a call does not run, or that it does, in lines for people: what it comes after, who has what it claims
        and since when, which lane is full, whether agents are busy or not there.

        Raises ValueError for a future of another engine.
        """
        if not isinstance(future, TaskFuture) or future.owner is not self._worker:
            raise ValueError("this is no future of this engine")

        def work(run: Run) -> list[str]:
            tasks = future.tasks
            place = None if tasks is None else tasks.place(future)
            if tasks is None or place is None:
                return ["over" if future.done() else "not taken in yet"]
            return claimed.explained(run.fleet, tasks.range, place)[1]

        return ["over"] if future.done() else list(self._ask(work))

    def _ask(self, work: Callable[[Run], Any]) -> Any:
        """What comes of some work in the engine's thread. Raises what that raises."""
        if threading.current_thread() is self._worker.thread:
            return work(self._worker.run)
        errand = Errand(work)
        self._post(errand)
        errand.over.wait()
        if errand.error is not None:
            raise errand.error
        return errand.result

    def wait_ready(self, timeout: float | None = None) -> int:
        """Start the agents, and wait until each is there or has been given up; how many there are.

        With pooling off none is kept for the next task, so there are 0.

        Raises TimeoutError after `timeout` seconds, and BrokenProcessPool where none can be started.
        """
        limit = None if timeout is None else arguments.duration("timeout", timeout)
        barrier = Barrier()
        self._post(barrier)
        if not barrier.passed.wait(limit):
            raise TimeoutError
        if self._worker.broken is not None:
            raise BrokenProcessPool(self._worker.broken)
        return sum(pool.up + pool.aside for pool in self._worker.run.fleet.core.pools)

    def stats(self) -> dict[str, Any]:
        """Counts and sizes by pool and shard: hits and misses, refills, recycled agents, waits and balance of shards,
        messages between agents. Times are in seconds."""
        fleet = self._worker.run.fleet
        return stats(fleet.core, fleet.post.mail)

    def _chunk(
        self, fn: Callable[..., Any], star: bool, items: Iterator[Any], size: int, numbers: bool
    ) -> MapChunk | None:
        """The next items, on their way. `numbers`: all are integers, which need no look."""
        found = list(itertools.islice(items, size))
        if not found:
            return None
        plain = numbers or (not star and values.is_plain(found))
        held = found if plain else [values.hold(value) for value in found]
        each = self._how.each
        own = None
        if each is not None:
            calls = (each(*args) for args, _ in found) if star else map(each, found)
            own = [arguments.claims("claims", claims) for claims in calls]
        chunk = MapChunk(fn, star, held, self._how, own)
        self._post(chunk)
        return chunk

    def _pieces(
        self, chunks: Chunks, deadline: float | None, refill: Callable[[], MapChunk | None]
    ) -> Generator[Iterable[Any], None, None]:
        """The results of chunks as they come, and of those that `refill` makes whenever one is through."""
        piece: Iterable[Any] = ()
        try:
            while (first := chunks.first()) is not None:
                found = first.take(deadline)
                if found is not None:
                    piece = iter(found) if isinstance(found, list) else self._watched(found, chunks)
                    yield piece
                    continue
                chunks.drop(first)
                if (chunk := refill()) is not None and not chunks.append(chunk):
                    self._worker.retract(chunk, False)
        except Left:
            pass
        finally:
            self._retract(chunks)
            if isinstance(piece, Generator):
                with contextlib.suppress(ValueError):  # it is asked for a result this very moment: that is the last
                    piece.close()
            else:
                deque(piece, maxlen=0)  # whoever still goes through it finds no more

    def _watched(self, piece: Iterable[Any], chunks: Chunks) -> Generator[Any, None, None]:
        """Results one of which may be raised, which ends the map: nobody need ask for the next one first."""
        try:
            yield from piece
        except GeneratorExit:
            raise
        except BaseException:
            self._retract(chunks)
            raise

    def _retract(self, chunks: Chunks) -> None:
        for chunk in chunks.leave():
            chunk.leave()
            self._worker.retract(chunk, False)


class View(Calls):
    """An engine with other options. Shutting it down does nothing: the engine goes on."""

    def __init__(self, whole: Calls, how: How) -> None:
        """`whole`: the engine, or another view of it."""
        self._worker = whole._worker
        self._how = how
        self._whole = whole  # as long as this is used, the engine is

    def _post(self, thing: Call | MapChunk | Barrier | Errand) -> None:
        self._whole._post(thing)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As the class says."""


class Results(itertools.chain[Any]):
    """The results of a map, in order, at the speed of a list's.

    What was not begun is cancelled when a result is raised, when they are closed, and when they are forgotten halfway;
    but not when they are forgotten before the first was asked for: whoever does that wants the calls, not the results.
    """

    __slots__ = ("_give_up", "_pieces")

    _pieces: Generator[Iterable[Any], None, None]
    _give_up: Callable[[], None]

    @classmethod
    def of(cls, pieces: Generator[Iterable[Any], None, None], give_up: Callable[[], None]) -> Results:
        """All that is in the pieces, in order; `give_up` cancels the rest, also if no piece was taken yet."""
        made: Results = cls.from_iterable(pieces)  # type: ignore[assignment]
        made._pieces = pieces
        made._give_up = give_up
        return made

    def close(self) -> None:
        """Want no more: a loop over them ends, and what was not begun is cancelled."""
        self._give_up()
        with contextlib.suppress(ValueError):  # another thread goes through them this very moment: it finds the end
            self._pieces.close()
