"""Pictures of the screen of benchmarks in every state and size that was designed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import bench_sessions as made
import pytest
from bench_running import FakeBenches, FakeMeasuring, speed
from past_runs import FakeArchive
from pilots import once_seen, settled
from textual.pilot import Pilot

from engine.bench.guard.sessions import Session
from engine.stream.benchmarks import Ended, Failed, Message, Said
from tui.app import ShoalApp
from tui.bench.record import End
from tui.screens import bench_reading
from tui.screens.bench import BenchScreen
from tui.themes import ANSI, CONTRAST, LIGHT
from tui.view import View

Compare = Callable[..., bool]
AppOf = Callable[..., ShoalApp]
Play = Callable[[Pilot[Any]], Awaitable[None]]
SIZES = pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 50)], ids=lambda s: f"{s[0]}x{s[1]}")
BAD = {"submit": 1.18, "help": 1.31}
BEGAN, NOW = 1000.0, 1043.0


class Clock:
    """Stands still until it is set."""

    now = BEGAN

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of what measures."""
    found = Clock()
    monkeypatch.setattr(bench_reading, "monotonic", found)
    return found


@pytest.fixture(autouse=True)
def _steady_times(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """What is shown must not depend on how fast this machine is."""
    monkeypatch.setattr(bench_reading, "now", lambda: made.NOON)


def record(
    folder: Path, sessions: Sequence[Session] = (), measuring: FakeMeasuring | None = None, **names: Session
) -> FakeArchive:
    """A record with some sessions, and with what would measure."""
    found = FakeArchive([])
    kept = made.keep(folder / "benchmarks", sessions, **names)
    found.benches = FakeBenches(kept, made.MACHINE, measuring)
    return found


def showing(*groups: str) -> Play:
    """The screen, and some keys on it."""

    async def play(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for keys in ("8", *groups):
            await pilot.press(*keys.split())
            await settled(pilot)

    return play


def measuring(clock: Clock, fake: FakeMeasuring, *after: str, begin: str = "r f", over: bool = False) -> Play:
    """The screen while something measures, and some keys after it has told all; `over`: until it is over."""

    async def play(pilot: Pilot[Any]) -> None:
        await showing(begin)(pilot)
        clock.now = NOW
        fake.go.set()
        screen = pilot.app.screen
        assert isinstance(screen, BenchScreen)
        while not fake.drained.is_set() or (over and screen.measuring):
            await pilot.pause()
        await settled(pilot)
        for keys in after:
            await pilot.press(*keys.split())
            await settled(pilot)
        screen._tick()

    return play


# -- what is kept ------------------------------------------------------------------------------------------------------


@SIZES
def test_nothing_yet(snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]) -> None:
    assert snap_compare(app_of(None, record(tmp_path)), terminal_size=size, run_before=showing())


@SIZES
def test_finished(snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]) -> None:
    sessions = made.all_sessions()
    app = app_of(None, record(tmp_path, sessions, release=sessions[2]))
    assert snap_compare(app, terminal_size=size, run_before=showing("down down"))


@SIZES
def test_with_a_regression(snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]) -> None:
    app = app_of(None, record(tmp_path, made.all_sessions(BAD)))
    assert snap_compare(app, terminal_size=size, run_before=showing("down down down down"))


@SIZES
def test_coordination(snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]) -> None:
    app = app_of(None, record(tmp_path, made.all_sessions()))
    assert snap_compare(app, terminal_size=size, run_before=showing("right", "down down down down"))


@pytest.mark.parametrize("suite", ["peers", "queues", "scaling", "alerts", "memory"])
def test_other_suites(snap_compare: Compare, app_of: AppOf, tmp_path: Path, suite: str) -> None:
    order = ["speed", "coordination", "peers", "spawn", "pool", "throughput", "latency", "queues", "memory", "scaling",
             "recorder", "watch", "tui", "alerts"]  # fmt: skip
    app = app_of(None, record(tmp_path, made.all_sessions()))
    keys = " ".join(["right"] * order.index(suite))
    assert snap_compare(app, terminal_size=(120, 36), run_before=showing(keys))


@SIZES
def test_details(snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]) -> None:
    app = app_of(None, record(tmp_path, made.all_sessions(BAD)))
    assert snap_compare(app, terminal_size=size, run_before=showing("down down down down enter"))


def test_details_end(snap_compare: Compare, app_of: AppOf, tmp_path: Path) -> None:
    app = app_of(None, record(tmp_path, made.all_sessions(BAD)))
    assert snap_compare(app, terminal_size=(120, 36), run_before=showing("enter", "G"))


@SIZES
def test_compared(snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]) -> None:
    app = app_of(None, record(tmp_path, made.all_sessions(BAD)))
    keys = ("space", "left_square_bracket left_square_bracket", "space", "c")
    assert snap_compare(app, terminal_size=size, run_before=showing(*keys))


def test_compared_with_an_unlike_machine(snap_compare: Compare, app_of: AppOf, tmp_path: Path) -> None:
    other = made.session_of(
        "speed", 4, fingerprint="0" * 12, machine=made.MACHINE | {"cpu": "abacus"}, calibration=(0.021, 0.024)
    )
    app = app_of(None, record(tmp_path, [other, made.session_of("speed", 2)]))
    assert snap_compare(app, run_before=showing("space", "left_square_bracket", "space", "c"))


@SIZES
def test_of_an_unlike_machine_and_not_all_measured(
    snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]
) -> None:
    other = made.session_of(
        "speed", 4, without={"array": "no answer within 120 s"}, fingerprint="0" * 12,
        machine=made.MACHINE | {"cpu": "abacus"},
    )  # fmt: skip
    app = app_of(None, record(tmp_path, [other]))
    assert snap_compare(app, terminal_size=size, run_before=showing())


@SIZES
def test_a_name(snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]) -> None:
    app = app_of(None, record(tmp_path, made.all_sessions()))
    assert snap_compare(app, terminal_size=size, run_before=showing("b v 1 space"))


def test_a_step_in_its_history(snap_compare: Compare, app_of: AppOf, tmp_path: Path) -> None:
    sessions = [
        made.session_of("speed", number, slower={"submit": 1.0 if number > 8 else 1.09}) for number in range(20, 0, -1)
    ]
    app = app_of(None, record(tmp_path, sessions, v1=sessions[3]))
    assert snap_compare(app, terminal_size=(120, 36), run_before=showing("down down down down"))


def test_beside_a_run(snap_compare: Compare, app_of: AppOf, tmp_path: Path, running: View) -> None:
    app = app_of(running, record(tmp_path, made.all_sessions()))
    assert snap_compare(app, terminal_size=(120, 36), run_before=showing())


def test_damaged(snap_compare: Compare, app_of: AppOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "0.json").write_text("{}")
    found = record(Path())
    assert snap_compare(app_of(None, found), run_before=showing())


def test_no_record(snap_compare: Compare, app_of: AppOf) -> None:
    assert snap_compare(app_of(None, None), run_before=showing())


# -- measured from here ------------------------------------------------------------------------------------------------


@SIZES
def test_asking(snap_compare: Compare, app_of: AppOf, tmp_path: Path, size: tuple[int, int]) -> None:
    sessions = made.all_sessions()
    app = app_of(None, record(tmp_path, sessions, release=sessions[2]))
    assert snap_compare(app, terminal_size=size, run_before=showing("r"))


def test_asking_beside_a_run(snap_compare: Compare, app_of: AppOf, tmp_path: Path, running: View) -> None:
    app = app_of(running, record(tmp_path, made.all_sessions()))
    assert snap_compare(app, terminal_size=(120, 36), run_before=showing("r"))


@SIZES
def test_measuring(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, size: tuple[int, int]) -> None:
    fake = FakeMeasuring(speed(15))
    app = app_of(None, record(tmp_path, made.all_sessions(), fake))
    assert snap_compare(app, terminal_size=size, run_before=measuring(clock, fake, "down down"))


def _once(snap_compare: Compare, app: ShoalApp, play: Play, size: tuple[int, int] = (80, 24)) -> None:
    assert snap_compare(app, terminal_size=size, run_before=play)


def test_the_first_measurement_of_all(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock) -> None:
    fake = FakeMeasuring(speed(1))
    _once(snap_compare, app_of(None, record(tmp_path, (), fake)), measuring(clock, fake), (120, 36))


def test_importing(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock) -> None:
    fake = FakeMeasuring([])
    _once(snap_compare, app_of(None, record(tmp_path, (), fake)), measuring(clock, fake))


def test_another_suite_meanwhile(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock) -> None:
    fake = FakeMeasuring(speed(15))
    app = app_of(None, record(tmp_path, made.all_sessions(), fake))
    _once(snap_compare, app, measuring(clock, fake, "right right"), (120, 36))


def test_stopping(
    snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeMeasuring(speed(15))
    stop = fake.stop
    monkeypatch.setattr(fake, "stop", lambda: None)  # it takes a while
    app = once_seen(app_of(None, record(tmp_path, made.all_sessions(), fake)), stop, monkeypatch)
    _once(snap_compare, app, measuring(clock, fake, "x y"))


def test_stopped(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock) -> None:
    fake = FakeMeasuring(speed(15))

    async def play(pilot: Pilot[Any]) -> None:
        await measuring(clock, fake, "x y")(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, BenchScreen)
        while screen.measuring:
            await pilot.pause()
        await settled(pilot)

    _once(snap_compare, app_of(None, record(tmp_path, made.all_sessions(), fake)), play)


@SIZES
def test_measured(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, size: tuple[int, int]) -> None:
    sessions = made.all_sessions()
    newest = made.session_of("speed", 0)
    fake = FakeMeasuring([*speed(25), Ended(code=0, session=newest.id)], End(0))
    found = record(tmp_path, sessions, fake)
    fake.before_end = lambda: made.keep(tmp_path / "benchmarks", [newest])
    _once(snap_compare, app_of(None, found), measuring(clock, fake, over=True), size)


@SIZES
def test_a_regression_is_found(
    snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, size: tuple[int, int]
) -> None:
    newest = made.gated(0, BAD)
    verdict = f"regression: submit, help; `shoal bench baseline last-good {newest.id}` accepts it"
    fake = FakeMeasuring([*speed(25), Ended(code=1, session=newest.id, verdict=verdict)], End(1))
    found = record(tmp_path, made.all_sessions(), fake)
    fake.before_end = lambda: made.keep(tmp_path / "benchmarks", [newest])
    _once(snap_compare, app_of(None, found), measuring(clock, fake, begin="r g", over=True), size)


@SIZES
def test_refused(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, size: tuple[int, int]) -> None:
    sessions = made.all_sessions()
    words = (
        "baseline 'release' is of an unlike machine (processor abacus then, Deep Blue 9000 now, cores 64 then, 2 now): "
        "--unlike compares it"
    )
    fake = FakeMeasuring([], End(2, words))
    found = record(tmp_path, sessions, fake, release=sessions[2])
    _once(snap_compare, app_of(None, found), measuring(clock, fake, begin="r 1", over=True), size)


@SIZES
def test_a_run_that_failed(
    snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, size: tuple[int, int]
) -> None:
    told: list[Message] = [*speed(9), Said(text="round 1"), Failed(row="map", why="no answer within 120 s", steps=20)]
    fake = FakeMeasuring(told, End(-9))
    app = app_of(None, record(tmp_path, made.all_sessions(), fake))
    _once(snap_compare, app, measuring(clock, fake, over=True), size)


# -- themes and glyphs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", [LIGHT.name, CONTRAST.name, ANSI.name])
def test_themes(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, theme: str) -> None:
    fake = FakeMeasuring(speed(15))
    app = app_of(None, record(tmp_path, made.all_sessions(BAD), fake), theme=theme)
    _once(snap_compare, app, measuring(clock, fake, "left_square_bracket"), (120, 36))


def test_light_details(snap_compare: Compare, app_of: AppOf, tmp_path: Path) -> None:
    app = app_of(None, record(tmp_path, made.all_sessions(BAD)), theme=LIGHT.name)
    _once(snap_compare, app, showing("enter"), (120, 36))


@pytest.mark.parametrize("size", [(60, 20), (120, 36), (200, 50)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_ascii(snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, size: tuple[int, int]) -> None:
    fake = FakeMeasuring(speed(15))
    sessions = made.all_sessions(BAD)
    app = app_of(None, record(tmp_path, sessions, fake, release=sessions[2]), ascii=True)
    _once(snap_compare, app, measuring(clock, fake, "left_square_bracket"), size)


def test_ascii_comparison(snap_compare: Compare, app_of: AppOf, tmp_path: Path) -> None:
    app = app_of(None, record(tmp_path, made.all_sessions(BAD)), ascii=True)
    _once(snap_compare, app, showing("space", "left_square_bracket", "space", "c"), (120, 36))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_no_color(
    snap_compare: Compare, app_of: AppOf, tmp_path: Path, clock: Clock, size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("NO_COLOR", "1")
    fake = FakeMeasuring(speed(15))
    app = app_of(None, record(tmp_path, made.all_sessions(BAD), fake))
    _once(snap_compare, app, measuring(clock, fake, "left_square_bracket"), size)
