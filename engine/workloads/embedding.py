"""Delay embedding and normalisation: from time series to the columns the estimators compare.

Embedded vectors are stored by column, shape ``(dimensions, rows)``, because the estimators sweep
one coordinate of many points at a time.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Columns = NDArray[np.float64]
Normalise = Literal["none", "series", "calc"]
NORMALISE: tuple[str, ...] = ("none", "series", "calc")


class Embedding(NamedTuple):
    """The three groups of columns of a transfer entropy, row by row the same moments.

    ``source_past`` has ``l`` columns, ``target_next`` one, ``target_past`` ``k``; in the pasts
    column 0 is the most recent.
    """

    source_past: Columns
    target_next: Columns
    target_past: Columns


def whole_number(name: str, value: int, least: int) -> int:
    """Return `value` if it is an integer not below `least`; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return int(value)


def series(name: str, values: ArrayLike) -> Columns:
    """Return a finite one-dimensional series as float64; ValueError if it is anything else."""
    columns = variables(name, values)
    if np.ndim(values) != 1:
        raise ValueError(f"{name} must be one series, not an array of shape {np.shape(values)}")
    one: Columns = columns[0]
    return one


def variables(name: str, values: ArrayLike) -> Columns:
    """Return samples of shape ``(n,)`` or ``(n, d)`` as float64 columns of shape ``(d, n)``.

    Raises ValueError for another shape, an empty array, text, or any NaN or infinity.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}") from None
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"{name} must have shape (n,) or (n, d) and some data, not {array.shape}")
    if not np.isfinite(array).all():
        at = int(np.argwhere(~np.isfinite(array))[0][0])
        raise ValueError(f"{name} must be finite: sample {at} is not")
    columns = array[np.newaxis, :] if array.ndim == 1 else array.T
    return np.ascontiguousarray(columns)


def z_scored(name: str, columns: Columns) -> Columns:
    """Return each row of ``(d, n)`` at mean 0 and sample standard deviation 1 (ddof 1).

    Raises ValueError if a row is constant, for then it has no scale to divide by.
    """
    if columns.shape[1] < 2:
        raise ValueError(f"{name} is too short to normalise: {columns.shape[1]} sample")
    if (columns.min(axis=1) == columns.max(axis=1)).any():
        raise ValueError(f"{name} is constant: it cannot be normalised")
    centred = columns - _sums(columns) / columns.shape[1]
    deviation = np.sqrt(_sums(centred * centred) / (columns.shape[1] - 1))
    return np.ascontiguousarray(centred / deviation)


def _sums(columns: Columns) -> Columns:
    # Added strictly in order. numpy's sum adds in an order of its own choosing, and on data from a
    # coarse grid the last bit of the scale decides which of two equal distances is the smaller.
    total: Columns = np.add.accumulate(columns, axis=1)[:, -1:]
    return total


def check_normalise(normalise: str) -> None:
    """Raise ValueError unless `normalise` is one of `NORMALISE`."""
    if normalise not in NORMALISE:
        raise ValueError(f"normalise must be one of {', '.join(NORMALISE)}, not {normalise!r}")


def first_row(k: int, l: int, k_tau: int, l_tau: int, delay: int) -> int:  # noqa: E741
    """Return the time of the first row's newest target past: the earliest with both pasts complete."""
    return max((k - 1) * k_tau, (l - 1) * l_tau + delay - 1)


def embedded_rows(
    length: int,
    *,
    k: int = 1,
    l: int = 1,  # noqa: E741
    k_tau: int = 1,
    l_tau: int = 1,
    delay: int = 1,
) -> int:
    """Return how many rows a series of `length` samples embeds to, 0 if too short.

    This is the length a permutation for `ksg.transfer_entropy` must have.
    """
    return max(0, length - 1 - first_row(k, l, k_tau, l_tau, delay))


def embed(
    source: Columns,
    target: Columns,
    *,
    k: int,
    l: int,  # noqa: E741
    k_tau: int,
    l_tau: int,
    delay: int,
    normalise: str,
) -> Embedding:
    """Embed two series of equal length for the transfer entropy from `source` to `target`.

    With t the time of a row's newest target past, the columns are ``target[t+1]``,
    ``target[t - i*k_tau]`` for i below k, and ``source[t + 1 - delay - i*l_tau]`` for i below l.
    `normalise` "series" scales the series first, "calc" each embedded column over its rows.
    Raises ValueError if no row can be formed or a constant column would have to be scaled.
    """
    if source.size != target.size:
        raise ValueError(f"source and target differ in length: {source.size} and {target.size}")
    rows = embedded_rows(target.size, k=k, l=l, k_tau=k_tau, l_tau=l_tau, delay=delay)
    if rows == 0:
        raise ValueError(f"series of {target.size} samples are too short for this history and delay")
    if normalise == "series":
        source = z_scored("source", source[np.newaxis, :])[0]
        target = z_scored("target", target[np.newaxis, :])[0]
    start = first_row(k, l, k_tau, l_tau, delay)
    target_past = _lags(target, start, k, k_tau, rows)
    target_next = _lags(target, start + 1, 1, 1, rows)
    source_past = _lags(source, start + 1 - delay, l, l_tau, rows)
    if normalise == "calc":
        source_past = z_scored("source", source_past)
        target_next = z_scored("target", target_next)
        target_past = z_scored("target", target_past)
    return Embedding(source_past, target_next, target_past)


def _lags(values: Columns, newest: int, count: int, tau: int, rows: int) -> Columns:
    return np.stack([values[newest - i * tau :][:rows] for i in range(count)])
