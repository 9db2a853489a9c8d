"""What holds of any fusion model, whatever its kind and its weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from random_fusion import FEATURES, KINDS, random_document

from middleware.fusion_models.document import read_model
from middleware.fusion_models.hand_set import HandSet

MONOTONE = ("cross_encoder", "match.title")
UNIT = st.floats(0, 1)
ANY = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def models(draw, kinds=(*KINDS, "weights"), monotone=MONOTONE):
    kind, seed = draw(st.sampled_from(kinds)), draw(st.integers(0, 2**32 - 1))
    if kind == "weights":
        return HandSet({name: draw(st.floats(0, 10)) for name in FEATURES})
    return read_model(json.loads(json.dumps(random_document(kind, seed, monotone, profile=draw(st.booleans())))))


def columns(values, least=1):
    """Some of the features of one search, and one that no model knows, all of one length."""
    names = st.sampled_from((*FEATURES, "brand_affinity", "price_fit", "coverage.other"))
    return st.integers(least, 12).flatmap(
        lambda n: st.dictionaries(names, arrays(np.float64, n, elements=values), min_size=1)
    )


@given(models(), columns(ANY))
def test_fused_scores_are_finite_and_in_the_unit_interval_whatever_comes_in(model, features):
    fused = model.fuse(features)
    assert fused.shape == next(iter(features.values())).shape
    assert np.isfinite(fused).all()
    assert ((fused >= 0) & (fused <= 1)).all()


@given(models(), columns(UNIT), st.randoms(use_true_random=False))
def test_the_order_hits_come_in_does_not_change_their_fused_scores(model, features, random):
    n = len(next(iter(features.values())))
    order = np.array(random.sample(range(n), n), dtype=np.intp)
    shuffled = {name: values[order] for name, values in features.items()}
    assert np.array_equal(model.fuse(shuffled), model.fuse(features)[order])


@given(models(), columns(UNIT), st.data())
def test_a_hit_has_the_same_fused_score_whatever_hits_stand_beside_it(model, features, data):
    n = len(next(iter(features.values())))
    some = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1))), dtype=np.intp)
    part = {name: values[some] for name, values in features.items()}
    assert np.array_equal(model.fuse(part), model.fuse(features)[some])


@given(models(), columns(UNIT), st.data())
def test_a_better_value_of_a_monotone_feature_never_lowers_the_fused_score(model, features, data):
    n = len(next(iter(features.values())))
    name = data.draw(st.sampled_from((*MONOTONE, "brand_affinity", "price_fit")))
    assert model.is_monotone_in(name)
    before = features | {name: data.draw(arrays(np.float64, n, elements=UNIT))}
    raised = before | {name: data.draw(arrays(np.float64, n, elements=UNIT)) * (1 - before[name]) + before[name]}
    assert (model.fuse(raised) >= model.fuse(before) - 1e-12).all()


@given(models(kinds=KINDS), columns(UNIT))
def test_a_feature_that_is_not_given_counts_with_its_neutral_value(model, features):
    from middleware.features.table import find_feature

    n = len(next(iter(features.values())))
    neutral = {name: np.full(n, find_feature(name).neutral) for name in model.features if name not in features}
    assert np.array_equal(model.fuse(features | neutral), model.fuse(features))


@given(models(), columns(UNIT))
def test_contributions_add_up(model, features):
    why = model.contributions(features)
    total = sum(why.parts.values(), start=why.base.copy())
    if why.total == "logit":
        total = 1 / (1 + np.exp(-np.clip(total, -30, 30)))
    assert np.allclose(total, model.fuse(features), atol=1e-9)
    assert why.method


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_without_any_hit_there_are_no_scores(seed, value):
    for kind in KINDS:
        assert read_model(random_document(kind, seed)).fuse({"match": np.zeros(0)}).shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_raises_what_it_fits_and_nothing_changes_without_one(kind):
    document = random_document(kind, 3)
    personal = read_model({**document, "profile": {"brand_affinity": 2.0, "price_fit": 1.0}})
    features = {"match": np.array([0.5, 0.5, 0.5])}
    without = read_model(document).fuse(features)
    assert np.array_equal(personal.fuse(features), without)
    assert set(personal.features) == {*FEATURES, "brand_affinity", "price_fit"}
    fitting = features | {"brand_affinity": np.array([0.5, 0.9, 0.5]), "price_fit": np.array([0.5, 0.5, 0.1])}
    fused = personal.fuse(fitting)
    assert fused[0] == without[0]
    assert fused[1] > without[1]
    assert fused[2] < without[2]


@pytest.mark.parametrize("kind", KINDS)
def test_strength_multiplies_what_a_profile_adds_to_the_logit(kind):
    model = read_model({**random_document(kind, 3), "profile": {"brand_affinity": 2.0, "price_fit": 1.0}})
    features = {
        "match": np.array([0.5, 0.5]),
        "brand_affinity": np.array([0.5, 1.0]),
        "price_fit": np.array([0.5, 0.9]),
    }
    for strength in (0, 0.5, 3):
        stronger = model.at_strength(strength)
        weak, strong = (each.contributions(features).parts for each in (model, stronger))
        assert strong["price_fit"] == pytest.approx(strength * weak["price_fit"])
        assert strong["brand_affinity"] == pytest.approx(strength * weak["brand_affinity"])
        assert np.array_equal(strong["match"], weak["match"])
        if not strength:
            assert np.array_equal(stronger.fuse(features), model.fuse({"match": features["match"]}))
    assert model.contributions(features).parts["brand_affinity"][1] == 1.0  # the model itself is as it was


@pytest.mark.parametrize("kind", KINDS)
def test_two_models_have_two_keys_and_one_has_one(kind):
    keys = [read_model(random_document(kind, seed)).key for seed in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]


def test_features_that_differ_in_length_are_refused():
    model = read_model(random_document("linear", 0))
    for features in ({}, {"match": np.zeros(2), "first_stage": np.zeros(3)}, {"match": np.zeros((2, 2))}):
        with pytest.raises(ValueError):
            model.fuse(features)


def test_a_linear_model_by_hand():
    document = {
        "kind": "linear",
        "features": ["cross_encoder", "first_stage"],
        "monotone": ["cross_encoder"],
        "scaling": {
            "mean": {"cross_encoder": 0.5, "first_stage": 0.25},
            "deviation": {"cross_encoder": 0.25, "first_stage": 0.5},
        },
        "weights": {"cross_encoder": 2.0, "first_stage": -1.0},
        "bias": 0.5,
    }
    model = read_model(document)
    features = {"cross_encoder": np.array([0.75, 0.5]), "first_stage": np.array([0.25, 1.0])}
    # logits 0.5 + 2 * 1 - 0 and 0.5 + 0 - 1.5
    assert model.fuse(features) == pytest.approx([1 / (1 + np.exp(-2.5)), 1 / (1 + np.exp(1.0))])
    why = model.contributions(features)
    assert why.parts["cross_encoder"].tolist() == [2.0, 0.0]
    assert why.parts["first_stage"].tolist() == [0.0, -1.5]
    assert why.base.tolist() == [0.5, 0.5]
    assert (why.total, model.is_monotone_in("first_stage")) == ("logit", False)


def test_a_tree_by_hand_and_what_its_splits_contribute():
    nodes = {
        "feature": [0, -1, 1, -1, -1],
        "threshold": [0.5, 0.0, 0.25, 0.0, 0.0],
        "left": [1, 1, 3, 3, 4],
        "right": [2, 1, 4, 3, 4],
        "value": [0.5, -1.0, 2.0, 1.0, 3.0],
    }
    head = {"kind": "trees", "features": ["cross_encoder", "price_level"], "monotone": ["cross_encoder"]}
    model = read_model({**head, "roots": [0], "nodes": nodes, "scale": 2.0, "bias": -1.0})
    features = {"cross_encoder": np.array([0.5, 0.51, 0.9]), "price_level": np.array([0.0, 0.25, 0.3])}
    assert model.logits(model.matrix(features)).tolist() == [-3.0, 1.0, 5.0]
    why = model.contributions(features)
    assert why.base.tolist() == [0.0] * 3  # -1 + 2 * 0.5
    assert why.parts["cross_encoder"].tolist() == [-3.0, 3.0, 3.0]
    assert why.parts["price_level"].tolist() == [0.0, -2.0, 2.0]


def test_an_average_has_the_mean_logit_of_its_members():
    members = [random_document(kind, seed) for seed, kind in enumerate(("linear", "network", "trees"))]
    head = {"kind": "average", "features": list(FEATURES), "fields": ["title"], "monotone": ["cross_encoder"]}
    values = np.random.default_rng(0).uniform(size=(7, len(FEATURES)))
    mean = np.mean([read_model(member).logits(values) for member in members], axis=0)
    assert read_model({**head, "members": members}).logits(values) == pytest.approx(mean)


def changed(kind, change):
    document = random_document(kind, 5)
    change(document)
    return document


def _falling(document):
    document["weights"]["cross_encoder"] = -0.1


def _falling_network(document):
    document["hidden"][0][0] = -0.1


def _falling_tree(document):
    document["nodes"] = {
        "feature": [0, -1, -1],
        "threshold": [0.5, 0, 0],
        "left": [1, 1, 2],
        "right": [2, 1, 2],
        "value": [0, 1, 0.5],
    }
    document["roots"] = [0]


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("linear", _falling, "not monotone"),
        ("network", _falling_network, "not monotone"),
        ("trees", _falling_tree, "not monotone"),
        ("average", lambda d: d["members"].__setitem__(0, random_document("linear", 1, ())), "not monotone"),
        ("average", lambda d: d.update(members=[]), "members"),
        ("average", lambda d: d.update(features=["match"], monotone=[]), "a member reads"),
        ("linear", lambda d: d["weights"].pop("match"), "weights must name each"),
        ("linear", lambda d: d["weights"].update(match=float("nan")), "finite"),
        ("linear", lambda d: d["scaling"]["deviation"].update(match=0.0), "deviation"),
        ("linear", lambda d: d.pop("bias"), "bias is missing"),
        ("linear", lambda d: d.update(kind="forest"), "kind must be one of"),
        ("linear", lambda d: d.update(features=[*FEATURES, "colour"]), "no feature 'colour'"),
        ("linear", lambda d: d.update(features=["match", "match"], monotone=[]), "each once"),
        ("linear", lambda d: d.update(monotone=["popularity"]), "popularity"),
        ("linear", lambda d: d.update(fields=[]), "fields"),
        ("linear", lambda d: d.update(profile={"match": 1.0}), "profile may hold"),
        ("linear", lambda d: d.update(profile={"price_fit": -1.0}), "negative"),
        ("network", lambda d: d.update(hidden=[[1.0]]), "hidden must hold"),
        ("trees", lambda d: d["nodes"]["feature"].__setitem__(0, 99), "column"),
        ("trees", lambda d: d.update(roots=[10_000]), "roots"),
        ("trees", lambda d: d["nodes"].pop("left"), "left is missing"),
        ("trees", lambda d: d.update(nodes=[]), "form"),
    ],
)
def test_what_cannot_be_served_is_refused_saying_why(kind, change, why):
    with pytest.raises(ValueError, match=why):
        read_model(changed(kind, change))


def test_a_tree_that_goes_in_circles_is_refused():
    head = {"kind": "trees", "features": ["cross_encoder"], "monotone": [], "scale": 1.0, "bias": 0.0, "roots": [0]}
    nodes = {"feature": [0, -1], "threshold": [0.5, 0], "left": [0, 1], "right": [1, 1], "value": [0, 1]}
    with pytest.raises(ValueError, match="behind"):
        read_model({**head, "nodes": nodes})


def test_hand_set_weights_are_a_model_like_any_other():
    model = HandSet({"cross_encoder": 3.0, "first_stage": 1.0})
    features = {"cross_encoder": np.array([0.8, 0.2]), "first_stage": np.array([0.0, 1.0])}
    assert model.fuse(features) == pytest.approx([0.6, 0.4])
    why = model.contributions(features)
    assert (why.total, why.base.tolist()) == ("fused_score", [0.0, 0.0])
    assert model.key != HandSet({"cross_encoder": 3.0}).key
