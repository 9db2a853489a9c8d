"""The weights of rerank.yml as a fusion model: what is served where nothing was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from middleware.features.table import PROFILE_FEATURES
from middleware.fusion import FloatArray, contributions, fuse
from middleware.fusion_models import Contributions


@dataclass(frozen=True, slots=True)
class HandSet:
    """The weighted mean of the features that a search has; see fusion.fuse."""

    weights: Mapping[str, float]

    @property
    def kind(self) -> str:
        return "weights"

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(self.weights)

    @property
    def key(self) -> str:
        return repr(sorted(self.weights.items()))

    def at_strength(self, strength: float) -> HandSet:
        """See FusionModel."""
        return HandSet(
            {name: weight * (strength if name in PROFILE_FEATURES else 1) for name, weight in self.weights.items()}
        )

    def is_monotone_in(self, name: str) -> bool:
        """In every feature: no weight is negative."""
        return self.weights.get(name, 0.0) >= 0

    def fuse(self, features: Mapping[str, FloatArray]) -> FloatArray:
        return fuse(features, self.weights)

    def contributions(self, features: Mapping[str, FloatArray]) -> Contributions:
        parts = contributions(features, self.weights)
        return Contributions(parts, np.zeros(len(next(iter(features.values())))), "fused_score", "weighted mean")
