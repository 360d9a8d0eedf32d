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
import struct
import weakref
from collections.abc import Sequence
from typing import Any, ClassVar

_ALIGN = 64
_CHUNK = 1 << 30

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_MAP_FAILED = ctypes.c_void_p(-1).value


def _up(offset: int) -> int:
    return (offset + _ALIGN - 1) & ~(_ALIGN - 1)


class Parcel:
    """One large value as an open descriptor. It belongs to whoever holds the object, and is closed with it."""

    __slots__ = ("fd",)

    open: ClassVar[int] = 0
    """How many this process has, about: descriptors are limited."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        Parcel.open += 1

    def load(self) -> Any:
        """Unpickle the value. Raises whatever its unpickling raises, ValueError where the memory is no parcel."""
        size = os.fstat(self.fd).st_size
        if size < 16:
            raise ValueError("a parcel without a head")
        mapped = _map(self.fd, size)
        (count,) = struct.unpack_from("<Q", mapped)
        if not 1 <= count <= size // 8 - 1:
            raise ValueError("a parcel with a broken head")
        sizes = struct.unpack_from(f"<{count}Q", mapped, 8)
        parts, at = [], _up(8 + 8 * count)
        for length in sizes:
            if at + length > size:
                raise ValueError("a parcel that ends too early")
            parts.append(mapped[at : at + length])
            at = _up(at + length)
        return pickle.loads(parts[0], buffers=parts[1:])

    def close(self) -> None:
        """Give the descriptor back. May be called twice."""
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self.fd)
            self.fd = -1
            Parcel.open -= 1

    def __del__(self) -> None:
        self.close()


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


def pack(data: bytes, buffers: Sequence[pickle.PickleBuffer]) -> Parcel:
    """Copy a pickle and its out-of-band buffers into a parcel. Raises OSError where memory or descriptors run out."""
    parcel = Parcel(os.memfd_create("shoal-parcel", os.MFD_CLOEXEC))
    parts: list[bytes | memoryview] = [data, *(buffer.raw() for buffer in buffers)]
    head = struct.pack(f"<{len(parts) + 1}Q", len(parts), *(memoryview(part).nbytes for part in parts))
    _write(parcel.fd, 0, head)
    at = _up(len(head))
    for part in parts:
        _write(parcel.fd, at, part)
        at = _up(at + memoryview(part).nbytes)
    os.ftruncate(parcel.fd, at)
    return parcel
