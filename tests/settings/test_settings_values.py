"""What a setting may be, one by one, and how sizes are written."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.settings.fields import fields, shown
from engine.settings.sizes import LARGEST, parse_size
from engine.settings.types import PoolSettings, Settings


def test_every_setting_has_a_meaning_and_a_place_of_its_own() -> None:
    found = fields()
    assert list(found) == list(Settings.__struct_fields__)
    assert all(field.meaning.endswith(".") and field.meaning[0].isupper() for field in found.values())
    assert len({field.place for field in found.values()}) == len(found)
    tables = {
        "pool",
        "batch",
        "spawn",
        "shard",
        "frame",
        "record",
        "alert",
        "memory",
        "metrics",
        "enable",
        "lanes",
        "plan",
    }
    assert {field.place[0] for field in found.values()} == tables
    assert found["enable_parallel_spawn"].place == ("enable", "parallel_spawn")
    assert found["pool_min_size"].variable == "SHOAL_POOL_MIN_SIZE"


@pytest.mark.parametrize("struct", [Settings, PoolSettings])
def test_defaults_are_allowed(struct: type[msgspec.Struct]) -> None:
    for name, field in fields(struct).items():
        assert field.parse(getattr(struct(), name), written=False) == field.default == getattr(struct(), name)


GOOD = [
    ("pool_size", "8", 8), ("pool_size", " 8 ", 8), ("pool_size", "auto", None), ("pool_size", 8, 8),
    ("pool_size", None, None), ("memory_reserve", "1.5G", 3 << 29), ("memory_reserve", 4096, 4096),
    ("memory_reserve", "off", 0), ("memory_reserve", " OFF ", 0), ("memory_reserve", False, 0),
    ("memory_reserve", 0, 0), ("memory_reserve", "auto", None),
    ("spawn_max_retry", "0", 0), ("batch_timeout", "0.5", 0.5), ("batch_timeout", 2, 2.0),
    ("shard_strategy", "round-robin", "round-robin"), ("enable_pooling", "1", True), ("enable_pooling", "yes", True),
    ("enable_pooling", "ON", True), ("enable_pooling", "True", True), ("enable_pooling", "0", False),
    ("enable_pooling", "no", False), ("enable_pooling", "off", False), ("enable_pooling", "FALSE", False),
    ("enable_pooling", True, True),
    ("alert_rules", "auto", None), ("alert_rules", "my rules.toml", "my rules.toml"), ("alert_rules", "none", ""),
    ("alert_command", "notify-send 'an alert' -u low", ("notify-send", "an alert", "-u", "low")),
    ("alert_command", ["notify-send", "$X"], ("notify-send", "$X")), ("alert_command", "none", ()),
    ("alert_command", [], ()), ("alert_webhook", "none", ""), ("alert_webhook", "http://[::1]:80/a", "http://[::1]:80/a"),
    ("alert_webhook", "https://example.org", "https://example.org"),
    ("lanes", "local=1 cloud=10", {"local": 1, "cloud": 10}), ("lanes", "a=0,b=2", {"a": 0, "b": 2}),
    ("lanes", "none", {}), ("lanes", {"a b": 3}, {"a b": 3}), ("plan_people", "wait", "wait"),
    ("plan_gates", "auto", None), ("plan_gates", "fail", "fail"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_what_is_allowed(name: str, text: object, value: object) -> None:
    found = fields()[name].parse(text, written=True)
    assert found == value
    assert type(found) is type(value)


BAD = [
    ("pool_size", "0"), ("pool_size", "-1"), ("pool_size", "1.5"), ("pool_size", "many"), ("pool_size", True),
    ("pool_size", 2.0), ("pool_size", "9" * 5000), ("pool_size", "1000000001"), ("spawn_parallelism", "auto"),
    ("spawn_parallelism", None), ("spawn_max_retry", "-1"), ("batch_timeout", "0"), ("batch_timeout", "-1"),
    ("batch_timeout", "nan"), ("batch_timeout", "inf"), ("batch_timeout", "soon"), ("batch_timeout", True),
    ("batch_timeout", 10**400), ("shard_strategy", "Hash"), ("shard_strategy", 1), ("shard_strategy", "auto"),
    ("enable_pooling", "2"), ("enable_pooling", "maybe"), ("enable_pooling", 1), ("enable_pooling", "auto"),
    ("alert_rules", 3), ("alert_rules", "a\0b"), ("alert_command", "an 'open quote"), ("alert_command", "''"),
    ("alert_command", [1]), ("alert_command", "a\0b"), ("alert_command", "  "), ("alert_webhook", "ftp://example.org"),
    ("alert_webhook", "example.org"), ("alert_webhook", "http://a b/"), ("alert_webhook", "http://x:port/"),
    ("alert_webhook", "http://me:secret@x/"), ("alert_webhook", 3), ("alert_webhook", "http://[/"),
    ("memory_reserve", "0"), ("memory_reserve", -1), ("memory_reserve", True), ("memory_reserve", "5%"),
    ("lanes", "a"), ("lanes", "a=x"), ("lanes", "a=-1"), ("lanes", "=1"), ("lanes", {"a": True}), ("lanes", 3),
    ("lanes", {"a": "1"}), ("lanes", {" a": 1}), ("lanes", {"a": 10**10}), ("plan_people", "ask"), ("plan_gates", "go"),
    ("pool_size", 10**6000), ("pool_size", [1]), ("shard_strategy", ["hash"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("written", [True, False])
def test_what_is_not_allowed(name: str, value: object, written: bool) -> None:
    with pytest.raises(ValueError, match="not ") as caught:
        fields()[name].parse(value, written)
    assert len(str(caught.value)) < 150
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("pool_size", "8"), ("batch_timeout", "1"), ("enable_pooling", "true")])
def test_in_a_file_a_number_is_a_number(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"not '{text}'"):
        fields()[name].parse(text, written=False)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1), ("1048576", 1 << 20), ("500M", 500 << 20), ("2G", 2 << 30), ("2g", 2 << 30), ("1.5GiB", 3 << 29),
        ("10kb", 10 << 10), ("10 KB", 10 << 10), ("1T", 1 << 40), ("0.5K", 512), ("12B", 12), (" 3M ", 3 << 20),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "M", "0", "0.1", "-1", "1e9", "1i", "1X", "1.M", "1,5G", "inf", "nan", "9999999T", "1 2", "٣", "1M\n2"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 500M or 2G"):
        parse_size(text)


@given(st.text())
def test_any_text_is_a_size_or_refused(text: str) -> None:
    try:
        size = parse_size(text)
    except ValueError:
        return
    assert 1 <= size < LARGEST


def test_values_are_shown_short() -> None:
    assert [shown(value) for value in (None, True, "x", 2.5)] == ["auto", "true", "'x'", "2.5"]
    assert len(shown("x" * 1000)) == len(shown(Path("y" * 1000))) == 60
    assert shown(10**6000) == "a number of thousands of digits"
    assert shown(math.inf) == "inf"
