"""The features that a fusion model wants, and nothing else, of the hits of one search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from middleware.features.brand import brand_match
from middleware.features.evidence import Evidence
from middleware.features.first_stage import first_stage_features
from middleware.features.freshness import freshness
from middleware.features.matching import Matching
from middleware.features.popularity import popularity
from middleware.features.price import price_features
from middleware.features.table import FIELD_KINDS, OF_ALL_FIELDS, PROFILE_FEATURES, find_feature
from middleware.features.vectors import scaled, vector_features
from middleware.fusion import FloatArray, scale_first_stage

_QUERY_COSINES = ("vector_cosine", "vector_cosine_raw")
_PRICES = ("price_closeness", "price_level")
_HIT_FIELDS = {
    "brand_match": "brand",
    "price_closeness": "price",
    "price_level": "price",
    "popularity": "popularity",
    "freshness": "date",
}


class Maker(Protocol):
    """Makes features; `text_fields` and `hit_fields` (names of settings under features) are what it must be given.

    `wants_vectors`: whether it makes anything of the cosines of query and hits. `profile_features`: those of a profile
    that count, which are made elsewhere.
    """

    text_fields: tuple[str, ...]
    hit_fields: tuple[str, ...]
    profile_features: tuple[str, ...]
    wants_vectors: bool

    def make(self, evidence: Evidence) -> dict[str, FloatArray]:
        """All but cross_encoder and those of a profile, each of shape (n,), in [0, 1]."""
        ...


class PlainMaker:
    """What hand-set weights read: the first stage's scaled score, a profile's features, and where wanted the cosine."""

    text_fields: tuple[str, ...] = ()
    hit_fields: tuple[str, ...] = ()

    def __init__(self, *, wants_vectors: bool, profile_features: Sequence[str] = ()) -> None:
        self.wants_vectors = wants_vectors
        self.profile_features = tuple(profile_features)

    def make(self, evidence: Evidence) -> dict[str, FloatArray]:
        made = {"first_stage": scale_first_stage(evidence.first_stage_scores)}
        if self.wants_vectors and evidence.vector_cosines is not None:
            made["vector_cosine"] = scaled(evidence.vector_cosines)
        return made


class FeatureMaker:
    """Makes the features called `names`. Thread-safe; holds the words of documents, so one serves all searches.

    `fields` are those in which match and phrase look for words, names or patterns such as attr_t_*; default: those that
    `names` names. Raises ValueError for a name that is no feature.
    """

    def __init__(self, names: Sequence[str], fields: Sequence[str] = ()) -> None:
        for name in names:
            find_feature(name)
        self.names = tuple(names)
        named = [field for name in names for kind, _, field in [name.partition(".")] if kind in FIELD_KINDS and field]
        reads_text = bool(named) or any(name in names for name in OF_ALL_FIELDS)
        self.text_fields = tuple(dict.fromkeys((*fields, *named))) if reads_text else ()
        self.hit_fields = tuple(dict.fromkeys(_HIT_FIELDS[name] for name in names if name in _HIT_FIELDS))
        self.profile_features = tuple(name for name in names if name in PROFILE_FEATURES)
        self.wants_vectors = any(name in _QUERY_COSINES for name in names)
        self._matching = Matching(self.text_fields, named)

    def make(self, evidence: Evidence) -> dict[str, FloatArray]:
        """See Maker. What there are no vectors for is left out."""
        made: dict[str, FloatArray] = first_stage_features(evidence.first_stage_scores)
        if self.text_fields:
            made |= self._matching.features(evidence.query_text, evidence.values)
        if self.wants_vectors and evidence.vector_cosines is not None:
            made |= vector_features(evidence.vector_cosines)
        if any(name in _PRICES for name in self.names):
            made |= price_features(evidence.hit_fields)
        for name, room in _ROOMS.items():
            if name in self.names:
                made[name] = room(evidence)
        return {name: made[name] for name in self.names if name in made}


_ROOMS: Mapping[str, Callable[[Evidence], FloatArray]] = {
    "brand_match": lambda evidence: brand_match(evidence.query_text, evidence.hit_fields),
    "popularity": lambda evidence: popularity(evidence.hit_fields),
    "freshness": lambda evidence: freshness(evidence.hit_fields),
}
