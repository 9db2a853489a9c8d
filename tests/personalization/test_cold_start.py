"""Of whom little is known, others say something: the user's cluster, the nearest one, everybody; worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from middleware.config import ProfileSettings
from middleware.personalization.clusters import Others, gather
from middleware.personalization.documents import ClusterStatistics
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import profile_of
from middleware.personalization.state import EMPTY, Product, fold

NOW = 1_777_636_800.0
SETTINGS = ProfileSettings(smoothing=5.0)
EAST, NORTH = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)
PRODUCTS = {"phone": Product(HitFields(("acme",), ("phones",), 400.0), EAST)}
OTHERS = gather(
    [
        ClusterStatistics("0", 50, {"acme": 0.6, "volt": 0.2}, vector=2 * NORTH, vector_model="encoder@1"),
        ClusterStatistics("1", 50, {"zeta": 1.0}, vector=EAST + NORTH / 2, vector_model="encoder@1"),
        ClusterStatistics("everybody", 100, {"volt": 0.5}, popularity={"cable": 0.1}),
    ]
)


def state_of(*actions):
    events = [Event("anna", action, "phone", NOW, str(number)) for number, action in enumerate(actions)]
    return fold(EMPTY, events, PRODUCTS, SETTINGS, NOW, "encoder@1")


def profile(state, statistics):
    return profile_of(state, statistics=statistics, settings=SETTINGS, now=NOW)


def test_a_thin_profile_is_mostly_the_clusters():
    # One click weighs 2; the pseudo-count of 5 is shared out as the cluster's behaviour is.
    affinity = profile(state_of("click"), OTHERS.clusters["0"]).brand_affinity
    assert affinity == pytest.approx({"acme": (2 + 5 * 0.6) / 7, "volt": 5 * 0.2 / 7})


def test_a_rich_profile_is_mostly_the_users_own():
    affinity = profile(state_of(*["purchase"] * 12), OTHERS.clusters["1"]).brand_affinity
    assert affinity == pytest.approx({"acme": 96 / 101, "zeta": 5 / 101})


def test_a_profile_with_nothing_is_everybodys():
    state, statistics = OTHERS.of(EMPTY)
    found = profile(state, statistics)
    assert (found.brand_affinity, found.cluster_popularity, found.cluster) == ({"volt": 0.5}, {"cable": 0.1}, None)
    assert (found.confidence, found.price_log_mean, found.version) == (0.0, None, "")


def test_confidence_is_the_users_own_part():
    assert profile(state_of("click"), None).confidence == pytest.approx(2 / 7)


def test_the_cluster_of_the_batch_counts_else_the_nearest_else_everybody():
    state = state_of("click")
    in_0 = replace(state, cluster="0")
    assert OTHERS.of(in_0) == (in_0, OTHERS.clusters["0"])
    assert OTHERS.of(state)[0].cluster == "1"
    assert OTHERS.of(replace(state, cluster="merged away"))[0].cluster == "1"
    other_encoder = replace(state, vector_model="encoder@2", cluster="merged away")
    assert OTHERS.of(other_encoder) == (replace(other_encoder, cluster=None), OTHERS.everybody)
    assert Others().of(state) == (state, None)


def test_vectors_are_of_unit_length_and_the_sessions_stands_alone():
    long_term = state_of("click")
    session = replace(long_term, vector_sum=3 * NORTH)
    found = profile_of(long_term, session, settings=SETTINGS, now=NOW)
    assert (found.vector.tolist(), found.session_vector.tolist()) == ([1.0, 0.0], [0.0, 1.0])
    assert found.vector_model == "encoder@1"


def test_tastes_that_cancel_out_have_no_vector():
    assert profile(replace(state_of("click"), vector_sum=0 * EAST), None).vector is None


def test_the_version_changes_with_events_and_not_with_time():
    state = state_of("click")
    versions = [profile_of(state, settings=SETTINGS, now=NOW + days * 86_400).version for days in (0, 9)]
    assert versions[0] == versions[1] != profile(state_of("click", "view"), None).version
