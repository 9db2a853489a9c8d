"""A profile moves no hit further than it may, and orders by its scores as far as that allows."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from middleware.personal_order import bind_order

scores = st.lists(st.floats(0, 1), max_size=30)
reaches = st.none() | st.integers(0, 35)


@st.composite
def rankings(draw):
    values = draw(scores)
    return draw(st.permutations(range(len(values)))), np.array(values)


@given(rankings(), reaches)
def test_every_hit_stands_once_and_none_moves_further_than_it_may(ranking, most) -> None:
    impersonal, values = ranking
    order = bind_order(impersonal, values, most)
    assert sorted(order) == sorted(impersonal)
    if most is not None:
        assert all(abs(order.index(hit) - rank) <= most for rank, hit in enumerate(impersonal))


@given(rankings())
def test_without_a_bound_the_scores_decide_and_equal_ones_keep_their_order(ranking) -> None:
    impersonal, values = ranking
    assert bind_order(impersonal, values, None) == sorted(impersonal, key=lambda hit: -values[hit])


@given(rankings())
def test_a_bound_of_nought_changes_nothing(ranking) -> None:
    impersonal, values = ranking
    assert bind_order(impersonal, values, 0) == list(impersonal)


@given(rankings(), st.integers(0, 35))
def test_an_order_that_keeps_the_bound_by_itself_is_left_as_it_is(ranking, most) -> None:
    impersonal, values = ranking
    free = bind_order(impersonal, values, None)
    if all(abs(free.index(hit) - rank) <= most for rank, hit in enumerate(impersonal)):
        assert bind_order(impersonal, values, most) == free


@given(rankings(), reaches)
def test_a_hit_that_gains_by_the_profile_never_loses_a_place_for_it(ranking, most) -> None:
    impersonal, values = ranking
    if not len(values):
        return
    liked = np.array(values)
    liked[impersonal[-1]] = 2.0
    before, after = bind_order(impersonal, values, most), bind_order(impersonal, liked, most)
    assert after.index(impersonal[-1]) <= before.index(impersonal[-1])


@given(st.permutations(range(6)), st.lists(st.integers(0, 20), min_size=6, max_size=6, unique=True), st.integers(0, 6))
def test_of_all_orders_that_keep_the_bound_it_has_the_best_first_hit_then_the_best_second(impersonal, values, most):
    values = np.array(values, dtype=np.float64)
    allowed = [
        order
        for order in permutations(impersonal)
        if all(abs(order.index(hit) - rank) <= most for rank, hit in enumerate(impersonal))
    ]
    best = max(allowed, key=lambda order: [values[hit] for hit in order])
    assert bind_order(impersonal, values, most) == list(best)


def test_a_hand_worked_example() -> None:
    # Place 0: the best of the first three. Place 1: of the first four. Places 2 and 3: the last ones for 0 and for 1.
    assert bind_order([0, 1, 2, 3, 4], np.array([0.1, 0.2, 0.3, 0.4, 0.9]), 2) == [2, 3, 0, 1, 4]
