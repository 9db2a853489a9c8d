"""The profile features: bounded, neutral where nothing is known, and telling users apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.config import ProfileSettings
from middleware.config.variants import WeightSettings
from middleware.features.table import FEATURES, PROFILE_FEATURES
from middleware.fusion import fuse, rank
from middleware.personalization.events import Event
from middleware.personalization.features import profile_features
from middleware.personalization.fields import HitFields
from middleware.personalization.lift import name_lifts
from middleware.personalization.profiles import Profile, profile_of
from middleware.personalization.state import EMPTY, Product, fold
from middleware.rerank.vectors import HitVectors

NAMES = st.sampled_from(["acme", "volt", "zeta", "phones", "cables"])
names = st.lists(NAMES, max_size=3, unique=True).map(tuple)
prices = st.none() | st.floats(min_value=0, exclude_min=True, allow_infinity=False)
hits = st.lists(st.builds(HitFields, names, names, prices, attributes=names), max_size=8)
shares = st.dictionaries(NAMES, st.floats(0, 0.5), max_size=2)
profiles = st.builds(
    Profile,
    brand_affinity=shares,
    category_affinity=shares,
    price_log_mean=st.none() | st.floats(-700, 700),
    price_log_std=st.floats(0.25, 100),
    price_confidence=st.floats(0, 1, exclude_max=True),
    attribute_affinity=shares,
    confidence=st.just(0.0) | st.floats(0.001, 1, exclude_max=True),
    weight=st.floats(0, 1e6),
    vector=st.sampled_from([None, np.array([1, 0], dtype=np.float32), np.array([0.6, -0.8], dtype=np.float32)]),
    session_vector=st.sampled_from([None, np.array([0, 1], dtype=np.float32)]),
    vector_model=st.sampled_from([None, "r1", "r2"]),
    bought=st.dictionaries(st.sampled_from(["p0", "p1", "p2"]), st.just(0.0)),
    cluster_popularity=st.dictionaries(st.sampled_from(["p0", "p1", "p2"]), st.floats(0, 1)),
)


def ids(window):
    return [f"p{number}" for number in range(len(window))]


def vectors_of(window):
    """Of the even hits."""
    angles = np.array([number if number % 2 == 0 else np.nan for number in range(len(window))], dtype=np.float32)
    return HitVectors(np.stack([np.cos(angles), np.sin(angles)], axis=1), "r1")


@given(profiles, hits)
def test_every_feature_of_every_hit_is_in_the_unit_interval(profile, window):
    features = profile_features(profile, window, ids(window), vectors_of(window)) if window else {}
    assert set(features) == (set(PROFILE_FEATURES) if window else set())
    assert set(features) < set(WeightSettings.model_fields)
    for values in features.values():
        assert values.shape == (len(window),)
        assert ((values >= 0) & (values <= 1)).all()


@given(profiles, hits, st.randoms())
def test_the_order_of_the_hits_does_not_matter(profile, window, random):
    places = list(range(len(window)))
    random.shuffle(places)
    whole, mixed = profile_features(profile, window), profile_features(profile, [window[place] for place in places])
    for name, values in whole.items():
        assert values[places] == pytest.approx(mixed[name])


@given(hits)
def test_an_empty_profile_makes_no_difference_between_hits(window):
    for values in profile_features(Profile(), window, ids(window), vectors_of(window)).values():
        assert len(set(values.tolist())) <= 1


def test_a_hit_without_fields_gets_neutral_values():
    profile = Profile({"acme": 0.5}, {"phones": 0.5}, math.log(100), 0.5, 0.5, weight=5.0, confidence=0.5)
    window = [HitFields(("acme",), ("phones",), 100.0), HitFields(("volt",), ("cables",), 1.0), HitFields()]
    features = profile_features(profile, window)
    assert {name: values[2] for name, values in features.items()} == {name: FEATURES[name].neutral for name in features}
    assert all(values[0] > values[2] > values[1] for name, values in features.items() if name != "attribute_affinity")


def test_affinities_count_the_weights_behind_the_shares():
    profile = Profile({"acme": 0.5, "volt": 0.3}, attribute_affinity={"size=l": 0.5}, weight=60.0, confidence=0.75)
    names = [("acme",), ("volt",), (), ("zeta",)]
    window = [HitFields(brand=name, attributes=("size=l",) if name == ("zeta",) else ()) for name in names]
    features = profile_features(profile, window)
    assert features["brand_affinity"] == pytest.approx(name_lifts({"acme": 40.0, "volt": 24.0}, names))
    assert features["attribute_affinity"].tolist() == [0.5] * 4  # all that have an attribute have this one


def test_somebody_unknown_is_offered_what_everybody_is_whatever_others_like():
    everybodys = Profile({"acme": 0.9}, {"phones": 0.9}, attribute_affinity={"size=l": 0.9})
    features = profile_features(
        everybodys, [HitFields(("acme",), ("phones",), 1.0, attributes=("size=l",)), HitFields(("volt",))]
    )
    assert all(set(values.tolist()) == {0.5} for values in features.values())


AXIS = np.array([1, 0], dtype=np.float32)
HALF = np.array([0.5, np.sqrt(0.75)], dtype=np.float32)


def test_vector_affinity_is_how_far_the_cosine_is_above_the_windows_as_far_as_the_profile_is_sure():
    window = HitVectors(np.stack([AXIS, HALF, -AXIS]), "r1")
    profile = Profile(vector=AXIS, session_vector=HALF, vector_model="r1", confidence=0.8)
    features = profile_features(profile, [HitFields()] * 3, vectors=window)
    assert features["vector_affinity"] == pytest.approx([0.9, 0.5, 0.0])  # cosines 1, 0.5 and -1
    assert features["session_affinity"] == pytest.approx([0.5, 1.0, 0.0])  # cosines 0.5, 1 and -0.5


def test_a_hit_without_a_vector_stands_in_the_middle_of_the_others():
    window = HitVectors(np.stack([AXIS, np.full(2, np.nan, dtype=np.float32), HALF, HALF]), "r1")
    features = profile_features(Profile(vector=AXIS, vector_model="r1", confidence=0.5), [HitFields()] * 4, (), window)
    assert features["vector_affinity"] == pytest.approx([0.75, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("profile", [Profile(vector_model="r1"), Profile(vector=AXIS, vector_model="r2", confidence=1)])
def test_a_profile_without_a_vector_or_with_another_models_says_nothing(profile):
    features = profile_features(profile, [HitFields()] * 2, (), HitVectors(np.stack([AXIS, HALF]), "r1"))
    assert features["vector_affinity"].tolist() == features["session_affinity"].tolist() == [0.5, 0.5]
    assert "vector_affinity" not in profile_features(profile, [HitFields()])


def test_what_was_bought_and_what_the_cluster_buys():
    profile = Profile(bought={"a": 1.0}, cluster_popularity={"a": 0.04, "b": 0.01, "c": 0.0004})
    features = profile_features(profile, [HitFields()] * 4, ["a", "b", "c", "d"])
    assert features["bought_before"].tolist() == [1, 0, 0, 0]
    assert features["cluster_popularity"] == pytest.approx([1, 0.5, 0.1, 0])


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
