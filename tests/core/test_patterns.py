"""What names and patterns have in common, held against all short paths."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.patterns import Names, covers, is_pattern, normal, overlaps

WORDS = ["".join(word) for size in (1, 2, 3, 4) for word in product("abx", repeat=size)]
"""Long enough that segments which differ do so in one of these."""
SEGMENTS = st.sampled_from(["**", "**", "*", "?", "a", "ab", "a*", "*b", "?b", "*a*", "b*a", "a**b"])
TEXTS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join).map(normal)


def word_meant(pattern: str, word: str) -> bool:
    """Whether a segment means a word, the slow and plain way."""
    if not pattern:
        return not word
    if pattern[0] == "*":
        return word_meant(pattern[1:], word) or (bool(word) and word_meant(pattern, word[1:]))
    return bool(word) and pattern[0] in ("?", word[0]) and word_meant(pattern[1:], word[1:])


def meant(pattern: list[str], path: tuple[str, ...]) -> bool:
    """Whether a pattern means a path, the slow and plain way."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return meant(pattern[1:], path) or (bool(path) and meant(pattern, path[1:]))
    return bool(path) and word_meant(pattern[0], path[0]) and meant(pattern[1:], path[1:])


def paths_for(*texts: str) -> list[tuple[str, ...]]:
    """Paths of up to five segments, or four, that tell these apart, if any do: of words that the same segments mean,
    one."""
    segments = [segment for text in texts for segment in text.split("/") if segment != "**"]
    alike = {tuple(word_meant(segment, word) for segment in segments): word for word in reversed(WORDS)}
    words = sorted(alike.values())
    return [path for size in range(1, 6 if len(words) < 6 else 5) for path in product(words, repeat=size)]


@given(TEXTS, TEXTS)
def test_what_overlaps_and_covers_is_as_counting_has_it(one: str, other: str) -> None:
    a, b = one.split("/"), other.split("/")
    paths = paths_for(one, other)
    first, second = {path for path in paths if meant(a, path)}, {path for path in paths if meant(b, path)}
    assert overlaps(one, other) == overlaps(other, one) == bool(first & second)
    assert covers(one, other) == (second <= first)
    assert covers(one, one)
    for path in paths[:200]:
        assert covers(one, "/".join(path)) == (path in first)


@given(st.lists(TEXTS, max_size=8, unique=True), st.sets(st.integers(0, 7)), TEXTS)
def test_those_that_overlap_are_found_among_all(texts: list[str], gone: set[int], asked: str) -> None:
    names = Names()
    for text in texts:
        names.add(text)
    for at in sorted(gone):
        names.discard(texts[at] if at < len(texts) else "never/there")
    left = [text for at, text in enumerate(texts) if at not in gone]
    found = list(names.overlapping(asked))
    assert sorted(found) == sorted(text for text in left if overlaps(asked, text))
    for text in left:
        names.discard(text)
    assert not names._root.below, "folders that nothing is in stay"
    assert not names._root.ends


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("src/gpu/**", "src/gpu/kernel.rs", True),
        ("src/gpu/**", "src/gpu", True),
        ("src/gpu/**", "src/gpux/kernel.rs", False),
        ("src/**/mod.rs", "src/mod.rs", True),
        ("src/**/*.rs", "src/gpu/**", True),
        ("**/mod.rs", "src/*.toml", False),
        ("src/*.rs", "src/gpu/lib.rs", False),
        ("/data/**", "data/x", False),
        ("**", "/data/x", False),
        ("/data/**", "/data/x", True),
        ("Cargo.toml", "Cargo.toml", True),
        ("Cargo.toml", "cargo.toml", False),
        ("a[0]", "a0", False),
        ("a.c", "abc", False),
        ("week-?", "week-10", False),
        ("*\n*", "a\nb", True),
    ],
)
def test_examples(one: str, other: str, common: bool) -> None:
    assert overlaps(one, other) == overlaps(other, one) == common


def test_a_pattern_that_covers_another_covers_all_of_it() -> None:
    assert covers("src/applications/**", "src/applications/financial/*.rs")
    assert covers("**", "a/**/b")
    assert covers("*/**", "**"), "the empty path is none"
    assert not covers("src/*", "src/**")
    assert not covers("src/gpu/**", "src/**")
    assert not covers("a", "*")


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("./src//gpu/", "src/gpu"), ("/src/./a", "/src/a"), ("a/**/**/b", "a/**/b"), ("a**b***", "a*b*"), ("***", "*"),
        ("gpu:0", "gpu:0"),
    ],
)  # fmt: skip
def test_one_spelling(text: str, spelt: str) -> None:
    assert normal(text) == normal(spelt) == spelt


@pytest.mark.parametrize("text", ["", ".", "/", "a/../b", "..", "./"])
def test_what_names_nothing_certain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="can't be claimed"):
        normal(text)


def test_what_is_a_pattern() -> None:
    assert is_pattern("a*")
    assert is_pattern("a?")
    assert not is_pattern("a[b]/c")
