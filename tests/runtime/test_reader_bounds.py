"""What readers get that are slow, or ask for much: each has its bound, and is told what it has missed."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import msgspec
import pytest
from alerting import CRASH, Watched
from hubs import controlled, event, frame, heard, reader, step

from engine.runtime.alerting import views
from engine.runtime.control import Control, fitting
from engine.runtime.control.listener import Peer
from engine.runtime.control.reader import BACKLOG, BACKLOG_BYTES, BURST, Budget
from engine.stream.types import (
    MESSAGE_MAX,
    AlertChanged,
    AlertsNow,
    Command,
    Event,
    Frame,
    MetricsNow,
    Page,
    PoolMetrics,
    Reply,
    Spread,
    Subscribe,
    encoder,
)


@pytest.fixture
def control() -> Iterator[Control]:
    with controlled() as found:
        yield found


def changed(number: int) -> AlertChanged:
    watched = Watched(CRASH)
    (fired,) = watched.event(pool="main")
    return msgspec.structs.replace(views.changed(fired, 0.0), number=number)


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_who_has_missed_changes_is_told_how_it_is_in_the_end(control: Control) -> None:
    """Changes of alerts are in no record that it could catch up from."""
    last = 0
    control.beginnings["alerts"] = lambda: [AlertsNow(0.0, [], [], number=last)]
    with reader(control) as sock:
        sock.send(encoder.encode(Subscribe(1, ["alerts"])))
        step(control)
        assert [one for one in heard(sock) if isinstance(one, AlertsNow)] == [AlertsNow(0.0, [], [], number=0)]

        def change(count: int) -> list[int]:
            """So many, of which the reader takes none before the last; the numbers of what it gets, then."""
            nonlocal last
            for _ in range(count):
                last += 1
                control.tell("alerts", changed(last))
            (one,) = control._readers.values()
            told: list[object] = []
            while one.behind:
                told += heard(sock)
                step(control)
            told += heard(sock)
            return [one.number for one in told if isinstance(one, AlertsNow | AlertChanged)]

        assert change(500) == list(range(1, 501)), "nothing is missing: nobody is told again"
        numbers = change(4000)
        assert numbers[-2:] == [4500, 4500], "the last change, and then all there is"
        assert sorted(set(numbers)) == numbers[:-1] != list(range(501, 4501))
        assert change(1) == [4501]


def test_metrics_of_very_many_pools_come_in_parts(control: Control) -> None:
    spread = Spread(100_000, 0.001, 0.002, 0.003, 1.5)
    windows = tuple(
        PoolMetrics(f"pool-{pool:03}" + "x" * (pool % 60), span, span, 10_000, 10, 12.3, 0.9, spread, spread, spread)
        for pool in range(500)
        for span in (10.0, 60.0, 0.0)
    )
    told = MetricsNow(5.0, windows, 0.01, spread, 7)
    with reader(control) as sock:
        sock.send(encoder.encode(Subscribe(1, ["metrics"])))
        step(control)
        heard(sock)
        got: list[MetricsNow] = []
        control.show("metrics", [told])
        for _ in range(5):  # what its socket has no room for is shown the next time
            control.sample(everybody=True)
            got += [one for one in heard(sock) if isinstance(one, MetricsNow)]
        assert len(got) > 1
        assert [(one.part, one.parts) for one in got] == [(number, len(got)) for number in range(len(got))]
        assert tuple(window for one in got for window in one.windows) == windows
        assert {(one.at, one.observer, one.lag, one.skipped) for one in got} == {(5.0, 0.01, spread, 7)}
        assert max(len(encoder.encode(one)) for one in got) <= MESSAGE_MAX
    assert fitting.parts(MetricsNow(5.0, (), None, spread)) == [encoder.encode(MetricsNow(5.0, (), None, spread))]


def test_what_fits_no_message_is_left_out_and_nobody_is_taken_for_gone(
    control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    with reader(control) as sock:
        heard(sock)
        control.tell("events", event(1, 2 * MESSAGE_MAX))
        control.show("frames", [msgspec.structs.replace(frame(1), rate=1.0)])
        assert "too long for readers, and left out" in caplog.text
        (one,) = control._readers.values()
        one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # as where the machine grants little
        control.event(event(2, 50_000))
        control.event(event(3))
        control.sample(everybody=True)
        step(control)
        assert [each.number for each in heard(sock) if isinstance(each, Event | Frame)] == [3, 1]
        assert "too long for a reader's socket" in caplog.text
        assert control.watched


def test_what_waits_for_a_reader_is_bounded_in_number_and_bytes(control: Control) -> None:
    with reader(control) as slow, reader(control):
        for number in range(1, 5000):
            control.event(event(number))
        (one, other) = control._readers.values()
        assert len(one._events) == BACKLOG
        for number in range(5000, 5200):
            control.event(event(number, 50_000))
        assert one._bytes == sum(map(len, one._events)) <= BACKLOG_BYTES
        assert one._events[-1] is other._events[-1], "it is kept once for all"
        told: list[object] = []
        while one.behind:
            told += heard(slow)
            step(control)
        told += heard(slow)
        numbers = [each.number for each in told if isinstance(each, Event)]
        assert numbers == sorted(set(numbers))
        assert numbers[0] == 1
        assert numbers[-1] == 5199
        assert len(numbers) < 5199, "it missed some, and sees the gap"


def test_frames_are_skipped_and_not_kept(control: Control) -> None:
    with reader(control) as slow:
        for number in range(1, 2000):
            control.show("frames", [frame(number)])
            control.sample(everybody=True)
        (one,) = control._readers.values()
        assert not one.behind
        seen = [each.number for each in heard(slow) if isinstance(each, Frame)]
        control.show("frames", [frame(5000)])
        control.sample(everybody=True)
        assert [each.number for each in heard(slow) if isinstance(each, Frame)] == [5000]
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) < 2000


def test_a_reader_that_asks_without_end_is_listened_to_now_and_then(control: Control) -> None:
    with reader(control) as eager:
        heard(eager)
        sent = 0
        try:
            while sent < 2000:
                eager.send(encoder.encode(Command(sent, "x")))
                sent += 1
        except BlockingIOError:
            pass
        step(control, 500)
        answered = len(heard(eager))
        assert BURST <= answered < BURST + 20
        (one,) = control._readers.values()
        due = control.due
        assert due == one.muted_until > 0
        control.tick(due)
        assert not control._muted
        step(control, 500)
        assert 0 < len(heard(eager)) < sent - answered or sent <= answered + 1


def test_readers_share_what_their_requests_may_take_of_the_loop(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that take 5 ms each, asked for as fast as they are answered: 4 a second for one, 10 for six."""
    now = 1000.0
    monkeypatch.setattr("engine.runtime.control.hub.time.monotonic", lambda: now)
    control._time = Budget(0.25, 0.05, now)

    def answer(request: Page | Command, peer: Peer) -> Reply:
        nonlocal now
        now += 0.005
        return Reply(request.id, True, "")

    control._answerer.answer = answer  # type: ignore[method-assign]

    def answered(readers: list[socket.socket], seconds: float) -> int:
        """How many pages they get within this time, each asking again at once."""
        nonlocal now
        until, found = now + seconds, 0
        for one in readers:
            one.send(encoder.encode(Page(1)))
        while now < until:
            control.tick(now)
            step(control, 3)
            for one in readers:
                for _ in (each for each in heard(one) if isinstance(each, Reply)):
                    found += 1
                    one.send(encoder.encode(Page(1)))
            now += 0.01
        return found

    with reader(control) as alone:
        heard(alone)
        assert answered([alone], 100.0) == pytest.approx(20 + 400, abs=10)
    with ExitStack() as stack:
        crowd = [stack.enter_context(reader(control)) for _ in range(6)]
        assert answered(crowd, 100.0) == pytest.approx(50 + 1000, abs=30)


def test_a_reader_that_does_not_take_its_answers_is_not_listened_to(control: Control) -> None:
    with reader(control) as deaf:
        control._answerer.answer = lambda request, peer: Reply(request.id, True, "x" * 50_000)  # type: ignore[method-assign]
        for number in range(40):
            deaf.send(encoder.encode(Command(number, "x")))
        step(control, 100)
        (one,) = control._readers.values()
        assert len(one._answers) == 1
        numbers: list[int] = []
        for _ in range(100):
            numbers += [each.id for each in heard(deaf) if isinstance(each, Reply)]
            step(control)
        assert numbers == list(range(40))


def test_a_reader_that_hangs_up_while_it_is_not_listened_to_is_forgotten(control: Control) -> None:
    with reader(control) as gone:
        for number in range(60):
            gone.send(encoder.encode(Command(number, "x")))
        step(control, 60)
        (one,) = control._readers.values()
        assert one.muted_until
    step(control, 100)
    assert not control.watched
    assert control.due is None


def test_a_message_of_any_size_fits(control: Control) -> None:
    with reader(control) as sock:
        heard(sock)
        control.event(event(1, 10 * MESSAGE_MAX))
        (told,) = heard(sock)
        assert isinstance(told, Event)
        assert (told.number, told.data) == (1, {"cut": True})
        control._answerer.answer = lambda request, peer: Reply(  # type: ignore[method-assign]
            request.id, True, "", {"total": 500, "rows": ["x" * 1000] * 500}
        )
        sock.send(encoder.encode(Page(1)))
        step(control)
        (reply,) = heard(sock)
        assert isinstance(reply, Reply)
        assert 0 < len(reply.data["rows"]) < 500
        control._answerer.answer = lambda request, peer: Reply(request.id, True, "x" * 10 * MESSAGE_MAX)  # type: ignore[method-assign]
        sock.send(encoder.encode(Page(2)))
        step(control)
        (reply,) = heard(sock)
        assert reply == Reply(2, False, "the answer is too long for a message")


def test_a_descriptor_too_few_shuts_the_door_for_a_while(control: Control) -> None:
    from processes import at_most

    knocking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(knocking):
        gc.collect()
        lowest = os.dup(0)
        os.close(lowest)
        knocking.connect(str(control.path))
        with at_most(lowest):
            step(control)
            assert not control.watched
        due = control.due
        assert due is not None
        control.tick(due)
        step(control)
        assert control.watched
