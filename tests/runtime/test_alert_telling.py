"""When things were, by the wall's clock: the same each time that it is told, unless a clock was set."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from engine.runtime.alerting import telling

EPOCH = 1_763_726_400.0


def test_what_is_told_again_is_told_with_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(wall=EPOCH, since=0.0)
    monkeypatch.setattr(
        telling, "time", SimpleNamespace(time=lambda: clock.wall + clock.since, monotonic=lambda: clock.since)
    )
    epoch = telling.Epoch()
    first = epoch.now()
    assert first == EPOCH
    found = set()
    for number in range(1000):
        clock.since, clock.wall = number / 7, EPOCH + (number % 3) * 1e-7
        found.add(epoch.now())
    assert found == {first}, "how finely clocks can be read is nothing that happened"
    clock.wall = EPOCH + 3600.0
    assert epoch.now() == pytest.approx(EPOCH + 3600.0, abs=1e-6), "it was set"
    clock.wall = EPOCH - 5.0
    assert epoch.now() == pytest.approx(EPOCH - 5.0, abs=1e-6)
