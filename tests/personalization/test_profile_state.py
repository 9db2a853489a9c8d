"""Sums that fade with time: worked by hand, folded in any pieces to one state, stored and read back whole."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.config import ProfileSettings
from middleware.personalization.documents import (
    ClusterStatistics,
    from_document,
    statistics_from_document,
    statistics_to_document,
    to_document,
)
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields
from middleware.personalization.state import (
    EMPTY,
    MOST_AT_EDGE,
    MOST_BOUGHT,
    MOST_NAMES,
    Product,
    decayed,
    fold,
    price_band,
)

NOW = 1_777_636_800.0
DAY = 86_400.0
SETTINGS = ProfileSettings(half_life_days=10)
EAST, NORTH = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)
PRODUCTS = {
    "phone": Product(HitFields(("acme",), ("phones", "electronics"), 400.0, attributes=("color=red",)), EAST),
    "cable": Product(HitFields(("volt",), ("cables", "electronics"), 10.0), NORTH),
    "gift": Product(HitFields()),
}


def act(product, action="view", days_ago=0.0, event_id=""):
    return Event("anna", action, product, NOW - days_ago * DAY, event_id)


def folded(*acts, state=EMPTY, now=NOW, settings=SETTINGS, model="encoder@1"):
    return fold(state, acts, PRODUCTS, settings, now, model)


def same(one, other):
    """Equal but for the rounding of sums."""
    for name in ("brands", "categories", "attributes", "price_bands", "bought"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-4, abs=1e-6), name
    for name in ("weight", "price_weight", "price_sum", "price_square_sum", "vector_weight"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-4, abs=1e-6), name
    exact = ("as_of_s", "events", "last_event_s", "edge", "vector_model", "cluster")
    assert [getattr(one, name) for name in exact] == [getattr(other, name) for name in exact]
    if one.vector_sum is None or other.vector_sum is None:
        assert one.vector_sum is other.vector_sum is None
    else:
        assert one.vector_sum == pytest.approx(other.vector_sum, rel=2e-3, abs=1e-3)


def test_sums_worked_by_hand():
    # A purchase (8) of the phone ten days ago has halved to 4; a click (2) on the cable is of now.
    state = folded(act("phone", "purchase", days_ago=10), act("cable", "click"))
    assert (state.weight, state.events, state.as_of_s, state.last_event_s) == (6.0, 2, NOW, NOW)
    assert state.brands == {"acme": 4.0, "volt": 2.0}
    assert state.categories == {"phones": 2.0, "electronics": 3.0, "cables": 1.0}
    assert state.attributes == {"color=red": 4.0}
    assert state.price_bands == {17: 4.0, 6: 2.0}  # 2 log2(400) = 17.3, 2 log2(10) = 6.6
    assert state.price_weight == 6.0
    assert state.price_sum == pytest.approx(4 * math.log(400) + 2 * math.log(10))
    assert state.price_square_sum == pytest.approx(4 * math.log(400) ** 2 + 2 * math.log(10) ** 2)
    assert state.vector_sum.tolist() == [4.0, 2.0]
    assert state.bought == {"phone": NOW - 10 * DAY}


def test_decay_is_one_multiplication():
    state = folded(act("phone", "purchase"), act("cable", "click"))
    later = decayed(state, SETTINGS, NOW + 20 * DAY)
    assert (later.weight, later.brands, later.vector_sum.tolist()) == (2.5, {"acme": 2.0, "volt": 0.5}, [2.0, 0.5])
    assert (later.events, later.last_event_s, later.bought) == (state.events, state.last_event_s, state.bought)
    same(later, folded(act("phone", "purchase"), act("cable", "click"), now=NOW + 20 * DAY))
    assert decayed(state, SETTINGS, NOW - DAY) is state


def test_a_price_band_is_half_an_octave():
    assert [price_band(price) for price in (1, 1.41, 1.42, 2, 100, 140, 150, 0.5)] == [0, 0, 1, 2, 13, 14, 14, -2]


def test_what_was_seen_is_not_counted_again_even_at_the_same_moment():
    state = folded(act("phone", event_id="a"), act("phone", event_id="b"), act("cable", days_ago=1, event_id="c"))
    again = [act("phone", event_id="a"), act("phone", event_id="b"), act("cable", days_ago=1, event_id="c")]
    assert folded(*again, state=state) == state
    more = folded(*again, act("gift", event_id="d"), state=state)
    assert (more.events, set(more.edge)) == (4, {"a", "b", "d"})


def test_without_ids_a_moment_counts_once():
    state = folded(act("phone"), act("phone"))
    assert folded(act("phone"), state=state).events == 2


def test_an_event_that_comes_late_waits_for_the_next_batch():
    state = folded(act("phone", event_id="a"))
    assert folded(act("cable", days_ago=1, event_id="late"), state=state) == state


def test_an_event_from_the_future_counts_as_one_from_now_and_once():
    ahead = act("phone", days_ago=-1, event_id="ahead")
    state = folded(ahead, act("phone", event_id="now"))
    assert (state.weight, state.last_event_s) == (2.0, NOW)
    later = folded(ahead, act("cable", days_ago=-0.5, event_id="next"), state=state, now=NOW + DAY / 2)
    assert (later.events, later.last_event_s) == (3, NOW + DAY / 2)
    assert folded(ahead, state=later, now=NOW + 3 * DAY).events == 3


def test_what_faded_away_does_not_count():
    assert folded(act("phone", days_ago=1e5)) == replace(EMPTY, as_of_s=NOW)


def test_vectors_of_another_encoder_are_dropped_and_without_an_encoder_all_stays():
    state = folded(act("phone", days_ago=2))
    other = folded(act("cable"), state=state, model="encoder@2")
    assert (other.vector_sum.tolist(), other.vector_weight, other.vector_model) == ([0.0, 1.0], 1.0, "encoder@2")
    kept = folded(act("cable"), state=state, model=None)
    assert (kept.vector_sum.tolist(), kept.vector_model) == (state.vector_sum.tolist(), "encoder@1")


def test_a_state_is_bounded():
    many = {
        f"p{n}": Product(HitFields((f"brand {n}",), (f"category {n}",), attributes=(f"a={n}",))) for n in range(400)
    }
    acts = [Event("anna", "purchase", name, NOW + n, str(n)) for n, name in enumerate(many)]
    state = fold(EMPTY, acts, many, SETTINGS, NOW)
    assert len(state.brands) == len(state.categories) == len(state.attributes) == MOST_NAMES
    assert (len(state.bought), len(state.edge), state.events) == (MOST_BOUGHT, MOST_AT_EDGE, 400)
    assert len(to_document(state)["state"]["brands"]) == MOST_NAMES


moments = st.integers(0, 40 * 24 * 60).map(lambda minutes: minutes / (24 * 60))
acts = st.lists(
    st.tuples(st.sampled_from([*PRODUCTS, "gone"]), st.sampled_from(["view", "purchase", "hover"]), moments)
)


@given(acts, st.floats(0, 40), st.randoms(use_true_random=False))
def test_a_batch_of_all_is_a_batch_of_some_and_the_rest_live(drawn, cut, random):
    events = [act(product, action, days, str(n)) for n, (product, action, days) in enumerate(drawn)]
    whole = folded(*events)
    before = [e for e in events if e.timestamp_s <= NOW - cut * DAY]
    stored = folded(*before, now=NOW - cut * DAY)
    live = random.sample(events, len(events))  # in any order, what was seen among them
    same(folded(*live, state=stored), whole)
    read_back = from_document(json.loads(json.dumps(to_document(stored))))
    same(folded(*live, state=read_back), whole)


@given(acts)
def test_a_document_holds_the_whole_state(drawn):
    state = replace(folded(*[act(*one, str(n)) for n, one in enumerate(drawn)]), cluster="7")
    same(from_document(json.loads(json.dumps(to_document(state)))), state)


def test_a_heavy_users_vector_fits_into_16_bits():
    state = replace(folded(act("phone")), vector_sum=EAST * 1e6, vector_weight=1e6)
    assert from_document(to_document(state)).vector_sum.tolist() == [1e6, 0.0]


@pytest.mark.parametrize("broken", [{}, {"state": None}, {"state": {"as_of_s": "x"}}, {"state": {}}], ids=repr)
def test_what_is_no_profile_is_a_value_error(broken):
    for read in (from_document, statistics_from_document):
        with pytest.raises(ValueError, match=r"not the document|could not convert"):
            read({"event_weight": 1, "event_count": 1, "cluster": "1", "users": 3} | broken)


def test_statistics_come_back_as_they_were():
    statistics = ClusterStatistics("3", 40, {"acme": 0.5}, {"phones": 0.25}, {}, {"phone": 0.1}, EAST, "encoder@1")
    read = statistics_from_document(json.loads(json.dumps(statistics_to_document(statistics, NOW))))
    assert (read, read.vector.tolist(), read.document_id) == (statistics, [1.0, 0.0], "cluster:3")
    assert ClusterStatistics("everybody", 99).document_id == "everybody"
