"""Compiled sweeps over neighbours for the estimators of `ksg`, which has the formulas.

Points are sorted by one coordinate of z, which every count involves, so all
that a point needs lies in one contiguous stretch around it. The stretch grows in blocks until its
edge is further away than the K-th neighbour; within it, distances and counts are plain loops over
contiguous columns that the compiler turns into vector instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.workloads.embedding import Columns

Indices = NDArray[np.int64]
_P = ParamSpec("_P")
_R = TypeVar("_R")

_BLOCK = 64


def _compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile with the GIL released, keeping the machine code on disk where that is possible."""
    compiled: Callable[_P, _R]
    try:
        compiled = njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # No writable place for the cache (a read-only install): every process compiles for itself.
        compiled = njit(nogil=True)(function)
    return compiled


@_compiled
def _distances(columns: Columns, at: int, low: int, high: int, out: Columns) -> None:
    """Fill ``out[low:high]`` with the distances of those points from point `at`."""
    # The slices tell the compiler that indices start at 0, which it needs to use vectors.
    stretch = out[low:high]
    column = columns[0, low:high]
    centre = columns[0, at]
    for j in range(stretch.size):
        stretch[j] = abs(column[j] - centre)
    for c in range(1, columns.shape[0]):
        column = columns[c, low:high]
        centre = columns[c, at]
        for j in range(stretch.size):
            gap = abs(column[j] - centre)
            stretch[j] = gap if gap > stretch[j] else stretch[j]


@_compiled
def _larger(a: Columns, b: Columns, low: int, high: int, out: Columns) -> None:
    """Fill ``out[low:high]`` with the larger of `a` and `b`, point by point."""
    first, second, stretch = a[low:high], b[low:high], out[low:high]
    for j in range(stretch.size):
        stretch[j] = first[j] if first[j] > second[j] else second[j]


@_compiled
def _offer(
    joint: Columns, low: int, high: int, order: Indices, at: int, theiler: int, near: Columns, who: Indices
) -> None:
    """Merge the points ``low:high`` into the list of nearest ones: `near` ascending, positions in `who`.

    Equal distances rank by time, so that the list does not depend on the order of the sweep.
    """
    last = near.size - 1
    now = order[at]
    for j in range(low, high):
        gap = joint[j]
        if gap > near[last] or (gap == near[last] and who[last] >= 0 and order[j] > order[who[last]]):
            continue
        if abs(order[j] - now) <= theiler:
            continue
        slot = last
        while slot > 0 and (near[slot - 1] > gap or (near[slot - 1] == gap and order[who[slot - 1]] > order[j])):
            near[slot] = near[slot - 1]
            who[slot] = who[slot - 1]
            slot -= 1
        near[slot] = gap
        who[slot] = j


@_compiled
def _next_block(key: Columns, at: int, low: int, high: int, reach: float) -> tuple[int, int]:
    """Return the next block of points to visit around ``low:high``, empty when none can be in reach.

    `key` is the sorted coordinate: no distance is less than the gap in it.
    """
    left = key[at] - key[low - 1] if low > 0 else np.inf
    right = key[high] - key[at] if high < key.size else np.inf
    if low > 0 and left <= right and left <= reach:
        return max(0, low - _BLOCK), low
    if high < key.size and right <= reach:
        return high, min(key.size, high + _BLOCK)
    return 0, 0


@_compiled
def _radius(gaps: Columns, near: Columns, who: Indices, algorithm: int) -> float:
    """Return the radius that makes a strict count right for either algorithm."""
    if algorithm == 1:
        return near[-1]  # type: ignore[no-any-return]
    widest = 0.0
    for position in who:
        widest = max(widest, gaps[position])
    # "Up to and including r" is "strictly below the number after r".
    return np.nextafter(widest, np.inf)  # type: ignore[no-any-return]


@_compiled
def _exclude(gaps: Columns, rank: Indices, now: int, theiler: int, low: int, high: int) -> None:
    """Put the point itself and its neighbours in time out of any radius."""
    for time in range(max(0, now - theiler), min(rank.size, now + theiler + 1)):
        if low <= rank[time] < high:
            gaps[rank[time]] = np.inf


@_compiled
def transfer_entropy_sorted(
    x: Columns,
    y: Columns,
    z: Columns,
    order: Indices,
    rank: Indices,
    neighbours: int,
    algorithm: int,
    theiler: int,
    psi: Columns,
) -> float:
    """Return the transfer entropy of columns sorted by ``z[0]``, shape ``(d, n)`` each.

    `order` maps positions to times and `rank` back; `psi` is the digamma function at 0..n.
    """
    n = order.size
    key = z[0]
    dx, dy, dz, joint = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    near = np.empty(neighbours)
    who = np.empty(neighbours, dtype=np.int64)
    total = 0.0
    for at in range(n):
        near[:] = np.inf
        who[:] = -1
        low = high = at
        while True:
            start, stop = _next_block(key, at, low, high, near[-1])
            if start == stop:
                break
            _distances(x, at, start, stop, dx)
            _distances(y, at, start, stop, dy)
            _distances(z, at, start, stop, dz)
            _larger(dx, dy, start, stop, joint)
            _larger(joint, dz, start, stop, joint)
            _offer(joint, start, stop, order, at, theiler, near, who)
            low, high = min(low, start), max(high, stop)
        rx = _radius(dx, near, who, algorithm)
        ry = _radius(dy, near, who, algorithm)
        rz = _radius(dz, near, who, algorithm)
        _exclude(dz, rank, order[at], theiler, low, high)
        gx, gy, gz = dx[low:high], dy[low:high], dz[low:high]
        nz = nxz = nyz = 0
        for j in range(gz.size):
            inside = gz[j] < rz
            nz += inside
            nxz += inside & (gx[j] < rx)
            nyz += inside & (gy[j] < ry)
        if algorithm == 1:
            total += psi[nz + 1] - psi[nxz + 1] - psi[nyz + 1]
        else:
            total += psi[nz] - psi[nxz] + 1.0 / nxz - psi[nyz] + 1.0 / nyz
    return total / n + psi[neighbours] - (0.0 if algorithm == 1 else 2.0 / neighbours)  # type: ignore[no-any-return]


@_compiled
def _apart(columns: Columns, a: int, b: int) -> float:
    """Return the distance between points `a` and `b`."""
    widest = 0.0
    for c in range(columns.shape[0]):
        widest = max(widest, abs(columns[c, a] - columns[c, b]))
    return widest


@_compiled
def _count_sorted(columns: Columns, rank: Indices, now: int, theiler: int, radius: float) -> int:
    """Count the points strictly within `radius` of the one at time `now`, in columns sorted by the first."""
    key = columns[0]
    at = rank[now]
    # Bisect on the rounded difference itself, the very number the distances are made of: comparing
    # with key[at] - radius would round differently and miscount points on the edge.
    low, above = 0, at
    while low < above:
        middle = (low + above) // 2
        if key[at] - key[middle] < radius:
            above = middle
        else:
            low = middle + 1
    below, high = at, key.size
    while below < high:
        middle = (below + high) // 2
        if key[middle] - key[at] < radius:
            below = middle + 1
        else:
            high = middle
    count = high - low
    if columns.shape[0] > 1:
        count = 0
        for j in range(low, high):
            count += _apart(columns, at, j) < radius
    for time in range(max(0, now - theiler), min(rank.size, now + theiler + 1)):
        count -= _apart(columns, at, rank[time]) < radius
    return count  # type: ignore[no-any-return]


@_compiled
def mutual_information_sorted(
    x: Columns,
    y: Columns,
    y_sorted: Columns,
    order: Indices,
    rank: Indices,
    y_rank: Indices,
    neighbours: int,
    algorithm: int,
    theiler: int,
    psi: Columns,
) -> float:
    """Return the mutual information of columns sorted by ``x[0]``, shape ``(d, n)`` each.

    `y_sorted` has the points of `y` by ``y[0]``, for the counts in y alone, with `y_rank` from times
    to its positions; the rest is as in `transfer_entropy_sorted`.
    """
    n = order.size
    key = x[0]
    dx, dy, joint = np.empty(n), np.empty(n), np.empty(n)
    near = np.empty(neighbours)
    who = np.empty(neighbours, dtype=np.int64)
    total = 0.0
    for at in range(n):
        near[:] = np.inf
        who[:] = -1
        low = high = at
        while True:
            start, stop = _next_block(key, at, low, high, near[-1])
            if start == stop:
                break
            _distances(x, at, start, stop, dx)
            _distances(y, at, start, stop, dy)
            _larger(dx, dy, start, stop, joint)
            _offer(joint, start, stop, order, at, theiler, near, who)
            low, high = min(low, start), max(high, stop)
        rx = _radius(dx, near, who, algorithm)
        ry = _radius(dy, near, who, algorithm)
        _exclude(dx, rank, order[at], theiler, low, high)
        gx = dx[low:high]
        nx = 0
        for j in range(gx.size):
            nx += gx[j] < rx
        ny = _count_sorted(y_sorted, y_rank, order[at], theiler, ry)
        if algorithm == 1:
            total += psi[nx + 1] + psi[ny + 1]
        else:
            total += psi[nx] + psi[ny]
    return psi[neighbours] + psi[n] - total / n - (0.0 if algorithm == 1 else 1.0 / neighbours)  # type: ignore[no-any-return]
