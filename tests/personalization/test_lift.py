import math

import numpy as np
import pytest

from middleware.personalization.lift import PRIOR_WEIGHT, name_lifts, price_lifts


def test_a_name_is_lifted_by_its_posterior_share_over_what_the_window_offers() -> None:
    # Three of four hits are acme's. 40 of bolt's weight, 40 of prior: (40 + 40 / 4) / 80 = 0.625, lift 2.5; acme's
    # (0 + 40 * 3 / 4) / 80 = 0.375, lift 0.5.
    lifts = name_lifts({"bolt": PRIOR_WEIGHT}, [("acme",), ("bolt",), ("acme",), ("acme",)])
    assert lifts == pytest.approx([0.5 + 0.5 * math.log10(lift) for lift in (0.5, 2.5, 0.5, 0.5)])


def test_choosing_what_the_window_offers_says_nothing() -> None:
    lifts = name_lifts({"acme": 30.0, "bolt": 10.0}, [("acme",), ("bolt",), ("acme",), ("acme",), ()])
    assert lifts == pytest.approx([0.5] * 5)


def test_names_that_nobody_touched_and_hits_without_any_are_neutral() -> None:
    assert name_lifts({"elsewhere": 50.0}, [("acme",), (), ("bolt", "acme")]) == pytest.approx([0.5] * 3)
    assert name_lifts({}, []).shape == (0,)


def test_a_hit_with_several_names_has_the_lift_of_their_sum() -> None:
    # black 1.5, red 0.5 of two hits; (40 + 10) / 80 over 1/4 for red, 30 / 80 over 3/4 for black, 1 over 1 for both.
    lifts = name_lifts({"red": 40.0}, [("black", "red"), ("black",)])
    assert lifts == pytest.approx([0.5, 0.5 + 0.5 * math.log10(0.5)])


def test_a_price_is_lifted_towards_what_the_user_pays() -> None:
    prices = [10.0, 20.0, 40.0, 80.0, None]
    lifts = price_lifts(math.log(80), 1.0, 40.0, prices)
    assert np.all(np.diff(lifts[:4]) > 0)
    assert lifts[0] < 0.5 < lifts[3]
    assert lifts[4] == 0.5


def test_price_lift_is_the_ratio_of_two_normal_densities() -> None:
    # The window's ln prices: mean 1, std 1. The user's: mean 2, std 1, as heavy as the prior, so mean 1.5, variance 1.
    lifts = price_lifts(2.0, 1.0, PRIOR_WEIGHT, [1.0, math.exp(2)])
    ratios = [-0.5 * ((value - 1.5) ** 2 - (value - 1) ** 2) for value in (0.0, 2.0)]
    assert lifts == pytest.approx([0.5 + 0.5 * ratio / math.log(10) for ratio in ratios])


def test_without_a_known_price_every_hit_is_neutral() -> None:
    assert price_lifts(None, 0.25, 0.0, [1.0, None]).tolist() == [0.5, 0.5]
    assert price_lifts(2.0, 0.25, 9.0, [None, None]).tolist() == [0.5, 0.5]
