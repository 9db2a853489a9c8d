"""Diversity, merging, association and nearest neighbours, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from middleware.personalization.fields import HitFields
from middleware.recommend.association import log_likelihood_ratio
from middleware.recommend.catalogue import NO_VECTORS, Catalogue
from middleware.recommend.diversity import likeness_of, order_by_mmr
from middleware.recommend.merging import add_up, merge_by_rank

LIKENESS = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])


def test_mmr_takes_the_unlike_one_second():
    # lambda 0.5; after 0: item 1 has 0.5*0.8 - 0.5*0.9 = -0.05, item 2 has 0.5*0.5 - 0.5*0.1 = 0.20
    assert order_by_mmr(np.array([0.9, 0.8, 0.5]), LIKENESS, 0.5) == [0, 2, 1]


def test_mmr_without_diversity_is_the_order_of_relevance_and_ties_keep_theirs():
    assert order_by_mmr(np.array([0.5, 0.9, 0.5]), LIKENESS, 0.0) == [1, 0, 2]


def test_mmr_of_diversity_alone_still_begins_with_the_most_relevant():
    # after 0 the likeness decides: 0.9 against 0.1
    assert order_by_mmr(np.array([0.9, 0.8, 0.0]), LIKENESS, 1.0) == [0, 2, 1]


def test_mmr_of_nothing_is_nothing():
    assert order_by_mmr(np.zeros(0), np.zeros((0, 0)), 0.5) == []


def test_likeness_is_the_cosine_or_else_what_brand_and_category_say():
    vectors = np.array([[1, 0], [0.6, 0.8], [-1, 0], [np.nan, np.nan]], dtype=np.float32)
    fields = [HitFields(("acme",), ("shoes",)), HitFields(("acme",)), HitFields(), HitFields(("acme",), ("shoes",))]
    found = likeness_of(vectors, fields)
    assert found[0, 1] == pytest.approx(0.6)
    assert found[0, 2] == 0  # opposite, so not alike
    assert found[0, 3] == found[3, 0] == pytest.approx(0.8)  # 0.3 of the brand and 0.5 of the category
    assert found[1, 3] == pytest.approx(0.3)
    assert found[2, 3] == 0


def test_reciprocal_rank_fusion_sums_over_the_lists():
    # b: 1/62 + 1/61 = 0.032522; a: 1/61 = 0.016393; c: 1/62 = 0.016129
    merged = merge_by_rank([["a", "b"], ["b", "c"]])
    assert list(merged) == ["b", "a", "c"]
    assert merged["b"] == pytest.approx(1 / 61 + 1 / 62)
    assert list(merge_by_rank([["a"], ["b"]], [0.5, 1.0])) == ["b", "a"]


def test_weights_of_several_maps_add_up():
    assert add_up([{"a": 2.0, "b": 3.0}, {"a": 2.0, "c": 1.0}]) == ["a", "b", "c"]


def test_the_log_likelihood_ratio_of_a_table_worked_out_by_hand():
    # 100 users: 10 have both, 20 the first, 30 the second. Expected: 6, 14, 24, 56; counts: 10, 10, 20, 60.
    by_hand = 2 * (10 * math.log(10 / 6) + 10 * math.log(10 / 14) + 20 * math.log(20 / 24) + 60 * math.log(60 / 56))
    assert by_hand == pytest.approx(4.473, abs=5e-4)
    found = log_likelihood_ratio(np.array([10]), np.array([20]), np.array([30]), 100)
    assert found[0] == pytest.approx(by_hand)


def test_no_association_is_zero_and_avoidance_is_below_it():
    found = log_likelihood_ratio(np.array([6, 2, 0]), np.array([20, 20, 20]), np.array([30, 30, 30]), 100)
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found[1] < 0
    assert found[2] < found[1]
    assert np.isfinite(found).all()


def test_many_together_come_before_two_rare_ones_that_met_by_accident():
    # lift is 1000 / (1 * 1) = 1000 of the rare pair and 40 * 1000 / (50 * 60) = 13 of the frequent one
    rare, frequent = log_likelihood_ratio(np.array([1, 40]), np.array([1, 50]), np.array([1, 60]), 1000)
    assert frequent > rare


def catalogue() -> Catalogue:
    codes = np.array([[127, 0], [0, 64], [90, 90], [-127, 0]], dtype=np.int8)
    return Catalogue("e", codes, ["a", "b", "c", "c2", "d"], np.array([0, 1, 2, 2, 3], dtype=np.int32))


def test_nearest_is_by_cosine_whatever_the_lengths_and_names_all_products_of_a_text():
    found = catalogue().nearest(np.array([0.6, 0.8], dtype=np.float32), 4)
    # cosines: c (0.6 + 0.8) / sqrt 2 = 0.98995, b 0.8, a 0.6
    assert [name for name, _ in found] == ["c", "c2", "b", "a"]
    assert [cosine for _, cosine in found] == pytest.approx([0.98995, 0.98995, 0.8, 0.6], abs=1e-4)


def test_nearest_in_blocks_is_what_sorting_all_cosines_gives():
    rng = np.random.default_rng(3)
    codes = rng.integers(-127, 128, (5000, 16), dtype=np.int8)
    vector = rng.standard_normal(16).astype(np.float32)
    vector /= np.linalg.norm(vector)
    cosines = codes @ vector / np.linalg.norm(codes.astype(float), axis=1)
    found = Catalogue("e", codes, [str(n) for n in range(5000)], np.arange(5000, dtype=np.int32)).nearest(vector, 20)
    assert [int(name) for name, _ in found] == np.argsort(-cosines)[:20].tolist()


def test_vectors_have_unit_length_and_a_product_without_one_has_none():
    found = catalogue().vectors_of(["b", "nobody", "c2"])
    assert np.linalg.norm(found[[0, 2]], axis=1) == pytest.approx([1, 1])
    assert np.isnan(found[1]).all()
    assert catalogue().vector_of("nobody") is None


def test_a_vector_of_another_size_and_an_empty_catalogue_have_no_neighbours():
    assert catalogue().nearest(np.ones(3, dtype=np.float32), 2) == []
    assert NO_VECTORS.nearest(np.ones(1, dtype=np.float32), 2) == []
    assert NO_VECTORS.vectors_of(["a"]).shape == (1, 1)
