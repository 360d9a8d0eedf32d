"""Which steps may begin: those of which all that they come after is over. Pure; every step, and every dependency, is
looked at once, however many there are."""

from __future__ import annotations

from collections.abc import Sequence


class Readiness:
    """Counts what is left to be over before each step."""

    def __init__(self, before: Sequence[Sequence[int]]) -> None:
        """`before`: for each step the numbers of those that it comes after, as `steps.numbers` gives them."""
        self._left = [len(set(numbers)) for numbers in before]
        self._after: list[list[int]] = [[] for _ in before]
        for number, others in enumerate(before):
            for other in set(others):
                self._after[other].append(number)

    @property
    def first(self) -> list[int]:
        """Steps that come after nothing that is not over."""
        return [number for number, left in enumerate(self._left) if not left]

    def left(self, number: int) -> int:
        """How many steps are to be over before this one."""
        return self._left[number]

    def over(self, number: int) -> list[int]:
        """A step is over; those that may begin now. To be called once for each."""
        found = []
        for other in self._after[number]:
            self._left[other] -= 1
            if not self._left[other]:
                found.append(other)
        return found
