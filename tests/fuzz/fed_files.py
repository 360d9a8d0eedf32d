"""Files that are fed: whatever a person, another program or a fault may have left in them."""

from __future__ import annotations

import array
import contextlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from stream_frames import event, frame, pool
from told import Told

from engine.cli.running.items import FileItems
from engine.plan.claims import of_task
from engine.plan.load import load
from engine.plan.ownership.contention import contention
from engine.plan.ownership.matrix import prove
from engine.plan.ownership.merge import merge_order
from engine.plan.steps import SpecError
from engine.settings.types import SettingsError
from engine.store import messages, queries
from engine.store.recording import StoredRecording
from engine.store.schema import FAULTS, StoreError, open_database
from engine.store.writer import Writer
from engine.stream import files
from engine.stream.files import FileRecording
from engine.stream.moments import MomentError, pack, unpack
from engine.stream.recordings import RecordingError
from engine.stream.types import STREAM_VERSION, Cells, Event, Hello, ToReader

Feed = Callable[[bytes], None]

STORED: list[Any] = [
    messages.RunBegan("r1", "n", 1.0, 1, ["shoal"], {"agents": 8}, "0", {"cores": 2}),
    messages.PoolMade(0, "main", 0, 4, 1), messages.JobMade(1, "fit", "m:f", 0),
    messages.Finished(
        1, 0, 1, 1.0, array.array("Q", [5, 6, 7]).tobytes(), [1, None, ["json", "[1]"]],
        [messages.Failed(1, "exception", "E", "no", "tb")], [2], {0: 2},
    ),
    messages.Ended(1, 3, 2, "poisoned", "died", 2.0), messages.Attempt(1, 0, 1, 1, 77, 1.5, "died", "SIGKILL"),
    messages.Happened([Event(1, 1.0, "info", "agent.died", "text", {"pid": 1})]),
    messages.Moment(2.5, 1, True, pack([])), messages.RunEnded(3.0, "done", {"restarts": 0}),
]  # fmt: skip


def one_line(error: Exception) -> None:
    """What a person is told is one line."""
    assert "\n" not in str(error).strip(), f"more than a line: {error}"


_PLAN = """name = "p"
batch_max = 10
[settings]
pool_size = 3
[pools.main]
agents = 4
memory_limit = "500M"
preload = ["math"]
[[tasks]]
name = "a"
call = "math:sqrt"
over = { x = { from = 0, to = 9, step = 3 }, y = [1.5, "z"] }
arguments = { k = 1 }
timeout = 2.5
retries = 1
[[tasks]]
name = "b"
command = ["echo", "{}"]
items = ["x", 2]
after = ["a"]
retry_on = ["ValueError"]
"""
_WORDS = """title = "${name}"
shared = ["Cargo.toml"]
uncertainty = { low = 0.5, high = 2 }
order = "longest-first"
[parameters]
name = "x"
n = 3
[calendar]
week = 30
[owners.one]
workers = 2
capacity = "30h"
paths = ["src/**"]
[lanes.l]
limit = 2
labels = ["big"]
[groups.g]
owner = "one"
weeks = [1, 2]
[milestones.m]
target = "2w"
tasks = ["g"]
[requests.KERNEL]
within = { low = "1d", high = "2d" }
[tests.t]
planned = 3
[merge]
then = "c"
[[risks]]
text = "r"
likelihood = "low"
impact = "high"
[[tasks]]
name = "a"
group = "g"
call = "m:f"
over = { x = { from = 1, to = "${n}" } }
claims = ["src/{x}/*", { shared = "Cargo.toml" }]
labels = ["big"]
estimate = { low = 1, high = "3h" }
memory = "2G"
[[tasks]]
name = "b"
request = "KERNEL"
after = ["g"]
[[tasks]]
name = "c"
after = ["m", "b"]
gate = { of = "a", result = "x.0", at_least = 2 }
"""


@contextlib.contextmanager
def plans(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """Plan files."""
    path = folder / "plan.toml"

    def feed(data: bytes) -> None:
        path.write_bytes(data)
        try:
            spec = load(path)
            for step in spec.steps:
                for argument, number in zip(step.arguments, range(50), strict=False):
                    of_task(step.claims, argument, step.keywords, number)
            prove(spec.outline, spec.steps)
            merge_order(spec.steps, list(spec.outline.owners))
            contention(spec.steps)
        except (SpecError, SettingsError) as error:
            one_line(error)

    yield (
        [_PLAN.encode(), _WORDS.encode(), *(b"[[tasks]]" + part for part in _PLAN.encode().split(b"[[tasks]]")[1:])],
        feed,
    )


@contextlib.contextmanager
def items(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """Items files of every kind; the first byte says which."""
    kinds = ("items.txt", "items.csv", "items.jsonl")

    def feed(data: bytes) -> None:
        path = folder / kinds[data[0] % 3 if data else 0]
        path.write_bytes(data[1:])
        try:
            for _ in FileItems(path):
                pass
        except SpecError as error:
            one_line(error)

    yield [b"\x00a\nb\n\xc3\xa9", b'\x01a,b\n1,2\n"x ""y""",3\n', b'\x02{"a": [1, 2.5, null]}\n"x"\n3\n'], feed


@contextlib.contextmanager
def recordings(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """Files of recordings, played to their end, and moments by themselves."""
    told: list[ToReader] = [event("agent.died", "text", pid=1), frame(1.0, pool(busy=2)), Cells(0, bytes(40))]
    whole = folder / "whole.shoal"
    with open(whole, "wb") as file:
        files.write(file, Told(Hello(STREAM_VERSION, "r1", "n", 1, 1.0), [(2.0, told), (3.0, told)]))
    path = folder / "x.shoal"

    def feed(data: bytes) -> None:
        for packed in (data, zlib.compress(data, 0)):
            with contextlib.suppress(MomentError):
                unpack(packed)
        path.write_bytes(data)
        try:
            found = FileRecording(path)
            for _ in found.window(found.start, found.end):
                pass
        except RecordingError as error:
            one_line(error)

    yield [whole.read_bytes(), pack(told), zlib.decompress(pack(told))], feed


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[tuple[list[bytes], Feed]]:
    """Database files that are damaged somewhere, read as `shoal show` reads them."""
    path = folder / "runs.db"
    with closing(open_database(path, "off")) as db:
        Writer(db).write(STORED, 4.0)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = path.read_bytes()
    pages = [good[at : at + 4096] for at in range(0, len(good), 4096)]
    seeds = [index.to_bytes(2, "little") + page for index, page in enumerate(pages) if page.strip(b"\0")]

    def feed(data: bytes) -> None:
        at = int.from_bytes(data[:2], "little") % len(pages) * 4096
        damaged = good[:at] + data[2:4098].ljust(4096, b"\0") + good[at + 4096 :]
        for name in (path, path.with_name("runs.db-wal"), path.with_name("runs.db-shm")):
            name.unlink(missing_ok=True)
        path.write_bytes(damaged)
        with contextlib.suppress(StoreError, *FAULTS), closing(queries.open_readonly(path)) as read:
            for run in queries.runs(read):
                queries.pools(read, run.id), queries.spec(read, run.id), list(queries.events(read, run.id))
                for job in queries.jobs(read, run.id):
                    list(queries.outcomes(read, run.id, job.job))
                    queries.unfinished(read, run.id, job.job, 10)
                queries.slowest(read, run.id), queries.failures(read, run.id), list(queries.samples(read, run.id))
        with contextlib.suppress(StoreError, RecordingError):
            recording = StoredRecording(path, "last")
            for _ in recording.window(recording.start, recording.end):
                pass

    yield seeds, feed
