"""The heartbeat study: its estimates, its surrogates, and what it says of them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.workloads import heartbeat
from engine.workloads.heartbeat import estimate, finding, recording

DATA = str(Path(__file__).parents[2] / "fixtures" / "data" / "heart_breath.txt")
HB, BH = "heart->breath", "breath->heart"


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    heartbeat.warm_up()


def test_the_recording_is_read_once_and_kept_from_changes() -> None:
    table = recording(DATA)
    assert table.shape == (1201, 3)
    assert table[0].tolist() == [83.66, 7485, 5042]
    assert recording(DATA) is table
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 0


def test_comments_blank_lines_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_bytes(b"% title\r\n1 2 \r\n\r\n  % note\r\n3 4.5\r\n")
    assert recording(str(path)).tolist() == [[1, 2], [3, 4.5]]


@pytest.mark.parametrize("text", ["", "1\n2\n", "1 2\n3\n", "1 x\n", "% only words\n"])
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"r\.txt is not a"):
        recording(str(path))


# Expected values from JIDT 1.6.1, noise 0, one thread. They are met to the last digits, beyond their own
# tolerance (4e-4), because the columns are scaled by sums taken in the same order.
@pytest.mark.parametrize(("direction", "value"), [(HB, 0.0032079211486930603), (BH, 0.04956621105914105)])
def test_the_true_order_gives_the_known_value(direction: str, value: float) -> None:
    assert estimate(DATA, direction, 2, 0) == pytest.approx(value, abs=1e-10)


def test_a_surrogate_depends_on_its_name_alone() -> None:
    names = [(direction, history, s) for direction in (HB, BH) for history in (1, 2) for s in (1, 2)]
    first = [estimate(DATA, *name) for name in names]
    assert len(set(first)) == len(first)
    assert [estimate(DATA, *name) for name in reversed(names)] == first[::-1]
    assert estimate(DATA, HB, 1, 1, seed=1) not in first


def test_surrogates_lose_the_flow() -> None:
    true = estimate(DATA, BH, 2, 0)
    null = [estimate(DATA, BH, 2, s) for s in range(1, 40)]
    assert max(null) < true
    assert abs(float(np.mean(null))) < 0.02


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("heart", 1, 0), "direction must be one of heart->breath, breath->heart, not 'heart'"),
        ((HB, 0, 0), "history must be at least 1"),
        ((HB, 1, -1), "surrogate must be at least 0"),
        ((HB, 1.5, 0), "history must be a whole number"),
        ((HB, 1, 0, -5), "seed must be at least 0"),
        ((HB, 1200, 1), "too short"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        estimate(DATA, *arguments)


def test_a_missing_file_is_an_oserror() -> None:
    with pytest.raises(OSError, match="nowhere"):
        estimate("nowhere.txt", HB, 1, 0)


def study(te: dict[tuple[str, int], float], surrogates: int = 99) -> tuple[list[dict[str, Any]], list[Any]]:
    """Estimates whose surrogates are spread evenly over -0.01..0.01, so that a TE above is significant."""
    args: list[dict[str, Any]] = []
    values: list[Any] = []
    for (direction, history), value in te.items():
        null = np.linspace(-0.01, 0.01, surrogates).tolist()
        for surrogate, drawn in enumerate([value, *null]):
            args.append({"direction": direction, "history": history, "surrogate": surrogate, "data": DATA})
            values.append(drawn)
    return args, values


def sentences(te: dict[tuple[str, int], float], surrogates: int = 99) -> str:
    text = str(finding(*study(te, surrogates))["text"])
    return text.split("\n\n", 1)[1].replace("\n", " ")


BOTH = "Both directions are significant (p <= 0.01): "


@pytest.mark.parametrize(
    ("te", "says"),
    [
        (
            {(HB, 1): 0.0, (BH, 1): 0.005, (HB, 2): 0.0, (BH, 2): 0.0},
            "Neither direction is significant (p <= 0.01) at histories 1 and 2.",
        ),
        (
            {(HB, 1): 0.0, (BH, 1): 0.1, (HB, 2): 0.0, (BH, 2): 0.0},
            (
                "Only breath->heart is significant (p <= 0.01), at history 1: "
                "the flow of information is from breath to heart."
            ),
        ),
        (
            {(HB, 1): 0.1, (BH, 1): 0.0, (HB, 2): 0.1, (BH, 2): 0.0, (HB, 4): 0.1, (BH, 4): 0.0},
            (
                "Only heart->breath is significant (p <= 0.01), at histories 1, 2 and 4: "
                "the flow of information is from heart to breath."
            ),
        ),
        (
            {(HB, 1): 0.1, (BH, 1): 0.2, (HB, 2): 0.0, (BH, 2): 0.2},
            BOTH + "heart->breath at history 1 and breath->heart at "
            "histories 1 and 2. breath->heart dominates: its excess is the larger one at histories 1 and 2.",
        ),
        (
            {(HB, 1): 0.2, (BH, 1): 0.1},
            BOTH + "heart->breath at history 1 and breath->heart at "
            "history 1. heart->breath dominates: its excess is the larger one at history 1.",
        ),
        (
            {(HB, 1): 0.2, (BH, 1): 0.1, (HB, 2): 0.1, (BH, 2): 0.2},
            BOTH + "heart->breath at histories 1 and 2 and breath->heart at "
            "histories 1 and 2. Which one dominates depends on the history: "
            "heart->breath is the stronger at history 1, breath->heart is the stronger at history 2.",
        ),
        (
            {(HB, 1): 0.2, (BH, 1): 0.2},
            BOTH + "heart->breath at history 1 and breath->heart at "
            "history 1. Neither dominates: the excesses are equal.",
        ),
        (
            {(BH, 1): 0.2},
            "breath->heart is significant (p <= 0.01), at history 1. The other direction was not judged.",
        ),
        (
            {(HB, 1): 0.0},
            "heart->breath is not significant (p <= 0.01) at history 1. The other direction was not judged.",
        ),
    ],
)
def test_what_it_says(te: dict[tuple[str, int], float], says: str) -> None:
    assert sentences(te) == says


def test_too_few_surrogates_are_pointed_out() -> None:
    assert sentences({(HB, 1): 0.2, (BH, 1): 0.2}, surrogates=98) == (
        "Neither direction is significant (p <= 0.01) at history 1. "
        "2 of 2 rows have fewer than the 99 surrogates p <= 0.01 takes."
    )


def test_the_numbers() -> None:
    args = [{"direction": BH, "history": 2, "surrogate": s} for s in range(5)]
    result = finding(args, [0.5, 0.1, 0.5, 0.2, 0.4])
    (row,) = result["rows"]
    assert row == {
        "direction": BH,
        "history": 2,
        "te": 0.5,
        "surrogates": 4,
        "mean": pytest.approx(0.3),
        "sd": pytest.approx(0.1825741858),
        "excess": pytest.approx(0.2),
        "p": 2 / 5,
    }
    assert result["significant"] == {HB: [], BH: []}
    assert result["stronger"] == {"2": None}
    assert result["dominant"] is None


def test_order_of_arrival_does_not_matter_and_json_holds_it() -> None:
    te = {(BH, 2): 0.3, (HB, 2): 0.1, (BH, 1): 0.2, (HB, 1): 0.02}
    expected = finding(*study(te))
    assert expected["dominant"] == BH
    pairs = list(zip(*study(te), strict=True))
    random.Random(4).shuffle(pairs)
    again = finding([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    assert again == expected
    assert json.loads(json.dumps(expected, allow_nan=False)) == expected


def test_the_table_lines_up() -> None:
    text = finding(*study({(HB, 1): -0.02, (BH, 1): 0.123456, (BH, 16): 0.0}))["text"]
    assert text.splitlines()[:4] == [
        "direction      history  TE (nats)  surrogates     mean      sd   excess       p",
        "heart->breath        1    -0.0200          99   0.0000  0.0059  -0.0200  1.0000",
        "breath->heart        1     0.1235          99   0.0000  0.0059   0.1235  0.0100 *",
        "breath->heart       16     0.0000          99   0.0000  0.0059   0.0000  0.5100",
    ]


def test_failed_estimates_leave_gaps_not_errors() -> None:
    args, values = study({(HB, 1): 0.2, (BH, 1): 0.2, (HB, 2): 0.2})
    values[0] = None
    values[101] = float("nan")
    args, values = args[:201], values[:201]
    result = finding(args, values)
    rows = {(row["direction"], row["history"]): row for row in result["rows"]}
    assert rows[HB, 1]["te"] is None
    assert rows[HB, 1]["p"] is None
    assert rows[BH, 1]["surrogates"] == 98
    assert rows[HB, 2]["te"] == 0.2
    assert rows[HB, 2]["mean"] is None
    assert "2 of 3 rows lack estimates and were not judged." in result["text"]
    json.dumps(result, allow_nan=False)


def test_nothing_to_judge() -> None:
    result = finding([], [])
    assert result["rows"] == []
    assert "No estimate can be judged" in result["text"]


def test_what_cannot_be_a_study_is_refused() -> None:
    arg = {"direction": HB, "history": 1, "surrogate": 0}
    with pytest.raises(ValueError, match="1 arguments but 0 values"):
        finding([arg], [])
    with pytest.raises(ValueError, match="two estimates of heart->breath at history 1"):
        finding([arg, arg], [0.1, 0.1])
    with pytest.raises(ValueError, match="unknown direction 'up'"):
        finding([arg | {"direction": "up"}], [0.1])
