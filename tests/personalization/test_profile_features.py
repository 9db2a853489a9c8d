"""The profile features: bounded, neutral where nothing is known, and telling users apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.config import ProfileSettings
from middleware.config_variants import WeightSettings
from middleware.fusion import fuse, rank
from middleware.personalization.events import Event
from middleware.personalization.features import NEUTRAL_PRICE_FIT, profile_features
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import Profile, profile_of
from middleware.personalization.state import EMPTY, Product, fold

NAMES = st.sampled_from(["acme", "volt", "zeta", "phones", "cables"])
names = st.lists(NAMES, max_size=3, unique=True).map(tuple)
prices = st.none() | st.floats(min_value=0, exclude_min=True, allow_infinity=False)
hits = st.lists(st.builds(HitFields, names, names, prices), max_size=8)
shares = st.dictionaries(NAMES, st.floats(0, 0.5), max_size=2)
profiles = st.builds(
    Profile,
    brand_affinity=shares,
    category_affinity=shares,
    price_log_mean=st.none() | st.floats(-700, 700),
    price_log_std=st.floats(0.25, 100),
    price_confidence=st.floats(0, 1, exclude_max=True),
)


@given(profiles, hits)
def test_every_feature_of_every_hit_is_in_the_unit_interval(profile, window):
    features = profile_features(profile, window)
    assert set(features) == {"brand_affinity", "category_affinity", "price_fit"}
    assert set(features) < set(WeightSettings.model_fields)
    for values in features.values():
        assert values.shape == (len(window),)
        assert ((values >= 0) & (values <= 1)).all()


@given(profiles, hits, st.data())
def test_a_hits_features_do_not_depend_on_the_hits_around_it(profile, window, data):
    chosen = data.draw(st.lists(st.sampled_from(range(len(window))), unique=True)) if window else []
    whole, part = (
        profile_features(profile, window),
        profile_features(profile, [window[position] for position in chosen]),
    )
    for name, values in whole.items():
        assert np.array_equal(values[chosen], part[name])


@given(hits)
def test_an_empty_profile_makes_no_difference_between_hits(window):
    for values in profile_features(Profile(), window).values():
        assert len(set(values.tolist())) <= 1


def test_a_hit_without_fields_gets_neutral_values():
    profile = Profile({"acme": 0.5}, {"phones": 0.5}, math.log(100), 0.5, 0.5, 5.0)
    features = profile_features(profile, [HitFields()])
    assert {name: values.tolist() for name, values in features.items()} == {
        "brand_affinity": [0.0],
        "category_affinity": [0.0],
        "price_fit": [NEUTRAL_PRICE_FIT],
    }


def test_a_hit_takes_the_shares_of_all_its_names():
    profile = Profile(category_affinity={"electronics": 0.3, "phones": 0.25})
    window = [HitFields(category=("electronics", "phones")), HitFields(category=("electronics", "cables"))]
    assert profile_features(profile, window)["category_affinity"] == pytest.approx([0.55, 0.3])


def test_price_fit_is_a_gaussian_on_log_price_drawn_to_the_middle_by_doubt():
    profile = Profile(price_log_mean=math.log(100), price_log_std=0.5, price_confidence=0.8)
    window = [HitFields(price=price) for price in (100, 100 * math.exp(0.5), 100 * math.exp(-0.5), 1e9)]
    expected = [0.9, 0.5 + 0.8 * (math.exp(-0.5) - 0.5), 0.5 + 0.8 * (math.exp(-0.5) - 0.5), 0.1]
    assert profile_features(profile, window)["price_fit"] == pytest.approx(expected)


def test_the_same_hits_rank_differently_for_two_users():
    products = {
        "budget": HitFields(("volt",), ("phones",), 90.0),
        "flagship": HitFields(("acme",), ("phones",), 900.0),
    }
    weights = WeightSettings().model_dump()
    orders = {}
    for user, bought in {"anna": "flagship", "bela": "budget"}.items():
        settings, known = ProfileSettings(), {name: Product(fields) for name, fields in products.items()}
        state = fold(EMPTY, [Event(user, "purchase", bought, 0.0)], known, settings, 0.0)
        profile = profile_of(state, settings=settings, now=0.0)
        features = profile_features(profile, list(products.values()))
        features |= {"cross_encoder": np.array([0.81, 0.8]), "first_stage": np.array([1.0, 0.9])}
        orders[user] = [list(products)[position] for position in rank(fuse(features, weights))]
    assert orders == {"anna": ["flagship", "budget"], "bela": ["budget", "flagship"]}
