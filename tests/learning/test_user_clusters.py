"""K-means and silhouettes against examples worked by hand, and clusters that are too small."""

from __future__ import annotations

import math

import numpy as np
import pytest

from middleware.learning.profiles.clusters import NOBODY, Clusters, find_clusters
from middleware.learning.profiles.kmeans import assign, choose_k, refine, silhouette, unit_rows
from middleware.learning.profiles.picture import principal_axes


def at(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def degrees(vectors: np.ndarray) -> list[float]:
    return np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])).round(3).tolist()


def test_centroids_are_where_a_hand_puts_them():
    # From 0 and 50 degrees: the border is at 25, so {0, 20} and {30, 90, 100}; their means lie at 10 and at 74.4
    # (sums of cosines 0.692 and of sines 2.485); the border is then at 42.2, so {0, 20, 30} and {90, 100}; and so on.
    vectors = at(0, 20, 30, 90, 100)
    first, _ = refine(lambda: [vectors], at(0, 50), passes=1)
    expected = math.degrees(math.atan2(0.5 + 1 + math.sin(math.radians(100)), math.sqrt(3) / 2 - 0.17365))
    assert degrees(first) == pytest.approx([10, expected], abs=0.01)
    last, counts = refine(lambda: [vectors], at(0, 50))
    sines, cosines = math.sin(math.radians(20)) + 0.5, 1 + math.cos(math.radians(20)) + math.sqrt(3) / 2
    assert degrees(last) == pytest.approx([math.degrees(math.atan2(sines, cosines)), 95], abs=0.01)
    assert counts.tolist() == [3, 2]


def test_centroids_do_not_depend_on_how_the_rows_are_parted():
    vectors = unit_rows(np.random.default_rng(3).normal(size=(400, 5)).astype(np.float32))
    whole, counts = refine(lambda: [vectors], vectors[:4])
    parted, same = refine(lambda: [vectors[:7], vectors[7:300], vectors[300:300], vectors[300:]], vectors[:4])
    assert counts.tolist() == same.tolist()
    assert np.allclose(whole, parted, atol=1e-5)


def test_a_centroid_that_nobody_is_near_stays_where_it_is():
    centroids, counts = refine(lambda: [at(0, 10)], at(0, 200))
    assert degrees(centroids) == pytest.approx([5, -160], abs=0.01)
    assert counts.tolist() == [2, 0]


def test_a_silhouette_is_what_a_hand_makes_of_it():
    # Rows at 0, 0 and 90 degrees; clusters {first, second} and {third}. Cosine distances: 0 within, 1 to the third.
    # The first two have a = 0, b = 1, so 1 each; the third is alone, so 0: the mean is 2/3.
    assert silhouette(at(0, 0, 90), np.array([0, 0, 1])) == pytest.approx(2 / 3, abs=1e-6)
    # Rows at 0, 60, 180, 240 in pairs: a = 1 - cos 60 = 1/2; b = (1 - cos 180 + 1 - cos 240 or 120) / 2 = (2 + 3/2) / 2
    # for the first and (1 - cos 120 + 1 - cos 180) / 2, the same, for the others: 1 - (1/2) / (7/4) = 5/7.
    assert silhouette(at(0, 60, 180, 240), np.array([0, 0, 1, 1])) == pytest.approx(5 / 7, abs=1e-6)


def test_a_silhouette_needs_two_clusters_and_somebody_in_company():
    assert silhouette(at(0, 90), np.array([0, 0])) is None
    assert silhouette(at(0, 90), np.array([0, 1])) is None


def crowds(*centres: float, users: int = 60, seed: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    return at(
        *np.concatenate([random.normal(centre, 4, users) for centre in centres])[
            random.permutation(len(centres) * users)
        ]
    )


def test_the_silhouette_finds_the_number_of_crowds():
    choice = choose_k(crowds(0, 90, 200), (2, 3, 4, 5), 500, seed=1)
    assert choice is not None
    assert choice.k == 3
    assert choice.silhouettes[3] == max(choice.silhouettes.values())
    assert sorted(each % 360 for each in degrees(choice.seeds)) == pytest.approx([0, 90, 200], abs=5) or sorted(
        (each + 30) % 360 for each in degrees(choice.seeds)
    ) == pytest.approx([30, 120, 230], abs=5)


def test_equal_rows_and_seeds_give_equal_clusters():
    vectors = crowds(0, 60, 120, 200)
    first, second = (find_clusters(lambda: [vectors], 5, None, seed=4) for _ in range(2))
    assert first.number == second.number
    assert first.nearest.tobytes() == second.nearest.tobytes()


def test_clusters_are_numbered_by_size_and_too_small_ones_are_none():
    vectors = np.concatenate([crowds(0, users=20), crowds(120, users=50), crowds(240, users=4)])
    clusters = find_clusters(lambda: [vectors], 10, 3, seed=0)
    assert len(clusters) == 2
    assert (clusters.of(vectors[:20]) == 1).all()
    assert (clusters.of(vectors[20:70]) == 0).all()
    assert (clusters.of(vectors[70:]) == NOBODY).all()
    assert clusters.of(np.zeros((1, 2), dtype=np.float32)).tolist() == [NOBODY]


def test_with_too_few_users_there_are_no_clusters():
    assert len(find_clusters(lambda: [crowds(0, 120, users=9)], 10, None, seed=0)) == 0
    assert len(find_clusters(list, 10, None, seed=0)) == 0
    assert len(find_clusters(lambda: [at(*[30] * 50)], 10, None, seed=0)) == 0


def test_clusters_that_are_kept_are_those_that_were_found(tmp_path):
    clusters = find_clusters(lambda: [crowds(0, 90, 200)], 10, None, seed=0)
    clusters.save(tmp_path / "clusters.json")
    again = Clusters.load(tmp_path / "clusters.json")
    assert (again.number, again.silhouettes) == (clusters.number, clusters.silhouettes)
    assert again.nearest.tobytes() == clusters.nearest.tobytes()
    Clusters().save(tmp_path / "none.json")
    assert len(Clusters.load(tmp_path / "none.json")) == 0


def test_principal_axes_point_where_rows_vary_most():
    # (±2, 0, 0) and (0, ±1, 0) about (1, 1, 1): most along x, then y.
    rows = np.array([[3, 1, 1], [-1, 1, 1], [1, 2, 1], [1, 0, 1]], dtype=np.float32)
    mean, axes = principal_axes(rows)
    assert mean.tolist() == [1, 1, 1]
    assert np.allclose(axes, [[1, 0, 0], [0, 1, 0]])


def test_the_nearest_centroid_is_the_one_with_the_greatest_cosine():
    assert assign(at(10, 80, 46), at(0, 90)).tolist() == [0, 1, 1]
