"""Measures against values worked out by hand, and the test of a difference against its definition."""

from __future__ import annotations

import math

import pytest

from middleware.learning.evaluation.rankings import compare, compare_searches, evaluate

QRELS = {"q1": {"a": 3, "b": 1, "c": 0}, "q2": {"x": 2}, "nothing": {"y": 0}}


def test_ndcg_is_the_discounted_gain_over_the_best_possible():
    got = evaluate({"q1": ["c", "a", "b"], "q2": ["x"]}, QRELS)
    best = 3 + 1 / math.log2(3)
    assert got.by_query["q1"]["nDCG@10"] == pytest.approx((3 / math.log2(3) + 1 / math.log2(4)) / best)
    assert got.by_query["q2"] == {"nDCG@10": 1.0, "P@1": 1.0, "RR@10": 1.0}
    assert got.by_query["q1"]["RR@10"] == 0.5
    assert got.mean["P@1"] == 0.5


def test_unjudged_documents_count_as_not_relevant():
    got = evaluate({"q2": ["unknown", "x"]}, {"q2": {"x": 2}})
    assert got.mean["nDCG@10"] == pytest.approx(1 / math.log2(3))


def test_queries_without_results_count_zero_and_queries_without_relevant_documents_not_at_all():
    got = evaluate({"q1": ["a", "b"], "nothing": ["y"]}, QRELS)
    assert set(got.by_query) == {"q1", "q2"}
    assert got.mean["nDCG@10"] == pytest.approx(0.5)


def test_only_the_first_ten_count():
    assert evaluate({"q2": [*"abcdefghij", "x"]}, QRELS).by_query["q2"]["nDCG@10"] == 0


def test_an_empty_run_is_all_zero():
    assert evaluate({}, QRELS).mean["nDCG@10"] == 0


def many(order):
    return {f"q{n}": order for n in range(12)}, {f"q{n}": {"good": 1} for n in range(12)}


def test_a_ranking_that_is_better_everywhere_is_significantly_better():
    after, qrels = many(["good", "bad"])
    before, _ = many(["bad", "good"])
    comparison = compare(before, after, qrels)
    assert comparison.difference == pytest.approx(1 - 1 / math.log2(3))
    assert comparison.interval == pytest.approx((comparison.difference, comparison.difference))
    # of all 2^12 ways to set the signs only 2 reach this difference
    assert comparison.p_value == pytest.approx(2 / 2**12, abs=4e-4)
    assert "0.631 -> 1.000, +0.369" in str(comparison)
    assert "p < 0.001, 12 queries" in str(comparison)


def test_equal_rankings_do_not_differ():
    run, qrels = many(["good"])
    comparison = compare(run, run, qrels)
    assert (comparison.difference, comparison.p_value) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_p_value():
    after, qrels = many(["bad", "good"])
    before = {**after, "q1": ["good"], "q2": ["good"], "q3": ["good"]}
    assert compare(before, after, qrels).p_value == compare(before, after, qrels).p_value > 0.05


def test_searches_are_compared_off_and_on():
    def search(text, on):
        return ["good", "bad"] if on else ["bad", "good"]

    comparison = compare_searches([("q1", "anything")], {"q1": {"good": 1}, "other": {"z": 1}}, search)
    assert comparison.before.mean["P@1"] == 0
    assert comparison.after.mean["P@1"] == 1
    assert list(comparison.after.by_query) == ["q1"]
