"""Plans that run, are blocked, or are over, as the screens are told of them; always the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec
from screen_runs import NOON, frame_of

from engine.stream.plans import (
    GateNow,
    MilestoneNow,
    MilestoneOutline,
    OwnerNow,
    OwnerOutline,
    PlanNow,
    PlanOutline,
    StepNow,
    StepOutline,
)
from engine.stream.types import BUSY, IDLE, ClaimsNow, ClaimView, Hello, HolderView, LaneView, RunState
from tui.view import View, fold

BEGAN: Final = NOON
AT: Final = NOON + 102.7


def step_of(name: str, after: tuple[int, ...] = (), **more: Any) -> StepOutline:
    """A step as it is written."""
    told: dict[str, Any] = {
        "name": name, "title": "", "what": f"work:{name.replace('-', '_')}", "total": 10, "after": after,
        "more_after": 0, "pool": "main", "owner": "", "team": "", "group": "", "milestones": (), "lane": "",
        "claims": (), "labels": (), "estimate": None, "wait": 0.0, "gate": None,
    }  # fmt: skip
    return StepOutline(**(told | more))


def now_of(number: int, state: str, **more: Any) -> StepNow:
    """A step as it is. Moments are seconds after the beginning."""
    told: dict[str, Any] = {
        "number": number, "state": state, "done": 0, "failed": 0, "running": 0, "taken": 0, "began": None,
        "ended": None, "mean": None, "starts": None, "ends": None, "slack": None, "rank": None, "gain": None,
        "critical": False,
    } | more  # fmt: skip
    for name in ("began", "ended", "starts", "ends", "until"):
        if told.get(name) is not None:
            told[name] += BEGAN
    if told["starts"] is None:
        told["starts"] = told["began"]
    if told["ended"] is not None and state in ("done", "failed"):
        told["ends"] = told["ended"]
    return StepNow(**told)


STEPS: Final = (
    step_of("prepare", total=4, group="data", owner="ada", pool="io", title="Fetch and clean the recordings"),
    step_of("index", (0,), total=1, group="data", owner="ada", pool="io", lane="local"),
    step_of("embed", (0,), total=1200, group="model", owner="grace", milestones=(0,), estimate=0.5, lane="cloud"),
    step_of("train", (1, 2), total=40, group="model", owner="grace", milestones=(0,), estimate=4.0,
            claims=("weights/{n}", "shared data/**")),
    step_of("check-accuracy", (3,), total=1, group="model", owner="grace", milestones=(0,), estimate=6.0,
            gate=("go if all of error <= 1e-12; rows.lost = 0", "stop if error > 0.001"), what=""),
    step_of("report", (4,), total=1, group="ship", owner="lena", milestones=(1,), estimate=3.0, wait=20.0),
    step_of("docs", (0,), total=6, group="ship", owner="lena", milestones=(1,), estimate=5.0, claims=("docs/**",)),
    step_of("release", (5, 6), total=1, group="ship", owner="lena", milestones=(1,), estimate=2.0, lane="local"),
)  # fmt: skip
OUTLINE: Final = PlanOutline(
    0, len(STEPS), STEPS, "Heart and breath", 0, (("data", "Data"), ("model", "The model"), ("ship", "Shipping")),
    (OwnerOutline("ada", "", None), OwnerOutline("grace", "", 2), OwnerOutline("lena", "", None)),
    (MilestoneOutline("model-ready", "", 150.0, 3), MilestoneOutline("shipped", "", 165.0, 3)),
)  # fmt: skip
CLAIMS: Final = ClaimsNow(
    AT,
    (
        LaneView("local", 1, 1, (HolderView("index[0]", "io", AT - 12.4),), 0, ""),
        LaneView("cloud", 10, 10, tuple(HolderView(f"embed[{n}]", "main", AT - n / 100) for n in (804, 811, 812)), 377,
                 "embed[823]"),
    ),
    (
        ClaimView("docs/**", False, 1, (HolderView("docs[2]", "main", AT - 3.2),), 3, "docs[3]"),
        ClaimView("data/**", True, 2, (HolderView("docs[1]", "main", AT - 61.0), HolderView("e[9]", "main", AT - 2)),
                  0, ""),
    ),
    2,
    380,
)  # fmt: skip


def running_now(at: float = AT) -> PlanNow:
    """It goes on: two steps are over, three run."""
    steps = (
        now_of(0, "done", done=4, taken=4, began=0.4, ended=31.0, mean=7.5, critical=True),
        now_of(1, "running", running=1, taken=1, began=90.3, ends=118.0, slack=22.0, rank=54.0, gain=0.0, mean=None),
        now_of(2, "running", done=812, running=10, taken=1200, failed=1, began=31.2, ended=102.6, mean=0.87, ends=136.0,
               slack=0.0, rank=79.0, gain=1.0, critical=True),
        now_of(3, "waiting", starts=136.0, ends=156.0, slack=0.0, rank=46.0, gain=1.0, critical=True, waits_for=(1, 2)),
        now_of(4, "waiting", starts=156.0, ends=162.0, slack=0.0, rank=26.0, gain=1.0, critical=True, waits_for=(3,)),
        now_of(5, "waiting", starts=182.0, ends=185.0, slack=0.0, rank=25.0, gain=1.0, critical=True, waits_for=(4,)),
        now_of(6, "running", done=2, running=1, taken=6, began=31.4, ended=99.5, mean=11.8, ends=150.0, slack=35.0,
               rank=49.0, gain=0.0),
        now_of(7, "waiting", starts=185.0, ends=187.0, slack=0.0, rank=2.0, gain=1.0, critical=True, waits_for=(5, 6)),
    )  # fmt: skip
    return PlanNow(
        at, steps, True, BEGAN + 187.0, (0, 2, 3, 4, 5, 7), (),
        (MilestoneNow(1241, 812, 1, 0, BEGAN + 162.0, False, -12.0),
         MilestoneNow(8, 2, 0, 0, BEGAN + 187.0, False, -22.0)),
        (OwnerNow(5, 4, 0, 1, 28.0), OwnerNow(1241, 812, 1, 10, 503.0), OwnerNow(8, 2, 0, 1, 52.2)), False,
    )  # fmt: skip


def blocked_now(at: float = AT) -> PlanNow:
    """A gate waits for an answer, a step has failed, and what comes after it is barred; work of people waits."""
    why = "gate check-accuracy waits for an answer"
    steps = (
        now_of(0, "done", done=4, taken=4, began=0.4, ended=31.0, mean=7.5, critical=True),
        now_of(1, "failed", failed=1, taken=1, began=31.3, ended=33.3, mean=2.0),
        now_of(2, "done", done=1200, taken=1200, began=31.2, ended=70.6, mean=0.32, critical=True),
        now_of(3, "done", done=40, taken=40, began=70.7, ended=88.0, mean=0.43, critical=True),
        now_of(4, "done", done=1, taken=1, began=88.1, ended=91.0, mean=2.9, critical=True),
        now_of(5, "held", slack=0.0, rank=25.0, gain=1.0, starts=122.7, ends=125.7, critical=True, waits_for=(4,),
               why=why),
        now_of(6, "ready", done=2, taken=6, began=31.4, ended=75.5, mean=11.8, ends=150.0, slack=4.0, rank=49.0,
               gain=0.0),
        now_of(7, "waiting", starts=150.0, ends=152.0, slack=0.0, rank=2.0, gain=1.0, critical=True, waits_for=(5, 6)),
    )  # fmt: skip
    gate = GateNow(4, "hold", ("error is 3.2e-09, not <= 1e-12", "rows.lost is 0, = 0"), True)
    return PlanNow(
        at, steps, True, BEGAN + 152.0, (0, 2, 3, 4, 5, 7), (gate,),
        (MilestoneNow(1241, 1241, 0, 3, BEGAN + 91.0, True, 59.0),
         MilestoneNow(8, 2, 0, 0, BEGAN + 152.0, False, 13.0)),
        (OwnerNow(5, 4, 1, 0, 0.0), OwnerNow(1241, 1241, 0, 0, 0.0), OwnerNow(8, 2, 0, 0, 52.2)), False,
    )  # fmt: skip


def finished_now(at: float = NOON + 187.4) -> PlanNow:
    """All is done but for what came after a gate that said no."""
    why = "gate check-accuracy: pivot (error is 0.0004, not <= 1e-12)"
    steps = (
        now_of(0, "done", done=4, taken=4, began=0.4, ended=31.0, mean=7.5, critical=True),
        now_of(1, "done", done=1, taken=1, began=31.3, ended=63.3, mean=32.0),
        now_of(2, "done", done=1200, taken=1200, began=31.2, ended=120.6, mean=0.87, critical=True),
        now_of(3, "done", done=40, taken=40, began=120.7, ended=161.0, mean=4.1, critical=True),
        now_of(4, "done", done=1, taken=1, began=161.1, ended=166.0, mean=4.9, critical=True),
        now_of(5, "barred", failed=1, taken=1, ended=166.1, ends=166.1, why=why, critical=True),
        now_of(6, "done", done=6, taken=6, began=31.4, ended=107.5, mean=11.8),
        now_of(7, "barred", failed=1, taken=1, ended=166.2, ends=166.2, why="a task that it comes after has failed",
               critical=True),
    )  # fmt: skip
    gate = GateNow(4, "pivot", ("error is 0.0004, not <= 1e-12",))
    return PlanNow(
        at, steps, True, BEGAN + 166.2, (0, 2, 3, 4, 5, 7), (gate,),
        (MilestoneNow(1241, 1241, 0, 3, BEGAN + 166.0, True, -16.0), MilestoneNow(8, 6, 2, 1, None, False, None)),
        (OwnerNow(5, 5, 0, 0, 0.0), OwnerNow(1241, 1241, 0, 0, 0.0), OwnerNow(8, 6, 2, 0, 0.0)), False,
    )  # fmt: skip


def planned(now: PlanNow, outline: PlanOutline = OUTLINE, claims: ClaimsNow | None = CLAIMS, **frame: Any) -> View:
    """The view of a run with a plan."""
    state: RunState = frame.pop("state", "running")
    hello = Hello(2, "7f3a", "heart-and-breath", 4711, NOON)
    busy = bytes([BUSY] * 12 + [IDLE] * 4) if state == "running" else bytes(16)
    told = {"done": 820, "total": 1254, "failed": 1, "rate": 11.4, "eta": 84.0, "elapsed": now.at - NOON}
    view = fold(fold(View(), hello), frame_of({"main": busy}, state=state, **(told | frame)))
    for message in (outline, now, claims):
        if message is not None:
            view = fold(view, message)
    return view


def running_plan() -> View:
    """It goes on."""
    return planned(running_now())


def blocked_plan() -> View:
    """It is held up."""
    lanes = (LaneView("local", 1, 0, (), 0, ""),)
    held = (ClaimView("docs/**", False, 1, (HolderView("other[0]", "main", AT - 27.2),), 4, "docs[2]"),)
    return planned(blocked_now(), claims=ClaimsNow(AT, lanes, held, 1, 4))


def finished_plan() -> View:
    """It is over."""
    return planned(finished_now(), claims=None, state="ended", done=1252, failed=2, rate=0.0, eta=0.0)


def one_step() -> View:
    """A callable over items: a plan of one step that nobody has written down."""
    step = step_of("tasks", total=100_000, what="heart:beat")
    now = now_of(0, "running", done=41_203, running=12, taken=60_000, began=0.2, ended=102.7, mean=0.0011, ends=249.0,
                 slack=0.0, rank=146.0, gain=1.0, critical=True)  # fmt: skip
    outline = PlanOutline(0, 1, (step,), "heart:beat")
    told = PlanNow(AT, (now,), True, BEGAN + 249.0, (0,), (), (), (), False)
    return planned(told, outline, None, done=41_203, total=100_000, failed=0, rate=401.0, eta=146.0)


def many_steps(count: int = 300) -> View:
    """More steps than find room, in groups."""
    groups = tuple((f"week-{number}", "") for number in range(1, 13))
    steps = tuple(
        step_of(f"task-{n:03d}", (n - 12,) if n >= 12 else (), group=groups[n % 12][0], estimate=3.0)
        for n in range(count)
    )
    nows = tuple(
        now_of(n, "done", done=10, taken=10, began=n * 0.9, ended=n * 0.9 + 9, mean=3.1) if n < 90
        else now_of(n, "running", done=4, running=2, taken=10, began=94.0, ends=112.0 + n / 10, slack=4.0, rank=80.0,
                    gain=0.0, critical=n == 95) if n < 102
        else now_of(n, "waiting", starts=112.0 + n / 3, ends=121.0 + n / 3, slack=4.0, rank=20.0, gain=0.0,
                    waits_for=(n - 12,))
        for n in range(count)
    )  # fmt: skip
    outline = PlanOutline(0, count, steps, "Twelve weeks", 0, groups)
    return planned(PlanNow(AT, nows, True, BEGAN + 221.0, (95,), (), (), (), False), outline, None)


def replayed(view: View, **frame: Any) -> View:
    """The same with another frame."""
    assert view.frame is not None
    return replace(view, frame=msgspec.structs.replace(view.frame, **frame))
