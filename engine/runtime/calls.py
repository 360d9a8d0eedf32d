"""Submitting calls, and mapping over many: what an `Engine` and its views have in common."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any, Final

from engine.runtime.futures import TaskFuture
from engine.runtime.maps import MapChunk
from engine.runtime.worker import CHUNK, Barrier, Call, How, Worker
from engine.wire import values

_AS_IS: Final = frozenset({int, float, bool, type(None)})
"""Types whose values need no look before they are sent."""


class Calls(Executor):
    """Calls of one kind: with the same options, to the same pool."""

    _worker: Worker
    _how: How

    def _post(self, thing: Call | MapChunk | Barrier) -> None:
        """Hand something to the engine's thread. Raises what a refusal is told by."""
        raise NotImplementedError

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskFuture:
        """Schedule ``fn(*args, **kwargs)``. What can't be pickled is the future's exception."""
        if not callable(fn):
            raise TypeError(f"{fn!r} is not callable")
        future = TaskFuture(self._worker)
        star = len(args) != 1 or bool(kwargs)
        held: Any = (args, kwargs) if star else args[0]
        if type(held) not in _AS_IS:
            try:
                held = values.hold(held)
            except BaseException as error:
                future.set_exception(error)
                return future
        self._post((future, fn, star, held, self._how))
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
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be >= 1 or None")
        deadline = None if timeout is None else time.monotonic() + timeout
        star = len(iterables) != 1
        items: Iterator[Any] = ((args, {}) for args in zip(*iterables, strict=False)) if star else iter(iterables[0])
        chunks: deque[MapChunk] = deque()
        size = CHUNK if buffersize is None else max(1, min(CHUNK, buffersize // 2))
        ahead = None if buffersize is None else max(1, buffersize // size)
        while (ahead is None or len(chunks) < ahead) and (chunk := self._chunk(fn, star, items, size)):
            chunks.append(chunk)
        return Results(self._pieces(fn, star, items, size, chunks, deadline, ahead is not None))

    def _chunk(self, fn: Callable[..., Any], star: bool, items: Iterator[Any], size: int) -> MapChunk | None:
        found = list(itertools.islice(items, size))
        if not found:
            return None
        held = found if not star and values.is_plain(found) else [values.hold(value) for value in found]
        chunk = MapChunk(fn, star, held, self._how)
        self._post(chunk)
        return chunk

    def _pieces(
        self,
        fn: Callable[..., Any],
        star: bool,
        items: Iterator[Any],
        size: int,
        chunks: deque[MapChunk],
        deadline: float | None,
        refill: bool,
    ) -> Generator[Iterable[Any], None, None]:
        try:
            while chunks:
                while (piece := chunks[0].take(deadline)) is not None:
                    yield piece
                    if chunks[0].raised:
                        return
                chunks.popleft()
                if refill and (chunk := self._chunk(fn, star, items, size)):
                    chunks.append(chunk)
        finally:
            for chunk in chunks:
                self._worker.retract(chunk, False)


class Results(Iterator[Any]):
    """The results of a map, in order. What was not begun is cancelled when nobody wants them any more."""

    __slots__ = ("_flat", "_pieces")

    def __init__(self, pieces: Generator[Iterable[Any], None, None]) -> None:
        self._pieces = pieces
        self._flat: Iterator[Any] = itertools.chain.from_iterable(pieces)

    def __iter__(self) -> Iterator[Any]:
        return self._flat  # a loop over it is spared a call for each result

    def __next__(self) -> Any:
        return next(self._flat)

    def close(self) -> None:
        """Want no more."""
        self._flat = iter(())
        self._pieces.close()
