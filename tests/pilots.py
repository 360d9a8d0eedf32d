"""Screens driven by keys, while a record answers in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot

from tui.app import ShoalApp

Play = Callable[[Pilot[Any]], Awaitable[None]]


async def settled(pilot: Pilot[Any]) -> None:
    """All that was asked is answered and shown."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


def pressing(*groups: str) -> Play:
    """Press some keys, apart by spaces, and let all be answered after each group of them."""

    async def play(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for keys in groups:
            await pilot.press(*keys.split())
            await settled(pilot)

    return play


def drive(app: ShoalApp, play: Play, size: tuple[int, int] = (120, 36)) -> None:
    """Run an app, and play with it."""

    async def session() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await play(pilot)

    asyncio.run(session())
