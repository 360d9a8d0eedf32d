"""Values between processes: whatever goes in comes out, of exactly the same type, or fails alone."""

from __future__ import annotations

import functools
import math
import os
import sys
import types
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from processes import at_most

from engine.wire import channel, values
from engine.wire.memory import Parcel


@dataclass(frozen=True)
class Point:
    """A class of a module that other processes can import."""

    x: Any
    y: Any = None

    def both(self) -> tuple[Any, Any]:
        return self.x, self.y


class Bomb:
    """Pickles well, and raises wherever it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _explode, ()


class Sealed:
    """Can't be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("sealed")


def _explode() -> None:
    raise OSError("boom")


def through(column: list[Any]) -> list[Any]:
    """A column from one process to another, but for the socket."""
    parcels: list[Parcel] = []
    data = values.write_column([values.hold(value) for value in column], parcels)
    return [values.unwrap(item, parcels) for item in values.open_column(data, parcels)]


def same(a: Any, b: Any) -> bool:
    """Equal in type and value, all the way down; NaN is NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return math.isnan(b) if math.isnan(a) else (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, set | frozenset):  # 1, 1.0 and True are one to a set, and not to us
        return sorted(f"{type(x)}{x!r}" for x in a) == sorted(f"{type(x)}{x!r}" for x in b)
    if isinstance(a, Point):
        return same(a.both(), b.both())
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype) and a.shape == b.shape and a.tobytes() == b.tobytes()
    return bool(a == b)


# Surrogates on purpose: os.fsdecode makes them of file names that are not UTF-8.
texts = st.text(st.characters(exclude_categories=()), max_size=20)
scalars = (
    st.none() | st.booleans() | st.integers() | st.integers(-(1 << 64), 1 << 65)
    | st.floats() | texts | st.binary(max_size=40) | st.complex_numbers()
)  # fmt: skip
kinds = st.sampled_from(["?", "i1", "<i8", ">u4", "f4", "f8", "c16", "U3", "S2", "M8[s]", "i4,f8"])
arrays = kinds.flatmap(lambda kind: st_numpy.arrays(np.dtype(kind), st_numpy.array_shapes(min_side=0, max_side=4)))
hashables = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.builds(Point, inner), max_leaves=4)
anything = st.recursive(
    scalars | arrays | st.builds(bytearray, st.binary(max_size=9)) | st.just(Point) | st.just(ValueError),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(hashables, inner, max_size=3) | st.tuples(inner, inner)
        | st.sets(hashables, max_size=3) | st.frozensets(hashables, max_size=3) | st.builds(Point, inner, inner)
    ),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(anything, max_size=6))
def test_every_value_comes_out_as_it_went_in(column: list[Any]) -> None:
    assert same(through(column), column)


@given(st.lists(scalars, max_size=6))
def test_what_nobody_held_is_held_while_it_is_written(column: list[Any]) -> None:
    parcels: list[Parcel] = []
    data = values.write_column(column, parcels)
    assert same([values.unwrap(item, parcels) for item in values.open_column(data, parcels)], column)


@given(st.lists(st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.binary()))
def test_plain_values_are_written_as_they_are(column: list[Any]) -> None:
    parcels: list[Parcel] = []
    assert values.is_plain(column)
    assert all(values.hold(value) is value for value in column)
    assert values.write_column(column, parcels) == msgspec.msgpack.encode(column)
    assert not parcels


@pytest.mark.parametrize("value", [1 << 64, -(1 << 63) - 1, "\udc80", "a\ud800b", (1,), [1], {1: 2}, Point(1)])
def test_what_msgpack_would_change_or_refuse_is_pickled(value: object) -> None:
    held = values.hold(value)
    assert type(held) is values.Ext
    assert held.code == values.PICKLE
    assert same(values.unwrap(held, []), value)


def test_a_value_that_is_an_extension_itself_is_not_taken_for_a_held_one() -> None:
    (found,) = through([msgspec.msgpack.Ext(values.PARCEL, b"mine")])
    assert (found.code, found.data) == (values.PARCEL, b"mine")


@pytest.mark.parametrize("size", [values.LARGE // 4 - 1, values.LARGE // 4, values.LARGE - 40, values.LARGE, 300_000])
@pytest.mark.parametrize("one", ["a", "é", b"b"])
def test_long_texts_and_bytes_of_every_length(one: Any, size: int) -> None:
    (found,) = through([one * size])
    assert same(found, one * size)


def test_what_is_large_travels_as_a_parcel_and_small_arrays_do_not() -> None:
    assert type(values.hold(b"x" * values.LARGE)) is Parcel
    assert type(values.hold(np.zeros(values.LARGE // 8))) is Parcel
    assert type(values.hold([np.zeros(values.LARGE // 16)] * 1)) is values.Ext
    assert type(values.hold(np.zeros(3))) is values.Ext


def test_a_column_may_mix_everything() -> None:
    big = np.arange(100_000.0).reshape(1000, 100)
    column = [1, "two", big, (3,), b"\xff" * 200_000, 1 << 80, "\ud800", {"a": big[:, 0]}, None, np.asfortranarray(big)]
    found = through(column)
    assert same(found, column)
    assert found[-1].flags.f_contiguous


def test_large_arrays_arrive_writable_and_independent_of_each_other() -> None:
    held = values.hold([np.zeros(1 << 16), np.ones(1 << 16)])
    assert type(held) is Parcel
    first, again = held.load(), held.load()
    assert first[0].flags.writeable
    first[0][:] = 7
    first[1][5] = 8
    assert not again[0].any()
    assert again[1].all()
    assert not held.load()[0].any()


def test_a_dropped_parcel_gives_its_descriptor_back_though_its_array_lives() -> None:
    before = len(os.listdir("/proc/self/fd"))
    held = values.hold(np.arange(1 << 16))
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert type(held) is Parcel
    found = held.load()
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del held
    assert len(os.listdir("/proc/self/fd")) == before
    assert found[-1] == (1 << 16) - 1


def test_the_memory_of_an_array_is_given_back_with_it() -> None:
    def mapped() -> int:
        with open("/proc/self/maps") as maps:
            return sum("shoal-parcel" in line for line in maps)

    before = mapped()
    held = values.hold(np.arange(1 << 16))
    assert type(held) is Parcel
    found = held.load()[100:]
    assert mapped() > before
    assert found[0] == 100
    del found
    assert mapped() == before


def test_a_whole_column_may_travel_as_a_parcel() -> None:
    parcels: list[Parcel] = []
    column: list[Any] = ["x" * 1000] * 500
    data = values.write_column(column, parcels)
    assert not parcels
    whole = [values.parcel(data)]
    assert values.open_column(values.encode(0), whole) == column
    assert values.fit(data, parcels, len(data)) is data
    index = values.fit(data, parcels, len(data) - 1)
    assert len(parcels) == 1
    assert values.open_column(index, parcels) == column


def test_a_column_that_finds_no_descriptor_waits_in_memory_until_it_is_sent() -> None:
    before = Parcel.open
    data = values.write_column(["x" * 1000] * 500, [])
    ours, theirs = channel.pair()
    with ours, theirs:
        outbox = channel.Outbox(ours)
        with at_most(3):
            parcel = values.parcel(data)
            assert Parcel.open == before
            assert values.open_column(values.encode(0), [parcel]) == ["x" * 1000] * 500
            outbox.put(b"frame", [parcel])
            assert not outbox.flush()
        assert outbox.flush()
        received = channel.Receiver(theirs, channel.buffer(100)).receive()
        assert received is not None
        assert values.open_column(values.encode(0), received[1]) == ["x" * 1000] * 500


def test_a_value_that_cannot_be_pickled_says_why() -> None:
    with pytest.raises(TypeError, match="sealed"):
        values.hold([1, Sealed()])


def test_an_item_that_cannot_be_read_touches_only_itself() -> None:
    parcels: list[Parcel] = []
    column = [values.hold(value) for value in (1, Bomb(), (2,), [Bomb(), np.zeros(1 << 15)], "end")]
    items = values.open_column(values.write_column(column, parcels), parcels)
    found: list[Any] = []
    for item in items:
        try:
            found.append(values.unwrap(item, parcels))
        except OSError as error:
            found.append(str(error))
    assert found == [1, "boom", (2,), "boom", "end"]


@pytest.mark.parametrize("data", [b"\xc0", b"\xa1x", b"\x80"])
def test_neither_a_column_nor_the_index_of_one(data: bytes) -> None:
    with pytest.raises(ValueError, match="neither a column"):
        values.open_column(data, [])


def test_an_unknown_extension_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown extension 9"):
        values.unwrap(values.Ext(9, b""), [])
    with pytest.raises(IndexError):
        values.unwrap(values.Ext(values.PARCEL, b"\x05\0\0\0"), [])


def _in_main(code: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(code, found)
    return found


def test_callables_travel_bare_and_inside_of_anything() -> None:
    offset = 10

    def closure(x: int) -> int:
        return x + offset

    # Containers, arrays, exceptions and partials: each has a plain pickle that would only write a name.
    holders = [closure, [closure], ValueError(closure), functools.partial(closure), np.array([closure], dtype=object)]
    for holder in through(holders):
        inner: Any = holder
        if isinstance(holder, list | np.ndarray):
            inner = holder[0]
        elif isinstance(holder, ValueError):
            inner = holder.args[0]
        assert inner(5) == 15


def test_a_class_of_main_comes_back_as_the_very_same_class() -> None:
    # cloudpickle carries it by value and knows it again; a copy would fail every isinstance of its sender.
    made = _in_main("class Mine:\n    def __init__(self, x): self.x = x\n")["Mine"](3)
    (found, (nested, *_)) = through([made, (made, np.array([made], dtype=object))])
    assert type(found) is type(made)
    assert type(nested) is type(made)
    assert found.x == 3


def module_function() -> None:
    """Has a name that other processes can import."""


def test_by_reference_names_what_another_process_can_import() -> None:
    here = module_function.__module__
    assert values.by_reference(len) == "builtins:len"
    assert values.by_reference(module_function) == f"{here}:module_function"
    assert values.by_reference(Point) == f"{here}:Point"
    assert values.by_reference(Point.both) == f"{here}:Point.both"


def test_by_reference_refuses_what_has_no_name_or_shares_it() -> None:
    def nested() -> None: ...

    refused: list[object] = [lambda: 1, nested, Point(1).both, [].append, functools.partial(len), str.upper, 3]
    for function in refused:
        assert values.by_reference(function) is None, function


def test_by_reference_refuses_main_and_modules_made_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert values.by_reference(_in_main("def f(): ...")["f"]) is None
    made = types.ModuleType("made_by_hand")
    exec("def f(): ...", made.__dict__)
    monkeypatch.setitem(sys.modules, "made_by_hand", made)
    assert made.f.__module__ == "made_by_hand"
    assert values.by_reference(made.f) is None


def test_by_reference_refuses_a_function_that_was_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    before = module_function
    monkeypatch.setattr(sys.modules[__name__], "module_function", lambda: None)
    assert values.by_reference(before) is None
    monkeypatch.delattr(sys.modules[__name__], "module_function")
    assert values.by_reference(before) is None
