"""The door to training groups: every source, the same for a seed, and a word on all that was left out."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from fake_teachers import WordTeacher, window_of

from middleware.config import Settings
from middleware.errors import CommandError
from middleware.learning.groups import labelled_queries
from middleware.learning.groups import make as make_groups
from middleware.learning.groups.behaviour_log import BehaviourOptions
from middleware.learning.groups.make import GroupOptions, Sources
from middleware.learning.groups.mining import Candidate
from middleware.learning.groups.shop_documents import Document
from middleware.learning.invention.augmentation import Augmentation

COLOURS, THINGS = ("red", "blue", "green", "black"), ("desk lamp", "laptop bag", "office chair")
TITLES = [f"{maker} {colour} {thing}" for maker in ("Acme", "Borg") for thing in THINGS for colour in COLOURS]
DOCUMENTS = {f"d{n}": Document(f"d{n}", {"title": title}, title) for n, title in enumerate(TITLES)}
PLAIN = GroupOptions(augmentation=Augmentation(0, 0, 0, 0))


class Shop:
    """All that the fakes below are told."""

    index = "shop"
    settings = Settings(indices={"shop": {"template": "{title}"}})


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    """An index in memory: hits are documents that share a word with the query, most words first."""

    def find(shop, keys, field=None):
        return {key: DOCUMENTS[key] for key in keys if key in DOCUMENTS}

    def read(shop, query_text):
        if "/" in query_text:
            raise CommandError("cannot parse a slash")
        words = query_text.casefold().split()
        shares = Counter(
            {each: sum(word in d.text.casefold().split() for word in words) for each, d in DOCUMENTS.items()}
        )
        found = [each for each, share in shares.most_common() if share]
        ranked = window_of(*(DOCUMENTS[each].text for each in found))
        return [Candidate(each, c.text, c.kind, c.first_stage, c.scaled) for each, c in zip(found, ranked, strict=True)]

    monkeypatch.setattr(make_groups, "draw_documents", lambda shop, count, seed: list(DOCUMENTS.values()))
    monkeypatch.setattr(make_groups, "read_candidates", read)
    monkeypatch.setattr(labelled_queries, "find_documents", find)


def made(sources, options=PLAIN, steps=None):
    told = (lambda *step: steps.append(step)) if steps is not None else (lambda *_: None)
    return make_groups.make_groups(Shop(), sources, options, told)


def test_grades_become_targets_and_all_that_was_left_out_is_counted():
    judgments = {
        "desk  lamp": {"d0": 4, "d1": 2, "d2": 0, "gone": 3, "d3": float("nan"), "d4": -1, "d5": True},
        "nothing": {"gone": 1},
        "bad": {"d0": 0, "d1": 0},
        " ": {"d0": 1},
    }
    found = made(Sources(judgments=judgments, teacher=WordTeacher()))
    (group,) = found.groups
    assert (group.query_text, group.origin) == ("desk lamp", "judged")
    assert dict(zip(group.document_ids, group.targets, strict=True))["d1"] == 0.5
    assert sum(group.given) == 3
    assert found.used["judged queries"] == 1
    assert {what: count for what, count in found.dropped.items() if count} == {
        "grades that are no number from 0 to the highest": 3,
        "judged documents that the index lacks": 2,
        "judged queries without a document in the index": 1,
        "judged queries with nothing above grade 0": 1,
        "judged queries without a text": 1,
    }
    assert "3 grades that are no number from 0 to the highest" in str(found)


def test_the_highest_grade_may_be_given():
    judgments = {"desk lamp": {"d0": 1, "d1": 0, "d2": 7}}
    (group,) = made(Sources(judgments=judgments, max_grade=4, teacher=WordTeacher())).groups
    assert group.targets[:2] == (0.25, 0.0)


@pytest.mark.parametrize(
    ("judgments", "reason"),
    [
        ({}, "nothing$"),
        ({"lamp": {}}, "1 judged queries without a document in the index"),
        ({"lamp": {"gone": 3, "lost": 2}}, "2 judged documents that the index lacks"),
        ({"lamp": {"d0": 0}, "bag": {"d1": 0}}, "2 judged queries with nothing above grade 0"),
    ],
)
def test_where_nothing_is_left_the_counts_say_why(judgments, reason):
    with pytest.raises(CommandError, match=f"nothing is left to learn from; left out: .*{reason}"):
        made(Sources(judgments=judgments, teacher=WordTeacher()))


def test_one_class_alone_is_said():
    options = GroupOptions(hard=0, middle=0, random=0, augmentation=Augmentation(0, 0, 0, 0))
    with pytest.raises(CommandError, match="1 judged queries with labels of one class"):
        made(Sources(judgments={"lamp": {"d0": 2, "d1": 2}}, teacher=WordTeacher()), options)


def test_invented_queries_are_as_many_as_asked_for_each_with_its_product():
    steps = []
    found = made(Sources(invented=25, teacher=WordTeacher()), steps=steps)
    assert found.used["invented queries"] == 25
    assert len({group.query_text.casefold() for group in found.groups}) == 25
    assert all(group.origin == "invented" and not any(group.given) for group in found.groups)
    assert all(0 <= target <= 1 for group in found.groups for target in group.targets)
    assert ("searching for invented queries", 24, 25) in steps


def test_a_catalogue_that_gives_no_more_ends_and_says_how_many_are_missing():
    found = made(Sources(invented=100_000, teacher=WordTeacher()))
    assert found.dropped["invented queries short of those asked for"] == 100_000 - len(found.groups)


def test_real_queries_are_taught_by_the_teacher_alone():
    found = made(Sources(queries=["Desk lamp", "desk  lamp", "zebra"], teacher=WordTeacher()))
    assert [(group.query_text, group.origin) for group in found.groups] == [("Desk lamp", "unlabelled")]
    assert found.groups[0].targets[0] == 1.0
    assert found.dropped["unlabelled queries that find nothing"] == 1


def test_behaviour_becomes_targets_and_notes(tmp_path):
    path, start = tmp_path / "log.jsonl", 1_717_527_761_000
    lines = []
    for number in range(40):
        listed = ["d0", "d1", "gone"] if number % 2 else ["d1", "d0", "gone"]
        query = {"query_id": f"q{number}", "user_query": "lamp", "client_id": f"c{number}", "timestamp": start}
        lines.append({**query, "query_response_object_ids": listed})
        act = {"action_name": "click", "query_id": f"q{number}", "client_id": f"c{number}", "timestamp": start + 900}
        lines.append({**act, "event_attributes": {"object": {"object_id": "d0" if number % 4 else "d1"}}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = GroupOptions(augmentation=Augmentation(0, 0, 0, 0), behaviour=BehaviourOptions(until_s=2e9))
    found = made(Sources(behaviour=path, teacher=WordTeacher()), options)
    (group,) = found.groups
    targets = dict(zip(group.document_ids, group.targets, strict=True))
    assert (group.origin, group.given[:2], targets["d0"]) == ("behaviour", (True, True), 1.0)
    assert targets["d1"] < 0.6
    assert group.weight == pytest.approx(40 / 45)
    assert found.dropped["objects of events that the index lacks"] == 1
    assert "40 searches of the log counted; positions are looked at with" in found.notes[0]


def test_a_search_that_is_refused_is_counted_and_many_end_the_command():
    found = made(Sources(queries=["desk lamp", "a/c", "bag"], teacher=WordTeacher()))
    assert [group.query_text for group in found.groups] == ["desk lamp", "bag"]
    assert found.dropped["searches that the cluster refused"] == 1
    with pytest.raises(CommandError, match="slash"):
        made(Sources(queries=[f"a/{n}" for n in range(9)], teacher=WordTeacher()))


def test_variants_come_last_and_keep_their_family():
    options = GroupOptions(augmentation=Augmentation(typo=1.0, synonym=0, drop=0.5, swap=0.3))
    found = made(Sources(invented=20, teacher=WordTeacher()), options)
    misspelt = found.groups[found.used["invented queries"] :]
    assert len(misspelt) == found.used["misspelt or synonymous variants"] > 10
    assert all(group.family for group in misspelt)
    assert any(group.family for group in found.groups[:20])


def test_the_same_seed_makes_the_same_groups():
    sources = Sources(judgments={"desk lamp": {"d0": 1, "d9": 0}}, invented=15, queries=["bag"], teacher=WordTeacher())
    first, again, other = (made(sources, GroupOptions(seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first.groups != other.groups
