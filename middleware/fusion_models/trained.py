"""What all trained fusion models share: from features to a matrix, from a logit to a fused score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Self

import numpy as np

from middleware.features.table import OF_ALL_FIELDS, PROFILE_FEATURES, find_feature
from middleware.fusion import FloatArray, bounded
from middleware.fusion_models import Contributions

# Beyond, the logistic function is 0 or 1 to twelve digits, and hits could no longer be told apart.
_MOST = 30.0


class Trained(ABC):
    """A model that makes a logit of each hit's features; read from a document (see fusion_models.document).

    `columns` (f of them) are the learned features, the columns of every matrix; `monotone` are those in which it never
    falls; `fields` are where match, phrase and model_number look for words. `profile`, which may be missing, holds what
    the logit gains by one more of a profile's feature: judgments without users cannot teach that.
    """

    kind: str
    method: str

    def __init__(self, document: Mapping[str, Any], key: str) -> None:
        self.columns = tuple(document["features"])
        self.fields = tuple(document.get("fields", ()))
        self.key = key
        self._neutral = [find_feature(name).neutral for name in self.columns]
        self._monotone = frozenset(document["monotone"])
        if len(set(self.columns)) < len(self.columns) or not self.columns:
            raise ValueError("features must be named, each once")
        if not self._monotone <= set(self.columns):
            raise ValueError(f"monotone names no feature of it: {sorted(self._monotone - set(self.columns))}")
        if set(OF_ALL_FIELDS) & set(self.columns) and not self.fields:
            raise ValueError(f"fields must say where {', '.join(OF_ALL_FIELDS)} look for words")
        self._profile = _read_profile(document.get("profile", {}), self.columns)
        self.features = (*self.columns, *self._profile)

    @property
    def monotone_places(self) -> Sequence[int]:
        """The columns in which it must never fall."""
        return [place for place, name in enumerate(self.columns) if name in self._monotone]

    def at_strength(self, strength: float) -> Self:
        """With what is under `profile` times `strength`."""
        other = copy(self)
        other._profile = {name: weight * strength for name, weight in self._profile.items()}
        return other

    def is_monotone_in(self, name: str) -> bool:
        """Also in what it does not read, and in a profile's features, which can only raise it."""
        return name in self._monotone or name not in self.columns

    def matrix(self, features: Mapping[str, FloatArray]) -> FloatArray:
        """Shape (n, f): the features that it reads, in its order, clipped to [0, 1], neutral values where none is."""
        shapes = {values.shape for values in features.values()}
        if len(shapes) != 1 or any(len(shape) != 1 for shape in shapes):
            raise ValueError(f"features must be one-dimensional and equally long, not {sorted(shapes)}")
        ((count,),) = shapes
        columns = np.empty((count, len(self.columns)))
        for place, (name, neutral) in enumerate(zip(self.columns, self._neutral, strict=True)):
            given = features.get(name)
            columns[:, place] = neutral if given is None else bounded(given)
        return columns

    def fuse(self, features: Mapping[str, FloatArray]) -> FloatArray:
        """The logistic function of the logit."""
        logits = self.logits(self.matrix(features))
        for part in self._profile_parts(features).values():
            logits = logits + part
        return squash(logits)

    def contributions(self, features: Mapping[str, FloatArray]) -> Contributions:
        """Parts of the logit."""
        parts, base = self.parts(self.matrix(features))
        by_name = {name: parts[:, place] for place, name in enumerate(self.columns)}
        return Contributions(by_name | self._profile_parts(features), np.full(len(parts), base), "logit", self.method)

    def _profile_parts(self, features: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {
            name: weight * (bounded(features[name]) - find_feature(name).neutral)
            for name, weight in self._profile.items()
            if name in features
        }

    @abstractmethod
    def logits(self, matrix: FloatArray) -> FloatArray:
        """Shape (n,) of a matrix (n, f) of values in [0, 1]; a row's does not depend on the others."""

    @abstractmethod
    def parts(self, matrix: FloatArray) -> tuple[FloatArray, float]:
        """What each feature adds to each logit, shape (n, f), and what is there without any."""


def _read_profile(given: Mapping[str, Any], columns: Sequence[str]) -> dict[str, float]:
    if not isinstance(given, dict) or not set(given) <= set(PROFILE_FEATURES) - set(columns):
        raise ValueError(f"profile may hold {', '.join(PROFILE_FEATURES)}, and none of features")
    weights = read_array({"profile": list(given.values())}, "profile", (len(given),))
    if (weights < 0).any():
        raise ValueError("profile: no weight may be negative")
    return dict(zip(given, weights.tolist(), strict=True))


def squash(logits: FloatArray) -> FloatArray:
    """The logistic function, in (0, 1)."""
    squashed: FloatArray = 1 / (1 + np.exp(-np.clip(logits, -_MOST, _MOST)))
    return squashed


def read_array(document: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> FloatArray:
    """A finite array of this shape (-1: any length). Raises ValueError naming it."""
    array = np.array(document[name], dtype=np.float64)
    fits = array.ndim == len(shape) and all(want in (-1, has) for want, has in zip(shape, array.shape, strict=True))
    if not fits or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold {' x '.join(str(size) for size in shape)} finite numbers")
    return array


def read_by_feature(document: Mapping[str, Any], name: str, features: Sequence[str]) -> FloatArray:
    """Finite numbers by feature, shape (f,). Raises ValueError naming what is not there."""
    given = document[name]
    if not isinstance(given, dict) or set(given) != set(features):
        raise ValueError(f"{name} must name each of the features, and nothing else")
    return read_array({name: [given[feature] for feature in features]}, name, (len(features),))


def weighted_sum(matrix: FloatArray, weights: FloatArray) -> FloatArray:
    """matrix (n, f) times weights (f, h), column by column: a row's sums are the same whatever rows stand beside it."""
    total = np.zeros((len(matrix), weights.shape[1]))
    for place in range(matrix.shape[1]):
        total += matrix[:, place, None] * weights[place]
    return total
