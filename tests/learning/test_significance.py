"""The test of a difference against all sign flips there are, its interval against the normal one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from middleware.learning.evaluation.significance import compare_groups, compare_paired, mean_interval


def test_the_p_value_is_the_share_of_sign_flips_that_differ_as_much():
    differences = np.array([0.3, 0.25, -0.1, 0.4, 0.05, 0.0, 0.2, -0.02])
    flips = np.array(list(itertools.product((-1, 1), repeat=len(differences))))
    exact = np.mean(np.abs((flips * differences).mean(axis=1)) >= differences.mean() - 1e-12)
    got = compare_paired(np.zeros(8), differences)
    assert got.difference == pytest.approx(differences.mean())
    assert got.p_value == pytest.approx(exact, abs=0.005)
    assert (got.wins, got.losses, got.ties) == (5, 2, 1)


def test_the_interval_is_near_the_normal_one_for_many_queries():
    values = np.random.default_rng(1).normal(0.5, 0.2, 400)
    low, high = mean_interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.002)


def test_no_queries_do_not_differ():
    got = compare_paired(np.zeros(0), np.zeros(0))
    assert (got.difference, got.p_value, got.ties) == (0.0, 1.0, 0)


def test_of_very_many_queries_it_still_fits_into_memory():
    rng = np.random.default_rng(2)
    got = compare_paired(rng.random(3000), rng.random(3000))
    assert got.interval[0] < got.difference < got.interval[1]


def test_groups_of_different_sizes_are_resampled_each_by_itself():
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.8, 0.1, 300), rng.normal(0.6, 0.3, 50)
    got = compare_groups(first, second)
    half = 1.96 * np.sqrt(first.var() / 300 + second.var() / 50)
    assert got.difference == pytest.approx(first.mean() - second.mean())
    assert got.interval == pytest.approx((got.difference - half, got.difference + half), abs=0.01)


def test_the_same_seed_gives_the_same_numbers():
    before, after = np.random.default_rng(4).random((2, 30))
    assert compare_paired(before, after) == compare_paired(before, after)
    assert compare_paired(before, after, seed=1) != compare_paired(before, after)
