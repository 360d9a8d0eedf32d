"""The wall clock may jump: nothing but the times that are told goes by it."""

from __future__ import annotations

import itertools
import time
from contextlib import closing
from pathlib import Path

import pytest

from engine.store import queries
from shoal import Engine


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_jumps_at_every_look_loses_nothing(
    jump: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, looks = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: right() + jump * (next(looks) % 3))
    with Engine(2, record=tmp_path / "runs.db") as engine:
        assert list(engine.map(abs, range(500))) == list(range(500))
        run = engine.run_id
    assert next(looks) > 3
    with closing(queries.open_readonly(tmp_path / "runs.db")) as db:
        (found,) = queries.runs(db)
        assert (found.id, found.status, found.done, found.failed) == (run, "done", 500, 0)
        (job,) = queries.jobs(db, found.id)
        assert [outcome.task for outcome in queries.outcomes(db, found.id, job.job)] == list(range(500))
