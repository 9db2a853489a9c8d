"""Fusion models, siblings behind one small interface: what makes one fused_score of the features of a hit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from middleware.fusion import FloatArray


@dataclass(frozen=True, slots=True)
class Contributions:
    """Why n hits have their fused scores: `base` plus the `parts`, each (n,), add up to the fused score or its logit.

    `method` names how they were found.
    """

    parts: Mapping[str, FloatArray]
    base: FloatArray
    total: Literal["fused_score", "logit"]
    method: str


class FusionModel(Protocol):
    """Features in, fused scores out. Each hit's score depends on its own features alone, so their order is free."""

    @property
    def kind(self) -> str:
        """What it is, for people."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """What it reads; one that is not given counts with its neutral value."""
        ...

    @property
    def key(self) -> str:
        """Another for every other model."""
        ...

    def at_strength(self, strength: float) -> FusionModel:
        """The same with the weights of a profile's features times `strength`; one learned like any other stays."""
        ...

    def is_monotone_in(self, name: str) -> bool:
        """Whether a higher value of the feature never lowers a fused score."""
        ...

    def fuse(self, features: Mapping[str, FloatArray]) -> FloatArray:
        """Fused scores, shape (n,), finite and in [0, 1]. Raises ValueError for arrays that differ in shape."""
        ...

    def contributions(self, features: Mapping[str, FloatArray]) -> Contributions:
        """What each feature adds to the score of each hit."""
        ...
