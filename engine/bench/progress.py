"""How far a benchmark is: told step by step, with the time that is left by what was measured so far. Pure, but for the
clock that it is given.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.stream.benchmarks import Begun, Failed, Measured, Message, Planned, Row, Said

Say = Callable[[str], None]
Tell = Callable[[Message], None]
Clock = Callable[[], float]

WARM_UP: Final = 0
"""Number of the round whose values are dropped."""


class Progress:
    """Tells of steps as they come. Called with a text, it tells that."""

    def __init__(self, tell: Tell, clock: Clock = time.monotonic) -> None:
        """`tell`: each message, as it comes."""
        self._tell = tell
        self._clock = clock
        self._due: Counter[str] = Counter()
        """Steps to come, by row."""
        self._took: dict[str, list[float]] = {}
        self._steps = 0
        self._step = 0
        self._now: tuple[int, str] = (0, "")
        self._begun = 0.0

    def __call__(self, text: str) -> None:
        """A line for people."""
        self._tell(Said(text=text))

    def planned(
        self,
        suite: str,
        quick: bool,
        rounds: int,
        due: Mapping[str, int],
        rows: Sequence[Row] = (),
        again: bool = False,
    ) -> None:
        """What will be measured. `due`: steps of each row, by its name, the warm-up among them."""
        self._due = Counter(due)
        self._steps, self._step = self._due.total(), 0
        if not again:  # else it is known by now how long they take
            self._took = {}
        self._tell(
            Planned(suite=suite, quick=quick, steps=self._steps, rounds=rounds, rows=tuple(rows), again=again)
        )  # fmt: skip

    def begun(self, round_: int, row: str) -> None:
        """A measurement of a row begins, in a round; `WARM_UP` is the first."""
        self._step += 1
        self._now = round_, row
        self._begun = self._clock()
        self._tell(Begun(step=self._step, round=round_, row=row, left=self._left()))

    def measured(self, values: Mapping[str, Sequence[float]] | None = None) -> None:
        """What was begun last is over."""
        round_, row = self._now
        took = self._over(row)
        self._due[row] -= 1
        found = {} if round_ == WARM_UP or values is None else {side: list(some) for side, some in values.items()}
        self._tell(
            Measured(step=self._step, round=round_, row=row, seconds=took, values=found, left=self._left())
        )  # fmt: skip

    def failed(self, why: str) -> None:
        """What was begun last could not be measured, and its row is left out from here on."""
        row = self._now[1]
        self._over(row)
        self._steps -= self._due.pop(row, 1) - 1
        self._tell(Failed(row=row, why=why, steps=self._steps))

    def _over(self, row: str) -> float:
        took = self._clock() - self._begun
        self._took.setdefault(row, []).append(took)
        return took

    def _left(self) -> float | None:
        """Seconds for all steps to come: each takes as long as those of its row, or as others where it had none."""
        means = {row: math.fsum(took) / len(took) for row, took in self._took.items()}
        if not means:
            return None
        usual = math.fsum(means.values()) / len(means)
        return math.fsum(count * means.get(row, usual) for row, count in self._due.items())


def narrated(say: Say) -> Progress:
    """Progress as lines for people."""
    rounds = 0

    def tell(message: Message) -> None:
        nonlocal rounds
        if isinstance(message, Planned):
            rounds = message.rounds
        text = told(message, rounds)
        if text is not None:
            say(text)

    return Progress(tell)


def told(message: Message, rounds: int) -> str | None:
    """A message as a line for people; None where there is nothing to say that was not said before."""
    match message:
        case Said(text=text):
            return text
        case Begun(round=number, row=row):
            return f"{f'round {number}/{rounds}' if number != WARM_UP else 'warm-up'}: {row}"
        case Failed(row=row, why=why):
            return f"{row}: {why}"
    return None
