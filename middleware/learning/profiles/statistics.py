"""What the users of a cluster have in common, and all users: only what enough of them share is kept.

Every user counts 1, however much they do, so that nobody's habits pass for a cluster's. A name or a product that fewer
than `least_users` users have anything to do with is left out, as a cluster of fewer users is: k-anonymity (Sweeney,
"k-anonymity: a model for protecting privacy", 2002) of every number that is published.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.learning.profiles.clusters import NOBODY, Clusters
from middleware.learning.profiles.shelf import Shelf
from middleware.personalization.documents import EVERYBODY, ClusterStatistics

KINDS = ("brands", "categories", "attributes")
_MOST_POPULAR = 500
_MOST_NAMES = 256


class Counting:
    """Adds up buckets; the last group is everybody."""

    def __init__(self, clusters: int, products: int) -> None:
        self._groups = clusters + 1
        self._users = np.zeros(self._groups, dtype=np.int64)
        self._shares = np.zeros((self._groups, products), dtype=np.float32)
        self._counts = np.zeros((self._groups, products), dtype=np.int32)
        self._names: dict[str, list[defaultdict[str, list[float]]]] = {
            kind: [defaultdict(lambda: [0.0, 0]) for _ in range(self._groups)] for kind in KINDS
        }

    def add(self, documents: Iterable[Mapping[str, Any]], uses: NDArray[Any], labels: NDArray[np.int64]) -> None:
        """A bucket: its users' documents, rows of folding.USE, and each user's cluster or NOBODY."""
        everybody = self._groups - 1
        for document, label in zip(documents, labels.tolist(), strict=True):
            groups = (everybody,) if label == NOBODY else (label, everybody)
            for group in groups:
                self._users[group] += 1
            for kind in KINDS:
                self._add_names(kind, document, groups)
        of_use = labels[uses["user"]]
        for group in range(self._groups):
            rows = uses if group == everybody else uses[of_use == group]
            np.add.at(self._shares[group], rows["product"], rows["share"])
            np.add.at(self._counts[group], rows["product"], 1)

    def _add_names(self, kind: str, document: Mapping[str, Any], groups: Iterable[int]) -> None:
        weight = document["event_weight"]
        for name, of_name in document["state"][kind].items():
            for group in groups:
                entry = self._names[kind][group][name]
                entry[0] += of_name / weight
                entry[1] += 1

    def finish(self, clusters: Clusters, shelf: Shelf, least_users: int) -> list[ClusterStatistics]:
        """Statistics of each cluster, then of everybody; of none that has fewer than `least_users` users."""
        names = [*(str(number) for number in range(len(clusters))), EVERYBODY]
        centroids = [*clusters.centroids, None]
        found = []
        for group, name in enumerate(names):
            if self._users[group] < least_users:
                continue
            brands, categories, attributes = (self._affinity(kind, group, least_users) for kind in KINDS)
            found.append(
                ClusterStatistics(
                    name,
                    int(self._users[group]),
                    brands,
                    categories,
                    attributes,
                    popularity=self._popularity(group, shelf, least_users),
                    vector=centroids[group],
                    vector_model=shelf.vector_model if centroids[group] is not None else None,
                )
            )
        return found

    def _affinity(self, kind: str, group: int, least_users: int) -> dict[str, float]:
        users = float(self._users[group])
        kept = [(-share, name) for name, (share, count) in self._names[kind][group].items() if count >= least_users]
        return {name: -share / users for share, name in sorted(kept)[:_MOST_NAMES]}

    def _popularity(self, group: int, shelf: Shelf, least_users: int) -> dict[str, float]:
        shares = np.where(self._counts[group] >= least_users, self._shares[group], 0)
        order = np.argsort(-shares, kind="stable")[:_MOST_POPULAR]
        users = float(self._users[group])
        return {shelf.object_id(int(row)): float(shares[row]) / users for row in order if shares[row] > 0}
