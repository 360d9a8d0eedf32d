"""The findings as tables for people: one for each task."""

from __future__ import annotations

from engine.bench.aligned import aligned
from engine.bench.others.lines import judged
from engine.bench.others.suite import OURS, Outcome
from engine.bench.others.tools import BY_KEY
from engine.bench.report import between, figure
from engine.bench.verdicts import Verdict

_HEADS = (
    "TOOL", "VERSION", "FOUND", "95 %", "SHOAL IS FASTER BY", "95 %", "N", "MUST", "", "AIM", "", "",
)  # fmt: skip
_PLAIN = {True: "", False: "no measurable difference", None: "one round: not known"}


def tables(outcome: Outcome) -> str:
    """All of it; what is not there or failed follows."""
    parts = []
    for task, lines in outcome.lines.items():
        if not lines:
            continue
        rows: list[tuple[str, ...]] = [_HEADS]
        for line in lines:
            name = OURS if line.key == OURS else BY_KEY[line.key].name
            found, faster = line.value, line.faster
            must, aim = judged(task, line.key, faster)
            rows.append(
                (
                    name, outcome.versions.get(line.key, ""), figure(found.ratio, task.unit),
                    between(found.low, found.high, task.unit), "" if faster is None else f"{faster.ratio:.3g}x",
                    "" if faster is None else between(faster.low, faster.high, ""), str(found.rounds),
                    *_verdict(must), *_verdict(aim), "" if faster is None else _PLAIN[faster.measurable],
                )
            )  # fmt: skip
        parts.append(f"{task.title.format(outcome.numbers[task])}\n{aligned(rows, (0, 1, 7, 9, 11))}")
    notes = [f"not installed: {', '.join(outcome.absent)}"] if outcome.absent else []
    notes += [f"{name}: not measured: {why}" for name, why in outcome.failures.items()]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def _verdict(verdict: Verdict | None) -> tuple[str, str]:
    return ("", "") if verdict is None else (verdict.text, verdict.short)
