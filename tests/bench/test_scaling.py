"""How costs grow: power laws and the model, found again in what was made of them; and the command."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.bench.progress import narrated
from engine.bench.run import MeasurementFailed, measure
from engine.bench.scaling import suite
from engine.bench.scaling.model import Model, fitted, predicted
from engine.bench.scaling.power import power
from engine.bench.scaling.tables import tables

sizes = st.lists(st.integers(1, 10**7), min_size=3, max_size=8, unique=True)
shares = st.floats(0, 0.5)


@given(sizes, st.floats(-2, 3), st.floats(1e-6, 1e3))
def test_a_power_law_is_found_again(xs: list[int], exponent: float, factor: float) -> None:
    found = power(xs, [factor * x**exponent for x in xs])
    assert found.exponent == pytest.approx(exponent, abs=1e-6)
    assert found.last == pytest.approx(exponent, abs=1e-6)
    assert found.at(xs[0]) == pytest.approx(factor * xs[0] ** exponent, rel=1e-4)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low < 1e-4
    assert found.points == len(xs)


@given(sizes, st.lists(st.floats(0.1, 10), min_size=8, max_size=8), st.floats(0.01, 100))
def test_other_units_change_no_exponent(xs: list[int], costs: list[float], unit: float) -> None:
    one = power(xs, costs[: len(xs)])
    other = power([x * unit for x in xs], [cost * unit for cost in costs[: len(xs)]])
    assert other.exponent == pytest.approx(one.exponent, abs=1e-6)
    assert one.low is not None
    assert one.high is not None
    assert one.low <= one.exponent <= one.high


def test_an_interval_against_a_regression_done_by_hand() -> None:
    """Logarithms 0, 1, 2, 3 and 0, 1, 2, 2: slope 0.7, residual sum 0.3, standard error sqrt(0.15 / 5)."""
    found = power([math.e**x for x in range(4)], [math.e**y for y in (0, 1, 2, 2)])
    assert found.exponent == pytest.approx(0.7)
    assert found.low == pytest.approx(0.7 - 4.302653 * math.sqrt(0.15 / 5), rel=1e-4)
    assert found.last == pytest.approx(0)


def test_two_sizes_have_no_interval_and_fewer_no_law() -> None:
    found = power([1, 10], [1, 100])
    assert (found.low, found.high, found.points) == (None, None, 2)
    assert found.exponent == pytest.approx(2)
    for xs, ys in (([1], [1]), ([2, 2], [1, 2]), ([0, 1], [1, 2]), ([1, 2], [0, 2])):
        with pytest.raises(ValueError, match="wants"):
            power(xs, ys)


@pytest.mark.parametrize(
    ("exponents", "words"),
    [
        ([0, 1, 2, 3], "in proportion"), ([0, 2, 4, 6], "faster"), ([0, 0.5, 1, 1.5], "more slowly"),
        ([3, 2, 1, 0], "it falls"), ([0, 3, -3, 5], "too uncertain"), ([1, 1.02, 1, 1.01], "no growth"),
    ],
)  # fmt: skip
def test_growth_in_words(exponents: list[float], words: str) -> None:
    assert power([10**n for n in range(4)], [10**n for n in exponents]).words.startswith(words)


@given(
    st.floats(1, 1e6), shares, st.floats(0, 0.01), st.lists(st.integers(2, 256), min_size=3, max_size=8, unique=True)
)
def test_the_law_is_found_again(one: float, contention: float, coherency: float, cores: list[int]) -> None:
    true = Model(one, contention, coherency, ())
    found = fitted({1: one} | {number: true.rate(number) for number in cores})
    assert found is not None
    assert found.whole
    for number in (*cores, 1000):
        assert found.rate(number) == pytest.approx(true.rate(number), rel=1e-3)


@given(st.floats(1, 1e6), shares, st.integers(2, 64))
def test_two_numbers_of_cores_are_amdahls_law(one: float, contention: float, cores: int) -> None:
    true = Model(one, contention, 0.0, ())
    found = fitted({1: one, cores: true.rate(cores)})
    assert found is not None
    assert (found.whole, found.coherency, found.best) == (False, 0.0, math.inf)
    assert found.rate(10 * cores) == pytest.approx(true.rate(10 * cores), rel=1e-6)


@given(st.dictionaries(st.integers(2, 64), st.floats(0.1, 1e4), min_size=1, max_size=6), st.floats(0.1, 1e4))
def test_whatever_was_measured_no_parameter_is_below_0(more: dict[int, float], one: float) -> None:
    found = fitted({1: one, **more})
    assert found is not None
    assert found.contention >= 0
    assert found.coherency >= 0


def test_nothing_to_fit() -> None:
    assert fitted({}) is None
    assert fitted({1: 10.0}) is None
    assert fitted({2: 10.0, 4: 20.0}) is None
    with pytest.raises(ValueError, match="above 0"):
        fitted({1: 0.0, 2: 1.0})


@given(shares, st.integers(1, 128), st.integers(1, 32), st.floats(1, 1e4))
def test_an_engine_hands_out_no_more_than_it_can(share: float, cores: int, machines: int, ceiling: float) -> None:
    assume(cores > 1)
    model = Model(100.0, share, 0.0, (1, 2))
    free = predicted(model, None, cores, machines)
    assert predicted(model, ceiling, cores, machines) == pytest.approx(min(free, ceiling * machines))
    assert predicted(model, ceiling, cores, 2 * machines) == pytest.approx(
        2 * predicted(model, ceiling, cores, machines)
    )


@pytest.mark.needs("pooling")  # warming an agent up is hundreds of tasks
def test_bytes_there_and_back() -> None:
    assert measure("there_and_back", "ours", {"size": 0, "times": 3}, 60)["value"] > 0
    assert measure("there_and_back", "ours", {"size": 2_000_000, "times": 2}, 60)["value"] > 0


@pytest.mark.needs("pooling")
def test_cores() -> None:
    """On as many as are said, and no more than there are."""
    assert measure("on_cores", "ours", {"cores": 1, "tasks": 4, "iterations": 1000}, 60)["value"] > 0
    with pytest.raises(MeasurementFailed, match=r"^ValueError: 4096 cores wanted, \d+ are there$"):
        measure("on_cores", "ours", {"cores": 4096, "tasks": 4, "iterations": 1000}, 60)


def test_what_fails_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs in proportion; 4,000 agents do not fit."""

    def measured(function: str, side: str, size: dict[str, Any], timeout: float) -> dict[str, Any]:
        if size.get("agents") == 4_000:
            raise MeasurementFailed("4,000 agents do not fit")
        if function == "on_cores":
            return {"value": 900.0 * size["cores"]}
        return {"value": {"start_each": size.get("agents", 0) / 500, "map": 5e5}.get(function, 1e-3)}

    monkeypatch.setattr(suite, "measure", measured)
    monkeypatch.setattr(suite, "_cores", lambda: (1, 2, 4, 8))
    said: list[str] = []
    outcome = suite.run((), 2, False, narrated(said.append), seed=1)
    assert outcome.failures == {"4,000 agents": "4,000 agents do not fit"}
    assert said.count("4,000 agents: 4,000 agents do not fit") == 1
    agents, tasks, payload, cores = outcome.curves
    assert [len(curve.points) for curve in outcome.curves] == [6, 5, 6, 4]
    for curve, exponent in ((agents, 1), (tasks, 1), (payload, 0), (cores, -1)):
        assert curve.growth is not None
        assert curve.growth.exponent == pytest.approx(exponent, abs=1e-9)
    assert payload.growth is not None
    assert payload.growth.points == 5, "0 bytes have no logarithm"
    assert outcome.model is not None
    assert outcome.model.contention == pytest.approx(0)
    rates = {(place.cores, place.machines): place.rate.ratio for place in outcome.elsewhere}
    assert rates[64, 1] == pytest.approx(900 * 64)
    assert rates[64, 32] == pytest.approx(900 * 64 * 32)
    assert outcome.ceiling == pytest.approx(5e5)
    text = tables(outcome)
    assert "MODEL, not measured. What it takes for granted:" in text.splitlines()
    assert text.splitlines()[-1] == "4,000 agents: not measured: 4,000 agents do not fit"
    assert json.loads(json.dumps(outcome.data))["model"]["ceiling"] == pytest.approx(5e5)
    assert len({cell.name for cell in outcome.cells}) == len(outcome.cells) == 21


@pytest.mark.needs("pooling")
def test_the_command_scaling(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "bench", "scaling", "--quick", "--rounds", "1", "--only",
         "payload", "--json", "s.json"],
        cwd=tmp_path, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "bytes to an agent and back, one at a time"
    assert any(line.startswith("time grows as bytes to the power ") for line in lines)
    assert "MODEL" not in done.stdout
    data = json.loads((tmp_path / "s.json").read_text())
    (sweep,) = data["sweeps"]
    assert [point["size"] for point in sweep["points"]] == [0, 16384, 262144, 1048576]
    assert sweep["points"][0]["samples"][0] > 0
    (kept,) = (tmp_path / "xdg-data").rglob("*-scaling-*.json")
    assert len(json.loads(kept.read_text())["cells"]) == 4


@pytest.mark.parametrize(
    "arguments", [["scaling", "--only", "speed"], ["scaling", "--rounds", "0"], ["coordination", "--agents", "0"],
                  ["coordination", "--agents", "4,x"], ["coordination", "--only", "magic"],
                  ["coordination", "--json", "absent/x.json"]],
)  # fmt: skip
def test_bad_usage_of_the_commands_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "bench", *arguments],
        cwd=tmp_path, env=os.environ, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
