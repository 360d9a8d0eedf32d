"""``BENCHMARKS.md``: the newest whole session of each suite as tables. Pure: the same sessions, the same text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.bench.catalogue import ALL, Suite
from engine.bench.guard.sessions import Session
from engine.bench.lines import Figure, Line, Wanted
from engine.bench.report import between, figure
from engine.cli.recorded.markdown import code, plain, table

_HEAD: Final = """\
# Benchmarks

Written by `shoal bench report` from sessions that are kept on the machine they were measured on; nothing here is
written by hand. Each section is the newest whole session of a suite, with the command that measures it again.

How to read it: every measurement is a process of its own. The sides of a line take turns in random order, the first
round is dropped, and `n` rounds are left. *better by* is the factor by which Shoal is better than what stands beside
it, round by round, above 1 for better; its interval and that of the value hold the true one with a probability of 95 %,
or what stands in brackets where there were too few rounds for that. *must* is what it has to reach, *aim* what it is
meant to; a question mark says that the interval does not settle it."""
_FIELDS: Final = (
    ("cpu", "processor"), ("cores", "cores"), ("quota", "cores that its group may use"), ("memory", "memory"),
    ("kernel", "Linux"), ("hypervisor", "hypervisor"), ("python", "Python"), ("libc", "C library"),
    ("governor", "clock governor"), ("disk", "file system of databases"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of a table, left out where it has nothing to say."""

    head: str
    cell: Callable[[Line], str]
    right: bool = False


def newest(sessions: Iterable[Session]) -> dict[str, Session]:
    """By suite, the newest session that has all of it at full size, as the suite itself has judged it; those of the
    gate have other rounds, and other code beside them.
    """
    found: dict[str, Session] = {}
    for session in sorted(sessions, key=lambda session: (session.began, session.id)):
        if session.whole and session.lines and not session.quick and not session.against:
            found[session.suite] = session
    return {suite.name: found[suite.name] for suite in ALL if suite.name in found}


def document(found: dict[str, Session]) -> str:
    """The whole text. `found`: as `newest` has it."""
    parts = [_HEAD, _reached(found), _machines(found)]
    parts += [_section(suite, found[suite.name]) for suite in ALL if suite.name in found]
    missing = [suite for suite in ALL if suite.name not in found]
    if missing:
        lines = [f"- {code(suite.command)}: {suite.title}" for suite in missing]
        parts.append("\n".join(["## Not measured yet", "", *lines]))
    return "\n\n".join(parts) + "\n"


def _reached(found: dict[str, Session]) -> str:
    """How much of what is wanted there is, suite by suite, and what is not reached."""
    rows, short = [], []
    for suite in ALL:
        session = found.get(suite.name)
        if session is None:
            continue
        rows.append(
            (
                f"[{suite.name}](#{_anchor(suite)})", _day(session.began),
                *(_share([_of(line, which) for line in session.lines]) for which in ("must", "aim")),
            )
        )  # fmt: skip
        for which in ("must", "aim"):
            for line in session.lines:
                one = _of(line, which)
                if one is not None and not one.reached:
                    what = plain(f"{line.part}: {line.title}" if line.part else line.title)
                    short.append(f"- {which}, {suite.name}: {what}: {plain(one.text)}, found {_found(line)}")
    lines = ["## What is reached", "", *table(("suite", "measured", "must", "aim"), rows, (2, 3))]
    return "\n".join([*lines, *(["", "Not reached:", "", *short] if short else [])])


def _of(line: Line, which: str) -> Wanted | None:
    return line.must if which == "must" else line.aim


def _share(all_: Sequence[Wanted | None]) -> str:
    known = [one for one in all_ if one is not None]
    return f"{sum(one.reached for one in known)} of {len(known)}" if known else ""


def _found(line: Line) -> str:
    told = [] if line.value is None else [figure(line.value, line.unit)]
    if line.factor is not None and line.of == "beside":
        told.append(_times(line.factor))
    return plain(", ".join([*told, *(f"{name} {_value(one)}" for name, one in line.figures.items())]))


def _machines(found: dict[str, Session]) -> str:
    """What the sessions were measured on, each machine once."""
    lines = ["## Machines", ""]
    seen: dict[str, Session] = {}
    for session in found.values():
        seen.setdefault(session.fingerprint, session)
    for mark, session in seen.items():
        told = [f"{words} {session.machine[name]}" for name, words in _FIELDS if session.machine.get(name)]
        lines.append(f"- {code(mark)}: {plain('; '.join(told), 1000)}")
    return "\n".join(lines)


def _anchor(suite: Suite) -> str:
    """As the heading of a section is linked to."""
    return f"{suite.name}-{suite.title}".replace(" ", "-").replace(",", "")


def _section(suite: Suite, session: Session) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(session.packages.items()) if name != "shoal")
    before, after = (f"{seconds * 1e3:.2f} ms" for seconds in session.calibration)
    steady = "" if session.steady else ": the machine was not steady"
    again = code(reproduces(session, suite))
    if suite.part:
        again += f"; a part of it: {code(f'{suite.command} {suite.part}')}"
    took = f"Measured {_moment(session.began)}, in {session.seconds:.0f} s, on {code(session.fingerprint)}"
    lines = [
        f"## {suite.name}: {suite.title}",
        "",
        suite.about,
        "",
        f"- {took}; session {code(session.id)}, seed {session.seed}.",
        f"- Shoal {plain(session.code)}; {plain(packages)}. Calibration {before} before, {after} after{steady}.",
        f"- To measure it again: {again}.",
    ]
    for part in dict.fromkeys(line.part for line in session.lines):
        of = [line for line in session.lines if line.part == part]
        lines += ["", f"### {plain(part)}", ""] if part else [""]
        lines += _table(of, named=suite.part == "--only NAME" and not part)
        lines += _also(of)
    if session.failures:
        lines += ["", "Not measured:", ""]
        lines += [f"- {plain(name)}: {plain(why)}" for name, why in session.failures.items()]
    return "\n".join(lines)


def reproduces(session: Session, suite: Suite) -> str:
    """The command of a session, without what changes nothing of what is measured."""
    return " ".join(["shoal", *typed(session.command[1:])]) if len(session.command) > 1 else suite.command


def typed(words: Sequence[str]) -> list[str]:
    """Words of a command line without options that say where something is written, or in which form; and without the
    folders of a machine, which mean nothing elsewhere."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("--json", "--progress"):
            skip = True
        elif word not in ("--until-eof", "--no-store") and not word.startswith(("--json=", "--progress=")):
            kept.append("FILE" if word.startswith("/") else word)
    return kept


def _table(lines: Sequence[Line], named: bool) -> list[str]:
    columns = (
        _Column("name", lambda line: code(line.name) if named else ""),
        _Column("what", lambda line: plain(line.title)),
        _Column("found", lambda line: "" if line.value is None else figure(line.value, line.unit), right=True),
        _Column("95 %", _interval, right=True),
        _Column("n", lambda line: str(line.rounds) if line.rounds else "", right=True),
        _Column("beside", lambda line: "" if line.title.startswith(line.beside) else plain(line.beside)),
        _Column("found there", lambda line: "" if line.other is None else figure(line.other, line.unit), right=True),
        _Column("better by", lambda line: _times(line.factor) if line.of == "beside" else "", right=True),
        _Column("95 %", _factors, right=True),
        _Column("must", lambda line: "" if line.must is None else plain(line.must.text)),
        _Column("", lambda line: _verdict(line.must)),
        _Column("aim", lambda line: "" if line.aim is None else plain(line.aim.text)),
        _Column("", lambda line: _verdict(line.aim)),
        _Column("", lambda line: plain(line.note)),
    )  # fmt: skip
    shown = [column for column in columns if any(column.cell(line) for line in lines)]
    rows = [[column.cell(line) for column in shown] for line in lines]
    return table([column.head for column in shown], rows, [at for at, one in enumerate(shown) if one.right])


def _interval(line: Line) -> str:
    return between(line.low, line.high, line.unit) + _confidence(line) if line.low is not None else ""


def _factors(line: Line) -> str:
    if line.of != "beside" or line.factor_low is None:
        return ""
    high = "" if line.factor_high is None else f"{line.factor_high:.3g}"
    return f"{line.factor_low:.3g}-{high}{_confidence(line)}"


def _confidence(line: Line) -> str:
    return f" ({line.confidence:.0%})" if line.confidence < 0.95 else ""


def _times(factor: float | None) -> str:
    return "" if factor is None else f"{factor:.3g}x"


def _verdict(one: Wanted | None) -> str:
    if one is None:
        return ""
    return ("yes" if one.reached else "**no**") + ("?" if one.certain is False else "")


def _also(lines: Sequence[Line]) -> list[str]:
    """What was found besides: a table where all lines have the same, else a line for each."""
    having = [line for line in lines if line.figures]
    names = list(having[0].figures) if having else []
    if len(having) > 1 and all(list(line.figures) == names for line in having):
        rows = [[plain(line.title), *(_value(one) for one in line.figures.values())] for line in having]
        heads = ("besides", *(plain(name.replace("_", " ")) for name in names))
        return ["", *table(heads, rows, range(1, len(heads)))]
    return ["", *(f"- {plain(line.title)}: {_besides(line)}" for line in having)] if having else []


def _besides(line: Line) -> str:
    return plain(", ".join(f"{name.replace('_', ' ')} {_value(one)}" for name, one in line.figures.items()), 1000)


def _value(one: Figure) -> str:
    return figure(one.value, one.unit) if one.unit else f"{one.value:,.4g}"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
