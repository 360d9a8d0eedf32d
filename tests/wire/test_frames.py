"""Frames: each comes out as it went in, none can change its bytes unnoticed, and garbage is refused by msgspec."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import frames

CARE = frames.Care(9.0, 8.0, 0.25, 7, 6, 5, False, ["fresh"], 4.0)
CONFIG = frames.HostConfig("main", 3, 2, 8192, 64, 4711, ["late"], b"\x80", CARE)
FAILURE = frames.Failure(0, "exception", "E", "m", "t", b"p", {"k": 1}, ["a.E", "builtins.Exception"])

SUBTASKS = frames.SubtaskOptions(1.5, None, 2, ["E"], 3)

GOLDEN: list[tuple[msgspec.Struct, str]] = [
    (
        frames.Prepare(2, ["/a"], 4711, "/c.sock", ["p"], ["m:f"], ["m:w"], ["h"], 12288),
        "9a010291a22f61cd1267a72f632e736f636b91a17091a36d3a6691a36d3a7791a168cd3000",
    ),
    (frames.Prepared("no", 2, 0.5), "9402a26e6f02cb3fe0000000000000"),
    (
        frames.StartHost(1, CONFIG),
        (
            "93030199a46d61696e0302cd200040cd126791a46c617465c4018099cb4022000000000000cb4020000000000000cb3fd000"
            "0000000000070605c291a56672657368cb4010000000000000"
        ),
    ),
    (frames.HostExited(1, 4712, -9), "940401cd1268f7"),
    (frames.HostStarted(1, 4712, ""), "940501cd1268a0"),
    (frames.Define(7, "m:f", b"body"), "940a07a36d3a66c404626f6479"),
    (
        frames.Work(300, 7, True, 1.5, 3, 2, msgspec.Raw(b"\x92\x01\xa1x"), 0.5),
        "9a0bcd012c07c3cb3ff800000000000003029201a178cb3fe0000000000000c2",
    ),
    (frames.Spawn([(3, 1)]), "920c91920301"),
    (frames.Kill([(3, 1), (4, 2)], "timeout"), "930d92920301920402a774696d656f7574"),
    (frames.Recall([300]), "920e91cd012c"),
    (frames.Stop(), "910f"),
    (frames.Ping(300), "9210cd012c"),
    (frames.Retire(), "9111"),
    (
        frames.Begin(3, 4712, 64, 8192, ["/a"], ["p"], ["late"], b"\x80"),
        "991203cd126840cd200091a22f6191a17091a46c617465c40180",
    ),
    (frames.RetireIdle(2), "921302"),
    (frames.StopTask(300, 5), "931fcd012c05"),
    (frames.Leave(300, 5, "recycled"), "9420cd012c05a872656379636c6564"),
    (
        frames.Mind(frames.Care()),
        "922199cb4014000000000000cb404e000000000000cb3fa999999999999a000000c3c0cb4014000000000000",
    ),
    (frames.Lend(), "9122"),
    (frames.Direct(), "9123"),
    (frames.HandBack(3, 1, 300, 7), "95240301cd012c07"),
    (frames.Over(3, 1, 300), "94250301cd012c"),
    (frames.Lent(3, 1), "93190301"),
    (frames.StandAside(3, 1), "93260301"),
    (frames.AgentsUp([(3, 1, 4713)]), "931491930301cd126990"),
    (
        frames.AgentDown(3, 1, 4713, -11, "", [(300, 5), (301, -1)], "last words", 1 << 20),
        "9a150301cd1269f5a09292cd012c0592cd012dffaa6c61737420776f726473ce00100000cb0000000000000000",
    ),
    (frames.Returned([(300, 5, 7), (301, 0, 0)]), "92169293cd012c050793cd012d0000"),
    (frames.Output([(3, 4713, 2, "line")], 12), "9317919403cd126902a46c696e650c"),
    (frames.SpawnFailed(3, 2, "no memory"), "94180302a96e6f206d656d6f7279"),
    (frames.MailOpened(3, 1), "93280301"),
    (frames.MailPools(3, 1, {"main": (0, 4)}), "9429030181a46d61696e920004"),
    (frames.Posted(3, 1, 2, 300, True, msgspec.Raw(b"\x91\x01")), "972a030102cd012cc39101"),
    (frames.MailTaken(3, 1, 300), "942b0301cd012c"),
    (frames.Delivered(2, 1, 3, msgspec.Raw(b"\x91\x01")), "952c0201039101"),
    (frames.MailRead(2, 1, 1), "942d020101"),
    (
        frames.Submitted(3, 1, 300, 5, 7, "gpu", "KERNEL", "m:f", "f", msgspec.Raw(b"\x91\x01"), SUBTASKS),
        "9c2e0301cd012c0507a3677075a64b45524e454ca36d3a66a166910195cb3ff8000000000000c00291a14503",
    ),
    (frames.Awaits(3, 1, 300, 5, [7, 8], 2), "972f0301cd012c0592070802"),
    (frames.Withdrawn(3, 1, [7], True), "953003019107c3"),
    (
        frames.Answered(3, 1, 7, msgspec.Raw(b"\x92\x01\xc0"), [(8, FAILURE)], [9]),
        (
            "97310301079201c09192089800a9657863657074696f6ea145a16da174c4017081a16b0192a3612e45b26275696c74696e73"
            "2e457863657074696f6e9109"
        ),
    ),
    (
        frames.Outcomes(msgspec.Raw(b"\x91\xc0"), bytes(8), [FAILURE], True),
        (
            "9491c0c4080000000000000000919800a9657863657074696f6ea145a16da174c4017081a16b0192a3612e45b26275696c74"
            "696e732e457863657074696f6ec3"
        ),
    ),
]
"""One of each kind, and its bytes."""

FAMILIES: list[tuple[Any, msgspec.msgpack.Decoder[Any]]] = [
    (frames.ToNursery, frames.to_nursery),
    (frames.FromNursery, frames.from_nursery),
    (frames.ToHost, frames.to_host),
    (frames.FromHost, frames.from_host),
    (frames.ToMailbox, frames.to_mailbox),
    (frames.Define | frames.Work | frames.Ping | frames.Retire | frames.Direct, frames.to_agent),
    (frames.Begin, frames.to_begin),
]
KINDS = [(kind, decoder) for family, decoder in FAMILIES for kind in typing.get_args(family) or (family,)]


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Anything that a field may hold."""
    if annotation is int:
        return st.integers(-(1 << 63), (1 << 64) - 1)
    if annotation is float:
        return st.floats(allow_nan=False)
    if annotation is msgspec.Raw:
        return st.lists(st.integers(0, 255) | st.text()).map(frames.encode).map(msgspec.Raw)
    if annotation is Any:
        return st.none() | st.booleans() | st.text()
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return structs_of(annotation)
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case types.UnionType:
            return st.one_of(*(st.none() if kind is type(None) else values_of(kind) for kind in arguments))
        case None:
            return st.from_type(annotation)
        case origin if origin is list:
            return st.lists(values_of(arguments[0]), max_size=5)
        case origin if origin is tuple:
            return st.tuples(*map(values_of, arguments))
        case _:
            return st.dictionaries(st.text(), values_of(arguments[1]), max_size=3)


def structs_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    return st.builds(kind, *(values_of(field.type) for field in msgspec.structs.fields(kind)))


def plain(value: Any) -> Any:
    """As comparable builtins: raw columns are compared by their bytes."""
    if isinstance(value, msgspec.Raw):
        return bytes(value)
    if isinstance(value, msgspec.Struct):
        return [type(value), *map(plain, msgspec.structs.astuple(value))]
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("kind", "decoder"), KINDS)
def test_every_frame_comes_out_as_it_went_in(kind: type[msgspec.Struct], decoder: Any) -> None:
    @given(structs_of(kind))
    def check(frame: msgspec.Struct) -> None:
        assert plain(decoder.decode(frames.encode(frame))) == plain(frame)

    check()


@given(structs_of(frames.Outcomes))
def test_the_body_of_a_record_comes_out_as_it_went_in(body: frames.Outcomes) -> None:
    assert plain(frames.outcomes_decoder.decode(frames.encode(body))) == plain(body)


@pytest.mark.parametrize(("frame", "golden"), GOLDEN, ids=lambda x: type(x).__name__)
def test_the_bytes_of_each_kind(frame: msgspec.Struct, golden: str) -> None:
    # Changed on purpose? Then `frames.VERSION` goes up, and these go with it.
    assert frames.encode(frame).hex() == golden.replace(" ", "")
    assert frames.VERSION == 3


def test_every_kind_has_golden_bytes() -> None:
    assert {type(frame) for frame, _ in GOLDEN} == {kind for kind, _ in KINDS} | {frames.Outcomes}


def test_the_head_of_a_record() -> None:
    packed = frames.HEAD.pack(1, 2, 3, 4)
    assert packed.hex() == "010000000000000002000000030000000400000000000000"


def test_no_frame_begins_like_records() -> None:
    with pytest.raises(msgspec.DecodeError):
        frames.from_host.decode(bytes((frames.RECORD,)) + b"\x90")
    assert all(frames.encode(frame)[0] != frames.RECORD for frame, _ in GOLDEN)


@pytest.mark.parametrize("decoder", [decoder for _, decoder in FAMILIES])
def test_unknown_kinds_and_those_of_another_channel_are_refused(decoder: Any) -> None:
    ours = next(typing.get_args(family) or (family,) for family, found in FAMILIES if found is decoder)
    for tag in [*(msgspec.inspect.type_info(kind).tag for kind, _ in KINDS if kind not in ours), 99, -1, "1", None]:  # type: ignore[attr-defined]
        with pytest.raises(msgspec.ValidationError):
            decoder.decode(msgspec.msgpack.encode([tag, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]))


@pytest.mark.parametrize(("frame", "golden"), GOLDEN, ids=lambda x: type(x).__name__)
def test_a_frame_cut_anywhere_is_refused(frame: msgspec.Struct, golden: str) -> None:
    decoder = next((d for kind, d in KINDS if kind is type(frame)), frames.outcomes_decoder)
    whole = bytes.fromhex(golden)
    for size in range(len(whole)):
        with pytest.raises(msgspec.DecodeError, match="truncated"):
            decoder.decode(whole[:size])


REFUSED = (msgspec.MsgspecError, UnicodeDecodeError)
"""What a decoder raises: text that is no UTF-8 is Python's own word, and no `MsgspecError`."""

ALL_DECODERS = [*(decoder for _, decoder in FAMILIES), frames.outcomes_decoder]


@given(st.binary(max_size=80))
def test_random_bytes_raise_what_msgspec_raises(data: bytes) -> None:
    for decoder in ALL_DECODERS:
        try:
            decoder.decode(data)
        except REFUSED:
            pass


@given(st.sampled_from([bytes.fromhex(golden) for _, golden in GOLDEN]), st.integers(0, 200), st.integers(0, 255))
def test_frames_with_one_byte_changed_raise_what_msgspec_raises(whole: bytes, at: int, byte: int) -> None:
    broken = bytearray(whole)
    broken[at % len(broken)] = byte
    for decoder in ALL_DECODERS:
        try:
            decoder.decode(bytes(broken))
        except REFUSED:
            pass
