"""The engine's post office: passes messages between agents, and keeps those that must not be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from engine.core.core import Core
from engine.core.mail import Deliver, Letter, Mail, Taken
from engine.wire import frames
from engine.wire.memory import Parcel

Send = Callable[[int, bytes, list[Parcel]], None]


class PostOffice:
    """Between the hosts' frames and the boxes.

    Attributes:
        mail: the boxes, with their counts.
    """

    def __init__(self, core: Core, send: Send) -> None:
        """`send` takes a row, a frame for the host of that row's agent, and the frame's parcels."""
        self.mail = Mail()
        self._core = core
        self._send = send

    def heard(self, frame: frames.FromMailbox, parcels: list[Parcel]) -> None:
        """An agent says something. Raises ValueError where it names a row that there is not."""
        rows = len(self._core.agents)
        if not 0 <= frame.row < rows:
            raise ValueError(f"no row {frame.row}")
        if self._core.agents[frame.row].generation != frame.generation:
            return  # it has died meanwhile
        match frame:
            case frames.MailOpened():
                pools = {pool.name: (pool.rows.start, pool.extent) for pool in self._core.pools}
                answer = frames.MailPools(frame.row, frame.generation, pools)
                self._send(frame.row, frames.encode(answer), [])
                self._do(self.mail.opened(frame.row, frame.generation))
            case frames.Posted():
                if not 0 <= frame.to < rows:
                    raise ValueError(f"no row {frame.to}")
                column = bytes(frame.column)
                size = len(column) + sum(parcel.size() for parcel in parcels)
                letter = Letter(frame.row, frame.number, frame.sure, (column, parcels), size)
                self._do(self.mail.post(frame.to, letter))
            case frames.MailRead():
                self._do(self.mail.acknowledged(frame.row, frame.generation, frame.count))

    def lost(self, rows: Iterable[int]) -> None:
        """The agents of these rows are gone."""
        for row in rows:
            self._do(self.mail.closed(row))

    def _do(self, actions: list[Deliver | Taken]) -> None:
        for action in actions:
            if isinstance(action, Taken):
                agent = self._core.agents[action.row]
                taken = frames.MailTaken(action.row, agent.generation, action.number)
                self._send(action.row, frames.encode(taken), [])
            else:
                letter = action.letter
                column, parcels = letter.body
                frame = frames.Delivered(action.row, action.generation, letter.sender, msgspec.Raw(column))
                self._send(action.row, frames.encode(frame), parcels)
