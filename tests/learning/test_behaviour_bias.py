"""Propensities: recovered from logs made with known ones, exact on an example worked by hand, careful without data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.learning.groups.behaviour_bias import (
    Clicks,
    count_rates,
    estimate_examination,
    fit_examination,
    harvest,
)
from middleware.learning.groups.behaviour_log import BehaviourOptions, SearchSeen, Shown

TRUE = np.array([1.0, 0.8, 0.55, 0.5, 0.4, 0.3, 0.25, 0.2])
UNSMOOTHED = BehaviourOptions(bias_smoothing=1e-9, least_examination=0.01)


def searches_of(rows):
    """Rows (query, object, position, shown, clicked) as that many searches of one document."""
    return [
        SearchSeen(query, [Shown(each, position, 1.0 if number < clicked else 0.0)])
        for query, each, position, shown, clicked in rows
        for number in range(shown)
    ]


def simulate(count, swaps, seed):
    """Searches of a shop whose order follows relevance, but for `swaps` of two neighbours in each; clicks by TRUE."""
    rng = np.random.default_rng(seed)
    attractive = np.sort(rng.uniform(0.05, 0.9, size=(40, len(TRUE))))[:, ::-1]
    searches = []
    for _ in range(count):
        query = rng.integers(40)
        order = np.arange(len(TRUE))
        for _ in range(swaps):
            at = rng.integers(len(TRUE) - 1)
            order[[at, at + 1]] = order[[at + 1, at]]
        clicks = rng.random(len(TRUE)) < TRUE * attractive[query, order]
        shown = [
            Shown(f"d{d}", place + 1, float(click)) for place, (d, click) in enumerate(zip(order, clicks, strict=True))
        ]
        searches.append(SearchSeen(f"q{query}", shown))
    return searches


def test_two_documents_that_changed_places_give_the_ratio_of_their_clicks():
    """a: 50 of 100 at 1, 20 of 100 at 2; b: 30 of 100 at 2, 75 of 100 at 1; so (0.2 + 0.3) / (0.5 + 0.75) = 0.4."""
    rows = [("q", "a", 1, 100, 50), ("q", "a", 2, 100, 20), ("q", "b", 1, 100, 75), ("q", "b", 2, 100, 30)]
    found = estimate_examination(searches_of(rows), UNSMOOTHED)
    assert found.method == "harvested"
    assert found.propensities == pytest.approx([1.0, 0.4], abs=1e-3)


def test_documents_weigh_alike_at_both_positions_however_often_they_were_shown_at_each():
    """a was shown 400 times at 1 and 100 at 2: harmonic mean 160; its rates 0.5 and 0.25 count so often at both."""
    clicks = harvest(count_rates(searches_of([("q", "a", 1, 400, 200), ("q", "a", 2, 100, 25)])))
    assert clicks.shown.tolist() == [160.0, 160.0]
    assert clicks.clicked.tolist() == [80.0, 40.0]


def test_expectation_maximisation_of_the_model_is_exact_where_it_fits_exactly():
    """Two items at two positions with clicks of theta * gamma: (1, 0.5) times (0.8, 0.4)."""
    places = np.array([0, 1, 0, 1])
    clicks = Clicks(np.array([0, 0, 1, 1]), places, np.full(4, 1000.0), np.array([800.0, 400.0, 400.0, 200.0]))
    propensities, attractive = fit_examination(clicks)
    assert propensities == pytest.approx([1.0, 0.5], abs=1e-3)
    assert attractive[0] / attractive[1] == pytest.approx(2.0, abs=1e-3)


def test_one_step_of_expectation_maximisation_by_hand(monkeypatch):
    """From theta 0.9, gamma 0.25 (4 clicks of 16), position 1 with 3 of 8 and position 2 with 1 of 8 clicked.

    Of an unclicked row P(looked at) = 0.9 * 0.75 / (1 - 0.225) = 0.870968: theta = (3 + 5 * 0.870968) / 8 = 0.919355
    and (1 + 7 * 0.870968) / 8 = 0.887097.
    """
    monkeypatch.setattr("middleware.learning.groups.behaviour_bias._ITERATIONS", 1)
    clicks = Clicks(np.array([0, 0]), np.array([0, 1]), np.full(2, 8.0), np.array([3.0, 1.0]))
    propensities, _ = fit_examination(clicks)
    assert propensities[1] == pytest.approx(0.887097 / 0.919355, abs=1e-6)


@pytest.mark.parametrize("seed", [1, 2])
def test_known_propensities_are_recovered_from_a_log_whose_order_follows_relevance(seed):
    searches = simulate(12_000, swaps=4, seed=seed)
    found = estimate_examination(searches, BehaviourOptions())
    assert found.method == "harvested"
    assert found.propensities == pytest.approx(TRUE, abs=0.05)
    clicked = np.array([[shown.reward for shown in search.shown] for search in searches]).mean(axis=0)
    assert np.abs(clicked / clicked[0] - TRUE).max() > 0.1  # the click rate alone takes relevance for attention


def test_without_changes_of_place_the_bias_is_half_way_between_none_and_all():
    rows = [("q", "a", 1, 100, 40), ("q", "b", 2, 100, 10)]
    found = estimate_examination(searches_of(rows), UNSMOOTHED)
    assert found.method == "bounded"
    assert found.propensities == pytest.approx([1.0, 0.5], abs=1e-3)
    assert "half-way" in str(found)


def test_with_few_clicks_one_over_the_position_is_assumed():
    found = estimate_examination(searches_of([("q", "a", 1, 9, 3), ("q", "a", 3, 9, 3)]), BehaviourOptions())
    assert found.method == "assumed"
    assert found.propensities == pytest.approx([1, 1 / 2, 1 / 3])
    assert estimate_examination([], BehaviourOptions()).at(7) == 1.0


def test_positions_that_no_swap_connects_with_the_others_follow_the_power_law():
    """1 and 2 are connected, 8 and 9 among themselves only: their ratio to 1 is not known from swaps."""
    rows = [("q", "a", 1, 900, 600), ("q", "a", 2, 900, 300), ("q", "b", 8, 50, 20), ("q", "b", 9, 50, 20)]
    found = estimate_examination(searches_of(rows), BehaviourOptions(least_examination=0.01))
    assert found.at(2) == pytest.approx(0.5, abs=0.01)
    assert found.at(8) == pytest.approx(1 / 8, abs=0.02)


def test_a_noisy_position_is_drawn_towards_the_law_of_all():
    rows = [("q", "a", k, 1000, round(600 / k)) for k in (1, 2, 3, 4)] + [("q", "a", 5, 4, 4)]
    found = estimate_examination(searches_of(rows), BehaviourOptions())
    assert 0.15 < found.at(5) < 0.5


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 6), st.booleans()), min_size=1, max_size=120
    )
)
def test_whatever_the_log_holds_propensities_are_between_the_clip_and_one(events):
    searches = [SearchSeen(f"q{q}", [Shown(f"d{d}", place, float(click))]) for q, d, place, click in events]
    found = estimate_examination(searches, BehaviourOptions())
    assert len(found.propensities) == max(place for _, _, place, _ in events)
    assert np.all((found.propensities >= 0.05) & (found.propensities <= 1))
    assert found.propensities.max() == pytest.approx(1.0)
