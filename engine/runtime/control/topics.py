"""What readers can be told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from engine.stream.types import Topic


@dataclass(slots=True, frozen=True)
class Kind:
    """How messages of a topic are passed on.

    Attributes:
        sampled: only the newest counts. A reader is shown it as often as it asked for, if it is another one than before
            and there is room. Else each is told, and kept for a slow reader up to a bound.
    """

    sampled: bool


TOPICS: Final[dict[Topic, Kind]] = {
    "frames": Kind(sampled=True),
    "cells": Kind(sampled=True),
    "metrics": Kind(sampled=True),
    "queues": Kind(sampled=True),
    "shapes": Kind(sampled=True),
    "claims": Kind(sampled=True),
    "plan": Kind(sampled=True),
    "events": Kind(sampled=False),
    "alerts": Kind(sampled=False),
}
DEFAULT: Final[frozenset[Topic]] = frozenset({"frames", "events"})
"""What a reader is told of that has not said what it wants."""

assert set(TOPICS) == set(get_args(Topic))


def known(names: list[str]) -> frozenset[Topic]:
    """These topics. Raises ValueError for one that there is not."""
    found = frozenset(topic for topic in TOPICS if topic in names)
    for name in names:
        if name not in found:
            raise ValueError(f"no topic {name!r}; known: {', '.join(TOPICS)}")
    return found
