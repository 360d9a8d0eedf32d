"""Large values in memory of their own: a memfd that is handed over with the frame, so that no socket copies it.

Layout: a head of little-endian 8-byte sizes (count, then the pickle's, then each buffer's), the pickle, then the
buffers, each at a multiple of 64 bytes. Whoever unpacks it maps it privately: arrays are writable, and writing to one
copies only the page.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import pickle
import resource
import struct
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

_ALIGN = 64
_CHUNK = 1 << 30
_FEW = 512

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_MAP_FAILED = ctypes.c_void_p(-1).value


def _up(offset: int) -> int:
    return (offset + _ALIGN - 1) & ~(_ALIGN - 1)


class Parcel:
    """One large value in memory of its own: an open descriptor, or a mapping in its place. It belongs to whoever holds
    the object, and goes with it.
    """

    __slots__ = ("_fd", "_mapped")

    open: ClassVar[int] = 0
    """How many this process holds by a descriptor, about: these are limited."""

    def __init__(self, fd: int, mapped: memoryview | None = None) -> None:
        """By a descriptor; or, with -1 for it, by its memory."""
        self._fd = fd
        self._mapped = mapped
        Parcel.open += mapped is None

    @property
    def fd(self) -> int:
        """The descriptor, to be sent. A parcel that gave its own back gets another, by a copy: that raises OSError
        where memory or descriptors run out. -1 once it is closed.
        """
        if self._mapped is not None:
            fd = os.memfd_create("shoal-parcel", os.MFD_CLOEXEC)
            try:
                _write(fd, 0, self._mapped)
            except BaseException:
                os.close(fd)
                raise
            self._fd, self._mapped = fd, None
            Parcel.open += 1
        return self._fd

    def stow(self) -> None:
        """Keep the value by a mapping, which takes no descriptor. What is no memory, or finds none, stays as it is."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            mapped = _map(self._fd, os.fstat(self._fd).st_size)
            self.close()
            self._mapped = mapped

    def twin(self) -> Parcel:
        """Another one of the same value, whatever is written to what this one is loaded as. Raises OSError where
        descriptors run out.
        """
        return Parcel(os.dup(self.fd))

    def load(self) -> Any:
        """Unpickle the value. Raises whatever its unpickling raises, ValueError where the memory is no parcel.

        Arrays are the caller's own, unless a stowed parcel is loaded again: then both have the same.
        """
        mapped = self._mapped
        size = os.fstat(self._fd).st_size if mapped is None else len(mapped)
        if mapped is None:
            if not size:
                raise ValueError("a parcel without a head")
            mapped = _map(self._fd, size)
        parts = [mapped[at:end] for at, end in _parts(mapped.__getitem__, size)]
        return pickle.loads(parts[0], buffers=parts[1:])

    def pickled(self, piece: int) -> Iterator[bytes]:
        """The value as one pickle that needs nothing beside it, in pieces of so many bytes; the last one is shorter.

        Raises ValueError where the memory is no parcel. It is read, not mapped: whatever its sender still does to it,
        nobody who reads it dies of that.
        """
        parts = _parts(self._read, self.size())
        waiting = bytearray()
        for part in _one_pickle(parts):
            if isinstance(part, bytes):
                waiting += part
            else:
                at, end = part
                while at < end:
                    found = self._read(slice(at, min(end, at + piece - len(waiting))))
                    waiting += found
                    at += len(found)
                    if len(waiting) >= piece:
                        yield bytes(waiting)
                        waiting.clear()
            while len(waiting) >= piece:
                yield bytes(waiting[:piece])
                del waiting[:piece]
        if waiting:
            yield bytes(waiting)

    def _read(self, wanted: slice) -> bytes:
        """Raises ValueError where there is not so much."""
        if self._mapped is not None:
            found = bytes(self._mapped[wanted])
        else:
            try:
                found = os.pread(self._fd, wanted.stop - wanted.start, wanted.start)
            except OSError as error:
                raise ValueError(f"a parcel that can't be read: {error.strerror}") from error
        if len(found) < wanted.stop - wanted.start:
            raise ValueError("a parcel that ends too early")
        return found

    def size(self) -> int:
        """Bytes that it takes; 0 once it is closed."""
        if self._mapped is not None:
            return len(self._mapped)
        return os.fstat(self._fd).st_size if self._fd >= 0 else 0

    def close(self) -> None:
        """Give descriptor and memory back. May be called twice."""
        self._mapped = None
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
            Parcel.open -= 1

    def __del__(self) -> None:
        self.close()


def stow_some(parcels: Sequence[Parcel]) -> None:
    """Stow those for which descriptors may be wanted more elsewhere: how many wait to be read is up to
    others, and half of what this process may open is its program's.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for parcel in parcels:
        # The kernel gives the lowest number that is free: this counts what the rest of the program has opened, too.
        if parcel._fd >= (_FEW if soft == resource.RLIM_INFINITY else min(soft // 2, _FEW)):
            parcel.stow()


def _map(fd: int, size: int) -> memoryview:
    """Map a file privately, until the last view of it is gone. Python's own mmap would keep a descriptor as long."""
    address = _libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, fd, 0)
    if address == _MAP_FAILED:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    mapped = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(mapped, _libc.munmap, address, size).atexit = False  # arrays may be used until the very end
    return pickle.PickleBuffer(mapped).raw()


def _write(fd: int, at: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    done = 0
    while done < len(view):
        done += os.pwrite(fd, view[done : done + _CHUNK], at + done)


def _parts(read: Callable[[slice], bytes | memoryview], size: int) -> list[tuple[int, int]]:
    """Where the parts of a parcel of `size` bytes begin and end: the pickle, then its buffers. Raises ValueError."""
    if size < 16:
        raise ValueError("a parcel without a head")
    (count,) = struct.unpack("<Q", read(slice(0, 8)))
    if not 1 <= count <= size // 8 - 1:
        raise ValueError("a parcel with a broken head")
    found, at = [], _up(8 + 8 * count)
    for length in struct.unpack(f"<{count}Q", read(slice(8, 8 + 8 * count))):
        if at + length > size:
            raise ValueError("a parcel that ends too early")
        found.append((at, at + length))
        at = _up(at + length)
    return found


def _one_pickle(parts: list[tuple[int, int]]) -> Iterator[bytes | tuple[int, int]]:
    """Of a pickle and its buffers, given by where they lie, a pickle: what to write, and between that what lies where.

    Without buffers it is the pickle itself. With some it calls, as it is read, ``partial(pickle.loads,
    buffers=[...])(pickle)``: so no object of the value's need be made, nor any module imported, to write it. Opcodes
    as in `pickletools`; each buffer becomes a bytearray, so arrays can be written to.
    """
    pickled, *buffers = parts
    if not buffers:
        yield pickled
        return
    yield b"\x80\x05" + _global("functools", "partial") + _global("pickle", "loads") + _TUPLE1
    yield b"}" + _text("buffers") + b"]("  # EMPTY_DICT, its key, EMPTY_LIST, MARK
    for at, end in buffers:
        yield b"\x96" + struct.pack("<Q", end - at)  # BYTEARRAY8
        yield at, end
    yield b"es\x92"  # APPENDS, SETITEM, NEWOBJ_EX
    at, end = pickled
    yield b"\x8e" + struct.pack("<Q", end - at)  # BINBYTES8
    yield pickled
    yield _TUPLE1 + b"R."  # REDUCE, STOP


_TUPLE1 = b"\x85"


def _text(text: str) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes((len(text),)) + text.encode()


def _global(module: str, name: str) -> bytes:
    """STACK_GLOBAL."""
    return _text(module) + _text(name) + b"\x93"


def pack(data: bytes, buffers: Sequence[pickle.PickleBuffer]) -> Parcel:
    """Copy a pickle and its out-of-band buffers into a parcel. Raises OSError where memory or descriptors run out."""
    parcel = Parcel(os.memfd_create("shoal-parcel", os.MFD_CLOEXEC))
    placed, size = _layout([data, *(buffer.raw() for buffer in buffers)])
    for at, part in placed:
        _write(parcel.fd, at, part)
    os.ftruncate(parcel.fd, size)
    return parcel


def stowed(data: bytes) -> Parcel:
    """As `pack` of a pickle without buffers, but in this process's memory: it takes no descriptor until it is sent."""
    placed, size = _layout([data])
    memory = bytearray(size)
    for at, part in placed:
        memory[at : at + len(part)] = part
    return Parcel(-1, memoryview(memory))


def _layout(parts: Sequence[bytes | memoryview]) -> tuple[list[tuple[int, bytes | memoryview]], int]:
    """What is to lie where in a parcel, and how long that is."""
    head = struct.pack(f"<{len(parts) + 1}Q", len(parts), *(len(part) for part in parts))
    placed: list[tuple[int, bytes | memoryview]] = [(0, head)]
    at = _up(len(head))
    for part in parts:
        placed.append((at, part))
        at = _up(at + len(part))
    return placed, at
