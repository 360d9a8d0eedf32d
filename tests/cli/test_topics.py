"""What `shoal watch` and `status` tell beside frames, as text: measurements of pools, claims, lanes and memory."""

from __future__ import annotations

from engine.cli.live.claims import claim_lines
from engine.cli.live.measures import pool_lines
from engine.cli.live.topics import Newest, Windows
from engine.stream.claims import ClaimsNow, ClaimView, HolderView, LaneView, WaitView
from engine.stream.measures import MetricsNow, PoolMetrics, Spread

NONE = Spread(0, None, None, None, None)
FEW = Spread(22, 3.19, None, None, 4.6)


def window(pool: str, asked: float, seconds: float, hits: float | None = 0.5) -> PoolMetrics:
    return PoolMetrics(pool, asked, seconds, 22, 1, 4.4, hits, FEW, NONE, NONE)


def metrics(*windows: PoolMetrics, part: int = 0, parts: int = 1) -> MetricsNow:
    return MetricsNow(100.0, windows, 0.009, NONE, part=part, parts=parts)


def test_windows_that_are_the_same_are_told_once() -> None:
    young = metrics(window("io", 10.0, 5.0), window("io", 60.0, 5.0), window("io", 0.0, 5.0))
    assert list(pool_lines([young])) == [
        "measured of io, all 5 s: 4.4 tasks/s, 22 done, 1 failed, 50.0% of the batches found an idle agent",
        "  run p50 3.19 s max 4.6 s of 22",
        "engine, last 10 s: its loop is late by none; watching it takes 0.9% of a core",
    ]
    older = metrics(window("io", 10.0, 10.0, None), window("io", 60.0, 30.0), window("io", 0.0, 30.0))
    assert [line.split(":")[0] for line in pool_lines([older]) if line.startswith("measured")] == [
        "measured of io, last 10 s", "measured of io, all 30 s",
    ]  # fmt: skip


def test_parts_of_very_many_pools_are_told_once_they_are_all_there() -> None:
    first = metrics(window("a", 0.0, 5.0), parts=2)
    second = metrics(window("b", 0.0, 5.0), part=1, parts=2)
    windows = Windows()
    windows.heard(second)
    windows.heard(first)
    assert windows.messages == [], "the second part was another one's"
    windows.heard(second)
    assert windows.messages == [first, second]
    windows.heard(first)
    assert windows.messages == [first, second], "the next is not whole yet"


def test_what_is_not_asked_for_is_not_kept() -> None:
    more = Newest(["metrics", "claims"])
    assert more.asked
    assert more.missing == ["metrics", "claims"]
    assert list(more.lines()) == []
    assert more.as_objects() == {"metrics": None, "claims": None}
    more.take(metrics(window("io", 0.0, 5.0)))
    more.take(ClaimsNow(100.0, (), (), 0, 0))
    assert more.missing == []
    assert list(more.lines())[-1] == "claims: none is held, and nobody waits for one"
    assert more.as_objects()["metrics"]["windows"][0]["pool"] == "io"
    nothing = Newest([])
    nothing.take(metrics())
    assert not nothing.asked
    assert nothing.as_objects() == {}


def test_claims_lanes_memory_and_waits() -> None:
    held = HolderView("embed[3]", "main", 92.0)
    now = ClaimsNow(
        100.0,
        (LaneView("cloud", 10, 10, (held,), 377, "embed[900]"), LaneView("local", 1, 0, (), 0, "")),
        (ClaimView("docs/**", False, 1, (held,), 4, "docs[2]", True), ClaimView("Cargo.toml", True, 1, (held,), 0, "")),
        2, 381,
        memory=LaneView("memory", 6 << 30, 2 << 30, (held,), 0, ""),
        waits=(WaitView("design[0]", "main", 95.0, ("KERNEL[1]",), 3, 1, ("gpu",), ("KERNEL",)),),
    )  # fmt: skip
    assert list(claim_lines(now)) == [
        "claims: 2 held, 381 tasks waiting for a claim, a lane or memory",
        "  lane cloud: 10 of 10 used by embed[3] for 8 s and 9 more; 377 tasks waiting, first embed[900]",
        "  lane local: 0 of 1 used",
        "  memory: 2 GB of 6 GB taken by embed[3] for 8 s",
        "  claim docs/**: held alone by embed[3] for 8 s; 4 tasks waiting, first docs[2]; kept for who was passed over",
        "  claim Cargo.toml: shared by embed[3] for 8 s",
        "  design[0] waits for 3 subtasks (KERNEL), in gpu, 1 at work, for 5 s",
    ]
