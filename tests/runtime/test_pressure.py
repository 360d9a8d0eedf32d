"""How hard the machine is pressed, as a share of the usual starts."""

from __future__ import annotations

import pytest

from engine.runtime.fleet.pressure import measure, throttle


@pytest.mark.parametrize(
    ("load", "processors", "free", "share"),
    [
        (0.0, 2, 0.9, 1.0),
        (20.0, 2, 0.9, 1.0),
        (32.0, 2, 0.9, 0.75),
        (400.0, 2, 0.9, 0.5),  # it may be the load of the very agents that start
        (0.0, 2, 0.14, 0.5),
        (400.0, 2, 0.1, 1 / 6),
        (0.0, 2, 0.05, 0.0),
    ],
)
def test_shares(load: float, processors: int, free: float, share: float) -> None:
    assert throttle(load, processors, free) == pytest.approx(share)


def test_this_machine_can_be_measured() -> None:
    assert 0.0 <= measure() <= 1.0
