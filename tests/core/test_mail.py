"""Boxes: what they promise, by example and in random histories."""

from __future__ import annotations

from collections import defaultdict, deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.core.mail import Deliver, Letter, Mail, Taken


def bodies(actions: list[Deliver | Taken]) -> list[object]:
    """What is handed over."""
    return [action.letter.body for action in actions if isinstance(action, Deliver)]


def taken(actions: list[Deliver | Taken]) -> list[tuple[int, int]]:
    return [(action.row, action.number) for action in actions if isinstance(action, Taken)]


def letter(number: int, sender: int = 1, *, sure: bool = False) -> Letter:
    return Letter(sender, number, sure, number)


def test_what_waits_is_handed_over_when_somebody_reads() -> None:
    mail = Mail()
    assert mail.post(0, letter(1)) == []
    assert mail.post(0, letter(2)) == []
    assert bodies(mail.opened(0, 1)) == [1, 2]
    assert bodies(mail.post(0, letter(3))) == [3]
    assert mail.depth(0) == 3
    assert mail.acknowledged(0, 1, 3) == []
    assert (mail.depth(0), mail.sent, mail.delivered, mail.dropped) == (0, 3, 3, 0)


def test_in_the_end_everything_is_let_go() -> None:
    mail = Mail(bound=1)
    for number in (1, 2):
        mail.post(0, letter(number, sure=True))
    assert mail.depth(0) == 2
    mail.clear()
    assert mail.depth(0) == 0
    assert mail.opened(0, 1) == []


def test_a_full_box_drops_what_is_not_sure_and_lets_the_rest_wait() -> None:
    mail = Mail(bound=2)
    mail.opened(0, 1)
    assert bodies(mail.post(0, letter(1))) == [1]
    assert taken(mail.post(0, letter(2, sure=True))) == [(1, 2)]
    assert mail.post(0, letter(3)) == []
    assert mail.dropped == 1
    assert mail.post(0, letter(4, sure=True)) == []
    assert mail.depth(0) == 3
    actions = mail.acknowledged(0, 1, 1)
    assert (taken(actions), bodies(actions)) == ([(1, 4)], [4])
    assert mail.depth(0) == 2


def test_a_reader_gets_no_more_than_a_window_ahead() -> None:
    mail = Mail(window=2)
    mail.opened(0, 1)
    handed = [body for n in range(5) for body in bodies(mail.post(0, letter(n)))]
    assert handed == [0, 1]
    assert bodies(mail.acknowledged(0, 1, 1)) == [2]
    assert bodies(mail.acknowledged(0, 1, 2)) == [3, 4]


def test_what_a_dead_reader_had_is_read_by_the_next_if_it_is_sure() -> None:
    mail = Mail(window=4)
    for n in range(6):
        mail.post(0, letter(n, sure=n % 2 == 0))
    assert bodies(mail.opened(0, 1)) == [0, 1, 2, 3]
    mail.acknowledged(0, 1, 1)
    mail.closed(0)
    assert (mail.redelivered, mail.dropped) == (2, 2)  # 2 and 4; 1 and 3
    assert bodies(mail.opened(0, 2)) == [2, 4, 5]
    assert mail.acknowledged(0, 1, 3) == [], "the word of somebody who is dead"
    assert mail.depth(0) == 3


def test_room_that_a_dead_reader_leaves_is_taken_by_the_crowd() -> None:
    mail = Mail(bound=2, window=2)
    mail.opened(0, 1)
    mail.post(0, letter(1))
    mail.post(0, letter(2))
    mail.post(0, letter(3, sure=True))
    assert taken(mail.closed(0)) == [(1, 3)], "else its sender would wait for ever"
    assert bodies(mail.opened(0, 2)) == [3]


def test_nothing_overtakes_the_crowd() -> None:
    mail = Mail(bound=1)
    mail.opened(0, 1)
    mail.post(0, letter(1))
    mail.post(0, letter(2, sure=True))  # its sender waits no longer: a timeout
    mail.closed(0)
    mail.post(0, letter(3))
    assert bodies(mail.opened(0, 2)) == [2]
    assert mail.dropped == 2


def test_what_a_dead_sender_waited_to_send_is_forgotten() -> None:
    mail = Mail(bound=1)
    mail.post(0, letter(1, sender=1, sure=True))
    mail.post(0, letter(1, sender=2, sure=True))
    mail.post(0, letter(2, sender=3, sure=True))
    mail.closed(2)
    mail.opened(0, 1)
    actions = mail.acknowledged(0, 1, 1)
    assert (taken(actions), bodies(actions)) == ([(3, 2)], [2])
    assert mail.depth(0) == 1


def large(number: int, size: int, sender: int = 1, *, sure: bool = False) -> Letter:
    return Letter(sender, number, sure, number, size)


def test_a_box_is_full_by_its_bytes_too() -> None:
    mail = Mail(room=100)
    assert taken(mail.post(0, large(1, 1_000, sure=True))) == [(1, 1)], "alone it may be of any size"
    mail.post(0, large(2, 0))
    mail.post(0, large(3, 1))
    assert (mail.sent, mail.dropped) == (1, 2)
    mail.opened(0, 1)
    mail.acknowledged(0, 1, 1)
    for number, size in ((4, 60), (5, 40), (6, 1)):
        mail.post(0, large(number, size))
    assert (mail.sent, mail.dropped) == (3, 3)
    mail.closed(0)
    assert mail.dropped == 5
    mail.post(0, large(7, 60))
    mail.post(0, large(8, 40))
    assert bodies(mail.opened(0, 2)) == [7, 8]


def test_a_small_one_does_not_overtake_a_large_one_that_found_no_room() -> None:
    mail = Mail(room=100)
    mail.opened(0, 1)
    mail.post(0, large(1, 60, sender=3))
    assert mail.post(0, large(2, 60, sender=2, sure=True)) == []
    assert mail.post(0, large(3, 10, sender=4, sure=True)) == []
    assert mail.post(0, large(4, 10, sender=3)) == []
    assert mail.dropped == 1
    actions = mail.acknowledged(0, 1, 1)
    assert (taken(actions), bodies(actions)) == ([(2, 2), (4, 3)], [2, 3])


def test_who_was_behind_a_dead_sender_is_let_in() -> None:
    mail = Mail(room=100)
    mail.opened(0, 1)
    mail.post(0, large(1, 60, sender=3))
    mail.post(0, large(2, 60, sender=2, sure=True))
    mail.post(0, large(3, 10, sender=4, sure=True))
    actions = mail.closed(2)
    assert (taken(actions), bodies(actions)) == ([(4, 3)], [3])


def test_an_agent_that_dies_in_the_crowd_of_its_own_box_is_told_nothing() -> None:
    mail = Mail(bound=1)
    mail.opened(0, 1)
    mail.post(0, letter(1))
    mail.post(0, letter(2, sender=0, sure=True))
    assert mail.closed(0) == []
    assert mail.opened(0, 2) == []


def test_a_sender_that_gave_up_is_in_the_crowd_once_however_often_it_tries() -> None:
    mail = Mail(bound=1)
    mail.opened(0, 1)
    mail.post(0, letter(1))
    for number in range(2, 50):
        mail.post(0, letter(number, sure=True))
    mail.post(0, letter(50, sender=2, sure=True))
    assert mail.depth(0) == 3
    actions = mail.acknowledged(0, 1, 1)
    assert (taken(actions), bodies(actions)) == ([(1, 49)], [49])


def test_what_was_handed_over_is_not_taken_back_when_a_box_is_opened_twice() -> None:
    mail = Mail()
    mail.opened(0, 1)
    mail.post(0, letter(1))
    assert mail.opened(0, 1) == []
    mail.acknowledged(0, 1, 1)
    assert (mail.delivered, mail.dropped) == (1, 0)


class Histories(RuleBasedStateMachine):
    """Two readers and three senders, who live and die at random."""

    ROWS = st.integers(0, 1)
    SENDERS = st.integers(2, 4)

    def __init__(self) -> None:
        super().__init__()
        self.mail = Mail(bound=4, window=2, room=10)
        self.alive: dict[int, int] = {}
        self.generation = 0
        self.number = 0
        self.handed: dict[int, deque[Letter]] = defaultdict(deque)
        """To the reader of the moment, and not acknowledged."""
        self.owed: dict[int, list[Letter]] = defaultdict(list)
        """Sure letters that were taken, and have not been acknowledged, by box."""
        self.asking: dict[int, list[Letter]] = defaultdict(list)
        """Sure letters that were not taken yet, by box."""
        self.seen: dict[tuple[int, int], list[int]] = defaultdict(list)
        """Numbers in the order in which they were first handed over, by sender and box."""
        self.delivered: dict[int, int] = defaultdict(int)
        """How often each letter was handed over."""

    def do(self, actions: list[Deliver | Taken]) -> None:
        for action in actions:
            if isinstance(action, Taken):
                box, found = next(
                    (box, one) for box, asking in self.asking.items() for one in asking if one.number == action.number
                )
                assert found.sender == action.row
                self.asking[box].remove(found)
                self.owed[box].append(found)
            else:
                assert self.alive.get(action.row) == action.generation
                one = action.letter
                self.handed[action.row].append(one)
                assert len(self.handed[action.row]) <= 2
                self.delivered[one.number] += 1
                assert one.sure or self.delivered[one.number] == 1, "at most once"
                if self.delivered[one.number] == 1:
                    seen = self.seen[one.sender, action.row]
                    assert not seen or seen[-1] < one.number, "in order"
                    seen.append(one.number)

    @rule(to=ROWS, sender=SENDERS, sure=st.booleans(), size=st.integers(0, 11))
    def post(self, to: int, sender: int, sure: bool, size: int) -> None:
        self.number += 1
        one = Letter(sender, self.number, sure, None, size)
        if sure:
            self.asking[to] = [other for other in self.asking[to] if other.sender != sender]
            self.asking[to].append(one)
        self.do(self.mail.post(to, one))

    @rule(row=ROWS)
    def open(self, row: int) -> None:
        if row not in self.alive:
            self.generation += 1
            self.alive[row] = self.generation
            self.do(self.mail.opened(row, self.generation))

    @precondition(lambda self: any(self.handed.values()))
    @rule(row=ROWS)
    def acknowledge(self, row: int) -> None:
        if self.handed[row]:
            one = self.handed[row].popleft()
            if one.sure:
                assert self.owed[row][0] is one, "sure letters are dealt with in the order in which they were taken"
                self.owed[row].pop(0)
            self.do(self.mail.acknowledged(row, self.alive[row], 1))

    @rule(row=ROWS)
    def die(self, row: int) -> None:
        self.alive.pop(row, None)
        self.handed[row].clear()
        self.do(self.mail.closed(row))

    @rule(row=SENDERS)
    def sender_dies(self, row: int) -> None:
        for asking in self.asking.values():
            asking[:] = [one for one in asking if one.sender != row]
        self.do(self.mail.closed(row))

    @invariant()
    def bounded(self) -> None:
        for row in (0, 1):
            box = self.mail._boxes.get(row)
            if box is not None:
                assert len(box.waiting) + len(box.out) <= 4
                there = [one.size for one in (*box.out, *box.waiting)]
                assert box.size == sum(there)
                assert box.size <= 10 or len(there) == 1
                if box.crowd:
                    assert len(there) == 4 or (there and box.size + box.crowd[0].size > 10)
                assert [one for one in (*box.out, *box.waiting) if one.sure] == self.owed[row]
                assert list(box.crowd) == self.asking[row]

    def teardown(self) -> None:
        """Readers who live on get all that they are owed, and nobody waits for ever."""
        for row in (0, 1):
            self.open(row)
            while self.handed[row]:
                self.acknowledge(row)
            assert not self.owed[row]
            assert not self.asking[row]
            assert self.mail.depth(row) == 0


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
