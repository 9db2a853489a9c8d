"""A profile counts behaviour by kind and age, and a thin one counts little."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.config import ProfileSettings
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import LEAST_PRICE_LOG_STD, Profile
from middleware.personalization.profiles import profile_of as make_profile
from middleware.personalization.state import EMPTY, Product, fold

NOW = 1_777_636_800.0
DAY = 86_400.0
SETTINGS = ProfileSettings()
PRODUCTS = {
    "phone": Product(HitFields(("acme",), ("phones", "electronics"), 400.0)),
    "cable": Product(HitFields(("volt",), ("cables", "electronics"), 10.0)),
    "gift": Product(HitFields((), (), None)),
}
ACTIONS = [*SETTINGS.action_weights, "hover"]


def act(product, action="view", age_days=0.0):
    return Event("anna", action, product, NOW - age_days * DAY)


events = st.lists(
    st.builds(act, st.sampled_from([*PRODUCTS, "gone"]), st.sampled_from(ACTIONS), st.floats(-10, 1e5)), max_size=20
)


def profile_of(*acts, **settings):
    changed = SETTINGS.model_copy(update=settings)
    return make_profile(fold(EMPTY, acts, PRODUCTS, changed, NOW), settings=changed, now=NOW)


def test_without_events_the_profile_is_empty():
    assert profile_of() == Profile()


def test_actions_that_say_nothing_and_products_that_are_gone_do_not_count():
    assert profile_of(act("phone", "hover"), act("gone", "purchase")) == Profile()


def test_an_affinity_is_a_smoothed_share():
    profile = profile_of(act("phone", "add_to_cart"), act("cable", "view"))
    assert profile.weight == 5.0
    assert profile.brand_affinity == pytest.approx({"acme": 0.4, "volt": 0.1})
    assert profile.category_affinity == pytest.approx({"phones": 0.2, "electronics": 0.25, "cables": 0.05})


def test_an_event_counts_half_after_the_half_life():
    fresh, old = profile_of(act("phone")), profile_of(act("phone", age_days=SETTINGS.half_life_days))
    assert old.weight == pytest.approx(fresh.weight / 2)


def test_an_event_from_the_future_counts_as_one_from_now():
    assert profile_of(act("phone", age_days=-3)) == profile_of(act("phone"))


def test_a_purchase_says_more_than_a_click_and_a_click_more_than_a_view():
    bought, clicked, viewed = (profile_of(act("phone", action)) for action in ("purchase", "click", "view"))
    assert bought.brand_affinity["acme"] > clicked.brand_affinity["acme"] > viewed.brand_affinity["acme"]


def test_more_of_the_same_behaviour_makes_the_profile_surer():
    affinities = [profile_of(*[act("phone")] * count).brand_affinity["acme"] for count in (1, 5, 50)]
    assert affinities == pytest.approx([1 / 6, 0.5, 50 / 55])


def test_the_usual_price_is_a_weighted_geometric_mean():
    profile = profile_of(act("phone", "click"), act("cable", "click"), act("gift", "purchase"))
    assert profile.price_log_mean == pytest.approx(math.log(math.sqrt(400 * 10)))
    assert profile.price_log_std == pytest.approx(math.log(40) / 2)
    assert profile.price_confidence == pytest.approx(4 / 9)


def test_one_price_still_leaves_a_band():
    assert profile_of(act("phone", "purchase")).price_log_std == LEAST_PRICE_LOG_STD


def test_behaviour_on_products_without_prices_says_nothing_about_prices():
    profile = profile_of(act("gift", "purchase"))
    assert (profile.price_log_mean, profile.price_confidence, profile.weight) == (None, 0.0, 8.0)


@given(events, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_shares_never_exceed_the_whole(acts, smoothing, half_life_days):
    profile = profile_of(*acts, smoothing=smoothing, half_life_days=half_life_days)
    for affinity in (profile.brand_affinity, profile.category_affinity):
        assert all(share >= 0 for share in affinity.values())
        assert sum(affinity.values()) <= 1 + 1e-9
    assert 0 <= profile.price_confidence < 1
    assert LEAST_PRICE_LOG_STD <= profile.price_log_std < math.inf
    assert profile.price_log_mean is None or math.log(9) < profile.price_log_mean < math.log(401)


@given(events, st.randoms(use_true_random=False))
def test_the_order_of_the_events_does_not_matter(acts, random):
    shuffled = random.sample(acts, len(acts))
    one, other = profile_of(*acts), profile_of(*shuffled)
    assert one.brand_affinity == pytest.approx(other.brand_affinity)
    assert one.category_affinity == pytest.approx(other.category_affinity)
    assert one.weight == pytest.approx(other.weight)
