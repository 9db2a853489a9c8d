"""Candidates through the second stage: its order, the profile where there is no text, their own where it fails."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from middleware.config import Settings
from middleware.errors import DeadlineExceeded
from middleware.experiments.assign import Assignment
from middleware.personalization.profiles import Profile
from middleware.ranking import Scored
from middleware.recommend.answer import scores_of
from middleware.recommend.reranking import Reranking, Taste, name_of
from middleware.rerank.vectors import HitVectors
from middleware.second_stage import Reader

DEFAULT = Assignment("default", "default")
CANDIDATES = [
    ({"_index": "products", "_id": name, "_source": {"title": name, "brand": brand}}, score)
    for name, brand, score in (("a", "Acme", 0.3), ("b", "Bolt", 0.2), ("c", "Core", 0.1))
]


class Stage:
    """A second stage that gives, or raises, one outcome, and remembers what it was given."""

    def __init__(self, outcome):
        self.outcome = outcome

    def rerank(self, searches, reader, budget_ms):
        ((self.plan, self.response),) = searches
        self.reader, self.budget_ms = reader, budget_ms
        if isinstance(self.outcome, Exception) and not isinstance(self.outcome, DeadlineExceeded):
            raise self.outcome
        return [self.outcome]


def scored(fused, order):
    return Scored({}, np.array(fused), order, len(order), ["text"] * len(order), "tiny", None)


def judge(outcome=None, *, text="a phone", taste=None, assignment=DEFAULT, budget_ms=100.0, **settings):
    stage = Stage(outcome)
    reranking = Reranking(Settings(**settings), stage, {})
    found = reranking.judge("products", assignment, CANDIDATES, text, Reader("anna"), taste, budget_ms)
    return found, stage


def test_the_model_reads_the_name_of_the_liked_product_with_the_candidates_in_their_order():
    found, stage = judge(scored([0.1, 0.9, 0.5], [1, 2, 0]))
    assert stage.plan.query_text == "a phone"
    assert [hit.name[1] for hit in stage.response.hits] == ["a", "b", "c"]
    assert stage.plan.variant.window == 3
    assert not stage.plan.variant.personal.spare_navigational
    assert stage.reader.user == "anna"
    assert found.relevance.tolist() == [0.1, 0.9, 0.5]
    assert (found.verdict.word, found.verdict.model) == ("applied", "tiny")


def test_what_there_was_no_time_for_comes_behind_what_was_read():
    found, _ = judge(scored([0.2, 0.6], [1, 0]))
    assert found.relevance.tolist() == [0.2, 0.6, 0.0]


@pytest.mark.parametrize("failure", [DeadlineExceeded("late"), ValueError("a bug of ours")])
def test_a_failure_leaves_the_order_of_the_candidates(failure):
    found, _ = judge(failure)
    assert found.relevance.tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert found.verdict.word == "fallback"


def test_without_time_the_model_is_not_asked():
    found, stage = judge(scored([0, 1, 2], [2, 1, 0]), budget_ms=-5.0)
    assert not hasattr(stage, "plan")
    assert found.verdict.word == "fallback"


def test_without_a_text_the_profile_decides_by_the_weights_of_searches():
    up = np.array([0, 1], dtype=np.float32)
    profile = Profile({"core": 0.9}, weight=20.0, confidence=0.9, vector=up, vector_model="e")
    vectors = HitVectors(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32), "e")
    weights = {"first_stage": 0.01, "brand_affinity": 1.0}
    found, stage = judge(text=None, taste=Taste(profile, vectors), variants={"default": {"weights": weights}})
    assert not hasattr(stage, "plan")
    assert found.relevance.argmax() == 2
    assert (found.verdict.word, found.verdict.model) == ("applied", None)
    nobody, _ = judge(text=None)
    assert nobody.relevance.tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert nobody.verdict.reason == "no_query_text"


def test_control_keeps_the_order_of_the_candidates():
    found, stage = judge(scored([0, 1, 2], [2, 1, 0]), assignment=Assignment("control", "header"))
    assert not hasattr(stage, "plan")
    assert (found.verdict.word, found.verdict.reason) == ("skipped", "control")


def test_scores_never_rise_where_diversity_moved_a_hit_up():
    assert scores_of(np.array([0.9, 0.3, 0.8, 0.2])) == [0.9, 0.3, 0.3, 0.2]
    assert scores_of(np.zeros(0)) == []


def test_a_product_is_called_by_the_first_field_of_its_text_that_it_has():
    section = SimpleNamespace(template="{title}[ | {brand}]")
    assert name_of({"_source": {"title": " Red  phone ", "brand": "Acme"}}, section) == "Red phone"
    assert name_of({"_source": {"brand": "Acme"}}, section) == "Acme"
    assert name_of({"_source": {}}, section) == ""
