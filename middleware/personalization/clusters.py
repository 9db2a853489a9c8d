"""What others have in common, for whom little is known of: a user's cluster, or the nearest one, or everybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from middleware.personalization.documents import EVERYBODY, ClusterStatistics
from middleware.personalization.state import LEAST_WEIGHT, ProfileState


@dataclass(frozen=True, slots=True)
class Others:
    """The statistics that there are: clusters by name, and everybody's."""

    clusters: Mapping[str, ClusterStatistics] = field(default_factory=dict)
    everybody: ClusterStatistics | None = None

    def of(self, state: ProfileState) -> tuple[ProfileState, ClusterStatistics | None]:
        """The state with the cluster that it belongs to, and that one's statistics; else those of everybody.

        A user whom the last batch put into none belongs to the cluster of the nearest centroid (by cosine).
        """
        name = state.cluster if state.cluster in self.clusters else self._nearest(state)
        return replace(state, cluster=name), self.everybody if name is None else self.clusters[name]

    def _nearest(self, state: ProfileState) -> str | None:
        if state.vector_sum is None or state.vector_weight < LEAST_WEIGHT:
            return None
        best, cosine = None, -np.inf
        for name, cluster in self.clusters.items():
            centroid = cluster.vector
            if centroid is None or cluster.vector_model != state.vector_model or len(centroid) != len(state.vector_sum):
                continue
            # The user's own length is the same for all.
            found = float(centroid @ state.vector_sum) / max(float(np.linalg.norm(centroid)), LEAST_WEIGHT)
            if found > cosine:
                best, cosine = name, found
        return best


def gather(statistics: Iterable[ClusterStatistics]) -> Others:
    """By name, everybody's apart."""
    by_name = {each.name: each for each in statistics}
    everybody = by_name.pop(EVERYBODY, None)
    return Others(by_name, everybody)
