"""Queries fall into the slices that a shop would put them in."""

from __future__ import annotations

import gzip
import json

import pytest

from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.slices import (
    KINDS,
    Known,
    has_model_number,
    length_of,
    make_slices,
    read_log,
    read_trained_on,
    script_of,
)
from middleware.learning.groups.group import Group, write_groups


def judged(*texts, searches=None):
    queries = {text: text for text in texts}
    return Judgments(queries, {text: {"d": 1} for text in texts}, 1, "test", searches or {})


def named(slices, kind):
    return {each.name: set(each.queries) for each in slices if each.kind == kind}


@pytest.mark.parametrize("text", ["wh-1000xm4", "iPhone12", "hp C4872A ink", "20070", "galaxy s21", "rtx3080ti case"])
def test_model_numbers_are_found(text):
    # s21 has three characters, so it counts; a bare 12 would not
    assert has_model_number(text)


@pytest.mark.parametrize("text", ["laptop", "500gb ssd", "27inch monitor", "usb c", "iphone 12", "2.5m cable", "4k tv"])
def test_quantities_and_small_numbers_are_no_model_numbers(text):
    assert not has_model_number(text)


@pytest.mark.parametrize(
    ("text", "script", "length"),
    [
        ("laptop", "Latin", "1 word"),
        ("手机壳", "Chinese", "2 words"),
        ("iphone 手机", "Chinese", "2 words"),
        ("ノートパソコン ケース", "Japanese", "4 words and more"),
        ("кабель usb", "Cyrillic", "2 words"),
        ("12", "no letters", "1 word"),
        ("red shoe for a child", "Latin", "4 words and more"),
    ],
)
def test_script_and_length(text, script, length):
    assert (script_of(text), length_of(text)) == (script, length)


def test_head_torso_and_tail_are_shares_of_all_searches():
    """100 searches: a 40, b 30, c 12, d and e 9 each. Before a: 0 %, b: 40, c: 70, d and e: 82 %."""
    known = Known(searches={"a": 40, "b": 30, "c": 12, "d": 9, "e": 9})
    got = named(make_slices(judged("A", "b", "c", "d", "e", "new"), ["frequency"], known), "frequency")
    assert got == {"head": {"A", "b"}, "torso": {"c"}, "tail": {"d", "e", "new"}}


def test_counts_of_the_queries_file_tell_frequency_too():
    got = make_slices(judged("a", "b", searches={"a": 99, "b": 1}), ["frequency"], Known())
    assert named(got, "frequency") == {"head": {"a"}, "tail": {"b"}}


def test_kinds_of_which_nothing_is_known_are_left_out():
    assert {each.kind for each in make_slices(judged("a"), KINDS, Known())} == {"language", "length", "model-number"}


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="frequency, language, length"):
        make_slices(judged("a"), ["colour"], Known())


def test_queries_seen_in_training_are_told_by_text_whatever_its_case(tmp_path):
    groups = [Group("Red  Shoe", ("1",), ("x",), (1.0,), (0.0,), "judged")]
    write_groups(tmp_path / "groups.jsonl", groups)
    for path in (tmp_path, tmp_path / "groups.jsonl"):
        slices = make_slices(judged("red shoe", "blue"), ["training"], Known(trained_on=read_trained_on(path)))
        assert named(slices, "training") == {"seen": {"red shoe"}, "unseen": {"blue"}}


def test_manifests_name_their_training_queries_or_groups(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"training_queries": ["Red"]}))
    assert read_trained_on(tmp_path) == {"red"}
    write_groups(tmp_path / "g.jsonl", [Group("blue", ("1",), ("x",), (1.0,), (0.0,), "judged")])
    (tmp_path / "manifest.json").write_text(json.dumps({"groups": ["g.jsonl"]}))
    assert read_trained_on(tmp_path) == {"blue"}
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="names no training queries"):
        read_trained_on(tmp_path)


def test_logs_are_counted_by_query(tmp_path):
    lines = [
        'ubi_queries\t{"user_query": "Red"}',
        'ubi_events\t{"action": "click"}',
        'ubi_queries\t{"user_query": "red "}',
    ]
    (tmp_path / "log.tsv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    assert read_log(tmp_path / "log.tsv.gz") == {"red": 2}
    (tmp_path / "bulk").write_text('{"index":{"_index":"ubi_queries"}}\n{"user_query": "blue"}\n')
    assert read_log(tmp_path / "bulk") == {"blue": 1}
    (tmp_path / "counts.csv").write_text("query,count\nRed shoe,7\n")
    assert read_log(tmp_path / "counts.csv") == {"red shoe": 7}
    (tmp_path / "plain.txt").write_text("red\nblue\n")
    with pytest.raises(CommandError, match="how often"):
        read_log(tmp_path / "plain.txt")
