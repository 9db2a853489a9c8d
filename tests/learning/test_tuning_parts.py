"""Queries are cut by their words and a seed; templates are taken apart and put together; the space knows its bounds."""

from __future__ import annotations

import pytest

from middleware.errors import CommandError, ConfigError
from middleware.fusion_models.hand_set import HandSet
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.reranker.recipe import Recipe
from middleware.learning.tuning.parts import check_parts, cut, only_queries
from middleware.learning.tuning.result import _Values
from middleware.learning.tuning.space import WHAT, Configuration, Space, present_values, suggest
from middleware.learning.tuning.template import pieces_of, template_text

QUERIES = {f"q{number}": f"word{number} thing" for number in range(40)}


def test_every_query_is_in_one_part_and_the_parts_are_even():
    parts = cut(QUERIES, 4, 0.25, 0)
    assert sorted([*parts.training, *parts.held_out]) == sorted(QUERIES)
    assert len(parts.held_out) == 10
    assert [len(fold) for fold in parts.folds] == [8, 8, 7, 7]
    assert sorted(parts.without(1)) == sorted(set(parts.training) - set(parts.folds[1]))


def test_the_cut_is_the_seeds_and_not_the_orders():
    backwards = dict(reversed(QUERIES.items()))
    assert cut(QUERIES, 4, 0.25, 3) == cut(backwards, 4, 0.25, 3)
    assert cut(QUERIES, 4, 0.25, 3) != cut(QUERIES, 4, 0.25, 4)


@pytest.mark.parametrize("seed", range(5))
def test_queries_of_the_same_words_are_in_the_same_part(seed):
    queries = {**QUERIES, **{f"again{number}": f"Thing  WORD{number}" for number in range(0, 40, 3)}}
    parts = cut(queries, 3, 0.3, seed)
    part_of = {query: place for place, part in enumerate([parts.held_out, *parts.folds]) for query in part}
    assert all(part_of[f"q{number}"] == part_of[f"again{number}"] for number in range(0, 40, 3))


def test_too_few_queries_for_the_folds_are_counted():
    alike = {"a": "red shoe", "b": "shoe red", "c": "blue shoe"}
    with pytest.raises(ConfigError, match="--folds: 2: give a number from 2 to 1: 2 queries differ"):
        cut(alike, 2, 0.25, 0)


def judged(grades):
    qrels = {query: {"d1": grade, "d2": 0} for query, grade in grades.items()}
    return Judgments({query: QUERIES[query] for query in qrels}, qrels, 3, "some.csv")


def test_a_part_that_can_tell_nothing_is_named_with_its_counts():
    parts = cut(QUERIES, 4, 0.25, 0)
    fine = judged(dict.fromkeys(QUERIES, 1))
    check_parts(fine, parts, judged_only=True)
    nothing = judged(dict.fromkeys(QUERIES, 0))
    with pytest.raises(
        CommandError, match="of 10 queries with 20 judgments, held out, none has a judgment above grade 0"
    ):
        check_parts(nothing, parts, judged_only=False)
    poor = judged({query: int(query not in parts.folds[2]) for query in QUERIES})
    with pytest.raises(CommandError, match="of 7 queries with 14 judgments, fold 3, none has a judgment above grade 0"):
        check_parts(poor, parts, judged_only=False)


def test_one_grade_for_all_tells_no_order_of_judged_hits():
    parts = cut(QUERIES, 4, 0.25, 0)
    same = Judgments(QUERIES, {query: {"d1": 2, "d2": 2} for query in QUERIES}, 2, "one-class.csv")
    check_parts(same, parts, judged_only=False)
    with pytest.raises(CommandError, match="none has judgments of several grades"):
        check_parts(same, parts, judged_only=True)


def test_the_highest_grade_is_that_of_the_queries_that_are_seen():
    part = only_queries(judged({"q1": 1, "q2": 3}), ["q1"])
    assert (part.max_grade, list(part.qrels), part.queries) == (1, ["q1"], {"q1": QUERIES["q1"]})


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{title}[ | {brand}][ | {category}]", ["title", "brand", "category"]),
        ("Product: {title} {a.b}[ by {brand} of {country}].", ["title", "a.b", "brand+country"]),
        ("{title} ({brand})[ {brand}]", ["title+brand", "brand"]),
        ("[{title}][ {title}]", ["title", "title 2"]),
    ],
)
def test_a_template_is_its_pieces(template, names):
    pieces = pieces_of(template)
    assert [piece.name for piece in pieces] == names
    assert template_text(pieces) == template


def space(**given):
    known = {
        "what": WHAT,
        "window": 57,
        "most_hits": 205,
        "template": "{title}[ | {brand}][ | {category}]",
        "features": ["cross_encoder", "first_stage", "match", "vector_cosine", "price_level"],
        "fields": ["title", "brand", "category"],
        "sources": {"price": ["price_level"], "words": ["match"]},
        "weights": {"cross_encoder": 2.0, "first_stage": 1.0, "brand_affinity": 0.3, "vector_cosine": 0.0},
        "trained": None,
        "base": Recipe(),
        "layers": 6,
        "invented": 500,
        "seed": 1,
    }
    return Space(**{**known, **given})


class Recorder:
    """A trial that takes the first choice everywhere and remembers between what it could choose."""

    def __init__(self, fixed=None):
        self.fixed, self.asked = fixed or {}, {}

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices
        assert name not in self.fixed or self.fixed[name] in choices
        return self.fixed.get(name, choices[0])

    def suggest_int(self, name, low, high, *, step=1):
        self.asked[name] = range(low, high + 1, step)
        assert name not in self.fixed or self.fixed[name] in self.asked[name]
        return self.fixed.get(name, low)

    def suggest_float(self, name, low, high, *, log=False):
        self.asked[name] = (low, high)
        assert low <= self.fixed.get(name, low) <= high
        return self.fixed.get(name, low)


@pytest.mark.parametrize(
    "what", [("window",), ("fields",), ("fusion",), ("reranker",), ("fusion", "window", "fields"), WHAT]
)
def test_the_present_configuration_is_a_point_of_the_space(what):
    of = space(what=what)
    values = present_values(of)
    trial = Recorder(values)
    configuration = suggest(trial, of)
    assert set(trial.asked) == set(values)
    assert configuration.template == of.template
    assert configuration.window == (60 if "window" in what else 57)
    if "fusion" in what:
        features = {"cross_encoder": 0.9, "first_stage": 0.2, "vector_cosine": 0.4}
        import numpy as np

        given = {name: np.array([value, 0.5]) for name, value in features.items()}
        assert HandSet(configuration.fusion.weights).fuse(given) == pytest.approx(HandSet(of.weights).fuse(given))
    assert suggest(_Values(values), of) == configuration


def test_what_is_not_searched_stays():
    assert suggest(Recorder(), space(what=("window",), window=50)) == Configuration(10, space().template)


def test_windows_go_in_tens_up_to_the_hits_that_there_are():
    trial = Recorder()
    suggest(trial, space(what=("window",)))
    assert list(trial.asked["window"]) == list(range(10, 201, 10))


def test_left_out_and_moved_parts_make_another_template():
    fixed = {"read brand": True, "place of brand": 2, "read category": True, "place of category": 1}
    assert suggest(Recorder(fixed), space(what=("fields",))).template == "{title}[ | {category}][ | {brand}]"
    assert suggest(Recorder({"read brand": False}), space(what=("fields",))).template == "{title}[ | {category}]"


def test_a_left_out_source_takes_its_features_with_it_and_monotone_names_what_is_left():
    fixed = {"fusion": "network", "use price": False, "monotone": "models and words"}
    choice = suggest(Recorder(fixed), space(what=("fusion",))).fusion
    assert list(choice.names) == ["cross_encoder", "first_stage", "match", "vector_cosine"]
    assert list(choice.recipe.monotone) == ["cross_encoder", "match", "vector_cosine"]
    assert suggest(Recorder({**fixed, "monotone": "nothing"}), space(what=("fusion",))).fusion.recipe.monotone == ()


def test_beside_a_trained_cross_encoder_no_fusion_is_learned():
    assert space(what=("fusion", "reranker")).kinds == ("weights",)
    assert len(space(what=("fusion",)).kinds) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"what": ("windows",)}, "--what: 'windows': name some of fusion, window, fields, reranker"),
        ({"most_hits": 15}, "--hits: 15: give 20 or more"),
        ({"template": "{title}"}, "has one part alone"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        space(**given)
