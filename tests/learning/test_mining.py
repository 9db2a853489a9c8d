"""Mined documents: the first hits, a few others, strangers; none twice, none that may be an unlabelled answer."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from fake_teachers import SilentTeacher, WordTeacher, pool_of, window_of
from hypothesis import given
from hypothesis import strategies as st

from middleware.learning.groups.drafts import Completion, Label, Wanted, finish, make_draft
from middleware.learning.groups.mining import Mix, are_negatives, mine

POOL = pool_of(*(f"stranger {n}" for n in range(50)))
WINDOW = window_of(*(f"hit {n}" for n in range(30)))


def completion(hard=3, middle=2, strangers=2, labelled=40, others="teacher", guard=0.9):
    return Completion(Mix(hard, middle, strangers), labelled, others, guard)


def groups_of(wanted, window, how, teacher, dropped=None, known=None, pool=POOL):
    draft = make_draft(wanted, window, known or {}, pool, how, random.Random(1))
    return list(finish([draft], how, teacher, lambda *_: None, Counter() if dropped is None else dropped))


def test_first_hits_then_others_then_strangers():
    mined = mine(WINDOW, {"d0": "hit 0", "d2": "hit 2"}, POOL, Mix(3, 4, 2), random.Random(1))
    assert [each.document_id for each in mined[:3]] == ["d1", "d3", "d4"]
    assert [each.kind for each in mined] == ["hard"] * 3 + ["middle"] * 4 + ["random"] * 2
    assert all(each.first_stage == 0 for each in mined[-2:])


@given(
    st.lists(st.integers(0, 9), max_size=40),
    st.sets(st.integers(0, 39), max_size=6),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 99),
)
def test_no_document_and_no_text_is_mined_twice_nor_what_is_labelled(texts, labelled, hard, middle, strangers, seed):
    window, ids = window_of(*(f"hit {n}" for n in texts)), {f"d{n}": f"hit {n % 10}" for n in labelled}
    mined = mine(window, ids, POOL, Mix(hard, middle, strangers), random.Random(seed))
    assert not set(ids) & {each.document_id for each in mined}
    assert not set(ids.values()) & {each.text for each in mined}
    assert len({each.text for each in mined}) == len(mined)
    counts = Counter(each.kind for each in mined)
    assert counts["hard"] <= hard
    assert counts["middle"] <= middle
    assert counts["random"] == min(strangers, len(POOL))


def test_the_guard_is_a_share_of_what_the_teacher_says_of_the_positives():
    opinions = np.array([0.95, 0.71, 0.73, 0.2])
    assert are_negatives(opinions, np.array([0.9, 0.7]), 0.9).tolist() == [False, True, False, True]
    assert are_negatives(opinions, np.zeros(0), 0.9).tolist() == [False, True, True, True]


def test_judged_documents_keep_their_grade_and_the_teacher_says_the_rest():
    window = window_of("red lamp", "red shoe", "lamp oil", "blue shoe", "green shoe")
    wanted = Wanted("red lamp", "judged", {"d0": Label(1.0), "d3": Label(0.0)})
    (group,) = groups_of(wanted, window, completion(hard=2, middle=0, strangers=1), WordTeacher())
    assert group.document_ids[:4] == ("d0", "d3", "d1", "d2")
    assert group.targets[:4] == (1.0, 0.0, 0.5, 0.5)
    assert group.given == (True, True, False, False, False)
    assert group.first_stage[:4] == (5.0, 2.0, 4.0, 3.0)
    assert group.first_stage[4] == 0.0


def test_hits_as_good_as_the_answer_are_no_negatives_and_are_counted():
    window = window_of("red lamp", "red lamp too", "lamp", "shoe", "hat", "sock")
    wanted, dropped = Wanted("red lamp", "judged", {"d0": Label(1.0)}), Counter()
    how = completion(hard=3, middle=0, strangers=0, others="zero")
    (group,) = groups_of(wanted, window, how, WordTeacher(), dropped)
    assert group.document_ids == ("d0", "d2", "d3", "d4")
    assert group.targets == (1.0, 0.0, 0.0, 0.0)
    assert dropped == {"documents that may be answers nobody labelled": 1}


def test_without_a_guard_no_teacher_is_asked():
    how = completion(others="zero", guard=None)
    (group,) = groups_of(Wanted("hit", "judged", {"d0": Label(1.0)}), WINDOW, how, SilentTeacher())
    assert sum(group.targets) == 1.0


def test_the_product_of_an_invented_query_is_moved_towards_one():
    wanted = Wanted("red lamp", "invented", {"d1": Label(1.0, share=0.5, given=False)})
    (group,) = groups_of(wanted, window_of("red lamp", "red shoe", "hat"), completion(), WordTeacher())
    assert group.document_ids[0] == "d1"
    assert group.targets[0] == pytest.approx(0.75)
    assert not any(group.given)


def test_a_query_that_its_own_product_does_not_answer_is_left_out_and_counted():
    wanted = Wanted("series", "invented", {"d1": Label(1.0, share=0.5, given=False)})
    how, dropped = replace(completion(), least_answer=0.1), Counter()
    assert groups_of(wanted, window_of("series", "lamp", "hat"), how, WordTeacher(), dropped) == []
    assert dropped == {"invented queries that their product does not answer": 1}


def test_of_many_labels_the_best_and_the_worst_stay():
    labels = {f"d{n}": Label(n / 29) for n in range(30)}
    how = completion(labelled=6, hard=0, middle=0, strangers=0)
    (group,) = groups_of(Wanted("hit", "judged", labels), WINDOW, how, SilentTeacher())
    assert group.document_ids == ("d29", "d28", "d27", "d2", "d1", "d0")


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_labels_of_one_class_teach_nothing_and_are_counted(target):
    labels, dropped = {f"d{n}": Label(target) for n in range(3)}, Counter()
    how = completion(hard=0, middle=0, strangers=0)
    assert groups_of(Wanted("hit", "judged", labels), WINDOW, how, SilentTeacher(), dropped) == []
    assert dropped == {"judged queries with labels of one class": 1}


def test_a_judged_document_outside_the_window_comes_from_the_index():
    known = {"far": pool_of("far away")[0]}
    wanted = Wanted("hit", "judged", {"far": Label(1.0), "nowhere": Label(1.0)})
    (group,) = groups_of(wanted, WINDOW, completion(), WordTeacher(), known=known)
    assert group.document_ids[0] == "far"
    assert "nowhere" not in group.document_ids
    assert group.first_stage[0] == 0.0
