"""One measurement of one other tool: ``python script.py TOOL TASK WORKERS TASKS CHUNK`` prints a number.

Run with the interpreter that the tool is installed for, which has none of Shoal's modules: so this file imports nothing
but the standard library, and is a script. What it does is what `engine.bench.ours` does. Importing the tool is not
measured; making its workers is only where the task is to start them.

TASK is ``coordinate`` (start WORKERS workers, one task to each, every answer; seconds), ``submit`` (TASKS trivial tasks
one by one; tasks a second) or ``map`` (the same in chunks of CHUNK).
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

PATIENCE = 300.0
WARM = 200


def identity(value: Any) -> Any:
    """The trivial task."""
    return value


def meet(folder: str) -> int:
    """Say that this worker has a task, and hold it until all have one."""
    import fcntl
    import os

    with open(os.path.join(folder, "arrived"), "wb", buffering=0) as arrived:
        arrived.write(b".")
    with open(os.path.join(folder, "gate"), "rb") as gate:
        fcntl.flock(gate, fcntl.LOCK_SH)
    return os.getpid()


class Gate:
    """Opens once so many tasks hold, from a process of its own: a pool that forks must find no thread here."""

    def __init__(self, count: int) -> None:
        self.folder = tempfile.mkdtemp(prefix="gate-")
        os.mkfifo(os.path.join(self.folder, "arrived"))
        arrived = os.open(os.path.join(self.folder, "arrived"), os.O_RDWR | os.O_CLOEXEC)
        gate = os.open(os.path.join(self.folder, "gate"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        fcntl.flock(gate, fcntl.LOCK_EX)
        self._count = count
        self._keeper = os.fork()
        if not self._keeper:
            deadline = time.monotonic() + PATIENCE
            while count > 0:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([arrived], [], [], left)[0]:
                    break
                count -= len(os.read(arrived, count))
            fcntl.flock(gate, fcntl.LOCK_UN)
            os._exit(min(count, 100))
        os.close(gate)
        self._arrived = arrived  # or who comes after the keeper has gone would wait for a reader

    def close(self) -> None:
        """Raise if it opened because of too few."""
        _, status = os.waitpid(self._keeper, 0)
        os.close(self._arrived)
        if status:
            sys.exit(f"not all of {self._count} workers had a task within {PATIENCE:g} s")


class Executor:
    """`concurrent.futures.ProcessPoolExecutor`; the others differ from it."""

    make: Any
    executor: Any

    def load(self) -> None:
        """Import it."""
        from concurrent.futures import ProcessPoolExecutor

        self.make = ProcessPoolExecutor

    def start(self, workers: int) -> None:
        """Make so many workers, or have them made by the first tasks."""
        self.executor = self.make(workers)

    def one_by_one(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Any:
        """Answers, in order, of calls that are sent one by one."""
        return [future.result() for future in [self.executor.submit(function, value) for value in values]]

    def chunks_ready(self) -> None:
        """Do what `in_chunks` wants done beforehand."""

    def in_chunks(self, function: Callable[[Any], Any], values: Sequence[Any], size: int) -> Any:
        """Answers, in order, of calls that are sent `size` at a time."""
        return list(self.executor.map(function, values, chunksize=size))

    def stop(self) -> None:
        """End all of it."""
        self.executor.shutdown()


class Loky(Executor):
    """Its executor that is used again."""

    def load(self) -> None:
        from loky import get_reusable_executor

        self.make = get_reusable_executor

    def stop(self) -> None:
        self.executor.shutdown(wait=True, kill_workers=True)


class Pool(Executor):
    """`multiprocessing.Pool`."""

    def load(self) -> None:
        from multiprocessing import Pool

        self.make = Pool

    def one_by_one(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Any:
        return [answer.get() for answer in [self.executor.apply_async(function, (value,)) for value in values]]

    def in_chunks(self, function: Callable[[Any], Any], values: Sequence[Any], size: int) -> Any:
        return self.executor.map(function, values, chunksize=size)

    def stop(self) -> None:
        self.executor.terminate()
        self.executor.join()


class Mpire(Pool):
    """`mpire.WorkerPool`."""

    def load(self) -> None:
        from mpire import WorkerPool

        self.make = WorkerPool

    def in_chunks(self, function: Callable[[Any], Any], values: Sequence[Any], size: int) -> Any:
        return self.executor.map(function, values, iterable_len=len(values), chunk_size=size)


class Joblib(Executor):
    """`joblib.Parallel` on its default backend, whose workers stay."""

    def load(self) -> None:
        from joblib import Parallel, delayed

        self.parallel, self.delayed = Parallel, delayed

    def start(self, workers: int) -> None:
        self.workers = workers

    def one_by_one(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Any:
        return self.in_chunks(function, values, 1)

    def in_chunks(self, function: Callable[[Any], Any], values: Sequence[Any], size: int) -> Any:
        call = self.delayed(function)
        return self.parallel(n_jobs=self.workers, batch_size=size)(call(value) for value in values)

    def stop(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True, kill_workers=True)


class Dask(Executor):
    """A cluster of this machine; in chunks it is a bag, of as many values in each partition."""

    def load(self) -> None:
        import dask.bag
        from distributed import Client

        self.bag, self.make = dask.bag, Client

    def start(self, workers: int) -> None:
        self.client = self.make(n_workers=workers, threads_per_worker=1, dashboard_address=None)

    def one_by_one(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Any:
        return self.client.gather([self.client.submit(function, value, pure=False) for value in values])

    def in_chunks(self, function: Callable[[Any], Any], values: Sequence[Any], size: int) -> Any:
        return self.bag.from_sequence(values, partition_size=size).map(function).compute(scheduler=self.client)

    def stop(self) -> None:
        self.client.shutdown()


class Ray(Executor):
    """In chunks it is its own `Pool`, whose actors are made before."""

    def load(self) -> None:
        import ray
        from ray.util.multiprocessing import Pool

        self.ray, self.pool = ray, Pool

    def start(self, workers: int) -> None:
        import logging

        self.workers = workers
        self.ray.init(num_cpus=workers, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)

    def one_by_one(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Any:
        remote = self.ray.remote(function)
        return self.ray.get([remote.remote(value) for value in values])

    def chunks_ready(self) -> None:
        self.actors = self.pool(self.workers)
        self.actors.map(identity, range(WARM))

    def in_chunks(self, function: Callable[[Any], Any], values: Sequence[Any], size: int) -> Any:
        return self.actors.map(function, values, chunksize=size)

    def stop(self) -> None:
        self.ray.shutdown()


class Parallel(Executor):
    """GNU parallel: no worker stays, each task or chunk is a command."""

    def load(self) -> None:
        pass

    def start(self, workers: int) -> None:
        self.jobs = ["parallel", "--will-cite", "-k", "-j", str(workers)]

    def one_by_one(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Any:
        return self._answers(["-n", "1", *self._command(function)], values)

    def in_chunks(self, function: Callable[[Any], Any], values: Sequence[Any], size: int) -> Any:
        return self._answers(["-n", str(size), *self._command(function)], values)

    def _command(self, function: Callable[[Any], Any]) -> list[str]:
        if function is identity:
            return ["echo"]
        return ['sh -c \'printf . > "$0/arrived" && flock -s "$0/gate" echo $$\'']

    def _answers(self, arguments: list[str], values: Sequence[Any]) -> list[int]:
        text = "".join(f"{value}\n" for value in values)
        done = subprocess.run([*self.jobs, *arguments], input=text, stdout=subprocess.PIPE, text=True, check=True)
        return [int(word) for word in done.stdout.split()]

    def stop(self) -> None:
        pass


TOOLS: dict[str, type[Executor]] = {
    tool.__name__.lower(): tool for tool in (Executor, Pool, Loky, Joblib, Mpire, Dask, Ray, Parallel)
}


def met(tool: Executor, workers: int) -> float:
    """Start so many workers, and have one task done by each."""
    gate = Gate(workers)
    begun = time.perf_counter()
    tool.start(workers)
    answers = tool.one_by_one(meet, [gate.folder] * workers)
    took = time.perf_counter() - begun
    gate.close()
    if len(set(answers)) != workers:
        sys.exit(f"{len(set(answers))} of {workers} workers had a task")
    return took


def main() -> None:
    """Measure."""
    key, task = sys.argv[1:3]
    workers, tasks, chunk = map(int, sys.argv[3:])
    tool = TOOLS[key]()
    tool.load()
    found = met(tool, workers)
    if task != "coordinate":
        tool.one_by_one(identity, range(WARM))
        if task == "map":
            tool.chunks_ready()
        begun = time.perf_counter()
        if task == "map":
            answers = tool.in_chunks(identity, range(tasks), chunk)
        else:
            answers = tool.one_by_one(identity, range(tasks))
        found = tasks / (time.perf_counter() - begun)
        if list(answers) != list(range(tasks)):
            sys.exit("not every task was answered, or not in order")
    tool.stop()
    print(f"\n{found!r}", flush=True)


if __name__ == "__main__":
    main()
