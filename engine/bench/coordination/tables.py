"""The findings as tables for people: what each combination takes, what each mechanism brings, and what is wanted."""

from __future__ import annotations

from engine.bench.ablation.effects import Effect
from engine.bench.aligned import aligned
from engine.bench.coordination.findings import SHARES, Findings, Wanted
from engine.bench.coordination.suite import Outcome
from engine.bench.report import between, figure
from engine.bench.verdicts import Verdict

_SHORT = {"none": "none (baseline)"}


def tables(outcome: Outcome) -> str:
    """All of it, one number of agents after the other; what failed follows."""
    parts = [part for found in outcome.findings for part in _of(found)]
    if outcome.failures:
        parts.append("\n".join(f"{name}: not measured: {why}" for name, why in outcome.failures.items()))
    return "\n\n".join(parts)


def _of(found: Findings) -> list[str]:
    if not found.lines:
        return []
    parts = [_combinations(found), _impact(found), _wanted(found.wanted)]
    errors = [
        f"{_name(cell.name)}: {count:,} of {found.agents * line.seconds.rounds:,} tasks: {text}"
        for cell, line in found.lines.items()
        for text, count in line.errors.items()
    ]
    return [part for part in (*parts, "\n".join(errors)) if part]


def _name(name: str) -> str:
    return _SHORT.get(name, name).replace("_", " ")


def _combinations(found: Findings) -> str:
    heads = (f"{found.agents:,} AGENTS WITH", "TIME", "95 %", "N", "START", "TASKS", *(f"ANSWER {n}" for n in SHARES),
             "DELIVERED", "MESSAGES", "CPU", "MEMORY", "OWN", "FDS")  # fmt: skip
    rows: list[tuple[str, ...]] = [heads]
    for cell, line in found.lines.items():
        rows.append(
            (
                _name(cell.name), figure(line.seconds.ratio, "s"), between(line.seconds.low, line.seconds.high, "s"),
                str(line.seconds.rounds), figure(line.start, "s"), figure(line.tasks, "s"),
                *(figure(line.answers.get(name), "s") for name in SHARES),
                figure(line.delivered, "%"), f"{line.messages:,.3g}/s" if line.messages < 100 else
                figure(line.messages, "/s"), figure(line.processor, "s"), figure(line.memory, "B"),
                figure(line.own, "B"), "" if line.descriptors is None else f"{line.descriptors:,}",
            )
        )  # fmt: skip
    return aligned(rows)


def _impact(found: Findings) -> str:
    rows: list[tuple[str, ...]] = [
        ("FASTER BY", "ALONE", "95 %", "MAD", "", "WITH ALL OTHERS", "95 %", "MAD", "", "N"),
    ]
    effects = found.impact
    for flag in dict.fromkeys((*effects.alone, *effects.among)):
        pair = (effects.alone.get(flag), effects.among.get(flag))
        count = next(one.rounds for one in pair if one is not None)
        rows.append((_name(flag), *_cells(pair[0]), *_cells(pair[1]), str(count)))
    for name, one in (("all together", effects.together), ("all, beyond the product of each", effects.interaction)):
        if one is not None:
            rows.append((name, *_cells(one), "", "", "", "", str(one.rounds)))
    return aligned(rows, (0, 4, 8)) if len(rows) > 1 else ""


def _cells(one: Effect | None) -> tuple[str, str, str, str]:
    if one is None:
        return "", "", "", ""
    plain = {True: "", False: "no measurable effect here", None: "one round: not known"}[one.measurable]
    return f"{one.ratio:.3g}x", between(one.low, one.high, ""), f"{one.deviation:.1%}", plain


def _wanted(found: list[Wanted]) -> str:
    if not found:
        return ""
    rows: list[tuple[str, ...]] = [("WANTED OF ALL TOGETHER", "FOUND", "MUST", "", "AIM", "")]
    rows += [(one.what, figure(one.value, one.unit), *_verdict(one.must), *_verdict(one.aim)) for one in found]
    return aligned(rows, (0, 2, 4))


def _verdict(verdict: Verdict | None) -> tuple[str, str]:
    return ("", "") if verdict is None else (verdict.text, verdict.short)
