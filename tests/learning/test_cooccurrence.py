"""Products bought together, counted by hand: users not acts, within the time, and none that tells of too few."""

from __future__ import annotations

import math

import numpy as np
import pytest

from middleware.learning.recommend.baskets import ACT, MOST_OF_ONE_USER, Spool, pairs_of
from middleware.learning.recommend.cooccurrence import count_pairs

DAY = 86_400.0
PHONE, CASE, SOCK, RARE = range(4)


def count(folder, acts, *, products=4, within_s=30 * DAY):
    spool = Spool(folder)
    for user, day, product in acts:
        spool.add(user, day * DAY, product)
    return count_pairs(spool, products, folder, within_s)


def shop():
    """100 users: 10 bought phone and case, 10 more a phone, 20 more a case, 60 socks."""
    acts = [(f"both-{n}", 0, product) for n in range(10) for product in (PHONE, CASE)]
    acts += [(f"phone-{n}", 0, PHONE) for n in range(10)]
    acts += [(f"case-{n}", 0, CASE) for n in range(20)]
    return acts + [(f"sock-{n}", 0, SOCK) for n in range(60)]


def test_scores_are_the_log_likelihood_ratio_of_users(tmp_path):
    counting = count(tmp_path, shop())
    assert counting.users == 100
    assert counting.buyers.tolist() == [20, 30, 60, 0]
    found = {each.product: each for each in counting.companions(least_users=2, most=5)}
    by_hand = 2 * (10 * math.log(10 / 6) + 10 * math.log(10 / 14) + 20 * math.log(20 / 24) + 60 * math.log(60 / 56))
    assert set(found) == {PHONE, CASE}
    assert found[PHONE].others.tolist() == [CASE]
    assert found[PHONE].users.tolist() == [10]
    assert found[PHONE].scores == pytest.approx([by_hand])
    assert found[CASE].scores == pytest.approx([by_hand])


def test_a_user_who_buys_the_same_twice_counts_once(tmp_path):
    twice = count(tmp_path, shop() + shop())
    assert twice.buyers.tolist() == [20, 30, 60, 0]
    assert next(iter(twice.companions(2, 5))).users.tolist() == [10]


def test_a_pair_of_fewer_users_than_may_be_told_of_is_left_out(tmp_path):
    counting = count(tmp_path, [*shop(), *((f"few-{n}", 0, product) for n in range(9) for product in (SOCK, RARE))])
    pairs = {(each.product, other) for each in counting.companions(10, 5) for other in each.others.tolist()}
    assert pairs == {(PHONE, CASE), (CASE, PHONE)}
    pairs = {(each.product, other) for each in counting.companions(9, 5) for other in each.others.tolist()}
    assert (RARE, SOCK) in pairs


def test_what_meets_less_than_by_chance_does_not_go_together(tmp_path):
    acts = [(f"one-{n}", 0, PHONE) for n in range(50)] + [(f"two-{n}", 0, CASE) for n in range(50)]
    acts += [(f"both-{n}", 0, product) for n in range(5) for product in (PHONE, CASE)]
    assert list(count(tmp_path, acts).companions(1, 5)) == []


def test_only_acts_within_the_time_are_together(tmp_path):
    acts = [(f"u{n}", day, product) for n in range(5) for day, product in ((0, PHONE), (31, CASE), (61, SOCK))]
    acts += [(f"other-{n}", 0, RARE) for n in range(20)]
    pairs = {(each.product, other) for each in count(tmp_path, acts).companions(1, 5) for other in each.others.tolist()}
    assert pairs == {(CASE, SOCK), (SOCK, CASE)}


def test_the_surest_come_first_and_no_more_than_are_wanted(tmp_path):
    acts = [*shop(), *((f"rare-{n}", 0, product) for n in range(3) for product in (PHONE, RARE))]
    first = next(iter(count(tmp_path, acts).companions(1, 1)))
    assert (first.product, first.others.tolist()) == (PHONE, [RARE])  # all who bought it bought the phone


def test_of_a_robot_the_newest_acts_count_and_no_others():
    acts = np.array([(1, float(n), n) for n in range(10_000)], dtype=ACT)
    pairs = pairs_of(acts, 1e9)
    assert len(pairs) == MOST_OF_ONE_USER * (MOST_OF_ONE_USER - 1)
    assert pairs.min() == 10_000 - MOST_OF_ONE_USER


def test_counts_are_those_of_counting_in_memory(tmp_path):
    rng = np.random.default_rng(5)
    acts = [(f"u{user}", 0, int(product)) for user in range(400) for product in rng.integers(0, 30, rng.integers(1, 8))]
    counting = count(tmp_path, acts, products=30)
    bought = {}
    for user, _, product in acts:
        bought.setdefault(user, set()).add(product)
    for each in counting.companions(3, 100):
        for other, users in zip(each.others.tolist(), each.users.tolist(), strict=True):
            assert users == sum({each.product, other} <= products for products in bought.values())


def test_nobody_bought_anything(tmp_path):
    counting = count(tmp_path, [])
    assert counting.users == 0
    assert list(counting.companions(1, 5)) == []
