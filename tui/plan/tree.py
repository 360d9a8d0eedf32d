"""The steps of a plan as a tree: by groups, owners, milestones or pools; folded, filtered. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

from tui import format as fmt
from tui.plan.facts import Plan, State, Step

By: TypeAlias = Literal["group", "owner", "milestone", "pool", "order"]
"""What is a branch of the tree; ``order``: there are none."""

HINT: Final = "name, running, critical, owner=ada, lane=local"
"""What may be written to filter."""
FOLDED: Final = 100
"""Steps above which all branches are folded at first."""
_STATES: Final[tuple[State, ...]] = get_args(State)
_FIELDS: Final[dict[str, Callable[[Step], Sequence[str]]]] = {
    "state": lambda step: (step.state,), "owner": lambda step: (step.written.owner,),
    "team": lambda step: (step.written.team,), "group": lambda step: (step.written.group,),
    "pool": lambda step: (step.written.pool,), "lane": lambda step: (step.written.lane,),
    "label": lambda step: step.written.labels, "claim": lambda step: step.written.claims,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StepFilter:
    """Which steps are shown.

    Attributes:
        words: each of which is in the name, the title, or who or what it belongs to.
        states: one of which it is in; empty for all.
        fields: by name, texts of which one is the value, or begins it.
        critical: only what the end hangs on.
        gates: only gates.
        text: as it was written.
    """

    words: tuple[str, ...] = ()
    states: frozenset[str] = frozenset()
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    critical: bool = False
    gates: bool = False
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.words or self.states or self.fields or self.critical or self.gates)

    @classmethod
    def read(cls, text: str) -> StepFilter:
        """As people write it, apart by spaces or commas. Raises ValueError with one line that says what is wrong."""
        words: list[str] = []
        states: set[str] = set()
        fields: list[tuple[str, tuple[str, ...]]] = []
        critical = gates = False
        for part in text.casefold().replace(",", " ").split():
            name, equals, value = part.partition("=")
            if equals:
                if name not in _FIELDS:
                    raise ValueError(f"no {name!r}; known: {', '.join(_FIELDS)}")
                if value:  # else it is half written
                    fields.append((name, tuple(value.split("|"))))
            elif part == "critical":
                critical = True
            elif part in ("gate", "gates"):
                gates = True
            elif part in _STATES:
                states.add(part)
            else:
                words.append(part)
        return cls(tuple(words), frozenset(states), tuple(fields), critical, gates, text)

    def fits(self, step: Step) -> bool:
        """Whether a step is shown."""
        if self.states and step.state not in self.states:
            return False
        if (self.critical and not step.critical) or (self.gates and step.written.gate is None):
            return False
        for name, values in self.fields:
            if not any(mine.casefold().startswith(value) for mine in _FIELDS[name](step) for value in values):
                return False
        if not self.words:
            return True
        written = step.written
        text = " ".join((written.name, written.title, written.owner, written.group, written.pool)).casefold()
        return all(word in text for word in self.words)


@dataclass(frozen=True, slots=True)
class Branch:
    """Several steps together.

    Attributes:
        steps: as the filter left them.
        open: they are shown.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    open: bool = True

    @property
    def tasks(self) -> int | None:
        """All of them, None where nobody knows."""
        totals = [step.written.total for step in self.steps]
        return None if None in totals else sum(total or 0 for total in totals)

    @property
    def done(self) -> int:
        """Tasks."""
        return sum(step.now.done for step in self.steps)

    @property
    def failed(self) -> int:
        """Tasks."""
        return sum(step.now.failed for step in self.steps)

    @property
    def running(self) -> int:
        """Tasks."""
        return sum(step.now.running for step in self.steps)

    @property
    def critical(self) -> bool:
        """The end of all hangs on one of them that is not over."""
        return any(step.critical and not step.over for step in self.steps)

    @property
    def state(self) -> State:
        """How they are, all together: what is the most telling of them."""
        found = {step.state for step in self.steps}
        order: tuple[State, ...] = (
            "running",
            "held",
            "people",
            "ready",
            "delayed",
            "waiting",
            "not run",
            "failed",
            "barred",
        )
        return next((state for state in order if state in found), "done")

    @property
    def began(self) -> float | None:
        """When the first of them began."""
        return min((step.now.began for step in self.steps if step.now.began is not None), default=None)

    @property
    def starts(self) -> float | None:
        """When the first of them began, or may begin."""
        return min((step.now.starts for step in self.steps if step.now.starts is not None), default=None)

    @property
    def ends(self) -> float | None:
        """When the last of them may end, or did."""
        ends = [step.now.ends for step in self.steps]
        return None if not ends or None in ends else max(end for end in ends if end is not None)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tree: a branch, or a step.

    Attributes:
        key: its identity.
        name: as it is shown.
        depth: how far it stands to the right.
        branch: None of a step.
        step: None of a branch.
    """

    key: str
    name: str
    depth: int
    branch: Branch | None = None
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """How the steps are arranged.

    Attributes:
        by: None: by whatever the plan has.
        folded: names of branches that are folded, or of those that are not, if all are folded at first.
    """

    by: By | None = None
    folded: frozenset[str] = frozenset()
    filter: StepFilter = field(default_factory=StepFilter)

    def kind(self, plan: Plan) -> By:
        """What is a branch."""
        known = kinds(plan)
        return self.by if self.by in known else known[0]

    def rows(self, plan: Plan) -> list[Row]:
        """All lines, from the top."""
        by = self.kind(plan)
        steps = [step for step in plan.steps if not self.filter or self.filter.fits(step)]
        if by == "order":
            return [Row(f"step {step.number}", step.name, 0, step=step) for step in steps]
        found: list[Row] = []
        for branch in self._branches(plan, by, steps):
            found.append(Row(f"{by} {branch.name}", fmt.clean(branch.name) or f"no {by}", 0, branch=branch))
            if branch.open:
                found += [Row(f"step {step.number} {branch.name}", step.name, 1, step=step) for step in branch.steps]
        return found

    def _branches(self, plan: Plan, by: By, steps: Sequence[Step]) -> list[Branch]:
        members: dict[str, list[Step]] = {name: [] for name, _ in _known(plan, by)}
        for step in steps:
            for name in _belongs(plan, by, step):
                members.setdefault(name, []).append(step)
        rest = members.pop("", [])
        titles = dict(_known(plan, by))
        made = [*members.items(), ("", rest)]
        return [
            Branch(name, titles.get(name, ""), tuple(found), self.is_open(plan, name)) for name, found in made if found
        ]

    def is_open(self, plan: Plan, name: str) -> bool:
        """Whether a branch shows its steps. With a filter all do, for one looks for something."""
        if self.filter:
            return True
        return (name in self.folded) == (len(plan.steps) > FOLDED)


def kinds(plan: Plan) -> list[By]:
    """What can be a branch of the tree of a plan, the most telling first."""
    found: list[By] = []
    if any(step.written.group for step in plan.steps):
        found.append("group")
    if any(step.written.owner for step in plan.steps):
        found.append("owner")
    if plan.outline.milestones:
        found.append("milestone")
    if len({step.written.pool for step in plan.steps}) > 1:
        found.append("pool")
    if not found or found[0] == "pool":
        return ["order", *found]
    return [*found, "order"]


def _known(plan: Plan, by: By) -> Iterable[tuple[str, str]]:
    """Names and titles of branches, in the order of the plan."""
    match by:
        case "group":
            return plan.outline.groups
        case "owner":
            return [(owner.name, owner.title) for owner in plan.outline.owners]
        case "milestone":
            return [(one.name, one.title) for one in plan.outline.milestones]
    return ()


def _belongs(plan: Plan, by: By, step: Step) -> Sequence[str]:
    match by:
        case "group":
            return (step.written.group,)
        case "owner":
            return (step.written.owner,)
        case "milestone":
            return [plan.outline.milestones[place].name for place in step.written.milestones] or ("",)
    return (step.written.pool,)
