"""Which steps may begin: against looking at all of them again and again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.plan.readiness import Readiness


@given(st.data())
def test_each_may_begin_once_when_all_before_it_are_over(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    before = [data.draw(st.lists(st.integers(0, number - 1), max_size=4)) if number else [] for number in range(size)]
    found = Readiness(before)
    ready, over = list(found.first), set[int]()
    begun = set(ready)
    while ready:
        assert begun - over == {n for n in range(size) if n not in over and set(before[n]) <= over}
        assert all(found.left(n) == len(set(before[n]) - over) for n in range(size))
        number = ready.pop(data.draw(st.integers(0, len(ready) - 1)))
        over.add(number)
        more = found.over(number)
        assert not begun & set(more)
        begun |= set(more)
        ready += more
    assert len(over) == size
