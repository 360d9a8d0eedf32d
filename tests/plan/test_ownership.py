"""Who may touch what: conflicts are named with both sides; and in which order the work of owners comes together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.patterns import overlaps
from engine.plan.model import Claim, Outline, Owner
from engine.plan.ownership.contention import Contention, contention
from engine.plan.ownership.matrix import matrix, prove
from engine.plan.ownership.merge import merge_order
from engine.plan.steps import Step

CORE = Owner("core", paths=("src/core/**",), reads=("src/gpu/api.rs",))
GPU = Owner("gpu", paths=("src/gpu/**", "benches/**"))
OUTLINE = Outline(owners={"core": CORE, "gpu": GPU}, shared=("Cargo.toml",))


def step(name: str, owner: str | None, *claims: str | Claim, after: tuple[str, ...] = (), tasks: int = 1) -> Step:
    made = tuple(claim if isinstance(claim, Claim) else Claim(claim) for claim in claims)
    return Step(name, owner=owner, claims=made, after=list(after), total=tasks)


def told(outline: Outline, *steps: Step) -> list[str]:
    return [conflict.text for conflict in prove(outline, steps).conflicts]


def test_what_each_may_do_is_proved() -> None:
    steps = [
        step("a", "core", "src/core/x.rs", "Cargo.toml"),
        step("b", "core", Claim("src/gpu/api.rs", shared=True)),
        step("c", "gpu", "src/gpu/{kernel}/**"),
        step("d", None, "somewhere/else"),
    ]
    proof = prove(OUTLINE, steps)
    assert proof.conflicts == ()
    assert (proof.owners, proof.patterns, proof.pairs, proof.claims) == (2, 3, 2 + 1 + 2, 5)


CONFLICTS = {
    "one file of two owners": (
        Outline(owners={"core": CORE, "gpu": Owner("gpu", paths=("src/**/x.rs",))}), [],
        "owner core and owner gpu both own what src/core/** and src/**/x.rs have in common",
    ),
    "what is shared is owned": (
        Outline(owners={"core": CORE}, shared=("src/core/lib.rs",)), [],
        "src/core/** of owner core overlaps src/core/lib.rs, which is shared by all",
    ),
    "a claim of another's": (
        OUTLINE, [step("a", "core", "src/gpu/x.rs")],
        "tasks a of owner core claim src/gpu/x.rs, which overlaps src/gpu/** of owner gpu",
    ),
    "a claim of what may only be read": (
        OUTLINE, [step("a", "core", "src/gpu/api.rs")],
        "tasks a of owner core claim src/gpu/api.rs, which overlaps src/gpu/** of owner gpu",
    ),
    "more is read than may be": (
        OUTLINE, [step("a", "core", Claim("src/gpu/*", shared=True))],
        "tasks a of owner core read src/gpu/*, which overlaps src/gpu/** of owner gpu, and may not",
    ),
    "a claim of some task of many": (
        OUTLINE, [step("a", "core", "src/{part}/x.rs")],
        "tasks a of owner core claim src/*/x.rs, which overlaps src/gpu/** of owner gpu",
    ),
    "a claim of nobody": (
        OUTLINE, [step("a", None, "benches/one")],
        "tasks a of nobody claim benches/one, which overlaps benches/** of owner gpu",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFLICTS)
def test_a_conflict_is_named_with_both_sides(case: str) -> None:
    outline, steps, text = CONFLICTS[case]
    assert told(outline, *steps) == [text]


PATHS = st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=1, max_size=3).map("/".join)


@given(st.dictionaries(st.sampled_from("xyz"), st.lists(PATHS, max_size=3), min_size=1), st.lists(PATHS, max_size=2))
def test_no_pair_is_forgotten(owned: dict[str, list[str]], shared: list[str]) -> None:
    owners = {name: Owner(name, paths=tuple(paths)) for name, paths in owned.items()}
    found = prove(Outline(owners=owners, shared=tuple(shared)), [])
    by_hand = sum(
        overlaps(one, other)
        for first in owned for second in owned if first < second
        for one in owned[first] for other in owned[second]
    )  # fmt: skip
    by_hand += sum(overlaps(path, other) for paths in owned.values() for path in paths for other in shared)
    assert len(found.conflicts) == by_hand


def test_the_matrix_has_a_row_for_each_pattern() -> None:
    rows = matrix(OUTLINE, [step("a", "core", "Cargo.toml", "src/core/**", "new")])
    assert {row.what: row.marks for row in rows} == {
        "src/core/**": {"core": "owns"}, "src/gpu/**": {"gpu": "owns"}, "benches/**": {"gpu": "owns"},
        "src/gpu/api.rs": {"core": "reads"}, "Cargo.toml": {"core": "claims", "gpu": "shares"},
        "new": {"core": "claims"},
    }  # fmt: skip


# -- who waits for whom ------------------------------------------------------------------------------------------------


def test_what_excludes_each_other_is_found() -> None:
    read = Claim("db", shared=True)
    steps = [
        step("a", None, "db"),
        step("b", None, read, after=("a",)),
        step("c", None, read),
        step("d", None, "d*", "log/{x}", tasks=3),
        step("e", None, "log/7"),
    ]
    found = contention(steps)
    assert set(found) == {
        Contention("a", "c", "db"), Contention("a", "d", "db"), Contention("b", "d", "db"), Contention("c", "d", "db"),
        Contention("d", "d", "d*"), Contention("d", "e", "log/*"),
    }  # fmt: skip
    assert len(contention(steps, 2)) == 2


# -- merging -----------------------------------------------------------------------------------------------------------


def test_others_build_on_what_is_merged_first() -> None:
    steps = [
        step("kernels", "gpu"),
        step("entropy", "core", after=("kernels",)),
        step("review", None, after=("entropy",)),
        step("app", "apps", after=("review",)),
        step("docs", "docs"),
    ]
    found = merge_order(steps, ["apps", "core", "docs", "gpu"])
    assert found.order == ("docs", "gpu", "core", "apps")
    assert [reason.text for reason in found.reasons] == [
        "entropy of core comes after kernels of gpu", "app of apps comes after entropy of core",
    ]  # fmt: skip
    wished = merge_order(steps, ["apps", "core", "docs", "gpu"], ["core", "gpu", "apps"])
    assert wished.order == ("gpu", "core", "apps", "docs")
    assert [(reason.first, reason.second) for reason in wished.against] == [("gpu", "core")]


def test_owners_that_build_on_each_other_have_no_order() -> None:
    steps = [step("a", "x"), step("b", "y", after=("a",)), step("c", "x", after=("b",)), step("d", "z")]
    found = merge_order(steps, ["x", "y", "z"], ["z", "y"])
    assert found.order == ("z", "y", "x")
    assert [reason.text for reason in found.circle] == ["c of x comes after b of y", "b of y comes after a of x"]
