"""A profile in words: what was bought, what it costs, and how well we know the user."""

from __future__ import annotations

import math

import pytest

from middleware.explanation.facts import Facts
from middleware.features.table import PROFILE_FEATURES
from middleware.personalization.documents import ClusterStatistics
from middleware.personalization.features import profile_features
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import Profile

ACME, VOLT = HitFields(("acme",), ("phones",), 30.0, attributes=("colour=red",)), HitFields(("volt",), (), 300.0)
KNOWN = Profile(
    brand_affinity={"acme": 0.6, "volt": 0.02},
    category_affinity={"phones": 0.3},
    attribute_affinity={"colour=red": 0.25},
    price_log_mean=math.log(30),
    price_log_std=math.log(1.5),
    price_confidence=0.8,
    bought={"a1": 0.0, "a2": 86_400.0, "a3": 0.0},
    cluster="4",
    cluster_popularity={"a2": 0.1},
    events=12,
    confidence=0.9,
    weight=45.0,
)
BOUGHT = {"a1": ACME, "a2": ACME, "a3": ACME}


def test_the_user_in_words() -> None:
    assert Facts(KNOWN, BOUGHT).about_user() == [
        "12 events counted",
        "bought 3 products of brand acme (60% of the profile)",
        "bought 3 products of category phones (30% of the profile)",
        "bought 3 products of colour red (25% of the profile)",
        "usual price 20 to 45",
    ]


def test_what_sets_the_user_apart_comes_before_what_everybody_likes() -> None:
    # p ln(p / q): hp 0.4 ln(0.4 / 0.35) = 0.05, acme 0.2 ln(0.2 / 0.02) = 0.46, volt 0.06 ln(0.06 / 0.01) = 0.11
    shares = {"hp": 0.4, "acme": 0.2, "volt": 0.06, "rest": 0.04}
    everybody = ClusterStatistics("everybody", 100, brand_affinity={"hp": 0.35, "acme": 0.02})
    told = Facts(Profile(brand_affinity=shares, everybody=everybody, events=1, confidence=0.9)).about_user()
    assert [fact.split()[1] for fact in told[1:]] == ["acme", "volt", "hp"]
    alone = Facts(Profile(brand_affinity=shares, events=1, confidence=0.9)).about_user()
    assert [fact.split()[1] for fact in alone[1:]] == ["hp", "acme", "volt"]


@pytest.mark.parametrize(
    ("profile", "first"),
    [
        (Profile(cluster="4"), "new user: what users of cluster 4 buy"),
        (Profile(), "new user: what all users buy"),
        (Profile(events=1, confidence=0.2), "1 event counted, so little that what all users buy counts more"),
        (Profile(events=2, confidence=0.5), "2 events counted"),
    ],
)
def test_how_well_the_user_is_known(profile, first) -> None:
    assert Facts(profile).about_user() == [first]


def features_of(hit, object_id, profile=KNOWN):
    others = [HitFields(("zeta",), ("cables",), 5.0, attributes=("colour=blue",))] * 3
    return {name: values[0] for name, values in profile_features(profile, [hit, *others], [object_id, *"xyz"]).items()}


def test_a_hit_has_the_facts_behind_its_features_and_no_others() -> None:
    facts = Facts(KNOWN, {"a1": ACME})
    assert facts.about_hit(ACME, "a2", features_of(ACME, "a2")) == {
        "brand_affinity": "bought 1 product of brand acme (60% of the profile)",
        "category_affinity": "bought 1 product of category phones (30% of the profile)",
        "attribute_affinity": "bought 1 product of colour red (25% of the profile)",
        "price_fit": "costs 30, usual price 20 to 45",
        "bought_before": "bought on 1970-01-02",
        "cluster_popularity": "popular with users of cluster 4",
    }
    assert facts.about_hit(VOLT, "b", features_of(VOLT, "b")) == {
        "brand_affinity": "brand volt (2% of the profile)",
        "price_fit": "costs 300, usual price 20 to 45",
    }
    assert facts.about_hit(HitFields(), "b", features_of(HitFields(), "b")) == {}


def test_every_profile_feature_has_words() -> None:
    told = Facts(KNOWN).about_hit(ACME, "a2", dict.fromkeys(PROFILE_FEATURES, 0.9))
    assert set(told) == set(PROFILE_FEATURES)
