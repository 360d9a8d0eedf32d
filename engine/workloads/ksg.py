"""Nearest-neighbour estimators of transfer entropy and mutual information, in nats.

The estimators are those of Kraskov, Stögbauer and Grassberger (Phys. Rev. E 69, 066138, 2004),
extended to conditional mutual information by Frenzel and Pompe (Phys. Rev. Lett. 99, 204101, 2007),
and transfer entropy is Schreiber's (Phys. Rev. Lett. 85, 461, 2000): the information the source's
past gives on the target's next value when the target's own past is known.

Distances are maximum norms. With K neighbours and psi the digamma function, averages over points:

* algorithm 1: one radius, the distance to the K-th neighbour in the joint space; the counts n are
  of points strictly inside it.
  MI = psi(K) + psi(N) - <psi(nx+1) + psi(ny+1)>;
  TE = psi(K) + <psi(nz+1) - psi(nxz+1) - psi(nyz+1)>.
* algorithm 2: one radius per variable, the largest distance in it among the K neighbours; the
  counts are of points inside it or on it.
  MI = psi(K) - 1/K + psi(N) - <psi(nx) + psi(ny)>;
  TE = psi(K) - 2/K + <psi(nz) - psi(nxz) + 1/nxz - psi(nyz) + 1/nyz>.

Here x is the source's past, y the target's next value, z the target's past. No noise is added, so
ties are real: algorithm 1 needs only the K-th distance and has none to break, algorithm 2 takes the
earlier sample of two at the same distance.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from engine.workloads.embedding import (
    Columns,
    Normalise,
    check_normalise,
    embed,
    series,
    variables,
    whole_number,
    z_scored,
)
from engine.workloads.ksg_kernels import Indices, mutual_information_sorted, transfer_entropy_sorted


@lru_cache(maxsize=32)
def _digamma(largest: int) -> Columns:
    """Return psi at 0..largest: psi(n) = -gamma + 1 + 1/2 + ... + 1/(n-1); psi(0) is not a number."""
    table = np.full(largest + 1, np.nan)
    table[1:] = -np.euler_gamma
    table[2:] += np.cumsum(1.0 / np.arange(1, largest))
    return table


def _sorted_by_first(columns: Columns) -> tuple[Indices, Indices]:
    """Return (order, rank): the time at each position by ``columns[0]``, and the position of each time."""
    order = np.argsort(columns[0], kind="stable").astype(np.int64)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return order, rank


def _check(n: int, neighbours: int, algorithm: int, theiler: int) -> None:
    whole_number("neighbours", neighbours, 1)
    whole_number("theiler", theiler, 0)
    if algorithm not in (1, 2):
        raise ValueError(f"algorithm must be 1 or 2, not {algorithm!r}")
    left = n - min(n, 2 * theiler + 1)
    if neighbours > left:
        raise ValueError(
            f"{neighbours} neighbours cannot be found: {n} points with a Theiler window of {theiler} "
            f"leave {left} to choose from"
        )


def transfer_entropy(
    source: ArrayLike,
    target: ArrayLike,
    *,
    k: int = 1,
    l: int = 1,  # noqa: E741
    k_tau: int = 1,
    l_tau: int = 1,
    delay: int = 1,
    neighbours: int = 4,
    algorithm: int = 1,
    normalise: Normalise = "none",
    theiler: int = 0,
    permutation: ArrayLike | None = None,
) -> float:
    """Return the transfer entropy from `source` to `target` in nats.

    Args:
        source, target: series of the same length, shape ``(n,)``, finite.
        k, l: history lengths of target and source.
        k_tau, l_tau: samples between successive values in those histories.
        delay: samples from the source's newest value to the target's next one; 0 or more.
        neighbours: K, the neighbours that set each point's radius.
        algorithm: 1 or 2 of Kraskov, Stögbauer and Grassberger.
        normalise: "none"; "series", z-score each series; "calc", z-score each embedded column.
        theiler: points whose times differ by this much or less are not neighbours of each other.
        permutation: the row order in which to read the embedded source pasts, a permutation of
            ``range(embedding.embedded_rows(n, ...))``. It makes a surrogate under the null hypothesis
            that the target's next value is independent of the source's past given the target's past:
            each source past stays whole and loses its place in time.

    Returns:
        The estimate. It may be negative: the estimator is close to unbiased, not bounded by 0.

    Raises:
        ValueError: for series that differ in length, hold NaN, are too short for the histories or for
            K and the Theiler window, are constant and to be normalised; for parameters out of range;
            for a `permutation` that is not one.
    """
    k, l = whole_number("k", k, 1), whole_number("l", l, 1)  # noqa: E741
    k_tau, l_tau = whole_number("k_tau", k_tau, 1), whole_number("l_tau", l_tau, 1)
    delay = whole_number("delay", delay, 0)
    check_normalise(normalise)
    x, y, z = embed(
        series("source", source),
        series("target", target),
        k=k,
        l=l,
        k_tau=k_tau,
        l_tau=l_tau,
        delay=delay,
        normalise=normalise,
    )
    n = y.shape[1]
    _check(n, neighbours, algorithm, theiler)
    if permutation is not None:
        x = x[:, _checked_permutation(permutation, n)]
    order, rank = _sorted_by_first(z)
    x, y, z = (np.ascontiguousarray(columns[:, order]) for columns in (x, y, z))
    return float(
        transfer_entropy_sorted(x, y, z, order, rank, int(neighbours), int(algorithm), int(theiler), _digamma(n))
    )


def _checked_permutation(permutation: ArrayLike, n: int) -> Indices:
    rows = np.asarray(permutation)
    whole = rows.shape == (n,) and np.issubdtype(rows.dtype, np.integer)
    if not whole or not np.array_equal(np.sort(rows), np.arange(n)):
        raise ValueError(f"permutation must be one of the {n} embedded rows")
    return rows.astype(np.int64)


def mutual_information(
    x: ArrayLike,
    y: ArrayLike,
    *,
    delay: int = 0,
    neighbours: int = 4,
    algorithm: int = 1,
    normalise: Normalise = "none",
    theiler: int = 0,
) -> float:
    """Return the mutual information of `x` and `y` in nats.

    Args:
        x, y: samples of two variables, shape ``(n,)`` or ``(n, d)``, finite, the same n.
        delay: ``x[t]`` is paired with ``y[t + delay]``; 0 or more.
        neighbours: K, the neighbours that set each point's radius.
        algorithm: 1 or 2 of Kraskov, Stögbauer and Grassberger.
        normalise: "none"; "series", z-score each column before the shift; "calc", after it.
        theiler: points whose times differ by this much or less are not neighbours of each other.

    Returns:
        The estimate. It may be negative.

    Raises:
        ValueError: for variables that differ in length, hold NaN, are too short for K, the delay and
            the Theiler window, are constant and to be normalised; for parameters out of range.
    """
    delay = whole_number("delay", delay, 0)
    check_normalise(normalise)
    a, b = variables("x", x), variables("y", y)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"x and y differ in length: {a.shape[1]} and {b.shape[1]}")
    n = a.shape[1] - delay
    if n < 1:
        raise ValueError(f"{a.shape[1]} samples are too few for a delay of {delay}")
    if normalise == "series":
        a, b = z_scored("x", a), z_scored("y", b)
    a, b = a[:, :n], b[:, delay:]
    if normalise == "calc":
        a, b = z_scored("x", a), z_scored("y", b)
    _check(n, neighbours, algorithm, theiler)
    order, rank = _sorted_by_first(a)
    y_order, y_rank = _sorted_by_first(b)
    return float(
        mutual_information_sorted(
            np.ascontiguousarray(a[:, order]),
            np.ascontiguousarray(b[:, order]),
            np.ascontiguousarray(b[:, y_order]),
            order,
            rank,
            y_rank,
            int(neighbours),
            int(algorithm),
            int(theiler),
            _digamma(n),
        )
    )


def warm_up() -> None:
    """Compile both estimators, or load them from disk, so that no later call pays for it.

    The kernels' argument types never change, so one call of each is enough for all histories,
    algorithms and normalisations.
    """
    ramp = np.arange(16.0)
    transfer_entropy(ramp, ramp[::-1])
    mutual_information(ramp, ramp[::-1])
