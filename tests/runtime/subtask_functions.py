"""Tasks that have subtasks, and what those do."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from remote_functions import wait_until

from shoal import SoftTimeout, address, ask, submit, using, wait

PATIENCE = 60.0


def fib(n: int) -> int:
    if n < 2:
        return n
    one, other = submit(fib, n - 1), submit(fib, n - 2)
    return int(one.result(PATIENCE)) + int(other.result(PATIENCE))


def double(x: Any) -> Any:
    return x + x


def where(_: Any = None) -> tuple[str, int]:
    return address(), os.getpid()


def of_one(x: Any, pool: str | None = None) -> Any:
    return using(pool=pool).submit(double, x).result(PATIENCE)


def in_a_thread() -> str:
    """What another thread of the task is told."""
    told: list[str] = []

    def other() -> None:
        try:
            submit(double, 1)
        except RuntimeError as error:
            told.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    return told[0]


def keywords(x: int, *, more: int) -> int:
    return x - more


def of_keywords() -> int:
    return int(submit(keywords, 5, more=3).result(PATIENCE))


def by_value(n: int) -> int:
    return int(submit(lambda x: x + n, 1).result(PATIENCE))


def of_map(n: int) -> int:
    return sum(using().map(double, range(n)))


def of_map_of_two() -> list[int]:
    return list(using().map(divmod, (7, 8), (2, 3)))


def ones(n: int) -> Any:
    return np.ones(n)


def total(array: Any) -> float:
    array[0] += 1
    return float(array.sum())


def large(n: int) -> tuple[float, float]:
    """Both ways, several at a time, and one that is asked for twice."""
    several = [submit(ones, n + at) for at in range(3)]
    sums = sum(float(one.result(PATIENCE).sum()) for one in several)
    return sums + float(several[0].result().sum()), float(submit(total, np.ones(n)).result(PATIENCE))


_left: list[Any] = []


def leaves_a_large_one(n: int) -> None:
    """Over before it has read it."""
    _left.append(using(pool="gpu").submit(ones, n))
    wait(_left)


def reads_what_was_left() -> str:
    try:
        return str(_left.pop().result(PATIENCE))
    except RuntimeError as error:
        return str(error)


def many_large(count: int, n: int) -> float:
    """More of them unread than a process may have descriptors for."""
    several = [submit(ones, n) for _ in range(count)]
    wait(several)
    return sum(float(one.result(PATIENCE).sum()) for one in several)


def fail(text: str) -> None:
    raise LookupError(text)


def of_failing(text: str) -> str:
    one = submit(fail, text)
    try:
        one.result(PATIENCE)
    except LookupError as error:
        return f"{error} {type(error.__cause__).__name__} {one.done()} {one.cancelled()}"
    return "it did not fail"


def let_fail(text: str) -> None:
    submit(fail, text).result(PATIENCE)


def no_such_pool(pool: str) -> None:
    using(pool=pool).submit(double, 1)


def not_callable() -> None:
    submit(3)  # type: ignore[arg-type]


def sends_a_handle() -> Any:
    return pickle.dumps(submit(double, 1))


def asks(kind: str, to: str | None) -> Any:
    return ask(kind, where, to=to).result(PATIENCE)


def wait_and_tell(note: str, gate: str) -> int:
    """Note who this is, then wait until it may end."""
    with open(note, "a") as lines:
        lines.write(f"{os.getpid()}\n")
    wait_until(gate)
    return os.getpid()


def holds_a_subtask(note: str, mine: str, gate: str, pool: str | None = None) -> int:
    """Has one subtask that waits for a gate; both note who they are."""
    with open(mine, "a") as lines:
        lines.write(f"{os.getpid()}\n")
    return int(using(pool=pool).submit(wait_and_tell, note, gate).result(PATIENCE))


def leaves_one(note: str, gate: str) -> str:
    """Ends before its subtask."""
    submit(wait_and_tell, note, gate)
    wait_until(note)
    return "over"


def first_of(gate: str) -> tuple[int, int, int]:
    """Waits for any of two, one of which is never over by itself."""
    slow, quick = submit(wait_until, gate), submit(double, 1)
    done, left = wait([slow, quick], return_when="FIRST_COMPLETED")
    assert (done, left) == ({quick}, {slow})
    nothing = wait([slow], timeout=0.01)
    assert nothing == (set(), {slow})
    assert slow.cancel()
    assert not quick.cancel()
    assert slow.cancelled()
    return len(done), len(left), int(quick.result())


def impatient(gate: str) -> str:
    try:
        submit(wait_until, gate).result(0.05)
    except TimeoutError as error:
        return str(error)
    return "it did not time out"


def soft(gate: str) -> str:
    one = submit(wait_until, gate)
    try:
        one.result()
    except SoftTimeout:
        Path(gate).touch()
        one.result(PATIENCE)
        return "told, and went on"
    return "never told"


def die(_: Any = None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def of_dying(crash_limit: int) -> None:
    using(crash_limit=crash_limit).submit(die).result(PATIENCE)


def of_slow(seconds: float, gate: str) -> None:
    using(timeout=seconds).submit(wait_until, gate).result(PATIENCE)


def die_once(flag: str) -> int:
    if not os.path.exists(flag):
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 7


def of_dying_once(flag: str) -> int:
    return int(submit(die_once, flag).result(PATIENCE))


def fail_once(flag: str) -> int:
    if not os.path.exists(flag):
        Path(flag).touch()
        raise OSError("for once")
    return 8


def of_failing_once(flag: str) -> int:
    return int(using(retries=1, retry_on=OSError).submit(fail_once, flag).result(PATIENCE))


def back_and_forth(depth: int, pools: tuple[str, str]) -> int:
    """Each in the pool of the other."""
    if not depth:
        return 0
    return 1 + int(using(pool=pools[depth % 2]).submit(back_and_forth, depth - 1, pools).result(PATIENCE))


def work(folder: str, name: str, seconds: float) -> str:
    """Notes when it worked, by the clock that all processes have in common."""
    began = time.monotonic_ns()
    time.sleep(seconds)
    Path(folder, f"{name}-{os.getpid()}-{began}").write_text(f"{began} {time.monotonic_ns()}")
    return name


def works_and_waits(folder: str, name: str) -> int:
    """Works, waits for two that work, and works again."""
    work(folder, f"{name}.a", 0.01)
    several = [submit(work, folder, f"{name}.{at}", 0.02) for at in range(2)]
    wait(several)
    return sum(one.result() == f"{name}.{at}" for at, one in enumerate(several))


def tree(depth: int, number: int, folder: str) -> int:
    """How many leaves it has. Each leaf leaves a line each time it runs to its end."""
    if not depth:
        time.sleep(0.002)
        with open(f"{folder}/{number}", "a") as lines:
            lines.write(f"{os.getpid()}\n")
        return 1
    several = [using(crash_limit=100).submit(tree, depth - 1, 3 * number + at, folder) for at in range(3)]
    return sum(int(one.result(PATIENCE)) for one in several)


def in_a_fork() -> int:
    """What a fork of a task gets: 5 if it is told that it is no agent."""
    pid = os.fork()
    if not pid:
        try:
            submit(double, 1)
        except RuntimeError:
            os._exit(5)
        os._exit(6)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
