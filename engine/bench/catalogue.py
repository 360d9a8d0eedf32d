"""All suites there are: what each is about, and how a part of it is measured by itself. Data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite.

    Attributes:
        name: as the command has it.
        title: a few words.
        about: what it measures, one sentence or two.
        part: options that measure a part of it, for people.
    """

    name: str
    title: str
    about: str
    part: str = "--only NAME"

    @property
    def command(self) -> str:
        """That measures all of it."""
        return f"shoal bench {self.name}"


ALL: Final = (
    Suite(
        "speed", "the engine beside other pools",
        "Start, throughput, round trip, overhead, memory and large values beside the pools of the standard library and "
        "bare processes.",
    ),
    Suite(
        "coordination", "what each mechanism brings",
        "A fleet starts, each agent has one task, every answer is collected: with pooling, batching, parallel starts "
        "and sharding all off, each alone, all, and all but each.",
        "--agents N",
    ),
    Suite(
        "peers", "the same tasks on other tools",
        "The same tasks on whatever is installed of eight other tools, each measurement a process of its own.",
        "--tasks NAME --only TOOL",
    ),
    Suite(
        "spawn", "parallel starts",
        "Agents started in parallel beside one after the other, and beside fresh interpreters.",
    ),
    Suite(
        "pool", "warm agents", "Whether an idle agent was there, how soon a task was with it, and how a pool grows.",
    ),
    Suite("throughput", "batches", "Batches beside single messages."),
    Suite("latency", "what batches hold back", "From the end of a task until its answer is there, beside slow ones."),
    Suite("queues", "shards", "Several shards beside one: how long tasks wait, and how even shards are."),
    Suite("memory", "idle agents", "What idle agents hold of their own."),
    Suite(
        "scaling", "how costs grow",
        "From 2 agents to 4,000, a thousand tasks to ten million, no payload to 64 MiB and one core to all, with the "
        "exponent of a power law fitted to each.",
    ),
    Suite("recorder", "what a record costs", "The engine with a record beside itself without one, and how fast rows "
          "are written."),
    Suite("watch", "what a reader costs", "One reader of the stream, of frames and events or of everything."),
    Suite("tui", "what the screens cost", "Processor and memory of the screens, and how soon they answer."),
    Suite(
        "alerts", "how soon alerts are there",
        "A thousand agents are killed: how soon each death is an alert on the stream, and whether it is counted once.",
        "",
    ),
)  # fmt: skip
BY_NAME: Final = {suite.name: suite for suite in ALL}
