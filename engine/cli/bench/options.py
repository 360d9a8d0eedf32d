"""What the benchmarks that are commands of their own have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli.bench.telling import Telling, telling, told_by

if TYPE_CHECKING:
    from engine.bench.guard.cells import Cell
    from engine.bench.guard.sessions import Recorder
    from engine.bench.lines import Line
    from engine.bench.progress import Progress

_F = TypeVar("_F", bound=Callable[..., Any])

NOT_MEASURED = 2
"""Exit code."""


class Numbers(click.ParamType[Any]):
    """Whole numbers with commas between them, each once, from `least` on."""

    name = "numbers"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers, in order. Raises `click.BadParameter`."""
        if isinstance(value, tuple):
            return value
        found = []
        for part in str(value).split(","):
            if not part.strip().isdecimal() or int(part) < self._least:
                self.fail(f"{part.strip()!r} is no whole number from {self._least} on", param, ctx)
            found.append(int(part))
        return tuple(sorted(set(found)))


class Names(click.ParamType[Any]):
    """Names with commas between them, each one of those that `known` has when it is asked."""

    name = "names"

    def __init__(self, known: Callable[[], Sequence[str]]) -> None:
        self._known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names, in the order of those that there are. Raises `click.BadParameter`."""
        if isinstance(value, tuple):
            return value
        known = self._known()
        found = [part.strip() for part in str(value).split(",") if part.strip()]
        for name in found:
            if name not in known:
                self.fail(f"no {name!r}; known: {', '.join(known)}", param, ctx)
        if not found:
            self.fail(f"nothing is named; known: {', '.join(known)}", param, ctx)
        return tuple(name for name in known if name in found)


def common(function: _F) -> _F:
    """The options that all of them take."""
    for option in (
        told_by,
        click.option("--no-store", is_flag=True, help="Do not keep the session in the history."),
        click.option(
            "--json", "output", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
            help="All samples and findings as JSON; - for standard output, in the place of the table.",
        ),
        click.option("--quick", is_flag=True, help="Small sizes: whether it works, not how fast it is."),
    ):  # fmt: skip
        function = option(function)
    return function


class Session:
    """A session of a benchmark, from before it measures until it is told and kept."""

    def __init__(
        self, output: str | None, file: Path | None, seed: int, recorder: Recorder | None, telling: Telling
    ) -> None:
        self.seed = seed
        self._output = output
        self._file = file
        self._recorder = recorder
        self._telling = telling

    @property
    def progress(self) -> Progress:
        """What whoever measures tells."""
        return self._telling.progress

    def told(
        self,
        data: Mapping[str, Any],
        table: Callable[[], str],
        cells: Sequence[Cell],
        failures: Mapping[str, str],
        lines: Sequence[Line],
        whole: bool,
    ) -> None:
        """Show what was found, and keep it. Ends the command if something was not measured. `whole`: nothing of the
        suite was left out.
        """
        import json

        from engine.bench import machine
        from engine.cli.bench.session import keep

        if self._recorder is not None:
            keep(self._recorder.ended(cells, failures, lines=lines, whole=whole), self._telling)
        text = json.dumps(data, indent=1)
        if self._file is not None:
            self._file.write_text(text + "\n")
        self._telling.say(machine.line(data["machine"]))
        click.echo(text if self._output == "-" else table())
        if failures:
            raise SystemExit(NOT_MEASURED)


@contextlib.contextmanager
def asked(suite: str, quick: bool, output: str | None, no_store: bool, form: str, until_eof: bool) -> Iterator[Session]:
    """A session, once what it needs is there. Problems become one line and exit code 2. `form`, `until_eof`: as in
    `engine.cli.bench.telling`.
    """
    import time

    from engine.bench.guard.sessions import Recorder
    from engine.cli.bench.guard import problems
    from engine.cli.bench.session import opened

    file = opened(output)
    seed = time.time_ns() % 2**32
    with problems():
        recorder = None if no_store else Recorder(suite, quick, seed)
    with telling(form, until_eof) as told:
        yield Session(output, file, seed, recorder, told)
