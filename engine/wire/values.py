"""Values between processes: every value comes out as the type that went in.

A *column* is a list of values that travels as one msgpack array. Plain scalars (exactly str, int, float, bool, None,
bytes) are written as they are; anything else is a pickle in an extension, one pickle a value, so that a value that
can't be read is the fault of its own task and of no other. Pickles are made by cloudpickle where plain pickle would
only write a name that the reader can't import: callables, and classes of ``__main__`` or of a function's body. It tells
both ends which class is which, so an instance that comes back is an instance of the very class that its sender knows.

A pickle from `LARGE` bytes on travels outside of the frame, in a memfd: see `engine.wire.memory`.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from engine.wire.memory import Parcel, pack, stowed

PICKLE: Final = 1
"""Extension code: the data is one pickle."""
PARCEL: Final = 2
"""Extension code: the data is the index, in 4 bytes, of a descriptor that came with the frame."""

LARGE: Final = 128 << 10
"""Bytes from which a value leaves the frame. A frame must fit the send buffer that every Linux grants (208 KiB)."""

_SIMPLE: Final = frozenset({int, str, float, bytes, bytearray, complex, bool, type(None), range})
"""Kinds that can't hold anything whose pickle would be a name that the reader can't import."""

PARCELS_OPEN: Final = 256
"""Parcels open in a process, beyond which large values wait in its memory: 1,024 descriptors are common."""
PARCELS_SENT: Final = 200
"""Parcels beside one frame; the kernel stops at 253 descriptors."""

PLAIN: Final = frozenset({str, int, float, bool, type(None), bytes})
SHORT: Final = frozenset({int, float, bool, type(None)})
"""Plain kinds whose values are all short."""

Ext = msgspec.msgpack.Ext
_encoder = msgspec.msgpack.Encoder()
_decode_list = msgspec.msgpack.Decoder(list).decode
read = msgspec.msgpack.Decoder().decode
encode = _encoder.encode


def prepare() -> None:
    """Load what pickling any value takes: a process that runs out of descriptors can't load it any more."""
    import cloudpickle  # noqa: F401


def dumps(value: object, buffers: list[pickle.PickleBuffer] | None = None) -> bytes:
    """Pickle any value; large buffers inside it (arrays) are appended to `buffers`.

    Raises whatever its pickling raises.
    """
    callback = None if buffers is None else buffers.append
    kind = type(value)
    if kind in _SIMPLE or (kind.__module__ == "numpy" and not _has_objects(value)):
        return pickle.dumps(value, 5, buffer_callback=callback)
    import cloudpickle  # 20 ms, and nobody who only sends numbers needs it

    try:
        data: bytes = cloudpickle.dumps(value, 5, buffer_callback=callback)
    except pickle.PicklingError as error:
        if isinstance(error.__cause__, RecursionError):  # what plain pickle raises, and what it was
            raise error.__cause__ from None
        raise
    return data


def _has_objects(value: object) -> bool:
    """Whether something of numpy's may hold Python objects, which may be of any kind."""
    return bool(getattr(getattr(value, "dtype", None), "hasobject", True))


def hold(value: object) -> object:
    """A value as it waits to be sent: itself if plain and small, else a pickle in an extension, or a parcel if that is
    large.

    Raises whatever pickling it raises.
    """
    kind = type(value)
    if kind in SHORT and (kind is not int or -(1 << 63) <= value < (1 << 64)):  # type: ignore[operator]
        return value
    if kind is bytes and len(value) < LARGE:  # type: ignore[arg-type]
        return value
    if kind is str and len(value) < LARGE // 4:  # type: ignore[arg-type]
        try:
            value.encode()  # type: ignore[attr-defined]
        except UnicodeEncodeError:
            pass  # a lone surrogate: only pickle carries it
        else:
            return value
    buffers: list[pickle.PickleBuffer] = []
    data = dumps(value, buffers)
    if buffers or len(data) >= LARGE:
        large = len(data) + sum(buffer.raw().nbytes for buffer in buffers) >= LARGE
        if large and Parcel.open < PARCELS_OPEN:
            with contextlib.suppress(OSError):  # the program around us has opened all that it may
                return pack(data, buffers)
        # Small after all; or so many wait that descriptors would run out: then it waits in memory, and travels in a
        # column that is a parcel as a whole.
        data = dumps(value)
    return Ext(PICKLE, data)


def size(item: object) -> int:
    """About how many bytes a held value takes in a frame."""
    if type(item) is Ext:
        return memoryview(item.data).nbytes
    if type(item) is Parcel:
        return 1024  # it travels beside the frame, but not in any number
    return len(item) if isinstance(item, str | bytes) else 9


def mean_size(held: Sequence[object]) -> int:
    """About how many bytes each of these takes in a frame, by the first few."""
    sample = held[:50]
    return sum(map(size, sample)) // max(1, len(sample))


def is_plain(column: Sequence[object]) -> bool:
    """Whether all values are scalars that msgpack carries unchanged (sizes and surrogates apart)."""
    return PLAIN.issuperset(map(type, column))


def write_column(column: Sequence[object], parcels: list[Parcel]) -> bytes:
    """Encode a column of plain values and of what `hold` made; `open_column` and `unwrap` read it.

    Its parcels are appended to `parcels`.
    """
    try:
        data = encode(column)  # most columns need no look at each value
    except (TypeError, OverflowError, UnicodeEncodeError):  # a parcel; an integer beyond 64 bits; a lone surrogate
        return write_held(column, parcels)
    return data if len(data) < LARGE else write_held(column, parcels)


def write_plain(column: Sequence[object], known: bool = False) -> bytes | None:
    """Encode a column of plain values alone, all of them small; None if it is none. `known`: `is_plain` holds."""
    if not known and not is_plain(column):
        return None
    try:
        data = encode(column)
    except (OverflowError, UnicodeEncodeError):  # an integer beyond 64 bits; a lone surrogate
        return None
    return data if len(data) < LARGE else None


def write_held(column: Sequence[object], parcels: list[Parcel]) -> bytes:
    """As `write_column`, value by value."""
    return encode([_place(value, parcels) for value in column])


def _place(value: object, parcels: list[Parcel]) -> object:
    if type(value) is not Ext and type(value) is not Parcel:
        value = hold(value)
    if type(value) is Parcel:
        if len(parcels) >= PARCELS_SENT:
            return Ext(PICKLE, dumps(value.load()))
        parcels.append(value)
        return Ext(PARCEL, (len(parcels) - 1).to_bytes(4, "little"))
    return value


def parcel(column: bytes) -> Parcel:
    """A whole encoded column as a parcel; `open_column` opens it.

    Where descriptors have run out it waits in memory, and gets one when it is sent.
    """
    data = pickle.dumps(column, 5)
    try:
        return pack(data, [])
    except OSError:
        return stowed(data)


def fit(column: bytes, parcels: list[Parcel], room: int) -> bytes:
    """An encoded column as it goes into a frame that has `room` bytes for it: itself, or the index of the parcel that
    it becomes, which is appended to `parcels`.
    """
    if len(column) <= room:
        return column
    parcels.append(parcel(column))
    return encode(len(parcels) - 1)


def open_column(column: bytes | memoryview, parcels: Sequence[Parcel]) -> list[Any]:
    """The items of a column as it stands in a frame: itself, or the index of the parcel that it travels in."""
    found = read(column)
    if type(found) is int:
        return _decode_list(parcels[found].load())
    if type(found) is not list:
        raise ValueError("neither a column nor the index of one")
    return found


def _seen(code: int, data: memoryview) -> Ext:
    global _wrapped
    _wrapped = True
    return Ext(code, bytes(data))


_wrapped = False
# Made once, for all forks: making one writes to so many pages that each agent would have 100 KB of its own for it.
_decode_and_tell = msgspec.msgpack.Decoder(ext_hook=_seen).decode


def open_arguments(column: bytes | memoryview, parcels: Sequence[Parcel]) -> tuple[list[Any], bool]:
    """As `open_column`, and whether any of the items has to be unwrapped: most columns hold none such, and a look at
    each item takes as long as the smallest tasks. For processes of one thread.
    """
    global _wrapped
    _wrapped = False
    found = _decode_and_tell(column)
    if type(found) is int:
        found = _decode_and_tell(parcels[found].load())
    if type(found) is not list:
        raise ValueError("neither a column nor the index of one")
    return found, _wrapped


def unwrap(item: Any, parcels: Sequence[Parcel]) -> Any:
    """The value of one item of a column. Raises whatever its unpickling raises."""
    if type(item) is not Ext:
        return item
    if item.code == PICKLE:
        return pickle.loads(item.data)
    if item.code == PARCEL:
        return parcels[int.from_bytes(item.data, "little")].load()
    raise ValueError(f"unknown extension {item.code} in a column")


def value_of(held: Any) -> Any:
    """The value that `hold` made something of. Raises whatever its unpickling raises."""
    return held.load() if type(held) is Parcel else unwrap(held, [])


def by_reference(function: object) -> str | None:
    """``module:qualname`` if another process can import the callable by that name and get this very one, else None."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if not module or not name or module == "__main__" or "<" in name:
        return None
    found: object = sys.modules.get(module)
    if getattr(found, "__spec__", None) is None:  # made by hand: no other process could import it
        return None
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if found is function else None
