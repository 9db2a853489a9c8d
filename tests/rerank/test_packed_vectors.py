"""Packed vectors keep their direction, cost little, and say so where there is none."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.features.vectors import scaled
from middleware.rerank.vectors import cosines, pack, unpack, vector_key


def unit(rows: int, dimensions: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_packed_vector_is_one_byte_a_dimension_and_keeps_its_cosines():
    vectors, query = unit(1000, 384), unit(1, 384, seed=1)[0]
    packed = pack(vectors)
    assert {len(each) for each in packed} == {512}
    assert np.abs(cosines(query, packed) - vectors @ query).max() < 0.002


def test_the_codes_are_those_of_a_vector_worked_out_by_hand():
    packed = pack(np.array([[0.6, -0.8, 0.0]], dtype=np.float32))
    assert packed == ["X4EA"]  # 0.6 / 0.8 * 127 = 95 = 0x5f, -127 = 0x81, 0
    expected = np.array([[95, -127, 0]]) / np.sqrt(95**2 + 127**2)
    np.testing.assert_allclose(unpack(packed, 3), expected, atol=1e-6)


@pytest.mark.parametrize("broken", [None, "", "!!", "AAAA", "X4E", "X4EAAAAA", "é"])
def test_no_vector_a_broken_one_or_one_of_another_size_has_no_cosine(broken):
    found = cosines(np.array([1, 0, 0], dtype=np.float32), ["X4EA", broken])
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


def test_no_hits_have_no_cosines():
    assert cosines(np.ones(3, dtype=np.float32), []).shape == (0,)


def test_a_hundred_vectors_are_read_in_well_under_a_millisecond():
    packed, query = pack(unit(100, 384)), unit(1, 384)[0]
    times = []
    for _ in range(50):
        start = time.process_time()
        cosines(query, packed)
        times.append(time.process_time() - start)
    assert min(times) < 0.001


def test_a_key_tells_texts_and_encoders_apart():
    keys = {vector_key("a", "red"), vector_key("a", "blue"), vector_key("b", "red"), vector_key("a", "red\ud83d")}
    assert len(keys) == 4
    assert all(len(key) == 22 and key.replace("-", "a").replace("_", "a").isalnum() for key in keys)
    assert vector_key("a", "red") == vector_key("a", "red")


def test_a_hit_without_a_vector_gets_the_median_of_the_others():
    np.testing.assert_allclose(scaled(np.array([0.9, np.nan, 0.5, 0.6])), [1, 0.25, 0, 0.25])
    np.testing.assert_allclose(scaled(np.array([np.nan, np.nan])), [0.5, 0.5])
    np.testing.assert_allclose(scaled(np.array([0.7, np.nan, 0.7])), [0.5, 0.5, 0.5])


@given(st.lists(st.one_of(st.just(np.nan), st.floats(-1, 1)), max_size=20))
def test_a_scaled_cosine_is_always_between_0_and_1(found):
    values = scaled(np.array(found, dtype=np.float64))
    assert values.shape == (len(found),)
    assert ((values >= 0) & (values <= 1)).all()
