"""What single tasks claim, by their own arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import TASK, plan_of

from engine.core import claims as core
from engine.plan.claims import of_task, to_hold, widened
from engine.plan.model import Claim

pytestmark = pytest.mark.usefixtures("nothing_switched_off")


def test_each_task_of_a_set_has_its_own(tmp_path: Path) -> None:
    text = 'over = { shard = [1, 2], kind = ["x"] }\nclaims = ["db-{shard}", { shared = "log/{kind}/**" }, "all"]'
    (step,) = plan_of(TASK + text, tmp_path).steps
    found = [of_task(step.claims, argument, step.keywords, at) for at, argument in enumerate(step.arguments, 1)]
    assert found == [
        [Claim("db-1"), Claim("log/x/**", shared=True), Claim("all")],
        [Claim("db-2"), Claim("log/x/**", shared=True), Claim("all")],
    ]
    assert [widened(claim) for claim in step.claims] == ["db-*", "log/*/**", "all"]


def test_items_make_them_too(tmp_path: Path) -> None:
    (step,) = plan_of(TASK + 'items = ["a", "b"]\nclaims = ["file/{}", "slot-{n}"]', tmp_path).steps
    found = [of_task(step.claims, item, step.keywords, at) for at, item in enumerate(step.arguments, 1)]
    assert found == [[Claim("file/a"), Claim("slot-1")], [Claim("file/b"), Claim("slot-2")]]


def test_the_core_is_told_what_all_claim_and_what_each_claims(tmp_path: Path) -> None:
    text = 'items = ["a", "./b/c"]\nclaims = ["file/{}", { shared = "slot-{n}" }, { shared = "log/**" }, "all"]'
    (step,) = plan_of(TASK + text, tmp_path).steps
    common, each = to_hold(step.claims, list(step.arguments), step.keywords, 10)
    assert common == (core.Claim("log/**", shared=True), core.Claim("all"))
    assert each == [
        (core.Claim("file/a"), core.Claim("slot-11", shared=True)),
        (core.Claim("file/b/c"), core.Claim("slot-12", shared=True)),
    ]
    assert to_hold(step.claims[2:], ["a"], False, 0) == (common, None)
    with pytest.raises(ValueError, match=r"segment '..'"):
        to_hold(step.claims, ["../../x"], False, 0)
