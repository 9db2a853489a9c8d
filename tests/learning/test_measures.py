"""Measures against a published example, values worked out by hand, and trec_eval's own on random rankings."""

from __future__ import annotations

import math
import random

import pytest

from middleware.errors import ConfigError
from middleware.learning.evaluation.measures import calculate, condense, parse_measures, unjudged_shares


def values(run, qrels, *names):
    (found,) = calculate({"q": run}, {"q": qrels}, parse_measures(names)).values()
    return found


def test_ndcg_of_the_worked_example_of_the_literature():
    """The example of "Discounted cumulative gain" in Wikipedia, linear gains.

    Six documents of grades 3, 2, 3, 0, 1, 2, as ranked:
        DCG@6 = 3/1 + 2/1.585 + 3/2 + 0/2.322 + 1/2.585 + 2/2.807
              = 3 + 1.262 + 1.5 + 0 + 0.387 + 0.712 = 6.861
    With two more judged 3 and 2 that were not found, the best order is 3, 3, 3, 2, 2, 2:
        IDCG@6 = 3 + 1.893 + 1.5 + 0.861 + 0.774 + 0.712 = 8.740;  nDCG@6 = 6.861 / 8.740 = 0.785
    """
    grades = {"d1": 3, "d2": 2, "d3": 3, "d4": 0, "d5": 1, "d6": 2, "d7": 3, "d8": 2}
    got = values(["d1", "d2", "d3", "d4", "d5", "d6"], grades, "nDCG@6")
    assert got["nDCG@6"] == pytest.approx(6.861 / 8.740, abs=2e-4)


def test_every_measure_by_hand():
    """Ranked: x (unjudged), a (grade 1), y (unjudged), b (grade 3), c (grade 0); judged 2 but not found: d.

    Three relevant documents: a, b, d.
        RR = 1/2, since the first relevant hit is second;  AP = (1/2 + 2/4) / 3 = 1/3
        P@5 = 2/5;  R@5 = 2/3;  F1@5 = 2 * (2/5 * 2/3) / (2/5 + 2/3) = (8/15) / (16/15) = 1/2
        Accuracy@1 = 0, since x is not relevant;  Accuracy@2 = 1;  Accuracy(rel=2)@2 = 0, since a has grade 1
        P(rel=3)@5 = 1/5
        DCG@5 = 1/log2(3) + 3/log2(5) = 0.6309 + 1.2920 = 1.9230
        IDCG@5 = 3 + 2/log2(3) + 1/log2(4) = 3 + 1.2619 + 0.5 = 4.7619;  nDCG@5 = 0.4038
    """
    names = ("RR", "AP", "P@5", "R@5", "F1@5", "Accuracy@1", "Accuracy@2", "Accuracy(rel=2)@2", "P(rel=3)@5", "nDCG@5")
    got = values(["x", "a", "y", "b", "c"], {"a": 1, "b": 3, "c": 0, "d": 2}, *names)
    by_hand = (1 / 2, 1 / 3, 2 / 5, 2 / 3, 1 / 2, 0, 1, 0, 1 / 5, 0.4038)
    assert [got[name] for name in names] == pytest.approx(by_hand, abs=1e-4)


def test_on_judged_hits_only_what_nobody_judged_is_not_there():
    """The same ranking without x and y: a, b, c. AP = (1/1 + 2/2) / 3 = 2/3; DCG@5 = 1 + 3/log2(3) = 2.8928."""
    qrels = {"a": 1, "b": 3, "c": 0, "d": 2}
    condensed = condense({"q": ["x", "a", "y", "b", "c"]}, {"q": qrels})
    assert condensed == {"q": ["a", "b", "c"]}
    got = values(condensed["q"], qrels, "AP", "nDCG@5", "Accuracy@1")
    assert got == pytest.approx({"AP": 2 / 3, "nDCG@5": 2.8928 / 4.7619, "Accuracy@1": 1.0}, abs=1e-4)


def test_f1_is_0_where_nothing_is_found():
    assert values(["x"], {"a": 1}, "F1@5")["F1@5"] == 0


def test_values_are_trec_evals_on_random_rankings():
    pytrec_eval = pytest.importorskip("pytrec_eval")
    rng, documents = random.Random(3), [f"d{number}" for number in range(60)]
    qrels = {f"q{n}": {each: rng.choice((0, 0, 1, 2, 3)) for each in rng.sample(documents, 25)} for n in range(30)}
    run = {query: rng.sample(documents, 40) for query in qrels}
    ours = {"nDCG@10": "ndcg_cut_10", "RR": "recip_rank", "AP": "map", "P@10": "P_10", "R@30": "recall_30",
            "Accuracy@1": "success_1"}  # fmt: skip
    official = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut", "recip_rank", "map", "P", "recall", "success"})
    expected = official.evaluate(
        {query: {each: -rank for rank, each in enumerate(hits)} for query, hits in run.items()}
    )
    got = calculate(run, qrels, parse_measures([*ours, "F1@10"]))
    assert len(got) == len(expected) == 30
    for query, found in got.items():
        assert {ours[name]: found[name] for name in ours} == pytest.approx(
            {name: expected[query][name] for name in ours.values()}, abs=1e-6
        )
        precision, recall = expected[query]["P_10"], expected[query]["recall_10"]
        f1 = 2 * precision * recall / (precision + recall) if precision else 0
        assert found["F1@10"] == pytest.approx(f1)


def test_the_share_of_unjudged_is_of_the_hits_there_are():
    run = {"q": [*"abcdefghij", "k"], "short": ["a", "x"], "empty": []}
    shares = unjudged_shares(run, {"q": {"a": 1, "k": 1}, "short": {"a": 0}, "empty": {"a": 1}})
    assert shares == {"q": 0.9, "short": 0.5}


def test_a_graded_run_counts_the_discount_from_the_second_place_on():
    assert values(["x", "a"], {"a": 2}, "nDCG@10")["nDCG@10"] == pytest.approx(1 / math.log2(3))


@pytest.mark.parametrize("name", ["foo@10", "nDCG@", "F1", "P(rel=2", "__import__('os')@1"])
def test_an_unknown_measure_is_named_with_what_there_is(name):
    with pytest.raises(ConfigError, match="no such measure; name nDCG@10"):
        parse_measures([name])
