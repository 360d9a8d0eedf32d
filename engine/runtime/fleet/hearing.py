"""What hosts and agents say of what they were given: outcomes, ends, output."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from engine.procs.scoreboard import BUSY, PID
from engine.runtime.fleet import deaths, groups
from engine.wire import frames
from engine.wire.memory import Parcel, stow_some

if TYPE_CHECKING:
    from engine.runtime.fleet.fleet import Fleet
    from engine.runtime.fleet.jobs import Group


class Hearing:
    """Takes it in for a fleet, as `hosts.Hearer`: tells the core, sinks, the record, and whoever hears of events."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._distrusted: dict[tuple[int, int], dict[int, str]] = {}
        """By row and generation of agents that said what can't be read: of which batches they said it, and what."""

    def record(self, row: int, record: bytes | memoryview, parcels: list[Parcel]) -> None:
        """As `hosts.Hearer`: outcomes. An agent whose record can't be read is ended, and its host lives: user code has
        found the channel, and the tasks of its neighbours have nothing to do with it.
        """
        fleet = self._fleet
        meter = fleet.meter
        began = 0 if meter is None else time.monotonic_ns()
        try:
            found = groups.accept(fleet.core, row, record, parcels, meter is not None)
        except groups.GARBAGE as error:
            self.distrust(row, int.from_bytes(record[:8], "little"), error)
            return
        if found is None:
            return
        if fleet.subtasks.parents:
            fleet.subtasks.over(row)
        batch, group = found
        number = batch.range.id
        job = fleet.job(number)
        if job is None:  # all that was left of it had been cancelled
            return
        if meter is not None:
            meter.outcomes(group, batch, job.function in fleet.functions.commands, len(record), began, parcels)
        if group.retried or group.gone:
            for index in range(group.first, group.first + len(group.items)):
                if index not in group.retried and index not in group.gone:
                    job.source.release(index, 1)
            self._tell_retried(number, group)
        else:
            job.source.release(group.first, len(group.items))
        kept = sum(recorder(number, group) for recorder in fleet.recorders) if fleet.recorders else 0
        if not parcels:
            fleet.tell(job, 0, job.sink.outcomes, group)
            return
        stow_some(parcels)  # not before: what is recorded travels on, for which it would need its descriptor again
        fleet.tell(job, max(0, sum(parcel.size() for parcel in parcels) - kept), job.sink.outcomes, group)

    def distrust(self, row: int, batch: int, error: BaseException) -> None:
        """As `hosts.Hearer`."""
        fleet = self._fleet
        agent = fleet.core.agents[row]
        name, why = fleet.name(row), " ".join(str(error).split()) or type(error).__name__
        self._distrusted.setdefault((row, agent.generation), {})[batch] = why
        fleet.event("error", "agent.garbage", f"agent {name} said what can't be read, and is ended: {why}", agent=name)
        fleet.hosts.put(agent.shard, frames.encode(frames.Kill([(row, agent.generation)], "")))

    def repeat(self, row: int, batch: int) -> None:
        """As `hosts.Hearer`."""
        fleet = self._fleet
        name = fleet.name(row)
        text = f"no descriptor is left for what agent {name} sends (ulimit -n): what it had runs again"
        fleet.event("error", "agent.descriptors", text, agent=name)
        fleet.core.returned([(batch, 0, 0)])

    def _tell_retried(self, number: int, group: Group) -> None:
        pid = self._fleet.board.get(group.row, PID)
        for index, failure in group.retried.items():
            for told in self._fleet.attempts:
                text = f"{failure.type}: {failure.message}"
                told(number, index, group.attempts.get(index, 1), group.row, pid, failure.kind, text)

    def _blame(self, batches: Iterable[tuple[int, int]], row: int, pid: int, why: str, text: str) -> None:
        """Tell of the attempt that ended with its agent: that of the task that is to blame for it, if one is."""
        for number, offset in batches:
            guilty = self._fleet.core.culprit(number, offset, why)
            if guilty is not None:
                found, index = guilty
                attempt = 1 + found.attempts.get(index, 0) + found.tries.get(index, 0)
                for told in self._fleet.attempts:
                    told(found.id, index, attempt, row, pid, why or "died", text)

    def _reclaimed(self, down: frames.AgentDown) -> frames.AgentDown:
        """The end of an agent, with why if it said what can't be read. The batches that it said it of may be over for
        its host, and are not for us: it is as if the agent had died in them."""
        said = self._distrusted.pop((down.row, down.generation), None)
        if said is None:
            return down
        known = {number for number, _ in down.batches}
        lost = [
            (number, self._fleet.core.batches[number].accepted) for number in said if number in self._fleet.core.batches
        ]
        lost = [(number, offset) for number, offset in lost if number not in known]
        # Who was to be replaced after its batch has not done it: somebody must be to blame, or it is so for ever.
        why = "" if lost and down.why in ("recycled", "retired") else down.why
        words = f"it said what can't be read: {next(iter(said.values()))}"
        return msgspec.structs.replace(down, why=why, words=words, batches=[*down.batches, *lost])

    def host_said(self, frame: frames.FromHost, parcels: list[Parcel]) -> None:
        """As `hosts.Hearer`."""
        fleet = self._fleet
        now = time.monotonic()
        match frame:
            case frames.AgentsUp():
                for row, _, _ in frame.rows:
                    fleet.since[row], fleet.worked[row] = now, fleet.board.get(row, BUSY)
                if fleet.meter is not None:
                    fleet.meter.up(frame.rows, frame.times)
                fleet.core.agents_up((row, generation) for row, generation, _ in frame.rows)
            case frames.AgentDown():
                self._agent_down(now, frame)
            case frames.MailOpened() | frames.Posted() | frames.MailRead():
                fleet.post.heard(frame, parcels)
            case frames.Submitted() | frames.Awaits() | frames.Withdrawn():
                fleet.subtasks.heard(frame, parcels)
            case frames.Returned():
                fleet.core.returned(frame.batches)
            case frames.SpawnFailed():
                fleet.event("warning", "agent.failed", f"agent {fleet.name(frame.row)}: {frame.error}")
                self._down(now, frame.row, frame.generation, (), "spawn", frame.error)
            case frames.Output():
                for row, pid, stream, line in frame.lines:
                    name = fleet.name(row) if row >= 0 else f"process {pid}"
                    kind = "agent.stdout" if stream == 1 else "agent.stderr"
                    fleet.event("info", kind, f"{name}: {line}", agent=name, pid=pid, line=line)
                if frame.dropped:
                    text = f"{frame.dropped} lines of output left out: too many a second"
                    fleet.event("warning", "output.dropped", text, lines=frame.dropped)

    def _agent_down(self, now: float, frame: frames.AgentDown) -> None:
        fleet = self._fleet
        lent = fleet.hosts.loans.down(frame.row, frame.generation, fleet.core.agents[frame.row].shard)
        if lent and all(lent != number for number, _ in frame.batches):  # it had not begun it
            frame = msgspec.structs.replace(frame, batches=[*frame.batches, (lent, -1)])
        frame = self._reclaimed(frame)
        how = frame.words if frame.why in deaths.TOLD else deaths.how(frame.status)
        text = deaths.describe(frame)
        name = fleet.name(frame.row)
        level, kind = deaths.EVENTS.get(frame.why, ("warning", "agent.died"))
        if kind:
            since = {"happened": time.time() - (now - frame.noticed)} if frame.noticed else {}
            fleet.event(level, kind, f"agent {name} {text}", agent=name, **deaths.details(frame), **since)
        fleet.post.lost([frame.row])
        fleet.subtasks.lost([frame.row], frame.generation)
        self._blame(frame.batches, frame.row, frame.pid, frame.why, text)
        reason = how if frame.why else text
        self._down(now, frame.row, frame.generation, frame.batches, frame.why, reason)

    def _down(
        self, now: float, row: int, generation: int, batches: Iterable[tuple[int, int]], why: str, text: str
    ) -> None:
        fleet = self._fleet
        agent = fleet.core.agents[row]
        known, up, leaving = agent.generation == generation, agent.up, agent.leaving
        fleet.core.agent_down(now, row, generation, batches, why, text)
        if known and fleet.meter is not None:
            fleet.meter.down(row, why, up, leaving, agent.wanted)

    def host_lost(self, shard_id: int, pid: int, text: str, blameless: bool = False) -> None:
        """As `hosts.Hearer`. What its agents had finished and it had not passed on is still in their rings."""
        fleet = self._fleet
        shard = fleet.core.shards[shard_id]
        pool = fleet.core.pools[shard.pool]
        deaths.end_agents(fleet.board, shard.rows)
        fleet.hosts.loans.lost(shard_id)
        self._distrusted = {who: said for who, said in self._distrusted.items() if who[0] not in shard.rows}
        for row, record in deaths.salvage(fleet.board, shard.rows):
            self.record(row, record, [])
        fleet.post.lost(shard.rows)
        fleet.subtasks.lost(shard.rows)
        running = deaths.running(fleet.board, shard.rows)
        if blameless:
            running = dict.fromkeys(running, -1)
        fleet.event(
            "error", "host.died", f"the host of shard {pool.name}/{shard.id} {text}; its agents went with it",
            shard=shard.id, pool=pool.name, pid=pid,
        )  # fmt: skip
        self._blame(running.items(), -1, pid, "died", f"the host {text}")
        there = [agent for row in shard.rows if (agent := fleet.core.agents[row]).up]
        leaving = [agent.leaving for agent in there]
        fleet.core.host_down(time.monotonic(), shard_id, running, f"the host {text}")
        if fleet.meter is not None:
            for agent, leaves in zip(there, leaving, strict=True):
                fleet.meter.down(agent.row, "", True, leaves, agent.wanted)
