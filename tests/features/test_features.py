"""Every feature by hand on a few products, and what holds of all on any."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.config import FeatureFields
from middleware.features.brand import brand_match
from middleware.features.dates import read_day, remaining
from middleware.features.evidence import Evidence
from middleware.features.first_stage import first_stage_features
from middleware.features.freshness import freshness
from middleware.features.maker import FeatureMaker, PlainMaker
from middleware.features.matching import Matching
from middleware.features.popularity import popularity
from middleware.features.price import price_features
from middleware.features.table import FEATURES, PROFILE_FEATURES, features_table, find_feature
from middleware.features.vectors import vector_features
from middleware.personalization.fields import HitFields, read_hit_fields

FIELDS = ("title", "brand", "description")


def match(query, *documents, fields=FIELDS):
    values = [{name: [text] if isinstance(text, str) else text for name, text in each.items()} for each in documents]
    return {name: column.tolist() for name, column in Matching(fields).features(query, values).items()}


def test_a_field_is_matched_by_the_querys_words_and_covered_by_them():
    found = match(
        "red phone case",
        {"title": "Phone Cases, red", "brand": "Acme"},
        {"title": "red shoe", "description": ["for phone", "and case"]},
    )
    assert found["match.title"] == pytest.approx([1, 1 / 3])
    assert found["coverage.title"] == pytest.approx([1, 1 / 2])
    assert found["match.description"] == pytest.approx([0, 2 / 3])
    assert found["coverage.description"] == pytest.approx([0, 2 / 4])
    assert found["match.brand"] == [0, 0]
    assert found["match"] == [1, 1]


def test_a_phrase_is_as_good_as_its_share_of_neighbours_and_never_across_fields():
    found = match(
        "red phone case",
        {"title": "phone case"},
        {"title": "red phone case"},
        {"title": "case phone red"},
        {"title": "red", "description": "phone case"},
    )
    assert found["phrase.title"] == [0.5, 1, 0, 0]
    assert found["phrase"] == [0.5, 1, 0, 0.5]


def test_of_one_word_the_phrase_is_the_word():
    found = match("phone", {"title": "red phones"}, {"title": "case", "description": "phone"})
    assert found["phrase.title"] == found["match.title"] == [1, 0]
    assert found["phrase"] == [1, 1]


def test_chinese_is_matched_by_its_bigrams():
    found = match("红色手机壳", {"title": "手机壳 红色"}, {"title": "红色手机壳"}, {"title": "手表"})
    assert found["match.title"] == pytest.approx([3 / 4, 1, 0])  # 色手 is not in the first
    assert found["phrase.title"] == pytest.approx([1 / 3, 1, 0])


def test_a_model_number_is_found_in_any_spelling_in_any_field():
    documents = ({"title": "Sony WH1000XM4"}, {"description": "like wh-1000-xm4"}, {"title": "Sony WH-1000XM3"}, {})
    assert match("sony wh-1000xm4 headphones", *documents)["model_number"] == [1, 1, 0, 0]
    assert match("iphone12 case", {"title": "case for iPhone 12"})["model_number"] == [1]
    assert match("sony headphones", *documents)["model_number"] == [0.5] * 4


def test_a_query_without_words_matches_nothing():
    found = match("?!", {"title": "what?!"})
    assert {name: column for name, column in found.items() if column != [0]} == {"model_number": [0.5]}


def test_words_far_into_a_field_are_not_looked_at():
    assert match("needle", {"title": "hay " * 500 + "needle"})["match"] == [0]


def test_a_brand_that_the_query_names_sets_its_hits_apart_from_those_of_others():
    hits = [HitFields(brand=("hp",)), HitFields(brand=("canon",)), HitFields(), HitFields(brand=("hp", "other"))]
    assert brand_match("HP laser printer", hits).tolist() == [1, 0, 0.5, 1]
    assert brand_match("laser printer", hits).tolist() == [0.5] * 4
    assert brand_match("php book", hits).tolist() == [0.5] * 4
    assert brand_match("华为手机", [HitFields(brand=("华为",)), HitFields(brand=("小米",))]).tolist() == [1, 0]
    assert brand_match("x", [HitFields(brand=("!",))]).tolist() == [0.5]


def test_the_typical_price_is_that_of_the_best_hits_whatever_the_odd_one_costs():
    hits = [HitFields(price=price) for price in (100.0, None, 50.0, 1e9, 200.0, 100.0)]
    found = {name: column.tolist() for name, column in price_features(hits).items()}
    assert found["price_closeness"] == pytest.approx([1, 0.5, 0.5, 1e-7, 0.5, 1])
    assert found["price_level"] == pytest.approx([0.5, 0.5, 1 / 3, 1 - 1e-7, 2 / 3, 0.5])
    assert price_features([HitFields()] * 2)["price_level"].tolist() == [0.5, 0.5]
    late = [HitFields(price=10.0)] * 10 + [HitFields(price=1000.0)] * 50
    assert price_features(late)["price_closeness"][0] == 1


def test_popularity_grows_with_the_logarithm_and_no_value_is_the_median():
    hits = [HitFields(popularity=count) for count in (999.0, 9.0, None, 99.0)]
    assert popularity(hits).tolist() == pytest.approx([1, 1 / 3, 2 / 3, 2 / 3])
    assert popularity([HitFields(popularity=0.0), HitFields()]).tolist() == [0, 0]
    assert popularity([HitFields()] * 2).tolist() == [0.5, 0.5]


def test_freshness_halves_and_no_date_is_the_median():
    fields = FeatureFields(date="since", half_life_days=10)
    dates = ("1970-02-10", "1970-01-31T00:00:00.000Z", "1970-03-01", None)
    hits = [read_hit_fields({"since": [date] if date else []}, fields, day=40) for date in dates]
    assert freshness(hits).tolist() == pytest.approx([1, 0.5, 1, 1])
    assert remaining(20, 10, 40) == 0.25
    assert freshness([HitFields()]).tolist() == [0.5]


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("1970-01-02", 1),
        ("1970-01-02T12:00:00Z", 1.5),
        ("1970-01-02T12:00:00+12:00", 1),
        ("1971", 365),
        (1971, 365),
        ("1970-02", 31),
        (86_400_000, 1),
        ("86400000", 1),
        (True, None),
        ("soon", None),
        (None, None),
        ("99999-01-01", None),
        (float("nan"), None),
        ({}, None),
    ],
)
def test_dates_are_read_in_the_forms_that_indices_have(value, day):
    assert read_day(value) == day


def test_the_first_stage_is_told_by_score_and_rank():
    found = first_stage_features(np.array([10.0, 6.0, 5.0, np.nan]))
    assert found["first_stage"].tolist() == pytest.approx([1, 0.2, 0, 0])
    assert found["first_stage_share"].tolist() == pytest.approx([1, 0.6, 0.5, 0])
    assert found["first_stage_rank"].tolist() == pytest.approx([1, 0.6309, 0.5, 0.4307], abs=1e-4)


def test_cosines_are_kept_as_they_are_and_as_the_window_differs():
    found = vector_features(np.array([0.2, np.nan, 0.6, -0.2, 0.6]))
    assert found["vector_cosine"].tolist() == pytest.approx([0.5, 0.75, 1, 0, 1])
    assert found["vector_cosine_raw"].tolist() == pytest.approx([0.2, 0.4, 0.6, 0, 0.6])
    nothing = vector_features(np.array([np.nan, np.nan]))
    assert [column.tolist() for column in nothing.values()] == [[0.5, 0.5]] * 2


def test_the_table_names_every_feature_that_there_is():
    names = [name for name in FEATURES if name not in ("cross_encoder", *PROFILE_FEATURES)]
    every = [name.replace("FIELD", "title") for name in names]
    made = FeatureMaker(every).make(evidence([{"title": ["a"]}], [HitFields()]))
    assert sorted(made) == sorted(every)
    rows = features_table().splitlines()[2:]
    assert len(rows) == len(FEATURES)
    assert all(re.fullmatch(r"\| `\S+` \| [\d.]+ \| \S.*\.? \|", row) for row in rows)


@pytest.mark.parametrize("name", ["", "colour", "match.", "match.FIELD", "price.title", "FIELD"])
def test_a_name_that_means_nothing_is_refused(name):
    with pytest.raises(ValueError, match="no feature"):
        FeatureMaker([name])


def evidence(values, hit_fields, query="red phone", cosines=True, scores=None):
    n = len(values)
    scores = np.linspace(9, 1, n) if scores is None else scores
    return Evidence(query, scores, values, hit_fields, np.linspace(-1, 1, n) if cosines else None)


def test_only_what_is_wanted_is_made_and_asked_for():
    maker = FeatureMaker(["cross_encoder", "match.title", "price_level"])
    assert (maker.text_fields, maker.hit_fields) == (("title",), ("price",))
    assert (maker.profile_features, maker.wants_vectors) == ((), False)
    assert set(maker.make(evidence([{}], [HitFields()]))) == {"match.title", "price_level"}
    whole = FeatureMaker(["match", "vector_cosine", "popularity", "freshness", "brand_match", "price_fit"], ["a", "b"])
    assert (whole.text_fields, whole.wants_vectors, whole.profile_features) == (("a", "b"), True, ("price_fit",))
    users = FeatureMaker(["vector_affinity", "price_fit"])
    assert (users.wants_vectors, users.hit_fields) == (False, ())
    assert set(whole.hit_fields) == {"popularity", "date", "brand"}
    assert "vector_cosine" not in whole.make(evidence([{}], [HitFields()], cosines=False))
    few = FeatureMaker(["first_stage"], ["title"])
    assert few.text_fields == ()
    assert set(few.make(evidence([], []))) == {"first_stage"}


def test_fields_that_are_not_told_apart_count_in_those_of_all_fields():
    hits = [{"title": ["phone"], "attr_*": ["a red", "case"]}, {"title": ["a red phone"], "attr_*": []}]
    alone = Matching(["title", "attr_*"], ["title"]).features("red phone case", hits)
    every = Matching(["title", "attr_*"]).features("red phone case", hits)
    assert {name: every[name].tolist() for name in alone} == {name: each.tolist() for name, each in alone.items()}
    assert set(every) - set(alone) == {"match.attr_*", "coverage.attr_*", "phrase.attr_*"}
    assert alone["match"].tolist() == [1, pytest.approx(2 / 3)]
    assert alone["match.title"].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_a_pattern_may_hold_the_words_of_several_fields():
    words = [f"w{number}" for number in range(400)]
    for field, found in (("title", 0), ("attr_*", 1)):
        assert Matching([field]).features("w300", [{field: [" ".join(words)]}])["match"].tolist() == [found]


def test_hand_set_weights_read_what_they_did_before_and_the_cosine_where_it_counts():
    hits = evidence([{}] * 3, [])
    assert set(PlainMaker(wants_vectors=False).make(hits)) == {"first_stage"}
    assert set(PlainMaker(wants_vectors=True).make(hits)) == {"first_stage", "vector_cosine"}


EVERY = [name.replace("FIELD", "title") for name in FEATURES if name not in ("cross_encoder", *PROFILE_FEATURES)]
texts = st.text(max_size=30) | st.sampled_from(["red phone", "iPhone12 手机壳", "a-1 b-2", "\0a\0"])
anything = st.lists(texts | st.integers() | st.floats() | st.booleans(), max_size=3)
hits = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional={"title": anything, "price": anything, "sold": anything, "since": anything}),
        st.floats(allow_nan=True, allow_infinity=True),
        st.just(float("nan")) | st.floats(-1, 1),
    ),
    min_size=1,
    max_size=8,
)


@given(texts, hits)
def test_every_feature_of_any_hits_is_a_number_from_0_to_1(query, found):
    fields = FeatureFields(popularity="sold", date="since")
    values = [each for each, _, _ in found]
    read = [read_hit_fields(each, fields, day=20_000) for each in values]
    given_ = Evidence(query, np.array([score for _, score, _ in found]), values, read, np.array([c for *_, c in found]))
    maker = FeatureMaker(EVERY)
    first, second = maker.make(given_), maker.make(given_)
    assert set(first) == set(EVERY)
    for name, column in first.items():
        assert column.shape == (len(found),), name
        assert ((column >= 0) & (column <= 1)).all(), name
        assert np.array_equal(column, second[name])
        assert 0 <= find_feature(name).neutral <= 1


@given(texts, hits, st.randoms(use_true_random=False))
def test_what_a_text_says_does_not_depend_on_what_stands_beside_it(query, found, random):
    values = [each for each, _, _ in found]
    order = random.sample(range(len(values)), len(values))
    alone = Matching(["title"])
    whole = alone.features(query, values)
    shuffled = Matching(["title"]).features(query, [values[place] for place in order])
    single = [Matching(["title"]).features(query, [each]) for each in values]
    for name, column in whole.items():
        assert np.array_equal(column[order], shuffled[name])
        assert column.tolist() == [each[name][0] for each in single]
