"""The KSG estimators against expected values from JIDT 1.6.1 (noise 0, one thread) and closed forms."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.workloads.embedding import embedded_rows
from engine.workloads.ksg import mutual_information, transfer_entropy

DATA = Path(__file__).parents[2] / "fixtures" / "data"
ORACLE = json.loads((Path(__file__).parent / "ksg_cases.json").read_text(encoding="utf-8"))
CASES = ORACLE["cases"]
AR1 = ORACLE["closed_forms"]["ar1"]
BVN = ORACLE["closed_forms"]["bvn"]


def table(name: str) -> NDArray[np.float64]:
    return np.loadtxt(DATA / name, comments="%")


def measured(case: dict[str, Any]) -> float:
    columns = table(case["file"])
    pair = columns[:, case["source"]], columns[:, case["target"]]
    measure = transfer_entropy if case["measure"] == "TE" else mutual_information
    return measure(*pair, **case["parameters"])


@pytest.mark.parametrize("case", CASES, ids=[f"{case['id']}-{case['measure']}" for case in CASES])
def test_value_of_jidt(case: dict[str, Any]) -> None:
    assert measured(case) == pytest.approx(case["value"], rel=0, abs=case["tolerance"])


@pytest.mark.parametrize("case", [case for case in CASES if case["measure"] == "TE"], ids=lambda c: c["id"])
def test_number_of_embedded_rows(case: dict[str, Any]) -> None:
    lags = {name: case["parameters"][name] for name in ("k", "l", "k_tau", "l_tau", "delay")}
    assert embedded_rows(len(table(case["file"])), **lags) == case["rows"]


@pytest.mark.parametrize("algorithm", [1, 2])
@pytest.mark.parametrize(("direction", "pair"), [("x->y", (0, 1)), ("y->x", (1, 0))])
def test_coupled_series_fall_where_the_estimator_falls(algorithm: int, direction: str, pair: tuple[int, int]) -> None:
    columns = table(AR1["file"])
    te = transfer_entropy(columns[:, pair[0]], columns[:, pair[1]], algorithm=algorithm)
    usual = AR1["estimator"][str(algorithm)]
    assert abs(te - usual[f"{direction} mean"]) < 3 * usual[f"{direction} sd"]
    assert abs(te - AR1[direction]) < 0.08


def test_closed_form_of_the_coupled_series() -> None:
    a, b, c, sx, sy = (AR1[name] for name in ("a", "b", "c", "sx", "sy"))
    vx = sx**2 / (1 - c**2)
    g = a * c * vx / (1 - b * c)
    vy = (a**2 * vx + 2 * a * b * g + sy**2) / (1 - b**2)
    assert 0.5 * math.log(1 + a**2 * (vx - g**2 / vy) / sy**2) == pytest.approx(AR1["x->y"], abs=1e-12)


def test_normal_pair_falls_where_the_estimator_falls() -> None:
    columns = table(BVN["file"])
    usual = BVN["estimator"]["1"]
    assert abs(mutual_information(columns[:, 0], columns[:, 1]) - usual["mean"]) < 3 * usual["sd"]


@pytest.mark.parametrize("algorithm", [1, 2])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_mutual_information_of_normal_samples(rho: float, algorithm: int) -> None:
    exact = ORACLE["closed_forms"]["bvn_table"][str(rho)]
    assert exact == pytest.approx(-0.5 * math.log(1 - rho**2), abs=1e-12)
    a, b = np.random.default_rng(7).standard_normal((2, 4000))
    mi = mutual_information(a, rho * a + math.sqrt(1 - rho**2) * b, algorithm=algorithm)
    assert mi == pytest.approx(exact, abs=0.06)
