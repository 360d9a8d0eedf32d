"""The stream: none of its messages can change its bytes unnoticed, and older ones are still read."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from engine.stream import types
from engine.stream.plans import (
    GateNow,
    MilestoneNow,
    MilestoneOutline,
    OwnerNow,
    OwnerOutline,
    PlanNow,
    PlanOutline,
    StepNow,
    StepOutline,
)
from engine.stream.types import (
    AckView,
    AgentRow,
    AlertChanged,
    AlertsNow,
    AlertView,
    Cells,
    ClaimsNow,
    ClaimView,
    Command,
    Condition,
    Event,
    Frame,
    Hello,
    HolderView,
    LaneView,
    MachineView,
    MetricsNow,
    Page,
    PoolMetrics,
    PoolQueue,
    PoolView,
    QueuesNow,
    Refused,
    Reply,
    Shape,
    ShapesNow,
    ShardView,
    SilenceView,
    Spread,
    Subscribe,
    WaitView,
)

POOL = PoolView("main", 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 16)
MACHINE = MachineView(0.5, 2, 1 << 30, 1 << 34, 1.5, 20)
SPREAD = Spread(100, 0.25, 0.5, None, 1.5, 0.75)
METRICS = PoolMetrics("main", 10.0, 9.5, 90, 10, 12.5, 0.75, SPREAD, SPREAD, SPREAD)
SHARD = ShardView("main", 1, 4, 7, 100, 90, 3, 0.75, 1.25, SPREAD, 2)
QUEUE = PoolQueue("main", "least-loaded", {"full": 9}, 5, 3, 1, {"crash": 2}, {"idle": 1}, 8, 1, 2, 3, 4, 1.5, 1 << 20)
SHAPE = Shape("run", "main", "seconds", SPREAD, 0.001, 1.25, [1, 0, 7])
HOLDER = HolderView("work[5]", "main", 1.5)
LANE = LaneView("cloud", 10, 1, (HOLDER,), 3, "work[6]")
CLAIM = ClaimView("src/gpu/**", True, 2, (HOLDER,), 4, "work[7]", True)
WAIT = WaitView("work[5]", "main", 1.5, ("work/KERNEL[2]",), 2, 1, ("gpu",), ("KERNEL",))
ALERT = AlertView(
    1, "0123abcd", "memory", "memory is short", "capacity", "critical", "firing", "98 % in use", {"pool": "main"}, "h",
    "a", "ratio", 0.5, 0.25, 0.75, 2, 3, 4, True, 1.5, 2.5, 3.5, 4.5, 5.5, None, AckView("ada", 6.5, "mine", None), 7,
    "89ef", "level",
)  # fmt: skip
STEP = StepOutline(
    "build", "Build it", "make", 7, (0, 2), 1, "main", "ada", "core", "first", (0,), "local", ("src/**",), ("fast",),
    1.5, 2.5, ("go if error < 1",), 3, 1 << 20, True,
)  # fmt: skip
STEP_NOW = StepNow(
    1, "held", 4, 1, 2, 7, 1.5, 2.5, 0.25, 1.5, 3.5, 0.5, 4.5, 1.0, True, (0,), 2, 5.5, "gate check waits",
)  # fmt: skip
SILENCE = SilenceView(7, {"pool": "main"}, 1.5, 2.5, "ada", "known")
ROW = AgentRow("main/3", "main", 1, 4711, "busy", "work[5]", 9, 2, 0.5, 100, 3, 1 << 20, 0.75, 2)

GOLDEN: list[tuple[msgspec.Struct, str]] = [
    (
        Hello(3, "7f3a", "night", 4711, 1.5, "/runs.db"),
        "97a568656c6c6f03a437663361a56e69676874cd1267cb3ff8000000000000a82f72756e732e6462",
    ),
    (
        Event(3, 1.5, "warning", "agent.died", "main/3 died", {"pid": 4711, "why": None}),
        (
            "97a56576656e7403cb3ff8000000000000a77761726e696e67aa6167656e742e64696564ab6d61696e2f33206469656482a37069"
            "64cd1267a3776879c0"
        ),
    ),
    (
        Frame(1, 1.5, 2.5, "running", 10, 20, 6, 2, 1, 1, 3.5, None, 0.75, 4, 5, (POOL,), MACHINE, (1, 2), 0.25),
        (
            "dc0014a56672616d6501cb3ff8000000000000cb4004000000000000a772756e6e696e670a1406020101cb400c000000000000c0"
            "cb3fe80000000000000405919ea46d61696e0008010203040506070809011096cb3fe000000000000002ce40000000cf00000004"
            "00000000cb3ff800000000000014920102cb3fd0000000000000"
        ),
    ),
    (
        Cells(32, b"\x01\x02\x03"),
        "93a563656c6c7320c403010203",
    ),
    (
        MetricsNow(1.5, (METRICS,), 0.25, SPREAD, 7, 1, 2),
        (
            "98a76d657472696373cb3ff8000000000000919aa46d61696ecb4024000000000000cb40230000000000005a0acb402900000000"
            "0000cb3fe80000000000009664cb3fd0000000000000cb3fe0000000000000c0cb3ff8000000000000cb3fe80000000000009664"
            "cb3fd0000000000000cb3fe0000000000000c0cb3ff8000000000000cb3fe80000000000009664cb3fd0000000000000cb3fe000"
            "0000000000c0cb3ff8000000000000cb3fe8000000000000cb3fd00000000000009664cb3fd0000000000000cb3fe00000000000"
            "00c0cb3ff8000000000000cb3fe8000000000000070102"
        ),
    ),
    (
        QueuesNow(1.5, (SHARD,), (QUEUE,), 2),
        (
            "95a6717565756573cb3ff8000000000000919ba46d61696e010407645a03cb3fe8000000000000cb3ff40000000000009664cb3f"
            "d0000000000000cb3fe0000000000000c0cb3ff8000000000000cb3fe800000000000002919fa46d61696eac6c656173742d6c6f"
            "6164656481a466756c6c0905030181a563726173680281a469646c65010801020304cb3ff8000000000000ce0010000002"
        ),
    ),
    (
        ShapesNow(1.5, 60.0, (SHAPE,), 2),
        (
            "95a6736861706573cb3ff8000000000000cb404e0000000000009197a372756ea46d61696ea77365636f6e64739664cb3fd00000"
            "00000000cb3fe0000000000000c0cb3ff8000000000000cb3fe8000000000000cb3f50624dd2f1a9fccb3ff40000000000009301"
            "000702"
        ),
    ),
    (
        ClaimsNow(2.5, (LANE,), (CLAIM,), 1, 7, LANE, (WAIT,)),
        (
            "98a6636c61696d73cb40040000000000009196a5636c6f75640a019193a7776f726b5b355da46d61696ecb3ff800000000000003"
            "a7776f726b5b365d9197aa7372632f6770752f2a2ac3029193a7776f726b5b355da46d61696ecb3ff800000000000004a7776f72"
            "6b5b375dc3010796a5636c6f75640a019193a7776f726b5b355da46d61696ecb3ff800000000000003a7776f726b5b365d9198a7"
            "776f726b5b355da46d61696ecb3ff800000000000091ae776f726b2f4b45524e454c5b325d020191a367707591a64b45524e454c"
        ),
    ),
    (
        PlanOutline(
            1,
            9,
            (STEP,),
            "All",
            2,
            (("first", "First"),),
            (OwnerOutline("ada", "A", 2),),
            (MilestoneOutline("half", "Half", 3.5, 4),),
            8.0,
            40.0,
        ),
        (
            "9ba76f75746c696e65010991dc0014a56275696c64a84275696c64206974a46d616b650792000201a46d61696ea3616461a4636f"
            "7265a566697273749100a56c6f63616c91a67372632f2a2a91a466617374cb3ff8000000000000cb400400000000000091af676f"
            "206966206572726f72203c203103ce00100000c3a3416c6c029192a56669727374a546697273749193a3616461a141029194a468"
            "616c66a448616c66cb400c00000000000004cb4020000000000000cb4044000000000000"
        ),
    ),
    (
        PlanNow(
            1.5,
            (STEP_NOW,),
            True,
            2.5,
            (0, 1),
            (GateNow(0, "hold", ("error is 2",), True),),
            (MilestoneNow(9, 4, 1, 2, 3.5, False, -1.5),),
            (OwnerNow(9, 4, 1, 2, 6.5),),
            False,
        ),
        (
            "9aa4706c616ecb3ff800000000000091dc001301a468656c6404010207cb3ff8000000000000cb4004000000000000cb3fd00000"
            "00000000cb3ff8000000000000cb400c000000000000cb3fe0000000000000cb4012000000000000cb3ff0000000000000c39100"
            "02cb4016000000000000b06761746520636865636b207761697473c3cb4004000000000000920001919400a4686f6c6491aa6572"
            "726f722069732032c3919709040102cb400c000000000000c2cbbff8000000000000919509040102cb401a000000000000c2"
        ),
    ),
    (
        AlertsNow(1.5, [ALERT], [SILENCE], 1, 2, "no", 9),
        (
            "98a6616c65727473cb3ff800000000000091dc001d01a83031323361626364a66d656d6f7279af6d656d6f72792069732073686f"
            "7274a86361706163697479a8637269746963616ca6666972696e67ab3938202520696e2075736581a4706f6f6ca46d61696ea168"
            "a161a5726174696fcb3fe0000000000000cb3fd0000000000000cb3fe8000000000000020304c3cb3ff8000000000000cb400400"
            "0000000000cb400c000000000000cb4012000000000000cb4016000000000000c094a3616461cb401a000000000000a46d696e65"
            "c007a438396566a56c6576656c91960781a4706f6f6ca46d61696ecb3ff8000000000000cb4004000000000000a3616461a56b6e6f776e0102a2"
            "6e6f09"
        ),
    ),
    (
        AlertChanged(1.5, "state", "pending", True, "why", ALERT, 9),
        (
            "98a5616c657274cb3ff8000000000000a57374617465a770656e64696e67c3a3776879dc001d01a83031323361626364a66d656d"
            "6f7279af6d656d6f72792069732073686f7274a86361706163697479a8637269746963616ca6666972696e67ab3938202520696e"
            "2075736581a4706f6f6ca46d61696ea168a161a5726174696fcb3fe0000000000000cb3fd0000000000000cb3fe8000000000000"
            "020304c3cb3ff8000000000000cb4004000000000000cb400c000000000000cb4012000000000000cb4016000000000000c094a3"
            "616461cb401a000000000000a46d696e65c007a438396566a56c6576656c09"
        ),
    ),
    (
        Reply(4, True, "done", {"total": 1, "offset": 0, "rows": [ROW]}),
        (
            "95a57265706c7904c3a4646f6e6583a5746f74616c01a66f666673657400a4726f7773919ea66d61696e2f33a46d61696e01cd12"
            "67a462757379a7776f726b5b355d0902cb3fe00000000000006403ce00100000cb3fe800000000000002"
        ),
    ),
    (
        Refused("another user"),
        "92a772656675736564ac616e6f746865722075736572",
    ),
    (
        Subscribe(1, ["frames", "alerts"], 2.5),
        "94a97375627363726962650192a66672616d6573a6616c65727473cb4004000000000000",
    ),
    (
        Page(2, "agents", [Condition("state", "=", ["busy", 1.5])], "done", True, 5, 10),
        "98a47061676502a66167656e74739193a57374617465a13d92a462757379cb3ff8000000000000a4646f6e65c3050a",
    ),
    (
        Command(3, "scale", ["main", "8"]),
        "94a7636f6d6d616e6403a57363616c6592a46d61696ea138",
    ),
]
"""One of each kind, every field of it said, and its bytes. A kind that is new has its own here."""


def kind(message: msgspec.Struct) -> str:
    return type(message).__name__


@pytest.mark.parametrize(("message", "golden"), GOLDEN, ids=lambda x: kind(x) if isinstance(x, msgspec.Struct) else "")
def test_the_bytes_of_each_kind(message: msgspec.Struct, golden: str) -> None:
    assert types.encoder.encode(message).hex() == golden
    decoder: msgspec.msgpack.Decoder[Any] = (
        types.to_engine if isinstance(message, get_args(types.ToEngine)) else types.to_reader
    )
    found = decoder.decode(bytes.fromhex(golden))
    if isinstance(found, Reply):
        (row,) = found.data["rows"]
        found = msgspec.structs.replace(found, data={**found.data, "rows": [msgspec.convert(row, AgentRow)]})
    assert found == message


def test_every_kind_has_golden_bytes() -> None:
    assert {type(message) for message, _ in GOLDEN} == {*get_args(types.ToReader), *get_args(types.ToEngine)}


@pytest.mark.parametrize("message", [message for message, _ in GOLDEN], ids=kind)
def test_a_message_without_what_came_later_is_read(message: msgspec.Struct) -> None:
    """Fields are only ever added at the end, with a default: who was there before them is understood."""
    fields = msgspec.structs.fields(message)
    needed = [field.name for field in fields if field.required]
    assert needed == [field.name for field in fields[: len(needed)]]
    tag, *values = msgspec.msgpack.decode(types.encoder.encode(message))
    short = msgspec.msgpack.encode([tag, *values[: len(needed)]])
    found = msgspec.msgpack.decode(short, type=type(message))
    assert msgspec.msgpack.decode(types.encoder.encode(found))[1 : len(needed) + 1] == values[: len(needed)]
    for field in fields[len(needed) :]:
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        assert getattr(found, field.name) == default
