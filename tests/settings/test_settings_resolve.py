"""Five sources of settings: the highest wins, and it is known which one that was."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.settings.fields import Field, fields
from engine.settings.resolve import DEFAULT, resolve
from engine.settings.sources import NOTHING, OTHER_TABLES, OTHER_VARIABLES, Source, config_path, misspelt, read
from engine.settings.types import Settings, SettingsError

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

PLAN = Path("/somewhere/plan.toml")


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Values that are allowed whatever the other settings are."""
    if field.name in ("pool_min_size", "batch_size"):
        return st.integers(1, 100)
    found: st.SearchStrategy[Any] = {
        "whole": st.integers(min(500, field.most), field.most),
        "seconds": st.floats(0, 1e300, exclude_min=True),
        "switch": st.booleans(),
        "choice": st.sampled_from(field.choices),
        "size": st.integers(1, (1 << 60) - 1),
        "text": st.sampled_from(["127.0.0.1", "::1", "a.b"]),
        "path": st.sampled_from(["rules.toml", "~/x y"]) | st.none(),
        "command": st.sampled_from([("notify", "a b"), ("true",), ()]),
        "address": st.sampled_from(["http://x/a?b", "https://y:8", ""]),
    }[field.kind]
    return found if field.name not in ("pool_size", "shard_count", "memory_reserve") else found | st.none()


def some_settings() -> st.SearchStrategy[dict[str, Any]]:
    """Of all that one source has alone; limits of several are put together."""
    known = {name: values_of(field) for name, field in fields().items() if field.kind != "limits"}
    return st.fixed_dictionaries({}, optional=known)


def test_limits_of_lanes_are_put_together_name_by_name(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[lanes]\na = 1\nb = 1\nc = 1\nd = 1\n")
    plan = Source({"lanes": {"b": 2, "c": 2, "d": 2}}, {}, PLAN)
    found = resolve(Source({"lanes": "d=4"}, {"lanes": "--lane"}), plan, {"SHOAL_LANES": "c=3 d=3 e=3"}, path)
    assert found.settings.lanes == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 3}
    assert found.origins["lanes"] == "--lane"
    assert resolve(environ={}, config=path).origins["lanes"] == str(path)
    for text, told in (
        ('lanes = "a=x"', "lanes is a table, written [lanes]"),
        ("[lanes]\na = -1", "lanes is names with whole numbers, such as local=1 cloud=10, or none, not {'a': -1}"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError) as caught:
            resolve(environ={}, config=path)
        assert str(caught.value) == f"{path}: {told}"


def text_of(value: object) -> str:
    if isinstance(value, tuple):
        return shlex.join(value) or "none"
    return "auto" if value is None else str(value) or "none"


def config_of(values: Mapping[str, Any], folder: Path) -> Path:
    path = folder / "config.toml"
    lines = []
    for name, value in values.items():
        table, key = fields()[name].place
        number = isinstance(value, int | float) and not isinstance(value, bool)
        lines.append(f"{table}.{key} = " + (repr(value) if number else text_of(value).lower()))
        if isinstance(value, str | tuple) or value is None:
            lines[-1] = f'{table}.{key} = "{text_of(value)}"'
    path.write_text("\n".join(lines))
    return path


@given(some_settings(), some_settings(), some_settings(), some_settings())
def test_the_highest_source_wins_and_is_remembered(
    tmp_path_factory: pytest.TempPathFactory,
    file: dict[str, Any],
    plan: dict[str, Any],
    environment: dict[str, Any],
    options: dict[str, Any],
) -> None:
    path = config_of(file, tmp_path_factory.getbasetemp())
    found = resolve(
        Source(options, {name: f"--{name}" for name in options}),
        Source(plan, {}, PLAN),
        {fields()[name].variable: text_of(value) for name, value in environment.items()},
        path,
    )
    for name, field in fields().items():
        expected = (field.default, DEFAULT)
        for source, origin in (
            (file, str(path)), (plan, str(PLAN)), (environment, field.variable), (options, f"--{name}")
        ):  # fmt: skip
            if name in source:
                expected = (source[name], origin)
        assert (getattr(found.settings, name), found.origins[name]) == expected


def test_nothing_given_is_all_defaults(tmp_path: Path) -> None:
    for environ in ({}, {"SHOAL_POOL_SIZE": "", "SHOAL_BATCH_SIZE": " ", "SHOAL_TEST_STEPS": "3"}):
        found = resolve(environ=environ, config=tmp_path / "none" / "config.toml")
        assert found.settings == Settings()
        assert found.origins == dict.fromkeys(fields(), DEFAULT)


def test_environment_and_config_file_are_those_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("SHOAL_BATCH_SIZE", "7")
    (tmp_path / "shoal").mkdir()
    (tmp_path / "shoal" / "config.toml").write_text("[batch]\nsize = 3\n[pool]\nsize = 3\n")
    found = resolve()
    assert found.settings == Settings(batch_size=7, pool_size=3)
    assert found.origins["batch_size"] == "SHOAL_BATCH_SIZE"
    assert found.origins["pool_size"] == str(tmp_path / "shoal" / "config.toml")


@pytest.mark.parametrize("base", [None, "", "/there/it/is", "relative"])
def test_the_config_file_lies_where_platformdirs_says(base: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    if base is not None:
        monkeypatch.setenv("XDG_CONFIG_HOME", base)
    assert config_path() == platformdirs.user_config_path("shoal") / "config.toml"


def refused(
    file: str | bytes | None = None,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    options: Source = NOTHING,
) -> str:
    """What is said, without the path of the config file."""
    path = (folder or Path("/nowhere")) / "config.toml"
    if file is not None:
        path.write_bytes(file.encode() if isinstance(file, str) else file)
    with pytest.raises(SettingsError) as caught:
        resolve(options, environ=environ or {}, config=path)
    told = str(caught.value)
    assert "\n" not in told
    assert file is None or told.startswith(f"{path}: ")
    return told.removeprefix(f"{path}: ")


TABLES = [*dict.fromkeys(field.place[0] for field in fields().values()), *OTHER_TABLES]
CONFIGS: dict[str, tuple[str | bytes, str]] = {
    "no such table": ("[pol]\nsize = 1", "unknown table 'pol': did you mean 'pool'?"),
    "a table like none": (
        "[zzz]",
        f"unknown table 'zzz'; known: {', '.join(TABLES)}",
    ),
    "near a table of the screens": ("[screens]", "unknown table 'screens': did you mean 'screen'?"),
    "no table of the screens": ("keys = 1", "keys is a table, written [keys]"),
    "flat": ("pool_size = 1", "pool_size is written [pool] size"),
    "no table": ("pool = 1", "pool is a table, written [pool]"),
    "a list of tables": ("[[pool]]", "pool is a table, written [pool]"),
    "no such key": ("[pool]\nsizes = 1", "unknown key 'sizes' in [pool]: did you mean 'size'?"),
    "a key like none": ("[shard]\nq = 1", "unknown key 'q' in [shard]; known: count, strategy"),
    "out of range": ("[batch]\nmax_size = 0", "batch.max_size is a whole number of at least 1 or auto, not 0"),
    "of a wrong type": ('[pool]\nsize = "4"', "pool.size is a whole number of at least 1 or auto, not '4'"),
    "no such strategy": (
        '[shard]\nstrategy = "best"', "shard.strategy is one of hash, least-loaded, random, round-robin, not 'best'"
    ),
    "no switch": ("[enable]\npooling = 1", "enable.pooling is true or false, not 1"),
    "a date": (
        "[spawn]\ntimeout = 2020-01-01", "spawn.timeout is a number of seconds above 0, not datetime.date(2020, 1, 1)"
    ),
    "not toml": ("[pool", "not TOML: Expected ']' at the end of a table declaration (at end of document)"),
    "not text": (b"\xff", "not a text file (byte 0 is no UTF-8)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_what_is_wrong_in_a_config_file_is_told_in_one_line(case: str, tmp_path: Path) -> None:
    text, told = CONFIGS[case]
    assert refused(text, tmp_path) == told


def test_a_config_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{tmp_path}: Is a directory"):
        resolve(environ={}, config=tmp_path)
    (tmp_path / "file").touch()
    assert resolve(environ={}, config=tmp_path / "file" / "config.toml").settings == Settings()


def test_what_is_wrong_elsewhere_is_told_with_its_place() -> None:
    told = "SHOAL_POOL_SIZE is a whole number of at least 1 or auto, not 'x'"
    assert refused(environ={"SHOAL_POOL_SIZE": "x"}) == told
    assert refused(environ={"SHOAL_POOL_SIZE": "x"}, options=Source({"pool_size": 3})) == told
    told = "SHOAL_ENABLE_POOLING is true or false, not '2'"
    assert refused(environ={"SHOAL_ENABLE_POOLING": "2"}) == told
    told = "poolsize: no setting 'poolsize': did you mean 'pool_size'?"
    assert refused(options=Source({"poolsize": 3})) == told
    told = "max_workers is a whole number of at least 1 or auto, not 0"
    assert refused(options=Source({"pool_size": 0}, {"pool_size": "max_workers"})) == told


def test_values_that_contradict_each_other_name_both_places() -> None:
    told = "pool_min_size is 4 (SHOAL_POOL_MIN_SIZE), above pool_size, which is 2 (--agents)"
    options = Source({"pool_size": 2}, {"pool_size": "--agents"})
    assert refused(environ={"SHOAL_POOL_MIN_SIZE": "4"}, options=options) == told
    told = "batch_size is 501 (SHOAL_BATCH_SIZE), above batch_max_size, which is 500 (SHOAL_BATCH_MAX_SIZE)"
    assert refused(environ={"SHOAL_BATCH_SIZE": "501", "SHOAL_BATCH_MAX_SIZE": "500"}) == told
    assert resolve(environ={"SHOAL_BATCH_SIZE": "501"}).settings.batch_size == 501  # and no limit but that


def test_variables_that_are_nearly_settings_are_told_and_no_others() -> None:
    others = ["SHOAL_TEST_STEPS", "SHOAL_POOL_SIZE", "SHOAL", "SHOAL_HOME", "POOLSIZE"]
    found = misspelt(dict.fromkeys([*others, "SHOAL_POOLSIZE", "SHOAL_BATCH_TIMOUT"], "1"))
    assert found == [
        "SHOAL_BATCH_TIMOUT is not a setting: did you mean SHOAL_BATCH_TIMEOUT?",
        "SHOAL_POOLSIZE is not a setting: did you mean SHOAL_POOL_SIZE?",
    ]
    assert misspelt({"PATH": "/bin"}) == []
    assert misspelt(dict.fromkeys(OTHER_VARIABLES, "1")) == [], "those of the screens are somebody's"
    assert misspelt({"SHOAL_THEMES": "x"}) == ["SHOAL_THEMES is not a setting: did you mean SHOAL_THEME?"]


def test_what_is_said_of_the_screens_is_no_setting(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[screen]\ntheme = "nord"\nrate = 7\n[keys]\n"app.pause" = "f9"\n[pool]\nsize = 3\n')
    assert resolve(environ={"SHOAL_THEME": "x"}, config=path).settings == Settings(pool_size=3)
    assert read(path)["screen"] == {"theme": "nord", "rate": 7}
    assert read(tmp_path / "none") == {}
