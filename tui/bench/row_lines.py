"""One line of a session, told on as many lines as it takes: figures, verdicts, history, every round, the machine.
Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from tui import format as fmt
from tui.bench import figures, trend
from tui.bench.axis import axis_for, bar
from tui.bench.record import Judged, Line, Samples, SessionTold, Trend, Wanted
from tui.widgets.columns import Column, table, wrapped
from tui.widgets.lines import Line as Drawn
from tui.widgets.lines import Piece, cut

_LABEL: Final = 9
_CHART: Final = 5
_CHART_MIN: Final = 3
"""Lines below which a sparkline says more than a chart."""
_STRIP: Final = 61
_ROUNDS: Final = 60
"""Rounds that are told one by one."""


def card_lines(line: Line, told: SessionTold, width: int, height: int) -> list[Drawn]:
    """As much as there is room for: the figures, then the history as a chart."""
    lines = [*_short(line, width)][: max(height - 2, 1)]
    found = told.trends.get(line.cell)
    room = height - len(lines)
    if found is None or len(found.points) < 2:
        if room > 1:
            lines.append((("one session so far: nothing to draw", "quiet"),))
        return [cut(one, width) for one in lines]
    if room < _CHART_MIN:
        told_ = f"{len(found.points)} sessions  "
        spark = trend.sparkline(found.points, min(40, width - len(told_)))
        return [cut(one, width) for one in (*lines, ((told_, "quiet"), (spark, "busy")))]
    notes = trend.told(found, width)[: max(0, room - 4)]
    chart = trend.chart(found, line.unit, width, min(8, room - len(notes)), told.row.id)
    return [cut(one, width) for one in (*lines, *notes, *chart)]


def detail_lines(line: Line, told: SessionTold, width: int) -> list[Drawn]:
    """All of it, section by section."""
    lines: list[Drawn] = [*_head(line, width, bars=True)]
    for section in (_besides, _history, _rounds, _session):
        made = list(section(line, told, width))
        if made:
            lines += [(), *made]
    return [cut(one, width) for one in lines]


def _title(text: str, more: str = "") -> Drawn:
    return ((text, "brand"), (f"  {more}" if more else "", "quiet"))


def _fact(label: str, *pieces: Piece) -> Drawn:
    return ((fmt.pad(label, _LABEL), "quiet"), *pieces)


def _short(line: Line, width: int) -> Iterator[Drawn]:
    """The same as `_head` on a few lines."""
    yield ((fmt.fit(f"{line.part}: {line.title}" if line.part else line.title, width), "strong"),)
    pieces: list[Piece] = []
    if line.value is not None:
        pieces += [(figures.value(line.value, line.unit), "strong"), (_between(line), "quiet")]
    if line.factor is not None:
        than = line.beside if line.of == "beside" else "it must be"
        other = f", which has {figures.value(line.other, line.unit)}" if line.other is not None else ""
        pieces += [
            ("  " if pieces else "", ""), (f"{figures.times(line.factor)} better", figures.ink_of(line)),
            (f" than {than}{other}", ""),
        ]  # fmt: skip
    if pieces:
        yield cut(pieces, width)
    marks: list[Piece] = []
    for label, wanted in (("must", line.must), ("aim", line.aim)):
        if wanted is not None:
            text, ink = figures.mark(wanted)
            marks += [("   " if marks else "", ""), (f"{label} {wanted.text} ", "quiet"), (text, ink)]
    if marks:
        yield cut(marks, width)
    if line.note:
        yield ((fmt.fit(line.note, width), ""),)
    if line.judged is not None:
        yield cut(next(_judged(line.judged, 10_000))[1:], width)


def _head(line: Line, width: int, bars: bool) -> Iterator[Drawn]:
    yield ((fmt.fit(f"{line.part}: {line.title}" if line.part else line.title, width), "strong"),)
    if line.value is not None:
        yield _fact("ours", (figures.value(line.value, line.unit), "strong"), (_between(line), "quiet"))
    if line.beside:
        other = "" if line.other is None else f"{figures.value(line.other, line.unit)}  "
        yield _fact("beside", (other, ""), (fmt.fit(line.beside, max(width - _LABEL - len(other), 4)), "quiet"))
    if line.factor is not None:
        than = "" if line.of == "beside" else "  than it must be"
        interval = figures.interval(line)
        pieces: list[Piece] = [(figures.times(line.factor), figures.ink_of(line)), (" better" + than, "")]
        if interval:
            pieces.append((f"  {interval}{_confidence(line)}", "quiet"))
        yield _fact("factor", *pieces)
        cells = min(width - _LABEL, 72)
        if bars and cells >= 20:
            axis = axis_for([line], cells)
            yield _fact("", *bar(line, axis, figures.ink_of(line)))
            yield _fact("", (axis.ruler(), "quiet"))
    for label, wanted in (("must", line.must), ("aim", line.aim)):
        if wanted is not None:
            yield _wanted(label, wanted, width)
    if line.judged is not None:
        yield from _judged(line.judged, width)
    if line.note:
        for at, text in enumerate(wrapped(line.note, max(width - _LABEL, 10))):
            yield _fact("" if at else "note", (text, ""))


def _between(line: Line) -> str:
    if line.low is None or line.high is None:
        return f"  n {line.rounds}" if line.rounds else ""
    ends = f"{figures.value(line.low, line.unit)} – {figures.value(line.high, line.unit)}"
    return f"  {ends}{_confidence(line)}  n {line.rounds}"


def _confidence(line: Line) -> str:
    return f" ({line.confidence:.0%})" if line.confidence < 0.95 else ""


def _wanted(label: str, wanted: Wanted, width: int) -> Drawn:
    glyph, ink = figures.mark(wanted)
    word = "reached" if wanted.reached else "not reached"
    doubt = ", within its interval" if wanted.certain is False else ""
    text = fmt.fit(f"{wanted.text}: {word}{doubt}", max(width - _LABEL - len(glyph) - 1, 4))
    return _fact(label, (f"{glyph} ", ink), (text, "" if wanted.reached else ink))


def _judged(judged: Judged, width: int) -> Iterator[Drawn]:
    text, ink = figures.state(judged.state)
    more = []
    if judged.ratio is not None:
        change = f"{abs(judged.ratio - 1) * 100:.1f} % {'worse' if judged.ratio > 1 else 'better'}"
        if judged.low is not None and judged.high is not None:
            change += f" ({(judged.low - 1) * 100:+.1f} to {(judged.high - 1) * 100:+.1f})"
        more.append(change)
    if judged.baseline:
        more.append(f"than {judged.baseline}")
    if judged.p is not None:
        more.append(f"p {judged.p:.1g}")
    if judged.confirmed is not None:
        more.append("confirmed by a re-run" if judged.confirmed else "not confirmed by its re-run")
    if judged.why:
        more.append(judged.why)
    parts = wrapped(" ".join(more), max(width - _LABEL - len(text) - 2, 10)) if more else [""]
    yield _fact("gate", (text, ink), (f"  {parts[0]}", ""))
    for part in parts[1:]:
        yield _fact("", (" " * (len(text) + 2) + part, ""))


def _besides(line: Line, told: SessionTold, width: int) -> Iterator[Drawn]:
    if not line.figures:
        return
    yield _title("besides")
    wide = min(22, max(len(name) for name, _, _ in line.figures))
    cell = wide + 12
    each = max(1, width // (cell + 2))
    for at in range(0, len(line.figures), each):
        pieces: list[Piece] = []
        for name, value, unit in line.figures[at : at + each]:
            pieces += [(fmt.pad(name.replace("_", " "), wide), "quiet"), (f" {figures.value(value, unit):>9}", "")]
            pieces.append(("    ", ""))
        yield tuple(pieces[:-1])


def _history(line: Line, told: SessionTold, width: int) -> Iterator[Drawn]:
    found = told.trends.get(line.cell)
    if found is None or len(found.points) < 2:
        return
    count = len(found.points)
    yield _title("history", f"{count} sessions like this one, the newest at the right; ◆ baselines, ▼ regressions")
    yield from trend.chart(found, line.unit, min(width, 120), _CHART, told.row.id)
    yield from trend.told(found, width)
    yield from _newest(found, line, width)


def _newest(found: Trend, line: Line, width: int) -> Iterator[Drawn]:
    names = [
        f"{', '.join(point.names)} {figures.value(point.value, line.unit)}" for point in found.points if point.names
    ]
    if names:
        yield ((fmt.fit("◆ " + "; ".join(names), width), "quiet"),)


def _rounds(line: Line, told: SessionTold, width: int) -> Iterator[Drawn]:
    samples = line.samples
    if samples is None:
        return
    count = len(next(iter(samples.sides.values()))) // samples.repeat
    again = f", the last {samples.again} of a re-run" if samples.again else ""
    each = f", {samples.repeat} samples of a side in each" if samples.repeat > 1 else ""
    yield _title("samples", f"{count} round{'s' if count != 1 else ''} without the warm-up{each}{again}")
    yield from _strips(line, samples, width)
    yield ()
    yield from _table(line, samples, width)


def _strips(line: Line, samples: Samples, width: int) -> Iterator[Drawn]:
    """Every sample on a logarithmic axis that both sides share."""
    values = [value for side in samples.sides.values() for value in side if value > 0]
    cells = min(width - _LABEL - 2, _STRIP)
    if not values or cells < 16:
        return
    low, high = min(values), max(values)
    middle = math.sqrt(low * high)
    low, high = min(low, middle / 1.1), max(high, middle * 1.1)
    for name, side in samples.sides.items():
        counts = [0] * cells
        for value in side:
            if value > 0:
                counts[round(math.log(value / low) / math.log(high / low) * (cells - 1))] += 1
        most = max(counts, default=1)
        text = "".join(_dot(count, most) for count in counts)
        yield _fact(_side(name, line, _LABEL - 1), ("╴", "track"), (text, "busy" if name == "ours" else "idle"))
    left, right = figures.value(low, line.unit), figures.value(high, line.unit)
    yield _fact("", (f" {left}{right:>{max(cells - len(left), len(right) + 1)}}", "quiet"))


def _dot(count: int, most: int) -> str:
    if not count:
        return "·"
    return "●" if most == 1 or count * 2 > most else "•"


def _side(name: str, line: Line, width: int) -> str:
    return "ours" if name == "ours" else fmt.fit(line.beside or name, width)


def _table(line: Line, samples: Samples, width: int) -> Iterator[Drawn]:
    other = next((name for name in samples.sides if name != "ours"), "")
    columns = [
        Column("round", "round", 5, 100, right=True), Column("ours", "ours", 9, 99, right=True),
        *([Column("other", fmt.fit(_side(other, line, 20), 20), 9, 98, right=True, grow=1, most=20),
           Column("factor", "better", 8, 97, right=True)] if other else []),
        Column("more", "", 10, 50),
    ]  # fmt: skip
    ours, theirs = samples.sides["ours"], samples.sides.get(other, ())
    rows: list[dict[str, Piece]] = []
    first_again = len(ours) // samples.repeat - samples.again
    for at, value in enumerate(ours):
        number = at // samples.repeat
        row: dict[str, Piece] = {
            "round": (str(number + 1) if at % samples.repeat == 0 else "", "quiet"),
            "ours": (figures.value(value, line.unit), "strong"),
            "more": ("re-run" if number >= first_again and at % samples.repeat == 0 else "", "quiet"),
        }
        if at < len(theirs) and theirs[at] > 0 and value > 0:
            ratio = theirs[at] / value if line.better == "low" else value / theirs[at]
            row["other"] = figures.value(theirs[at], line.unit), ""
            row["factor"] = figures.times(ratio), "" if ratio >= 1 else "error"
        rows.append(row)
    # Thousands of latencies are no rounds: the strip above tells of them.
    yield from table(columns, rows[:_ROUNDS], width)
    if len(rows) > _ROUNDS:
        yield ((f"and {fmt.count(len(rows) - _ROUNDS)} more", "quiet"),)


def _session(line: Line, told: SessionTold, width: int) -> Iterator[Drawn]:
    if not told.row.id:  # it measures now
        return
    yield _title("session and machine")
    yield from facts_lines(told, width)
    yield ()
    yield _title("to measure it again")
    for text in wrapped(told.command, max(width - 2, 10)):
        yield (("  ", ""), (text, "brand"))


def facts_lines(told: SessionTold, width: int) -> Iterator[Drawn]:
    """What is known of a session, a name and a value each."""
    for banner in told.banners:
        for at, text in enumerate(wrapped(banner, max(width - 2, 10))):
            yield ((("  " if at else "▲ ") + text, "warning"),)
    wide = min(24, max((len(name) for name, _ in told.facts), default=0))
    for name, value in told.facts:
        first, *rest = wrapped(value, max(10, width - wide - 2))
        yield ((fmt.pad(name, wide), "quiet"), ("  ", ""), (first, ""))
        for text in rest:
            yield ((" " * (wide + 2), ""), (text, ""))
    for alert in told.alerts:
        yield ((fmt.fit(f"▲ {alert}", width), "warning"),)
