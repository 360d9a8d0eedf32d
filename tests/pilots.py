"""Screens driven by keys, while a record answers in threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from tui.app import ShoalApp
from tui.screens.pools import PoolsScreen
from tui.widgets.agent_list import AgentList

Play = Callable[[Pilot[Any]], Awaitable[None]]
PlayPools = Callable[[Pilot[Any], PoolsScreen], Awaitable[None]]
PlayAgents = Callable[[Pilot[Any], AgentList], Awaitable[None]]


async def settled(pilot: Pilot[Any]) -> None:
    """All that was asked is answered and shown, what was asked because of an answer included."""
    await pilot.pause()
    while asked := [worker for worker in pilot.app.workers if worker.is_running]:
        for worker in asked:
            with contextlib.suppress(WorkerCancelled):  # something else was asked in its stead
                await worker.wait()
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


def on_pools(app: ShoalApp, play: PlayPools, size: tuple[int, int] = (120, 36)) -> None:
    """Run an app, open the screen of pools, and play with it."""

    async def open_and_play(pilot: Pilot[Any]) -> None:
        await pilot.press("2")
        await pilot.pause()
        assert isinstance(app.screen, PoolsScreen)
        await play(pilot, app.screen)

    drive(app, open_and_play, size)


def on_agents(app: ShoalApp, play: PlayAgents, size: tuple[int, int] = (120, 36)) -> None:
    """The same, with its list of agents."""
    on_pools(app, lambda pilot, screen: play(pilot, screen.agents), size)


def once_seen(app: ShoalApp, then: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> ShoalApp:
    """An app that does something more as it ends: after its picture was taken, before its threads are waited for."""
    leave = app.exit

    def leaving(*args: Any, **more: Any) -> None:
        then()
        leave(*args, **more)

    monkeypatch.setattr(app, "exit", leaving)
    return app
