"""How often the gate is right: sessions drawn from real samples, which are compared, measured again and judged as in
`engine.bench.guard.gate`.

``quick_sessions.json`` has four sessions of `shoal bench --quick --rounds 8`, by row: pairs of ours and theirs. The
machine was badly overloaded meanwhile, so that ratios vary by a third from round to round, with long tails. As they are
they show that noise alone is no regression; to find 12 % a machine must be left alone, which is taken as noise of the
same shape and a twelfth of its size.
"""

from __future__ import annotations

import json
import math
import random
import statistics
from pathlib import Path

import pytest

from engine.bench.guard import compare, decide
from engine.bench.guard.cells import Cell
from engine.bench.guard.compare import Basis
from engine.bench.guard.decide import Verdict
from engine.bench.guard.gate import AGAIN, Asked, exit_code

ROUNDS = Asked("speed").rounds
QUIET = 0.03
"""Standard deviation of the logarithm of a ratio, from round to round."""
PLANTED = "map"
Noise = dict[str, list[float]]


def recorded() -> Noise:
    """Logarithms of ratios about the middle of their session, by row."""
    found: Noise = {}
    for name, sessions in json.loads(Path(__file__).with_name("quick_sessions.json").read_text()).items():
        for pairs in sessions:
            levels = [math.log(ours / theirs) for ours, theirs in pairs]
            middle = statistics.median(levels)
            found.setdefault(name, []).extend(level - middle for level in levels)
    return found


def of_spread(noise: Noise, spread: float) -> Noise:
    return {
        name: [(one - statistics.mean(values)) * spread / statistics.pstdev(values) for one in values]
        for name, values in noise.items()
    }


NOISE = recorded()
LITTLE = of_spread(NOISE, QUIET)


def cells(random: random.Random, noise: Noise, slower: float, rounds: int, other: str = "peer") -> dict[str, Cell]:
    """All cells of a session, drawn; one of them is slower by this much."""
    found = {}
    for name, values in noise.items():
        factor = 1 + slower * (name == PLANTED)
        samples = {"ours": [factor * math.exp(random.choice(values)) for _ in range(rounds)], other: [1.0] * rounds}
        found[name] = Cell(name=name, metric=name, unit="s", better="low", floor=1e-9, samples=samples)
    return found


def judged(seed: int, noise: Noise, slower: float = 0.0, in_turns: bool = False) -> dict[str, Verdict]:
    """A session of the gate after one of the code before it, or in turns with it."""
    drawn = random.Random(seed)
    other = "against" if in_turns else "peer"
    now = cells(drawn, noise, slower, ROUNDS, other)
    if in_turns:
        bases = {name: Basis(compare.as_before(cell), in_turns=True) for name, cell in now.items()}
    else:
        bases = {name: Basis(cell) for name, cell in cells(drawn, noise, 0.0, ROUNDS).items()}
    more = cells(drawn, noise, slower, ROUNDS * AGAIN, other)
    names = decide.to_repeat(compare.estimates(now.values(), bases)[0])
    return compare.verdicts(
        [cell.and_again(more[name]) if name in names else cell for name, cell in now.items()], bases
    )


def regressions(noise: Noise, slower: float, sessions: int, in_turns: bool = False) -> tuple[int, int]:
    """In how many sessions the slower cell is called a regression, and in how many any other."""
    right = wrong = 0
    for seed in range(sessions):
        found = {name for name, one in judged(seed, noise, slower, in_turns).items() if one.state == "regression"}
        right += PLANTED in found
        wrong += bool(found - {PLANTED})
    return right, wrong


@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("noise", [NOISE, LITTLE], ids=["overloaded", "left alone"])
def test_fifty_sessions_of_the_same_code_raise_at_most_one_false_regression(noise: Noise, in_turns: bool) -> None:
    assert sum(regressions(noise, 0.0, 50, in_turns)) <= 1


@pytest.mark.parametrize("in_turns", [False, True])
def test_a_slowdown_of_twelve_percent_is_found(in_turns: bool) -> None:
    right, wrong = regressions(LITTLE, 0.12, 200, in_turns)
    assert right > 0.95 * 200
    assert wrong <= 2


@pytest.mark.parametrize("in_turns", [False, True])
def test_a_slowdown_of_five_percent_is_not_called_more_than_ten(in_turns: bool) -> None:
    right, wrong = regressions(LITTLE, 0.05, 200, in_turns)
    assert right + wrong <= 2


def test_overloaded_it_does_not_say_that_all_is_well() -> None:
    found = [exit_code(judged(seed, NOISE)) for seed in range(50)]
    assert 0 not in found
    assert found.count(1) <= 1


def test_sessions_that_differ_as_a_whole_are_seen_by_their_history() -> None:
    # Each session is off by some 8 % in all of its rounds, which no round shows.
    def levels(drawn: random.Random) -> list[float]:
        offset = drawn.gauss(0, 0.08)
        return [offset + drawn.choice(LITTLE[PLANTED]) for _ in range(ROUNDS)]

    wrong = {False: 0, True: 0}
    for seed in range(100):
        drawn = random.Random(seed)
        past = [levels(drawn) for _ in range(12)]
        then, now = past[-1], levels(drawn)
        for known in wrong:
            found = decide.unpaired(then, now, between=decide.between_sessions(past) if known else 0.0)
            wrong[known] += found.effect > decide.WORSE and found.low > decide.CLEARLY
    assert wrong[False] > 10
    assert wrong[True] <= 3


def test_a_change_for_good_is_no_difference_between_sessions() -> None:
    drawn = random.Random(1)
    past = [[(at >= 6) * 0.3 + drawn.choice(LITTLE[PLANTED]) for _ in range(ROUNDS)] for at in range(12)]
    assert math.sqrt(decide.between_sessions(past)) < 0.02
    assert decide.between_sessions(past[:4]) == 0.0
