"""Parameters of plans, what is set in them from outside, and plans of several files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import TASK, plan_of, refused, task

from engine.plan.load import load, parse
from engine.plan.parameters import literal
from engine.plan.steps import RunSpec, SpecError
from engine.settings.sources import Source
from engine.settings.types import SettingsError

pytestmark = pytest.mark.usefixtures("nothing_switched_off")

PARAMETERS = """
[parameters]
n = 10
share = 0.5
name = "x"
loud = true
sizes = [1, 2]
"""


def of(text: str, folder: Path, **given: str) -> RunSpec:
    path = folder / "plan.toml"
    path.write_text(text)
    return load(path, set=given)


def arguments(text: str, folder: Path, **given: str) -> dict[str, Any]:
    (step,) = of(TASK + f"arguments = {{ {text} }}" + PARAMETERS, folder, **given).steps
    (found,) = step.arguments
    return dict(found)


def test_a_text_that_is_a_parameter_has_its_type(tmp_path: Path) -> None:
    found = arguments('a = "${n}", b = "${share}", c = ["${loud}"], d = { e = "${sizes}" }, f = "${name}"', tmp_path)
    assert found == {"a": 10, "b": 0.5, "c": [True], "d": {"e": [1, 2]}, "f": "x"}
    assert type(found["a"]) is int


def test_within_a_text_it_is_written_out(tmp_path: Path) -> None:
    found = arguments('a = "${n}-${name}", b = "${loud}!", c = "$n {n} $${n} $$$${n}"', tmp_path)
    assert found == {"a": "10-x", "b": "true!", "c": "$n {n} ${n} $$${n}"}


def test_it_is_heeded_wherever_a_text_may_stand(tmp_path: Path) -> None:
    spec = of(
        task("a", 'over = { x = { from = 1, to = "${n}" } }\nestimate = "${n}h"\nretries = "${n}"')
        + '[pools.p]\nagents = "${n}"'
        + PARAMETERS,
        tmp_path,
        n="3",
    )
    (step,) = spec.steps
    assert (step.total, step.retries, spec.pools[0].size) == (3, 3, 3)
    assert step.estimate is not None
    assert step.estimate.likely == 3 * 3600
    assert spec.assigned == {"n": "3"}
    assert spec.outline.parameters == {"n": 3, "share": 0.5, "name": "x", "loud": True, "sizes": [1, 2]}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("n", "100", 100),
        ("share", "1", 1.0),
        ("name", "10", "10"),
        ("name", "a=b", "a=b"),
        ("loud", "off", False),
        ("sizes", "[3]", [3]),
        ("n", " 7 ", 7),
    ],
)
def test_what_is_set_has_the_type_of_the_default(name: str, text: str, value: Any, tmp_path: Path) -> None:
    found = arguments(f'a = "${{{name}}}"', tmp_path, **{name: text})["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("n", "1.5", "--set n: parameter n is a whole number, not '1.5'"),
        ("share", "much", "--set share: parameter share is a number, not 'much'"),
        ("loud", "maybe", "--set loud: parameter loud is true or false, not 'maybe'"),
        ("sizes", "3", "--set sizes: parameter sizes is a list such as [1, 2], not '3'"),
        ("nn", "3", "--set nn: neither a parameter of {path} nor a setting: did you mean 'n'?"),
        ("shar", "3", "--set shar: neither a parameter of {path} nor a setting: did you mean 'share'?"),
    ],
)
def test_what_can_not_be_set_is_told(name: str, text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        of(TASK + PARAMETERS, tmp_path, **{name: text})
    assert str(caught.value) == told.format(path=tmp_path / "plan.toml")


BAD = {
    "no such parameter": (
        TASK + 'arguments = { a = "${m}" }' + PARAMETERS,
        "no parameter 'm'; known: n, share, name, loud, sizes ($${ stands for ${)",
    ),
    "a name with a space": (
        TASK + '[parameters]\n"a b" = 1',
        "a parameter has a name such as n or max_depth, not 'a b'",
    ),
    "a table": (
        TASK + "[parameters]\na = { b = 1 }",
        "parameter a is a number, a text, true or false, or a list of these",
    ),
    "no table": ("parameters = 3\n" + TASK, "parameters is a table, written [parameters]"),
    "a setting": (
        TASK + "[parameters]\nbatch_size = 3",
        "parameter 'batch_size' has the name of a setting: choose another one",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_parameters_that_can_not_be(case: str, tmp_path: Path) -> None:
    text, told = BAD[case]
    assert refused(text, tmp_path) == told


def test_a_plan_without_parameters_has_texts_as_they_are(tmp_path: Path) -> None:
    (step,) = plan_of('[[tasks]]\nname = "a"\ncommand = ["sh", "-c", "echo ${HOME} $${x}"]', tmp_path).steps
    assert step.command == ["sh", "-c", "echo ${HOME} $${x}"]


def test_what_is_no_parameter_is_a_setting(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(TASK + PARAMETERS)
    both = Source({"n": "3", "batch_size": "7"}, {"n": "--set n", "batch_size": "--set batch_size"})
    spec = load(path, both, set={"n": "3", "batch_size": "7"})
    assert (spec.settings.batch_size, spec.outline.parameters["n"]) == (7, 3)
    assert load(path, set={"batch_size": "8"}).settings.batch_size == 8
    with pytest.raises(SettingsError, match="--set batch_size is a whole number of at least 1 or auto, not 'x'"):
        load(path, set={"batch_size": "x"})


OWNED = "[owners.gpu-infra]\nworkers = 1\n[owners.core]\n[pools.gpu-pool]\nagents = 3\n[lanes.l]\nlimit = 1\n"


def test_values_are_set_by_dotted_names(tmp_path: Path) -> None:
    given = {
        "owners.core.workers": "4",
        "workers.gpu-pool": "5",
        "workers.gpu-i": "2",
        "tasks.a.estimate": "3h",
        "lanes.l.limit": "7",
        "tasks.a.labels": '["x"]',
    }
    spec = of(TASK + OWNED, tmp_path, **given)
    assert {name: owner.workers for name, owner in spec.outline.owners.items()} == {"gpu-infra": 2, "core": 4}
    assert spec.pools[0].size == 5
    assert spec.outline.lanes["l"].limit == 7
    assert spec.steps[0].estimate is not None
    assert spec.steps[0].estimate.likely == 3 * 3600
    assert spec.steps[0].labels == ("x",)
    assert spec.assigned == given


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("workers.gpu", "--set workers.gpu: 'gpu' may be 'gpu-pool' or 'gpu-infra'"),
        ("workers.cores", "--set workers.cores: no pool or owner 'cores': did you mean 'core'?"),
        ("workers.", "--set workers.: no pool or owner ''; known: gpu-pool, gpu-infra, core"),
        ("owners.x.workers", "--set owners.x.workers: no owner 'x'; known: gpu-infra, core"),
        (
            "owners.core",
            "--set owners.core: write TABLE.NAME.KEY=VALUE, such as tasks.build.estimate=3h, or workers.NAME=2",
        ),
        ("mist.a.b", "--set mist.a.b: the plan has no table 'mist' of what has names"),
        ("owners.core.worker", "{path}: unknown key 'worker' in owners[...]: did you mean 'workers'?"),
    ],
)
def test_dotted_names_that_are_none(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        of(TASK + OWNED, tmp_path, **{name: "3"})
    assert str(caught.value) == told.format(path=tmp_path / "plan.toml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1.5", 1.5),
        ("true", True),
        ('"x"', "x"),
        ("x", "x"),
        ("[1]", [1]),
        ("3h", "3h"),
        ("", ""),
        ("1\nw = 2", "1\nw = 2"),
        ("[" * 5000, "[" * 5000),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_values_are_as_toml_has_them(text: str, value: Any) -> None:
    assert literal(text) == value


# -- several files ----------------------------------------------------------------------------------------------------


def files(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = folder / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "main.toml"


def test_what_is_included_comes_first(tmp_path: Path) -> None:
    main = files(
        tmp_path,
        main='include = ["sub/one.toml", "two.toml"]\nname = "main"\norder = "as-written"\n'
        + task("a", 'after = ["b"]')
        + "[pools.here]\n[parameters]\nn = 2\n[settings]\nbatch_size = 3",
        two='order = "longest-first"\n'
        + task("c", 'arguments = { n = "${n}", m = "${m}" }')
        + "[parameters]\nn = 1\nm = 5\n[pools.there]\n[settings]\nbatch_size = 4\nframe_rate = 5",
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "data.txt").write_text("x")
    (tmp_path / "sub" / "one.toml").write_text('include = ["../two.toml"]\n' + task("b", 'files = { d = "data.txt" }'))
    spec = load(main)
    assert [step.name for step in spec.steps] == ["c", "b", "a"]
    assert [pool.name for pool in spec.pools] == ["there", "here"]
    assert list(spec.steps[0].arguments) == [{"n": 2, "m": 5}], "the plan's own word counts"
    assert list(spec.steps[1].arguments) == [{"d": str(tmp_path / "sub" / "data.txt")}]
    assert (spec.settings.batch_size, spec.settings.frame_rate, spec.outline.order) == (3, 5, "as-written")
    assert spec.path == [str(tmp_path), str(tmp_path / "sub")]
    assert sorted(spec.included) == [str(tmp_path / "sub" / ".." / "two.toml"), str(tmp_path / "sub" / "one.toml")]


def test_a_plan_may_have_all_its_tasks_from_elsewhere(tmp_path: Path) -> None:
    main = files(tmp_path, main='include = ["a.toml"]', a=task("x"))
    assert [step.name for step in load(main).steps] == ["x"]


def test_what_was_included_is_kept(tmp_path: Path) -> None:
    main = files(tmp_path, main='include = ["a.toml"]\n[parameters]\nn = 1', a=task("x", 'arguments = { n = "${n}" }'))
    spec = load(main, set={"n": "4"})
    (tmp_path / "a.toml").unlink()
    assert spec.text is not None
    again = parse(main, spec.text, set=spec.assigned, included=spec.included)
    assert list(again.steps[0].arguments) == [{"n": 4}]
    with pytest.raises(SpecError, match=r"main\.toml: what it includes as 'a\.toml' was not kept"):
        parse(main, spec.text, included={})


WRONG = {
    "a circle": (
        {"main": 'include = ["a.toml"]', "a": 'include = ["main.toml"]'},
        "a.toml: files include each other in a circle: main.toml -> a.toml -> main.toml",
    ),
    "itself": (
        {"main": 'include = ["main.toml"]'},
        "main.toml: files include each other in a circle: main.toml -> main.toml",
    ),
    "nothing there": ({"main": 'include = ["b.toml"]'}, "b.toml: no such plan"),
    "no list": ({"main": 'include = "b.toml"'}, "main.toml: include is a list of names of files"),
    "not TOML": ({"main": 'include = ["a.toml"]', "a": "x ="}, "a.toml: not TOML: Invalid value (at end of document)"),
    "a table twice": (
        {"main": 'include = ["a.toml"]\n[owners.x]', "a": TASK + "[owners.x]"},
        "main.toml: [owners.x] is in {folder}/a.toml, too: leave one out",
    ),
    "tasks twice": (
        {"main": 'include = ["a.toml"]\n' + TASK, "a": TASK},
        "main.toml: tasks 1 ('a'): there is another task set of that name",
    ),
    "what is wrong there": (
        {"main": 'include = ["a.toml"]\n' + task("b"), "a": TASK + "retrie = 1"},
        "a.toml: unknown key 'retrie' in tasks[0]: did you mean 'retries'?",
    ),
    "an owner there": (
        {"main": 'include = ["a.toml"]\n' + task("b"), "a": "[owners.x]\nworkers = 0"},
        "a.toml: owner 'x': workers is a whole number of at least 1 and at most 1,000,000,000, not 0",
    ),
    "a pool there": (
        {"main": 'include = ["a.toml"]\n' + task("b"), "a": "[pools.x]\nagents = 0"},
        "a.toml: agents of pool 'x' is a whole number of at least 1 or auto, not 0",
    ),
    "no name of a file": ({"main": 'include = ["a\\u0000"]'}, None),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_that_can_not_be(case: str, tmp_path: Path) -> None:
    texts, told = WRONG[case]
    with pytest.raises(SpecError) as caught:
        load(files(tmp_path, **texts))
    assert "\n" not in str(caught.value)
    if told is not None:
        assert str(caught.value) == f"{tmp_path}/{told.format(folder=tmp_path)}"
