"""Fusion models learned from made-up judged searches: what they find, what they must keep, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from middleware.errors import CommandError, ConfigError
from middleware.fusion_models.document import read_model
from middleware.learning.fusion.commands import read_unjudged
from middleware.learning.fusion.evaluation import (
    MEASURE,
    Training,
    ablations,
    cross_validate,
    elasticsearch,
    find_families,
    importances,
    measure,
    scores_of,
    split_folds,
)
from middleware.learning.fusion.make import DEFAULT_MONOTONE, Wish, learn, with_profile
from middleware.learning.fusion.rows import make_rows
from middleware.learning.fusion.training import AVERAGE, KINDS, Recipe, calibrate, train
from middleware.learning.fusion.trees import flatten
from middleware.learning.fusion.windows import JudgedWindow

NAMES = ("cross_encoder", "first_stage", "match", "price_level")
HITS = 30


def window(number, rng, *, judged=20):
    """A search where the words decide most, the cross-encoder some, and the first stage misleads."""
    features = {name: rng.uniform(size=HITS) for name in NAMES}
    worth = features["match"] + 0.5 * features["cross_encoder"] - 0.3 * features["first_stage"]
    grades = np.clip(np.floor((worth - 0.2) * 3), 0, 3)
    ids = [f"{number}-{place}" for place in range(HITS)]
    grades[rng.permutation(HITS)[judged:]] = np.nan
    known = {name: int(grade) for name, grade in zip(ids, grades, strict=True) if np.isfinite(grade)}
    return JudgedWindow(f"q{number}", f"word{number}", ids, features, grades, known)


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(0)
    return [window(number, rng) for number in range(24)]


def rows_of(windows, unjudged=0.3, names=NAMES):
    return make_rows(windows, names, 3, unjudged)


@pytest.fixture(scope="module")
def rows(windows):
    return rows_of(windows)


def recipe(kind="linear", **others):
    return Recipe(kind, monotone=DEFAULT_MONOTONE, fields=("title",), **others)


@pytest.mark.parametrize("kind", [*KINDS, AVERAGE])
def test_every_kind_finds_out_what_decides_and_is_served_as_it_was_made(kind, windows, rows) -> None:
    document = json.loads(json.dumps(train(rows, recipe(kind))))
    model = read_model(document)
    assert model.kind == kind
    assert model.is_monotone_in("cross_encoder")
    new = [window(number, np.random.default_rng(number)) for number in range(100, 112)]
    before, after = (measure("", new, scores) for scores in (elasticsearch, scores_of(model)))
    assert before.judged_only.mean[MEASURE] < 0.7
    assert after.judged_only.mean[MEASURE] > 0.9
    found = importances(model, windows)
    assert next(iter(found)) == "match"
    assert sum(found.values()) == pytest.approx(1)
    assert found["price_level"] < 0.15


@pytest.mark.parametrize("loss", ["ranknet", "listnet", "lambda"])
@pytest.mark.parametrize("kind", ["linear", "network"])
def test_every_loss_learns_and_the_same_twice(kind, loss, windows, rows) -> None:
    documents = [train(rows, recipe(kind, loss=loss)) for _ in range(2)]
    assert documents[0] == documents[1]
    assert measure("", windows, scores_of(read_model(documents[0]))).judged_only.mean[MEASURE] > 0.9


@pytest.mark.parametrize("kind", [*KINDS, AVERAGE])
def test_what_must_be_monotone_is_so_although_the_data_says_otherwise(kind, rows) -> None:
    forced = replace(recipe(kind), monotone=("first_stage",))
    model = read_model(train(rows, forced))
    assert model.is_monotone_in("first_stage")
    assert not model.is_monotone_in("match")
    values = np.random.default_rng(1).uniform(size=(200, len(NAMES)))
    raised = values.copy()
    raised[:, 1] = np.minimum(values[:, 1] + 0.3, 1)
    assert (model.logits(raised) >= model.logits(values) - 1e-12).all()
    free = read_model(train(rows, replace(recipe(kind), monotone=())))
    assert (free.logits(raised) < free.logits(values)).mean() > 0.5


def test_trees_say_what_lightgbm_says() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    values = np.round(rng.uniform(size=(600, 5)), 2)  # many values lie on a threshold
    target = np.sin(values[:, 0] * 6) + values[:, 1] * values[:, 2] + rng.normal(size=600) * 0.1
    parameters = {"num_leaves": 12, "verbose": -1, "num_threads": 1, "seed": 3, "learning_rate": 0.3}
    booster = lightgbm.train(parameters, lightgbm.Dataset(values, label=target), num_boost_round=40)
    features = ["cross_encoder", "first_stage", "first_stage_rank", "price_level", "popularity"]
    document = {"kind": "trees", "features": features, "monotone": [], **flatten(booster.dump_model())}
    model = read_model(json.loads(json.dumps(document)))
    assert model.raw(values) == pytest.approx(booster.predict(values), abs=1e-12)
    thresholds = np.repeat(np.array([each for each in document["nodes"]["threshold"] if each])[:100, None], 5, axis=1)
    edges = np.clip(thresholds, 0, 1)
    assert model.raw(edges) == pytest.approx(booster.predict(edges), abs=1e-12)
    parts, base = model.parts(values)
    assert parts.sum(axis=1) + base == pytest.approx(booster.predict(values), abs=1e-9)


def test_a_booster_that_learned_nothing_is_a_tree_of_one_leaf() -> None:
    tree = {"tree_structure": {"leaf_value": 0.25}}
    document = {"kind": "trees", "features": ["match"], "fields": ["title"], "monotone": []}
    model = read_model({**document, **flatten({"tree_info": [tree, tree]})})
    assert model.raw(np.zeros((2, 1))).tolist() == [0.5, 0.5]


def test_scores_are_calibrated_and_keep_their_order(rows) -> None:
    document = train(rows, recipe())
    stretched = {
        **document,
        "bias": document["bias"] + 5,
        "weights": {k: 9 * v for k, v in document["weights"].items()},
    }
    again = calibrate(stretched, rows)
    before, after = (read_model(each).fuse(dict(zip(NAMES, rows.values.T, strict=True))) for each in (document, again))
    assert after == pytest.approx(before, abs=0.02)
    mean = np.average(rows.targets, weights=rows.weights)
    assert np.average(after, weights=rows.weights) == pytest.approx(mean, abs=0.02)


def test_an_unjudged_hit_counts_as_much_as_it_is_told(windows) -> None:
    whole, part, none = (rows_of(windows, unjudged) for unjudged in (1.0, 0.25, 0.0))
    assert len(whole.values) == len(part.values) == 24 * HITS
    assert set(part.weights) == {1.0, 0.25}
    assert set(whole.weights) == {1.0}
    assert len(none.values) == 24 * 20
    assert part.targets[part.weights < 1].max() == 0


def test_what_unjudged_hits_look_like_is_only_learned_from_them() -> None:
    """As in any shop: judged is what looked relevant; what nobody would call so was never judged."""
    rng = np.random.default_rng(5)
    windows = []
    for number in range(20):
        match_, other = rng.uniform(size=(2, HITS))
        match_[:10] = rng.uniform(0.9, 1.0, size=10)
        match_[10:] = rng.uniform(0.0, 0.6, size=20)
        grades = np.full(HITS, np.nan)
        grades[:10] = (other[:10] > 0.5) * 3
        ids = [f"{number}-{place}" for place in range(HITS)]
        judged = {ids[place]: int(grades[place]) for place in range(10)}
        features = {"match": match_, "cross_encoder": other}
        windows.append(JudgedWindow(f"q{number}", f"w{number}", ids, features, grades, judged))
    names = ("cross_encoder", "match")
    quality = {}
    for unjudged in (0.0, 0.3):
        model = read_model(train(make_rows(windows, names, 3, unjudged), recipe()))
        quality[unjudged] = measure("", windows, scores_of(model)).unjudged_as_0.mean[MEASURE]
    assert quality[0.3] > quality[0.0] + 0.2


def test_searches_of_one_grade_teach_nothing_and_are_counted(windows) -> None:
    flat = [replace(each, grades=np.where(np.isfinite(each.grades), 2.0, np.nan)) for each in windows]
    with pytest.raises(CommandError, match="in each of 24 searches all of the 480 judged hits"):
        rows_of(flat, unjudged=0.0)
    assert len(rows_of([*flat, windows[0]], unjudged=0.0).ends) == 1
    assert len(rows_of(flat).ends) == 24  # beside unjudged ones there is an order


def test_folds_hold_every_query_once_and_its_likes_together(windows) -> None:
    likes = [
        replace(each, query_text=text) for each, text in zip(windows, ("laptop", "Laptops", "bag laptop"), strict=False)
    ]
    likes.append(replace(windows[3], query_text="laptops bags"))
    all_ = [*likes, *windows[4:]]
    folds = split_folds(all_, 5, seed=1)
    assert sorted(place for fold in folds for place in fold) == list(range(24))
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    fold_of = {place: number for number, fold in enumerate(folds) for place in fold}
    assert len({fold_of[place] for place in range(4)}) == 1
    assert folds == split_folds(all_, 5, seed=1) != split_folds(all_, 5, seed=2)
    with pytest.raises(ConfigError, match="--folds"):
        split_folds(windows[:3], 5, seed=0)


def test_queries_whose_words_are_all_in_anothers_are_a_family() -> None:
    queries = [
        "laptop",
        "red shoe",
        "laptop bag",
        "phone",
        "bags for laptops",
        "the shoes",
        "Shoes",
        "?",
        "!",
        "phones x",
    ]
    families = {tuple(queries[place] for place in family) for family in find_families(queries, 3)}
    assert families == {
        ("laptop", "laptop bag", "bags for laptops"),
        ("red shoe", "the shoes", "Shoes"),
        ("phone", "phones x"),
        ("?",),
        ("!",),
    }
    linked = ["red shoe", "red", "red phone", "phone case", "phone", "Shoes red", "case"]
    sizes = sorted(map(len, find_families(linked, 3)))
    assert sum(sizes) == len(linked)
    assert sizes[-1] <= 3
    assert [0, 5] in find_families(linked, 1)
    assert len(find_families(linked, 7)) == 1


def test_no_window_is_scored_by_a_model_that_saw_it(windows, monkeypatch) -> None:
    seen = []

    def spy(rows, recipe):
        seen.append(rows.values)
        return train(rows, recipe)

    monkeypatch.setattr("middleware.learning.fusion.evaluation.train", spy)
    folds = split_folds(windows, 4, seed=0)
    scores = cross_validate(windows, folds, Training(recipe(), NAMES, 3, 0.3))
    for held_out, values in zip(folds, seen, strict=True):
        for place in held_out:
            assert not (values == windows[place].features["match"][0]).any()
    assert all(scores(each).shape == (HITS,) for each in windows)


def test_a_query_whose_relevant_documents_were_not_found_pays_for_it() -> None:
    found = window(1, np.random.default_rng(1))
    missed = replace(found, judged={**found.judged, "elsewhere": 3})
    for unlike in ("unjudged_as_0", "judged_only"):
        before, after = (
            getattr(measure("", [each], lambda each: np.nan_to_num(each.grades)), unlike).mean[MEASURE]
            for each in (found, missed)
        )
        assert before == pytest.approx(1)
        assert after < before


def test_leaving_out_a_source_leaves_the_others() -> None:
    names = ["cross_encoder", "first_stage", "first_stage_rank", "match", "match.title", "price_level"]
    left = ablations(names)
    assert left["first stage"] == ["cross_encoder", "match", "match.title", "price_level"]
    assert left["words field by field"] == [name for name in names if name != "match.title"]
    assert "vectors" not in left
    assert ablations(["match"]) == {}


def test_a_profile_counts_beside_the_cross_encoder_what_the_weights_say(windows, rows) -> None:
    weights = {"cross_encoder": 2.0, "first_stage": 1.0, "brand_affinity": 0.5, "category_affinity": 0.0}
    document = train(rows, recipe())
    slope = document["weights"]["cross_encoder"] / document["scaling"]["deviation"]["cross_encoder"]
    assert slope > 0
    assert with_profile(document, windows, weights)["profile"] == {"brand_affinity": pytest.approx(slope / 4)}
    blind = train(rows_of(windows, names=NAMES[1:]), recipe())
    assert "profile" not in with_profile(blind, windows, weights)


def test_the_report_compares_all_kinds_with_elasticsearch_and_hand_set_weights(windows) -> None:
    told = []
    wish = Wish(recipe(), folds=3)
    training = Training(recipe(), NAMES, 3, 0.3)
    weights = {"cross_encoder": 1.0, "first_stage": 0.25}
    report, document = learn(windows, training, wish, weights, lambda *step: told.append(step))
    names = [quality.name for quality in report.qualities]
    assert names == ["Elasticsearch's order", "hand-set weights", *KINDS, AVERAGE]
    assert read_model(document).kind == "linear"
    lines = list(report.lines())
    assert sum("+0." in line for line in lines) >= 4
    assert {quality.name for quality in report.ablations} == {
        "cross-encoder",
        "first stage",
        "words of all fields",
        "price",
    }
    assert report.summary()["linear"]["judged_only"] > report.summary()["Elasticsearch's order"]["judged_only"]
    assert told[-1][1] < told[-1][2]


@pytest.mark.parametrize(("text", "weight"), [("zero", 1.0), ("skip", 0.0), ("0.25", 0.25)])
def test_unjudged_is_a_word_or_a_weight(text, weight) -> None:
    assert read_unjudged(text) == weight


@pytest.mark.parametrize("text", ["-1", "2", "some", "nan"])
def test_any_other_weight_is_refused(text) -> None:
    with pytest.raises(ConfigError, match="--unjudged"):
        read_unjudged(text)
