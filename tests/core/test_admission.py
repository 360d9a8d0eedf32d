"""How much is begun by the memory that is left."""

from __future__ import annotations

import pytest
from cores import finish, fleet, known, take
from hypothesis import given
from hypothesis import strategies as st

from engine.core.actions import Happened, Recall, Send, Spawn
from engine.core.admission import LATEST, SOONEST, Admission, Room
from engine.core.core import Core
from engine.core.tasks import Options

GIB = 1 << 30
ONE = Options(batch_size=1)


def machine(available: float, stalled: float = 0.0) -> list[Room]:
    """A machine with so many of 20 GiB left."""
    return [Room(int(available * GIB), 20 * GIB, stalled)]


def quotas(admission: Admission, rooms: list[Room], out: int, looks: int) -> list[int | None]:
    found = []
    for _ in range(looks):
        admission.look(rooms, out)
        found.append(admission.quota)
    return found


# -- the decision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reserve", "total", "kept"),
    [(None, 20 * GIB, GIB), (None, 400 * GIB, 2 * GIB), (3 * GIB, 20 * GIB, 3 * GIB), (3 * GIB, GIB, GIB)],
)
def test_what_is_to_stay_free(reserve: int | None, total: int, kept: int) -> None:
    assert Admission(reserve).reserve(Room(0, total)) == kept


def test_another_reserve_holds_from_the_next_look_on() -> None:
    admission = Admission(4 * GIB)
    admission.look(machine(2), 3)
    assert (admission.low, admission.quota) == (True, 0)
    admission.keep(GIB)
    told = admission.look(machine(2), 3)
    assert told is not None
    assert (told.kind, admission.quota) == ("memory.ok", 1)
    admission.keep(4 * GIB)
    admission.look(machine(2), 3)
    told = admission.keep(0)
    assert (admission.off, admission.low, admission.quota) == (True, False, None)
    assert told == Happened("info", "memory.ok", "memory is not looked at any more: tasks are begun again")
    assert admission.keep(0) is None, "it was said"


@pytest.mark.parametrize("left", [2, 5])
def test_a_reserve_that_changes_is_nothing_to_be_told_of(left: float) -> None:
    admission = Admission(4 * GIB)
    told = admission.look(machine(left), 3)
    assert (told is not None) == (left < 4)
    assert admission.keep(GIB) is None, "the next look tells"
    admission = Admission(GIB)
    admission.look(machine(left), 3)
    assert admission.keep(0) is None, "it was not short"


def test_with_enough_nothing_is_counted_and_nothing_said() -> None:
    admission = Admission(None)
    assert admission.look(machine(1.1), 0) is None
    assert admission.look([], 0) is None
    assert (admission.quota, admission.low, admission.off) == (None, False, False)
    assert Admission(0).off


@pytest.mark.parametrize(
    ("left", "rest"), [(100 * GIB, LATEST), (10 * GIB, (10 - 2) / 16), (3 * GIB, SOONEST), (GIB, SOONEST)]
)
def test_the_less_is_left_the_sooner_it_is_looked_at_again(left: int, rest: float) -> None:
    admission = Admission(2 * GIB)
    admission.look([Room(200 * GIB, 400 * GIB), Room(left, 100 * GIB, group="tight")], 0)
    assert admission.rest == pytest.approx(rest)


def test_while_batches_are_counted_it_is_looked_at_often() -> None:
    admission = Admission(GIB)
    admission.look([Room(0, 64 * GIB)], 0)
    admission.look([Room(60 * GIB, 64 * GIB)], 0)
    assert admission.quota is not None
    assert admission.rest == SOONEST


def test_near_the_limit_nothing_is_sent_while_something_runs_and_it_is_said_once() -> None:
    admission = Admission(None)
    told = admission.look(machine(0.9), 3)
    assert told == Happened(
        "warning", "memory.low",
        "922 MiB of the 20.0 GiB of memory are left, less than the 1.0 GiB that are to stay free: tasks wait until "
        "there is more, and are begun one at a time where none runs",
        {"available": int(0.9 * GIB), "limit": 20 * GIB, "reserve": GIB, "stalled": 0.0, "cgroup": None},
    )  # fmt: skip
    assert admission.quota == 0
    assert [admission.look(machine(available), 3) for available in (0.9, 0.1, 1.1, 1.24)] == [None] * 4
    assert admission.quota == 0


def test_where_nothing_runs_that_could_free_some_it_is_one_at_a_time() -> None:
    admission = Admission(None)
    assert quotas(admission, machine(0.5), 0, 3) == [1, 1, 1]
    assert quotas(admission, machine(0.5), 1, 3) == [0, 0, 0]


def test_once_there_is_more_it_is_few_at_first() -> None:
    admission = Admission(None)
    admission.look(machine(0.5), 8)
    told = admission.look(machine(1.3), 8)
    assert told is not None
    assert (told.level, told.kind) == ("info", "memory.ok")
    assert told.text == "1.3 GiB of the 20.0 GiB of memory are left: tasks are begun again"
    assert admission.quota == 1
    assert quotas(admission, machine(1.3), 8, 11) == [2, 4, 8, 16, 32, 64, 128, 256, 512, None, None]
    admission.look(machine(0.5), 8)
    admission.look(machine(1.3), 8)
    assert admission.quota == 1
    admission.look(machine(0.5), 8)
    assert admission.quota == 0


def test_a_large_reserve_needs_little_more_to_be_kept_again() -> None:
    admission = Admission(18 * GIB)
    assert admission.look(machine(17.9), 0) is not None
    assert admission.look(machine(18.3), 0) is None
    told = admission.look(machine(18.5), 0)
    assert told is not None
    assert told.kind == "memory.ok"


def test_what_stalls_for_want_of_memory_is_short_of_it() -> None:
    admission = Admission(None)
    assert admission.look(machine(3, 0.09), 1) is None
    told = admission.look(machine(3, 0.234), 1)
    assert told is not None
    assert told.text.startswith(
        "3.0 GiB of the 20.0 GiB of memory are left, and for 23% of the last 10 s all that ran waited for memory: "
    )
    assert admission.look(machine(3, 0.06), 1) is None
    told = admission.look(machine(3, 0.04), 1)
    assert told is not None
    assert told.kind == "memory.ok"


def test_where_half_of_it_is_free_what_stalls_has_a_limit_of_its_own() -> None:
    assert Admission(None).look(machine(10, 0.9), 1) is None


def test_a_cgroup_may_be_the_tighter_one() -> None:
    admission = Admission(None)
    rooms = [*machine(15), Room(20 << 20, 500 << 20, 0.0, "/sys/fs/cgroup/a"), Room(30 << 20, 1 << 30)]
    told = admission.look(rooms, 1)
    assert told is not None
    assert told.text.startswith(
        "20 MiB of the 500 MiB of memory of cgroup /sys/fs/cgroup/a are left, less than the 25 MiB"
    )
    assert told.data["cgroup"] == "/sys/fs/cgroup/a"
    assert admission.look([*machine(15), Room(400 << 20, 500 << 20), Room(60 << 20, 1 << 30)], 1) is None, "not all"
    told = admission.look([*machine(15), Room(400 << 20, 500 << 20, 0.0, "/g"), Room(600 << 20, 1 << 30)], 1)
    assert told is not None
    assert told.text == "400 MiB of the 500 MiB of memory of cgroup /g are left: tasks are begun again"


def test_a_kernel_that_says_nothing_any_more_keeps_nobody_waiting() -> None:
    admission = Admission(None)
    admission.look(machine(0.5), 1)
    told = admission.look([], 1)
    assert told is not None
    assert told.kind == "memory.ok"


readings = st.builds(
    Room, st.integers(0, 1 << 40), st.integers(1, 1 << 40), st.floats(0, 1), st.sampled_from(["", "/a"])
)


@given(
    st.one_of(st.none(), st.integers(1, 1 << 40)),
    st.lists(st.tuples(st.lists(readings, max_size=3), st.integers(0, 3)), max_size=30),
)
def test_whatever_is_measured_it_never_waits_for_nothing_and_says_each_change_once(
    reserve: int | None, looks: list[tuple[list[Room], int]]
) -> None:
    admission = Admission(reserve)
    told = []
    for rooms, out in looks:
        found = admission.look(rooms, out)
        told += [found.kind] if found else []
        assert admission.quota != 0 or out
        assert (admission.quota in (0, 1)) or not admission.low
    assert told == [("memory.low", "memory.ok")[at % 2] for at in range(len(told))]
    assert admission.low == (len(told) % 2 == 1)


# -- the core ----------------------------------------------------------------------------------------------------------


def test_no_more_batches_are_sent_than_are_admitted() -> None:
    core = fleet(4)
    core.submit(10, 1, options=ONE)
    core.admit(2)
    assert len(take(core, Send)) == 2
    assert take(core, Send) == []
    core.admit(0)
    assert take(core, Send) == []
    core.admit(None)
    assert len(take(core, Send)) == 2
    assert core.quota is None


def test_what_runs_is_finished_and_what_comes_back_waits() -> None:
    core = fleet(2)
    core.submit(4, 1, options=ONE)
    first, second = take(core, Send)
    core.admit(0)
    finish(core, first)
    core.agent_down(0.0, 1, 1, [(second.batch, 0)], "", "died")
    assert take(core, Send) == []
    assert (core.done, core.queued) == (1, 3)
    core.admit(1)
    (again,) = take(core, Send)
    assert (again.first, again.count) == (1, 1)


def test_pools_take_turns() -> None:
    core = Core()
    for name in "ab":
        core.add_pool(name, 4, 1)
    for shard in (0, 1):
        core.host_up(0.0, shard)
    core.agents_up([(row, 1) for row in range(8)])
    for pool in (0, 1):
        core.submit(4, 1, pool, options=ONE)
    sent = []
    for _ in range(6):
        core.admit(1)
        sent += [core.shards[send.shard].pool for send in take(core, Send)]
    assert sent == [0, 1, 0, 1, 0, 1]


def test_no_pool_grows_meanwhile() -> None:
    core = fleet(1, minimum=1, maximum=4)
    known(core, 10.0)
    core.submit(10, 1, options=ONE)
    core.admit(0)
    for second in range(5):
        core.tick(float(second))
        assert take(core, Spawn, float(second)) == []
    core.admit(5)
    assert take(core, Spawn, 6.0) == []
    core.admit(None)
    core.tick(7.0)
    assert take(core, Spawn, 7.0)


def test_a_pool_that_has_nobody_gets_one_agent_for_what_is_admitted() -> None:
    core = fleet(0, minimum=0, maximum=4)
    core.submit(10, 1, options=ONE)
    core.admit(0)
    assert take(core, object) == []
    core.admit(1)
    (spawn,) = take(core, Spawn)
    core.agents_up(spawn.agents)
    assert len(take(core, Send)) == 1


def test_with_an_agent_for_each_task_as_many_are_started_as_are_admitted() -> None:
    core = fleet(4, up=False, on_demand=True)
    core.submit(10, 1, options=ONE)
    core.admit(0)
    assert take(core, Spawn) == []
    core.admit(2)
    (spawn,) = take(core, Spawn)
    assert len(spawn.agents) == 2
    assert take(core, Spawn) == []
    core.agents_up(spawn.agents)
    assert len(take(core, Send)) == 2
    assert take(core, Spawn) == []


def test_what_nobody_may_begin_is_not_called_back() -> None:
    core = fleet(2)
    known(core, 0.0001)
    core.submit(200, 1)
    (send, *_) = take(core, Send)
    assert send.count > 1
    core.admit(0)
    for tenth in range(20):
        core.tick(tenth / 10)
        assert take(core, Recall, tenth / 10) == []
