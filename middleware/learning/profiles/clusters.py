"""Which users are alike: clusters over all users' vectors, numbered by size, and none of them too small."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.learning.profiles.kmeans import Choice, Matrix, assign, choose_k, refine

CANDIDATES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
_SAMPLE = 20_000
_SILHOUETTE_ROWS = 2_000
NOBODY = -1
"""The cluster of those who have no vector, or whose cluster is too small to be one."""

Chunks = Callable[[], Iterable[Matrix]]


@dataclass(frozen=True, slots=True)
class Clusters:
    """`centroids`, (k, d), the largest cluster first; a cluster's number is its row.

    `nearest`: all centroids that were found, (found, d), with `number` of each, NOBODY where too few users are near.
    `silhouettes`: each k that was tried and its mean silhouette on a sample.
    """

    nearest: Matrix = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    number: tuple[int, ...] = ()
    silhouettes: Mapping[int, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(each != NOBODY for each in self.number)

    @property
    def centroids(self) -> Matrix:
        order = sorted((number, row) for row, number in enumerate(self.number) if number != NOBODY)
        return self.nearest[[row for _, row in order]]

    def of(self, vectors: Matrix) -> NDArray[np.int64]:
        """Each row's cluster; NOBODY for a row of zeros."""
        if not self.number or not len(vectors):
            return np.full(len(vectors), NOBODY, dtype=np.int64)
        numbers = np.array(self.number, dtype=np.int64)[assign(vectors, self.nearest)]
        return np.where(vectors.any(axis=1), numbers, NOBODY)

    def save(self, path: Path) -> None:
        facts = {"number": self.number, "silhouettes": list(self.silhouettes.items()), "nearest": self.nearest.tolist()}
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(facts))
        unfinished.replace(path)

    @staticmethod
    def load(path: Path) -> Clusters:
        facts: dict[str, Any] = json.loads(path.read_text())
        nearest = np.array(facts["nearest"], dtype=np.float32).reshape(
            len(facts["number"]), -1 if facts["number"] else 0
        )
        return Clusters(nearest, tuple(facts["number"]), dict(facts["silhouettes"]))


def find_clusters(chunks: Chunks, least_users: int, wanted: int | None, seed: int) -> Clusters:
    """Clusters of the rows of `chunks`: `wanted` of them (None: as many as the silhouette likes best).

    Only k are tried with which `least_users` users could be in each cluster; none may be found. The sample is the first
    rows, which is as good as any: users come in the order of their hashes.
    """
    sample, total = _sample(chunks)
    candidates = [k for k in ((wanted,) if wanted else CANDIDATES) if k * least_users <= total]
    choice = _choose(sample, candidates, seed)
    if choice is None:
        return Clusters()
    centroids, counts = refine(chunks, choice.seeds)
    order = sorted(range(len(counts)), key=lambda row: (-int(counts[row]), row))
    kept = [row for row in order if counts[row] >= least_users]
    number = tuple(kept.index(row) if row in kept else NOBODY for row in range(len(counts)))
    return Clusters(centroids, number, choice.silhouettes)


def _choose(sample: Matrix, candidates: Sequence[int], seed: int) -> Choice | None:
    return choose_k(sample, candidates, _SILHOUETTE_ROWS, seed) if candidates and len(sample) else None


def _sample(chunks: Chunks) -> tuple[Matrix, int]:
    taken: list[Matrix] = []
    total = 0
    for vectors in chunks():
        if total < _SAMPLE:
            taken.append(vectors[: _SAMPLE - total])
        total += len(vectors)
    return (np.concatenate(taken) if taken else np.zeros((0, 0), dtype=np.float32)), total
