"""Queries as typed in a hurry: one slip each, synonyms from a file, and variants that stay with their query."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.errors import ConfigError
from middleware.learning.groups.group import Group, split
from middleware.learning.invention.augmentation import (
    Augmentation,
    augment,
    drop_word,
    misspell,
    neighbours,
    read_synonyms,
    with_synonym,
)

GROUP = Group("red desk lamp", ("1", "2"), ("a", "b"), (1.0, 0.0), (2.0, 1.0), "judged", given=(True, True))


def edits(before, after):
    """The least insertions, deletions, replacements and swaps of neighbours (Damerau's distance, 1964)."""
    rows = [[max(i, j) if not min(i, j) else 0 for j in range(len(after) + 1)] for i in range(len(before) + 1)]
    for i in range(1, len(before) + 1):
        for j in range(1, len(after) + 1):
            same = before[i - 1] == after[j - 1]
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (not same))
            if i > 1 and j > 1 and before[i - 1] == after[j - 2] and before[i - 2] == after[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


@given(st.text("abcdeéß ü", min_size=1, max_size=20).filter(str.split), st.integers(0, 99))
def test_a_misspelling_is_one_slip_at_most_and_keeps_first_letters(text, seed):
    text = " ".join(text.split())
    slipped = misspell(text, random.Random(seed))
    assert edits(text, slipped) == (1 if any(len(word) >= 4 for word in text.split()) else 0)
    assert [word[0] for word in text.split()] == [word[0] for word in slipped.split()]


def test_keys_beside_each_other_are_hit_by_mistake():
    assert set(neighbours("g")) == set("fhtyvb")
    assert set(neighbours("q")) == set("wa")
    assert neighbours("手") == ""
    slips = {misspell("lamp", random.Random(seed)) for seed in range(300)}
    assert {"lmap", "lamp"[:2] + "mmp", "lap", "lsmp"} <= slips


def test_short_words_numbers_and_chinese_are_not_misspelt():
    for text in ("usb tv", "wh-1000xm5", "苹果手机保护壳"):
        assert misspell(text, random.Random(1)) == text


def test_a_word_is_dropped_but_never_the_last():
    assert {drop_word("red lamp", random.Random(seed)) for seed in range(20)} == {"red", "lamp"}
    assert drop_word("lamp", random.Random(1)) == "lamp"


def test_synonyms_are_read_as_elasticsearch_writes_them(tmp_path):
    path = tmp_path / "synonyms.txt"
    path.write_text("# shop\nlaptop, Notebook\nhdd => hard drive\n\ntv\n")
    known = read_synonyms(path)
    assert known == {"laptop": ["notebook"], "notebook": ["laptop"], "hdd": ["hard drive"]}
    assert with_synonym("Laptop bag", known, random.Random(1)) == "notebook bag"
    assert with_synonym("1tb hdd", known, random.Random(1)) == "1tb hard drive"
    assert with_synonym("hard drive", known, random.Random(1)) == "hard drive"


@pytest.mark.parametrize("content", [None, b"", b"alone\n", b"\xff\xfe"])
def test_a_file_without_synonyms_is_refused(tmp_path, content):
    path = tmp_path / "synonyms.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="laptop, notebook"):
        read_synonyms(path)


def test_variants_have_their_querys_documents_and_stay_on_its_side_of_a_split():
    groups = [GROUP, Group("TV", ("1", "2"), ("a", "b"), (1.0, 0.0), (2.0, 1.0), "judged")]
    variants = list(augment(groups, Augmentation(typo=1.0, synonym=1.0), {"lamp": ["light"]}, random.Random(1)))
    assert [variant.query_text for variant in variants][1] == "red desk light"
    assert len(variants) == 2
    assert all(variant.targets == GROUP.targets and variant.family == "red desk lamp" for variant in variants)
    for seed in range(10):
        training, held_out = split([*groups, *variants], 0.5, seed)
        families = [{group.family or group.query_text for group in side} for side in (training, held_out)]
        assert not families[0] & families[1]
        assert len(training) + len(held_out) == 4
        assert training
        assert held_out
