"""Whether a database is as it should be: the file, the references in it, the counts that are kept beside rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

_QUESTIONS: Final = {
    # Each answers with what is wrong, one row a sentence.
    "counts of jobs": """
        SELECT format('run %s, %s: says %d done and %d failed, has %d and %d',
            j.run, coalesce(nullif(j.name, ''), 'job ' || j.job), j.done, j.failed,
            ifnull(t.done, 0) + ifnull(b.done, 0), ifnull(t.failed, 0))
        FROM jobs j
        LEFT JOIN (SELECT run, job, count(*) FILTER (WHERE state = 'done') AS done,
            count(*) FILTER (WHERE state = 'failed') AS failed FROM tasks GROUP BY run, job) t USING (run, job)
        LEFT JOIN (SELECT run, job, sum(count) AS done FROM blocks GROUP BY run, job) b USING (run, job)
        WHERE j.done <> ifnull(t.done, 0) + ifnull(b.done, 0) OR j.failed <> ifnull(t.failed, 0)""",
    "counts of runs": """
        SELECT format('run %s: says %d done and %d failed, its jobs have %d and %d',
            r.id, r.done, r.failed, ifnull(j.done, 0), ifnull(j.failed, 0))
        FROM runs r LEFT JOIN (SELECT run, sum(done) AS done, sum(failed) AS failed FROM jobs GROUP BY run) j
            ON j.run = r.id
        WHERE r.done <> ifnull(j.done, 0) OR r.failed <> ifnull(j.failed, 0)""",
    "numbers of tasks": """
        SELECT format('run %s: says it has %d tasks, %d of them over', id, tasks, done + failed)
        FROM runs WHERE tasks < done + failed""",
    "tasks of no job": """
        SELECT format('run %s: %d tasks of job %d, which is not there', run, sum(n), job) FROM (
            SELECT run, job, count(*) AS n FROM tasks GROUP BY run, job
            UNION ALL SELECT run, job, sum(count) FROM blocks GROUP BY run, job)
        WHERE (run, job) NOT IN (SELECT run, job FROM jobs) AND run IN (SELECT id FROM runs) GROUP BY run, job""",
    "blocks": """
        SELECT format('run %s, job %d: the block of tasks %d to %d contradicts itself',
            run, job, first, first + count - 1)
        FROM blocks WHERE NOT CASE WHEN json_valid(ends) AND json_valid(results) THEN
            count > 0 AND json_array_length(ends) = count AND json_array_length(results) = count
            AND (kinds IS NULL OR length(kinds) = count) ELSE 0 END""",
    "tasks that are there twice": """
        SELECT format('run %s, job %d: task %d has a row and is in a block, too', t.run, t.job, t.task)
        FROM blocks b JOIN tasks t
            ON t.run = b.run AND t.job = b.job AND t.task BETWEEN b.first AND b.first + b.count - 1
        UNION ALL
        SELECT format('run %s, job %d: tasks %d and on are in two blocks', run, job, later) FROM (
            SELECT run, job, first + count AS ends, lead(first) OVER (PARTITION BY run, job ORDER BY first) AS later
            FROM blocks) WHERE later < ends""",
    "pieces of results": """
        SELECT format('run %s, job %d: pieces of a result of task %d, which has none in pieces', run, job, task)
        FROM (SELECT DISTINCT run, job, task FROM pieces) p LEFT JOIN tasks t USING (run, job, task)
        WHERE t.result_kind IS NOT 'pieces' AND run IN (SELECT id FROM runs)
        UNION ALL
        SELECT format('run %s, job %d: of the result of task %d pieces are missing', t.run, t.job, t.task)
        FROM tasks t LEFT JOIN pieces p USING (run, job, task)
        WHERE t.result_kind = 'pieces' GROUP BY t.run, t.job, t.task
        HAVING count(p.piece) = 0 OR count(p.piece) <> max(p.piece) + 1 OR min(p.piece) < 0""",
    "specs": """
        SELECT format('run %s: %d of %d parts of what a resumption needs', run, count(*), max(parts))
        FROM specs GROUP BY run HAVING count(*) > max(parts) OR min(part) < 0 OR max(part) >= max(parts)""",
}
_MOST: Final = 20
"""Sentences about one question, at the most."""


def check(db: sqlite3.Connection) -> Iterator[str]:
    """What is wrong, one line each. Reads all of the file: seconds for each gigabyte.

    Raises sqlite3.Error where it can't even be asked.
    """
    damaged = False
    for (text,) in db.execute(f"PRAGMA integrity_check({_MOST})"):
        if text != "ok":
            damaged = True
            yield " ".join(str(text).split())
    if damaged:
        return  # what else is said of it would be about the damage
    lost: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in db.execute("PRAGMA foreign_key_check"):
        lost[table, parent] = lost.get((table, parent), 0) + 1
    for (table, parent), count in lost.items():
        hint = " (the next `shoal prune` takes them away)" if parent == "runs" else ""
        yield f"{count:,} rows of {table} belong to {parent} that are not there{hint}"
    for query in _QUESTIONS.values():
        for at, (text,) in enumerate(db.execute(query)):
            if at == _MOST:
                yield "... and more of that kind"
                break
            yield text
    missing = "SELECT count(*) FROM texts WHERE id NOT IN (SELECT id FROM words_docsize)"
    if count := db.execute(missing).fetchone()[0]:
        yield f"{count:,} texts are not in the index of words: `shoal search` does not find them"
