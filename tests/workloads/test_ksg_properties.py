"""The fast estimators against a brute-force reading of the formulas, and what must leave them alone."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.workloads import ksg
from engine.workloads.embedding import embedded_rows

Array = NDArray[np.float64]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    ksg.warm_up()


def psi(n: int) -> float:
    return -float(np.euler_gamma) + math.fsum(1 / i for i in range(1, n))


def distance(points: Array, i: int, j: int) -> float:
    return float(np.max(np.abs(points[i] - points[j])))


def z_score(columns: Array) -> Array:
    # Written as sums in order, as the estimator does: ties of the data must round alike.
    mean = np.array([sum(column) / len(column) for column in columns.T])
    centred = columns - mean
    deviation = np.array([math.sqrt(sum(c * c for c in column) / (len(column) - 1)) for column in centred.T])
    return np.asarray(centred / deviation)


def neighbourhoods(groups: list[Array], algorithm: int, neighbours: int, theiler: int) -> list[Any]:
    """Per point: for each group of variables a set of the points within that group's radius."""
    n = len(groups[0])
    found = []
    for i in range(n):
        others = [j for j in range(n) if abs(i - j) > theiler]
        joint = sorted((max(distance(g, i, j) for g in groups), j) for j in others)[:neighbours]
        near = []
        for g in groups:
            if algorithm == 1:
                near.append({j for j in others if distance(g, i, j) < joint[-1][0]})
            else:
                radius = max(distance(g, i, j) for _, j in joint)
                near.append({j for j in others if distance(g, i, j) <= radius})
        found.append(near)
    return found


def slow_transfer_entropy(
    source: Array,
    target: Array,
    *,
    k: int,
    l: int,  # noqa: E741
    k_tau: int,
    l_tau: int,
    delay: int,
    neighbours: int,
    algorithm: int,
    normalise: str,
    theiler: int,
    permutation: list[int] | None = None,
) -> float:
    if normalise == "series":
        source, target = z_score(source[:, None])[:, 0], z_score(target[:, None])[:, 0]
    times = [t for t in range(len(target) - 1) if t - (k - 1) * k_tau >= 0 and t + 1 - delay - (l - 1) * l_tau >= 0]
    x = np.array([[source[t + 1 - delay - i * l_tau] for i in range(l)] for t in times])
    y = np.array([[target[t + 1]] for t in times])
    z = np.array([[target[t - i * k_tau] for i in range(k)] for t in times])
    if normalise == "calc":
        x, y, z = z_score(x), z_score(y), z_score(z)
    if permutation is not None:
        x = x[permutation]
    terms = []
    for near_x, near_y, near_z in neighbourhoods([x, y, z], algorithm, neighbours, theiler):
        nz, nxz, nyz = len(near_z), len(near_x & near_z), len(near_y & near_z)
        if algorithm == 1:
            terms.append(psi(nz + 1) - psi(nxz + 1) - psi(nyz + 1))
        else:
            terms.append(psi(nz) - psi(nxz) + 1 / nxz - psi(nyz) + 1 / nyz - 2 / neighbours)
    return psi(neighbours) + math.fsum(terms) / len(terms)


def slow_mutual_information(x: Array, y: Array, *, neighbours: int, algorithm: int, theiler: int, delay: int) -> float:
    x, y = x[: len(x) - delay], y[delay:]
    terms = []
    for near_x, near_y in neighbourhoods([x, y], algorithm, neighbours, theiler):
        nx, ny = len(near_x), len(near_y)
        terms.append(-psi(nx + 1) - psi(ny + 1) if algorithm == 1 else -psi(nx) - psi(ny) - 1 / neighbours)
    return psi(neighbours) + psi(len(x)) + math.fsum(terms) / len(terms)


def drawn_series(seed: int, n: int, levels: int, columns: int = 2) -> Array:
    """Normal samples, or with `levels` above 0 integers below it, which have many ties."""
    generator = np.random.default_rng(seed)
    if levels:
        return generator.integers(0, levels, (n, columns)).astype(np.float64)
    return generator.standard_normal((n, columns))


lags = st.fixed_dictionaries(
    {
        "k": st.integers(1, 4),
        "l": st.integers(1, 4),
        "k_tau": st.integers(1, 3),
        "l_tau": st.integers(1, 3),
        "delay": st.integers(0, 3),
    }
)
counting = st.fixed_dictionaries(
    {"neighbours": st.integers(1, 6), "algorithm": st.sampled_from([1, 2]), "theiler": st.integers(0, 4)}
)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(32, 100),
    levels=st.sampled_from([0, 2, 5, 30]),
    lags=lags,
    counting=counting,
    shuffled=st.booleans(),
)
def test_transfer_entropy_is_the_formula(
    seed: int, n: int, levels: int, lags: dict[str, Any], counting: dict[str, Any], shuffled: bool
) -> None:
    x, y = drawn_series(seed, n, levels).T
    permutation = None
    if shuffled:
        permutation = np.random.default_rng(seed).permutation(embedded_rows(n, **lags)).tolist()
    expected = slow_transfer_entropy(x, y, **lags, **counting, normalise="none", permutation=permutation)
    assert ksg.transfer_entropy(x, y, **lags, **counting, permutation=permutation) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), normalise=st.sampled_from(["series", "calc"]), lags=lags, counting=counting)
def test_normalisation_is_the_formula(
    seed: int, normalise: Any, lags: dict[str, Any], counting: dict[str, Any]
) -> None:
    x, y = (drawn_series(seed, 60, 0) * [100, 0.01] + [5, -3]).T
    expected = slow_transfer_entropy(x, y, **lags, **counting, normalise=normalise)
    assert ksg.transfer_entropy(x, y, **lags, **counting, normalise=normalise) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(20, 90),
    levels=st.sampled_from([0, 2, 5, 30]),
    split=st.sampled_from([(1, 1), (2, 1), (1, 3), (2, 2)]),
    delay=st.integers(0, 3),
    counting=counting,
)
def test_mutual_information_is_the_formula(
    seed: int, n: int, levels: int, split: tuple[int, int], delay: int, counting: dict[str, Any]
) -> None:
    columns = drawn_series(seed, n, levels, sum(split))
    x, y = columns[:, : split[0]], columns[:, split[0] :]
    expected = slow_mutual_information(x, y, delay=delay, **counting)
    assert ksg.mutual_information(x, y, delay=delay, **counting) == pytest.approx(expected, abs=1e-12)


def test_many_points_and_long_histories() -> None:
    x, y = drawn_series(3, 400, 0).T
    lags: dict[str, Any] = {"k": 8, "l": 8, "k_tau": 1, "l_tau": 1, "delay": 1}
    rest: dict[str, Any] = {"neighbours": 4, "algorithm": 1, "theiler": 0}
    expected = slow_transfer_entropy(x, y, **lags, **rest, normalise="none")
    assert ksg.transfer_entropy(x, y, **lags, **rest) == pytest.approx(expected, abs=1e-12)


@given(shift=st.integers(-1000, 1000), power=st.integers(-8, 8), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_neither_shift_nor_common_scale_matters(shift: int, power: int, seed: int) -> None:
    pair = drawn_series(seed, 80, 50)
    (x, y), (u, v) = pair.T, ((pair + shift) * 2.0**power).T
    assert ksg.transfer_entropy(u, v, k=2, l=2) == ksg.transfer_entropy(x, y, k=2, l=2)
    assert ksg.mutual_information(u, v) == ksg.mutual_information(x, y)


def test_mutual_information_is_symmetric() -> None:
    x, y = drawn_series(5, 200, 0).T
    assert ksg.mutual_information(x, y) == pytest.approx(ksg.mutual_information(y, x), abs=1e-12)


def test_the_identity_is_no_surrogate_and_a_permutation_is() -> None:
    x, y = np.random.default_rng(1).standard_normal((2, 300))
    y[1:] += x[:-1]
    rows = embedded_rows(300, k=2, l=2)
    true = ksg.transfer_entropy(x, y, k=2, l=2)
    assert ksg.transfer_entropy(x, y, k=2, l=2, permutation=np.arange(rows)) == true
    shuffled = np.random.default_rng(2).permutation(rows)
    assert ksg.transfer_entropy(x, y, k=2, l=2, permutation=shuffled) < true - 0.1


def test_inputs_are_left_as_they_are() -> None:
    x, y = drawn_series(9, 60, 0).T
    before = x.copy(), y.copy()
    x.setflags(write=False)
    ksg.transfer_entropy(x, y, normalise="calc")
    ksg.mutual_information(x.tolist(), y, normalise="series")
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


RAMP = np.arange(40.0)
FLAT = np.ones(40)
HOLE = np.where(RAMP == 7, np.nan, RAMP)


@pytest.mark.parametrize(
    ("source", "target", "parameters", "says"),
    [
        (RAMP, RAMP[:-1], {}, "differ in length: 40 and 39"),
        (HOLE, RAMP, {}, "source must be finite: sample 7"),
        (RAMP, np.where(RAMP == 7, np.inf, RAMP), {}, "target must be finite"),
        (["a", "b"], RAMP, {}, "source must hold numbers"),
        (np.ones((40, 2)), RAMP, {}, r"source must be one series.*\(40, 2\)"),
        ([], [], {}, "some data"),
        (FLAT, RAMP, {"normalise": "calc"}, "source is constant"),
        (RAMP, FLAT, {"normalise": "series"}, "target is constant"),
        (RAMP, RAMP, {"normalise": "z"}, "normalise must be one of none, series, calc"),
        (RAMP, RAMP, {"k": 40}, "too short for this history"),
        (RAMP, RAMP, {"delay": 40}, "too short for this history"),
        (RAMP, RAMP, {"neighbours": 39}, "39 neighbours cannot be found: 39 points"),
        (RAMP, RAMP, {"neighbours": 4, "theiler": 18}, "leave 2 to choose from"),
        (RAMP, RAMP, {"neighbours": 0}, "neighbours must be at least 1"),
        (RAMP, RAMP, {"theiler": -1}, "theiler must be at least 0"),
        (RAMP, RAMP, {"algorithm": 3}, "algorithm must be 1 or 2"),
        (RAMP, RAMP, {"k": 0}, "k must be at least 1"),
        (RAMP, RAMP, {"l": 1.5}, "l must be a whole number"),
        (RAMP, RAMP, {"k_tau": True}, "k_tau must be a whole number"),
        (RAMP, RAMP, {"permutation": np.arange(40)}, "permutation must be one of the 39 embedded rows"),
        (RAMP, RAMP, {"permutation": np.zeros(39, dtype=int)}, "permutation must be one of the 39"),
        (RAMP, RAMP, {"permutation": np.arange(39.0)}, "permutation must be one of the 39"),
    ],
)
def test_bad_input_is_refused_in_words(source: Any, target: Any, parameters: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ksg.transfer_entropy(source, target, **parameters)


@pytest.mark.parametrize(
    ("x", "y", "parameters", "says"),
    [
        (RAMP, RAMP[:-1], {}, "differ in length"),
        (RAMP, FLAT, {"normalise": "calc"}, "y is constant"),
        (RAMP, RAMP, {"delay": 40}, "too few for a delay of 40"),
        (RAMP, RAMP, {"delay": 39, "normalise": "calc"}, "too short to normalise"),
        (RAMP, RAMP, {"neighbours": 40}, "40 neighbours cannot be found"),
        (np.ones((2, 2, 2)), RAMP, {}, "x must have shape"),
    ],
)
def test_bad_variables_are_refused_in_words(x: Any, y: Any, parameters: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ksg.mutual_information(x, y, **parameters)


def test_it_compiles_without_a_place_for_the_cache(tmp_path: Path) -> None:
    """A read-only install has nowhere to keep machine code: slower to start, but it works."""
    package = tmp_path / "engine" / "workloads"
    shutil.copytree(Path(ksg.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "engine" / "__init__.py").touch()
    # Files in the way of both directories numba would make: even root cannot write past those.
    (package / "__pycache__").touch()
    (tmp_path / "home").touch()
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "home"),
        "PYTHONPATH": "",
    }
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from engine.workloads import ksg_kernels as k\n"
        f"assert k.__file__.startswith({str(tmp_path)!r}), k.__file__\n"
        "from numba.core.caching import NullCache\n"
        "assert isinstance(k._distances._cache, NullCache)\n"
        "from engine.workloads.ksg import transfer_entropy\n"
        "print(transfer_entropy([0, 1, 0, 2, 3, 1, 2.5, 4], [1, 0, 1, 3, 2, 2, 1, 0]))\n"
    )
    run = subprocess.run([sys.executable, "-B", "-c", code], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert math.isfinite(float(run.stdout))
