"""A plan file as its tables are written, before anything is made of them. The JSON schema of plans comes from here."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from engine.plan.model import Level, Order

Text: TypeAlias = str
Time: TypeAlias = Annotated[
    str | float, Meta(description="90s, 20min, 60h, 2d, 3w, 1h 30min; a bare number is hours of work.")
]


class Table(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What all tables have in common."""


class PoolTable(Table):
    """``[pools.NAME]``: `PoolSettings` under the names they have in plans, checked when they are made of it."""

    agents: Any = None
    min: Any = None
    max: Any = None
    shards: Any = None
    preload: Any = ()
    warmup: Any = None
    init: Any = None
    warmup_timeout: Any = None
    max_idle: Any = None
    max_tasks: Any = None
    max_bytes: Any = None
    memory_limit: Any = None


class RangeTable(Table):
    """``{ from = 0, to = 200 }`` or ``{ from = 0, to = 200, step = 2 }``: both ends included."""

    from_: int = msgspec.field(name="from")
    to: int
    step: int = 1


class EstimateTable(Table):
    """``{ low = "8h", high = "16h" }``, with ``likely`` where that is not in the middle."""

    low: Time
    high: Time
    likely: Time | None = None


class ClaimTable(Table):
    """``{ shared = "Cargo.toml" }`` or ``{ exclusive = "src/gpu/**" }``; a text alone is exclusive."""

    exclusive: str | None = None
    shared: str | None = None


class ConditionTable(Table):
    """``{ metric = "speedup", at_least = 2 }`` or ``{ result = "error.max", at_most = 1e-12 }``."""

    metric: str | None = None
    result: Annotated[str | None, Meta(description="Keys of a result, joined by dots; empty: all of it.")] = None
    of: Annotated[str | None, Meta(description="The tasks whose result is looked at.")] = None
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    equals: Any = None


class GateTable(ConditionTable):
    """``gate``: one condition, lists of them by what they decide, or a command that must succeed."""

    command: list[str] | None = None
    go: list[ConditionTable] = []
    pivot: list[ConditionTable] = []
    stop: list[ConditionTable] = []


class TaskTable(Table):
    """``[[tasks]]``."""

    name: str
    title: str = ""
    call: Annotated[str | None, Meta(description="module:function")] = None
    command: list[str] | None = None
    pool: str | None = None
    arguments: Annotated[dict[str, Any], Meta(description="Keyword arguments that all tasks share.")] = {}
    files: Annotated[
        dict[str, str], Meta(description="Keyword arguments that are paths, relative to the file that says so.")
    ] = {}
    over: Annotated[
        dict[str, list[Any] | RangeTable],
        Meta(description="Keyword arguments to vary: one task for each combination, the last varying fastest."),
    ] = {}
    items: Annotated[list[Any] | None, Meta(description="One task for each, as its one argument.")] = None
    results: Annotated[
        dict[str, str],
        Meta(description="Keyword arguments that are results of other tasks: of many, a list of them."),
    ] = {}
    after: Annotated[list[str], Meta(description="Names of tasks, groups and milestones.")] = []
    gather: Annotated[
        str | None, Meta(description="Tasks whose arguments and results, as lists, are the two arguments.")
    ] = None
    timeout: float | None = None
    soft_timeout: float | None = None
    retries: int = 0
    retry_on: list[str] = []
    crash_limit: int = 5
    priority: int | None = None
    report: bool = False
    owner: str | None = None
    team: str | None = None
    group: str | None = None
    milestone: str | None = None
    labels: list[str] = []
    estimate: Annotated[Time | EstimateTable | None, Meta(description="What one task takes.")] = None
    wait: Annotated[
        Time | EstimateTable | None, Meta(description="Time that passes, whoever works, before it can begin.")
    ] = None
    memory: Annotated[Any, Meta(description="What one task may hold, such as 500M.")] = None
    claims: list[str | ClaimTable] = []
    lane: str | None = None
    gate: GateTable | None = None
    request: Annotated[str | None, Meta(description="The kind of request that it answers.")] = None


class OwnerTable(Table):
    """``[owners.NAME]``."""

    title: str = ""
    workers: Annotated[int | None, Meta(description="Who can do its tasks at the same time.")] = None
    capacity: Annotated[Time | None, Meta(description="Work that they get done in a week, all together.")] = None
    effort: Annotated[Time | None, Meta(description="Work that there is in all.")] = None
    paths: Annotated[list[str], Meta(description="Patterns of paths that nobody else touches.")] = []
    reads: Annotated[list[str], Meta(description="Patterns of others' paths that may be read.")] = []


class TeamTable(Table):
    """``[teams.NAME]``."""

    title: str = ""
    owners: list[str] = []


class GroupTable(Table):
    """``[groups.NAME]``: tasks that belong together, and what they have in common."""

    title: str = ""
    weeks: Annotated[list[int] | None, Meta(description="The first and the last week that it is meant for.")] = None
    after: list[str] = []
    owner: str | None = None
    team: str | None = None
    pool: str | None = None
    lane: str | None = None
    milestone: str | None = None
    labels: list[str] = []
    priority: int | None = None
    claims: Annotated[list[str | ClaimTable], Meta(description="Of each of its tasks.")] = []


class LaneTable(Table):
    """``[lanes.NAME]``."""

    limit: Annotated[int, Meta(description="Tasks that run in it at the same time, at the most.")]
    labels: Annotated[list[str], Meta(description="Tasks with one of these go through it.")] = []
    pool: Annotated[str | None, Meta(description="Who does its tasks that name no pool.")] = None


class MilestoneTable(Table):
    """``[milestones.NAME]``."""

    title: str = ""
    target: Annotated[Time | None, Meta(description="From the beginning on, such as 4w.")] = None
    tasks: Annotated[list[str], Meta(description="Names of tasks and groups.")] = []


class RequestTable(Table):
    """``[requests.KIND]``."""

    answered_by: Annotated[str | None, Meta(description="The owner of the tasks that answer it.")] = None
    within: Time | EstimateTable | None = None


class RiskTable(Table):
    """``[[risks]]``."""

    text: str
    likelihood: Level
    impact: Level
    tasks: list[str] = []
    mitigation: str = ""


class SuiteTable(Table):
    """``[tests.NAME]``: tests that are to be written."""

    planned: int
    coverage: Annotated[float | None, Meta(description="Share of the code that they are to run, 0 to 1.")] = None
    tasks: Annotated[list[str], Meta(description="Tasks and groups that write them.")] = []


class MergeTable(Table):
    """``[merge]``."""

    order: Annotated[list[str], Meta(description="Owners, as their work had best come together.")] = []
    then: Annotated[str | None, Meta(description="The task that runs after all of them.")] = None


class CalendarTable(Table):
    """``[calendar]``: hours of work."""

    day: float = 8.0
    week: float = 40.0


class UncertaintyTable(Table):
    """``uncertainty = { low = 0.9, high = 1.3 }``: for estimates that are one number."""

    low: float
    high: float


class PlanFile(Table):
    """A whole plan."""

    tasks: list[TaskTable]
    name: str | None = None
    title: str = ""
    include: Annotated[list[str], Meta(description="Other plans whose tables belong to this one.")] = []
    parameters: Annotated[
        dict[str, Any], Meta(description="Values that texts of the plan hold as ${name}, and --set name=value changes.")
    ] = {}
    order: Order | None = None
    batch_max: Any = None
    """The setting ``batch_max_size``, by a name of its own."""
    settings: Annotated[dict[str, Any], Meta(description="As `shoal config show` lists them.")] = {}
    pools: dict[str, PoolTable] = {}
    calendar: CalendarTable | None = None
    uncertainty: UncertaintyTable | None = None
    owners: dict[str, OwnerTable] = {}
    teams: dict[str, TeamTable] = {}
    groups: dict[str, GroupTable] = {}
    lanes: dict[str, LaneTable] = {}
    milestones: dict[str, MilestoneTable] = {}
    requests: dict[str, RequestTable] = {}
    risks: list[RiskTable] = []
    tests: dict[str, SuiteTable] = {}
    merge: MergeTable | None = None
    shared: Annotated[list[str], Meta(description="Patterns of paths of nobody, claimed while they are changed.")] = []


NAMED: Final = ("pools", "owners", "teams", "groups", "lanes", "milestones", "requests", "tests")
"""Tables of tables, by name."""

TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "": PlanFile, "pools": PoolTable, "tasks": TaskTable, "over": RangeTable, "estimate": EstimateTable,
    "wait": EstimateTable, "within": EstimateTable, "claims": ClaimTable, "gate": GateTable, "go": ConditionTable,
    "pivot": ConditionTable, "stop": ConditionTable, "owners": OwnerTable, "teams": TeamTable, "groups": GroupTable,
    "lanes": LaneTable, "milestones": MilestoneTable, "requests": RequestTable, "risks": RiskTable,
    "tests": SuiteTable, "merge": MergeTable, "calendar": CalendarTable, "uncertainty": UncertaintyTable,
}  # fmt: skip
"""The table that stands at a place, by the last of its names that is here."""


def schema() -> dict[str, Any]:
    """The JSON schema of plan files, for editors that check TOML by one."""
    found = msgspec.json.schema(PlanFile)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Shoal plan", **found}
