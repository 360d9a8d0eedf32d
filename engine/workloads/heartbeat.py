"""Does the heart drive the breath, or the breath the heart? A study in many small estimates.

The recording is the sleeping patient of the Santa Fe contest on which Schreiber introduced transfer
entropy. Each estimate is one task: a direction, a history length, and either the recording as it is
or one surrogate of it. `finding` turns all of them into an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.workloads import ksg
from engine.workloads.embedding import embedded_rows, whole_number

DIRECTIONS: dict[str, tuple[int, int]] = {"heart->breath": (0, 1), "breath->heart": (1, 0)}
"""The directions by name, as (source, target) columns of the recording."""

LEVEL = 0.01
"""The significance level of `finding`."""


def warm_up() -> None:
    """Compile the estimators, or load them from disk, before the first estimate is timed."""
    ksg.warm_up()


def estimate(data: str, direction: str, history: int, surrogate: int, seed: int = 2000, neighbours: int = 4) -> float:
    """Return one transfer entropy of the recording, in nats.

    Args:
        data: path of the recording: heart rate and breath volume in columns 0 and 1.
        direction: "heart->breath" or "breath->heart".
        history: the history length of source and target alike.
        surrogate: 0 for the recording as it is; 1, 2, ... for that surrogate, in which the source's
            embedded pasts are permuted. The permutation depends on (seed, direction, history,
            surrogate) only, never on which process draws it or what it drew before.
        seed: seed of all surrogates, 0 or more.
        neighbours: K of the estimator, which is algorithm 1 on columns normalised after embedding.

    Raises:
        ValueError: for an unknown direction, numbers out of range, or a file that is no recording.
        OSError: if the file cannot be read.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}, not {direction!r}")
    history = whole_number("history", history, 1)
    surrogate = whole_number("surrogate", surrogate, 0)
    seed = whole_number("seed", seed, 0)
    columns = recording(str(data))
    source, target = DIRECTIONS[direction]
    permutation = None
    if surrogate:
        rows = embedded_rows(len(columns), k=history, l=history)
        generator = np.random.default_rng([seed, source, history, surrogate])
        permutation = generator.permutation(rows)
    return ksg.transfer_entropy(
        columns[:, source],
        columns[:, target],
        k=history,
        l=history,
        neighbours=neighbours,
        normalise="calc",
        permutation=permutation,
    )


@lru_cache(maxsize=4)
def recording(path: str) -> NDArray[np.float64]:
    """Return the recording as an array of shape ``(samples, columns)``, read once per process.

    Lines starting with % are comments. Raises ValueError if the file is not a table of numbers with
    at least two columns, OSError if it cannot be read. The array is shared: it cannot be written to.
    """
    text = Path(path).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("%")]
    try:
        columns = np.array([[float(word) for word in line.split()] for line in lines], dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{path} is not a table of numbers: {error}") from None
    if columns.ndim != 2 or columns.shape[1] < 2:
        raise ValueError(f"{path} is not a recording: it needs rows of at least two numbers")
    columns.setflags(write=False)
    return columns


def finding(args: Sequence[Mapping[str, Any]], values: Sequence[float | None]) -> dict[str, Any]:
    """Return what the estimates say, as numbers and as a few lines to read.

    Args:
        args: the keyword arguments of each estimate; "direction", "history" and "surrogate" are used.
        values: the results, in the same order; None or NaN for an estimate that failed.

    Returns:
        A dict that JSON can hold:

        * "rows": per history and direction, "te" (nats), "surrogates" (how many), "mean" and "sd" of
          those (ddof 1), "excess" = te - mean, which takes the estimator's bias out, and
          "p" = (1 + surrogates at or above te) / (1 + surrogates). What cannot be known is None.
        * "level": the significance level, and "significant": per direction the histories with p at
          or below it.
        * "stronger": per history (as text) the direction with the larger excess among the significant
          ones, or None; "dominant": the direction that is the stronger one wherever there is one.
        * "text": a table and the sentences that follow from it.

    Raises:
        ValueError: if the two lists differ in length, a direction is unknown, or the recording's own
            order was estimated twice for the same direction and history.
    """
    if len(args) != len(values):
        raise ValueError(f"{len(args)} arguments but {len(values)} values")
    true: dict[tuple[int, str], float | None] = {}
    null: dict[tuple[int, str], list[float]] = {}
    for arg, value in zip(args, values, strict=True):
        if arg["direction"] not in DIRECTIONS:
            raise ValueError(f"unknown direction {arg['direction']!r}")
        key = (int(arg["history"]), str(arg["direction"]))
        known = None if value is None or math.isnan(value) else float(value)
        drawn = null.setdefault(key, [])
        if int(arg["surrogate"]):
            if known is not None:
                drawn.append(known)
        elif key in true:
            raise ValueError(f"two estimates of {key[1]} at history {key[0]}")
        else:
            true[key] = known
    order = list(DIRECTIONS)
    keys = sorted(null, key=lambda key: (key[0], order.index(key[1])))
    rows = [_row(key, true.get(key), null[key]) for key in keys]
    significant = {
        name: [row["history"] for row in rows if row["direction"] == name and _is_significant(row)] for name in order
    }
    stronger = {str(h): _stronger([row for row in rows if row["history"] == h]) for h, _ in keys}
    winners = {name for name in stronger.values() if name is not None}
    dominant = winners.pop() if len(winners) == 1 else None
    return {
        "rows": rows,
        "level": LEVEL,
        "significant": significant,
        "stronger": stronger,
        "dominant": dominant,
        "text": "\n".join([*_table(rows), "", *_sentences(rows, significant, stronger, dominant)]),
    }


def _row(key: tuple[int, str], te: float | None, drawn: list[float]) -> dict[str, Any]:
    # Exact sums: the finding must not depend on the order in which the estimates came back.
    n = len(drawn)
    mean = math.fsum(drawn) / n if n else None
    sd = math.sqrt(math.fsum((d - mean) ** 2 for d in drawn) / (n - 1)) if mean is not None and n > 1 else None
    excess = p = None
    if te is not None and mean is not None:
        excess = te - mean
        p = (1 + sum(d >= te for d in drawn)) / (1 + n)
    return {
        "direction": key[1],
        "history": key[0],
        "te": te,
        "surrogates": n,
        "mean": mean,
        "sd": sd,
        "excess": excess,
        "p": p,
    }


def _is_significant(row: Mapping[str, Any]) -> bool:
    return row["p"] is not None and row["p"] <= LEVEL


def _stronger(rows: list[dict[str, Any]]) -> str | None:
    rivals = sorted((row for row in rows if _is_significant(row)), key=lambda row: -row["excess"])
    if not rivals or (len(rivals) > 1 and rivals[0]["excess"] == rivals[1]["excess"]):
        return None
    return str(rivals[0]["direction"])


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["direction      history  TE (nats)  surrogates     mean      sd   excess       p"]
    for row in rows:
        te, mean, sd, excess, p = (
            "-" if row[name] is None else f"{row[name]:z.4f}" for name in ("te", "mean", "sd", "excess", "p")
        )
        mark = " *" if _is_significant(row) else ""
        lines.append(
            f"{row['direction']:<13}  {row['history']:>7}  {te:>9}  {row['surrogates']:>10}"
            f"  {mean:>7}  {sd:>6}  {excess:>7}  {p:>6}{mark}"
        )
    return lines


def _sentences(
    rows: list[dict[str, Any]],
    significant: dict[str, list[int]],
    stronger: dict[str, str | None],
    dominant: str | None,
) -> list[str]:
    judged = [row for row in rows if row["p"] is not None]
    if not judged:
        return ["No estimate can be judged: each needs the recording's own order and surrogates of it."]
    found = [name for name in DIRECTIONS if significant[name]]
    names = {row["direction"] for row in judged}
    lines = []
    if len(names) == 1:
        (name,) = names
        where = f"significant (p <= {LEVEL}), at {_listed(significant[name])}" if found else ""
        lines.append(f"{name} is {where or f'not significant (p <= {LEVEL}) at {_histories(judged)}'}.")
        lines.append("The other direction was not judged.")
    elif not found:
        lines.append(f"Neither direction is significant (p <= {LEVEL}) at {_histories(judged)}.")
    elif len(found) == 1:
        lines.append(
            f"Only {found[0]} is significant (p <= {LEVEL}), at {_listed(significant[found[0]])}: "
            f"the flow of information is from {found[0].replace('->', ' to ')}."
        )
    else:
        where = " and ".join(f"{name} at {_listed(significant[name])}" for name in found)
        lines.append(f"Both directions are significant (p <= {LEVEL}): {where}.")
        lines.append(_balance(stronger, dominant))
    if len(judged) < len(rows):
        lines.append(f"{len(rows) - len(judged)} of {len(rows)} rows lack estimates and were not judged.")
    weak = [row for row in judged if 1 / (1 + row["surrogates"]) > LEVEL]
    if weak:
        need = math.ceil(1 / LEVEL) - 1
        lines.append(f"{len(weak)} of {len(rows)} rows have fewer than the {need} surrogates p <= {LEVEL} takes.")
    return lines


def _balance(stronger: dict[str, str | None], dominant: str | None) -> str:
    by_name = {name: [int(h) for h, who in stronger.items() if who == name] for name in DIRECTIONS}
    if dominant is not None:
        return f"{dominant} dominates: its excess is the larger one at {_listed(by_name[dominant])}."
    parts = [f"{name} is the stronger at {_listed(where)}" for name, where in by_name.items() if where]
    if not parts:
        return "Neither dominates: the excesses are equal."
    return f"Which one dominates depends on the history: {', '.join(parts)}."


def _histories(rows: list[dict[str, Any]]) -> str:
    return _listed(sorted({row["history"] for row in rows}))


def _listed(histories: list[int]) -> str:
    """Return "history 2", "histories 1 and 2" or "histories 1, 2 and 4"."""
    if len(histories) == 1:
        return f"history {histories[0]}"
    return f"histories {', '.join(map(str, histories[:-1]))} and {histories[-1]}"
