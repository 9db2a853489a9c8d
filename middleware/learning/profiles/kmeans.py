"""K-means of unit vectors that do not fit into memory: k and seeds from a sample, centroids from all of them.

Spherical K-means: Dhillon and Modha, "Concept decompositions for large sparse text data using clustering", Machine
Learning 42, 2001. Seeds: mini-batch K-means, Sculley, "Web-scale k-means clustering", WWW 2010. Choice of k: the mean
silhouette, Rousseeuw, "Silhouettes: a graphical aid", J. Comput. Appl. Math. 20, 1987.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.errors import CommandError

Matrix = NDArray[np.float32]
Chunks = Callable[[], Iterable[Matrix]]
"""All vectors anew with each call, in the same order: matrices (n, d) of rows of unit length."""

_BATCH = 1024
_MOST_PASSES = 10
_SETTLED = 1e-4


@dataclass(frozen=True, slots=True)
class Choice:
    """The k with the greatest mean silhouette, the seeds found with it, (k, d), and each candidate's silhouette."""

    k: int
    seeds: Matrix
    silhouettes: Mapping[int, float]


def unit_rows(vectors: Matrix) -> Matrix:
    """Rows of length 1; a row of nothing stays so."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.asarray(vectors / np.where(lengths > 0, lengths, np.float32(1)), dtype=np.float32)


def choose_k(sample: Matrix, candidates: Sequence[int], silhouette_rows: int, seed: int) -> Choice | None:
    """Try each candidate on `sample`, (n, d), unit rows; silhouettes of its first `silhouette_rows` rows, cosine.

    None where no candidate parts the sample. Equal input gives equal output. Raises CommandError without scikit-learn.
    """
    best: Choice | None = None
    silhouettes: dict[int, float] = {}
    for k in candidates:
        if k >= len(np.unique(sample[: 4 * max(candidates)], axis=0)):
            continue
        seeds = _seeds(sample, k, seed)
        value = silhouette(sample[:silhouette_rows], assign(sample[:silhouette_rows], seeds))
        if value is None:
            continue
        silhouettes[k] = value
        if best is None or value > silhouettes[best.k]:
            best = Choice(k, seeds, silhouettes)
    return best


def silhouette(vectors: Matrix, labels: NDArray[np.int64]) -> float | None:
    """Mean of (b - a) / max(a, b) over the rows: a the mean cosine distance to one's own cluster, b to the next one.

    A row alone in its cluster counts 0. None where there are fewer than two clusters, or none has two rows.
    """
    clusters = len(np.unique(labels))
    if clusters < 2 or clusters >= len(labels):
        return None
    return float(_sklearn("metrics").silhouette_score(vectors, labels, metric="cosine"))


def assign(vectors: Matrix, centroids: Matrix) -> NDArray[np.int64]:
    """Of each row, (n, d), the number of the centroid, (k, d), with the greatest cosine; both of unit rows."""
    nearest: NDArray[np.int64] = np.argmax(vectors @ centroids.T, axis=1)
    return nearest


def refine(chunks: Chunks, seeds: Matrix, passes: int = _MOST_PASSES) -> tuple[Matrix, NDArray[np.int64]]:
    """Lloyd's iterations over all vectors: centroids, (k, d), of unit length, and how many rows are nearest to each.

    Ends where no centroid moves, or after `passes`. A centroid that nobody is near stays where it is.
    """
    centroids = unit_rows(np.asarray(seeds, dtype=np.float32))
    for _ in range(passes):
        sums, counts = _sums(chunks, centroids)
        moved = np.where(counts[:, None] > 0, sums, centroids.astype(np.float64))
        new = unit_rows(moved.astype(np.float32))
        shift = float(np.abs(new - centroids).max(initial=0.0))
        centroids = new
        if shift < _SETTLED:
            break
    return centroids, _sums(chunks, centroids)[1]


def _sums(chunks: Chunks, centroids: Matrix) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sums, counts = np.zeros(centroids.shape), np.zeros(len(centroids), dtype=np.int64)
    for vectors in chunks():
        labels = assign(vectors, centroids)
        counts += np.bincount(labels, minlength=len(centroids))
        for cluster in np.unique(labels):
            sums[cluster] += vectors[labels == cluster].sum(axis=0, dtype=np.float64)
    return sums, counts


def _seeds(sample: Matrix, k: int, seed: int) -> Matrix:
    found = _sklearn("cluster").MiniBatchKMeans(
        n_clusters=k, random_state=seed, n_init=3, batch_size=_BATCH, max_no_improvement=20
    )
    return unit_rows(np.asarray(found.fit(sample).cluster_centers_, dtype=np.float32))


def _sklearn(part: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"sklearn.{part}")
    except ImportError as error:
        raise CommandError("scikit-learn is not installed; pip install 'es-rerank[train]'") from error
