"""Results of tasks that are arguments of others, and can't be."""

from __future__ import annotations

from pathlib import Path

from asked_runs import shoal

WORK = """
import threading

class Once:
    '''Read, it is a lock; and that nobody can write.'''

    def __reduce__(self):
        return threading.Lock, ()
"""
PLAN = """
[[tasks]]
name = "a"
call = "once:Once"
[[tasks]]
name = "b"
call = "builtins:dict"
results = { a = "a" }
"""


def test_a_result_that_can_not_be_sent_on_ends_the_run_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "once.py").write_text(WORK)
    (tmp_path / "p.toml").write_text(PLAN)
    done = shoal(tmp_path, "run", "p.toml", "--headless", "--no-record")
    assert done.returncode == 2, done.stderr
    assert "shoal: tasks 'b': can't be sent what they take: TypeError: cannot pickle" in done.stderr
    assert "Traceback" not in done.stderr
