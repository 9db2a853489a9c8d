"""The contract of the fused score, held by properties."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from middleware.config.variants import WeightSettings
from middleware.fusion import contributions, fuse, rank, response_scores, scale_first_stage

NAMES = tuple(WeightSettings.model_fields)
UNIT = st.floats(0, 1)
ANY = st.floats(allow_nan=True, allow_infinity=True)
ES_SCORE = st.floats(0, width=32, allow_nan=False, allow_infinity=False)


def columns(values, least=1):
    """Strategy: some features of one search, all of the same length."""
    return st.integers(least, 12).flatmap(
        lambda n: st.dictionaries(st.sampled_from(NAMES), arrays(np.float64, n, elements=values), min_size=1)
    )


weights = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1000))


@given(columns(ANY), weights)
def test_fused_scores_are_finite_and_in_the_unit_interval_whatever_comes_in(features, weighting):
    fused = fuse(features, weighting)
    assert fused.shape == next(iter(features.values())).shape
    assert np.isfinite(fused).all()
    assert ((fused >= 0) & (fused <= 1)).all()


@given(columns(UNIT), weights, st.randoms(use_true_random=False))
def test_the_order_hits_come_in_does_not_change_their_fused_scores(features, weighting, random):
    n = len(next(iter(features.values())))
    order = np.array(random.sample(range(n), n), dtype=np.intp)
    shuffled = {name: values[order] for name, values in features.items()}
    assert np.array_equal(fuse(shuffled, weighting), fuse(features, weighting)[order])


@given(columns(UNIT), weights, st.data())
def test_a_better_value_of_any_feature_never_lowers_the_fused_score(features, weighting, data):
    name = data.draw(st.sampled_from(sorted(features)))
    position = data.draw(st.integers(0, len(features[name]) - 1))
    raised = features | {name: features[name].copy()}
    raised[name][position] = data.draw(st.floats(features[name][position], 1))
    before, after = fuse(features, weighting), fuse(raised, weighting)
    assert after[position] >= before[position]
    others = np.arange(len(before)) != position
    assert np.array_equal(after[others], before[others])


@given(columns(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])), st.floats(0, 1), st.floats(0, 10))
def test_a_feature_that_is_equal_for_all_hits_never_changes_the_order(features, constant, weight):
    known = {name: values for name, values in features.items() if name != "price_fit"}
    if not known:
        return
    n = len(next(iter(known.values())))
    weighting = dict.fromkeys(NAMES, 1.0) | {"price_fit": weight}
    without = fuse(known, weighting)
    with_constant = fuse(known | {"price_fit": np.full(n, constant)}, weighting)
    better = without[:, None] > without[None, :] + 1e-9
    assert (with_constant[:, None] >= with_constant[None, :])[better].all()
    equal = without[:, None] == without[None, :]
    assert np.allclose((with_constant[:, None] - with_constant[None, :])[equal], 0)


@given(columns(UNIT), weights)
def test_contributions_add_up_to_the_fused_score(features, weighting):
    parts = contributions(features, weighting)
    assert parts.keys() == features.keys()
    assert np.allclose(sum(parts.values()), fuse(features, weighting))


def test_the_fused_score_is_the_weighted_mean_of_the_features_given():
    features = {"cross_encoder": np.array([0.8, 0.2]), "first_stage": np.array([0.0, 1.0])}
    fused = fuse(features, {"cross_encoder": 3.0, "first_stage": 1.0, "brand_affinity": 50.0})
    assert fused == pytest.approx([0.6, 0.4])


def test_without_any_weight_the_order_of_the_first_stage_stays():
    features = {"cross_encoder": np.array([0.1, 0.9, 0.5])}
    assert rank(fuse(features, {})).tolist() == [0, 1, 2]


def test_a_window_without_hits_has_no_fused_scores():
    assert fuse({"cross_encoder": np.zeros(0)}, {"cross_encoder": 1.0}).shape == (0,)
    assert rank(np.zeros(0)).shape == (0,)
    assert scale_first_stage(np.zeros(0)).shape == (0,)


@pytest.mark.parametrize(
    "features",
    [{}, {"a": np.zeros(2), "b": np.zeros(3)}, {"a": np.zeros((2, 2))}],
    ids=["none", "unequal lengths", "two dimensions"],
)
def test_features_that_do_not_fit_together_are_refused(features):
    with pytest.raises(ValueError):
        fuse(features, {})


@given(arrays(np.float64, st.integers(0, 20), elements=st.sampled_from([0.0, 0.5, 1.0]) | UNIT))
def test_the_ranking_is_a_stable_descending_permutation(fused):
    order = rank(fused)
    assert sorted(order.tolist()) == list(range(len(fused)))
    for left, right in pairwise(order):
        assert fused[left] > fused[right] or (fused[left] == fused[right] and left < right)


@given(arrays(np.float64, st.integers(0, 20), elements=ANY))
def test_scaled_first_stage_scores_are_in_the_unit_interval_and_keep_the_order(scores):
    scaled = scale_first_stage(scores)
    assert scaled.shape == scores.shape
    assert ((scaled >= 0) & (scaled <= 1)).all()
    known = np.isfinite(scores)
    assert (scaled[~known] == 0).all()
    if known.any():
        assert scaled[known][scores[known].argmax()] == 1
        assert (np.diff(scaled[known][scores[known].argsort()]) >= 0).all()


def test_first_stage_scores_that_are_all_equal_scale_to_one():
    assert scale_first_stage(np.array([7.0, np.nan, 7.0])).tolist() == [1.0, 0.0, 1.0]


def test_first_stage_scores_scale_by_their_distance():
    assert scale_first_stage(np.array([12.0, 9.0, 10.0, 8.0])) == pytest.approx([1.0, 0.25, 0.5, 0.0])


@given(arrays(np.float64, st.integers(1, 20), elements=UNIT), ES_SCORE)
def test_response_scores_never_rise_nor_fall_below_the_hits_beyond_the_window(fused, floor):
    scores = response_scores(fused, floor)[rank(fused)]
    assert np.isfinite(scores).all()
    assert (np.diff(scores) <= 0).all()
    assert (scores >= max(floor, 0)).all()


@given(arrays(np.float64, st.integers(1, 8), elements=ANY), ANY)
def test_response_scores_are_finite_and_not_negative_whatever_comes_in(fused, floor):
    scores = response_scores(fused, floor)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


def test_response_scores_are_the_floor_plus_the_fused_score_to_six_decimals():
    scores = response_scores(np.array([0.87654321, 0.0]), 2.0000004)
    assert scores.tolist() == [2.876544, 2.0000004]
