"""The form of profiles and of cluster statistics in the `profiles` index, the same for who writes and who reads.

What is searched for (kind, dates, cluster) lies open; the sums lie in one object that is not indexed, and a vector
is base64 of 16-bit floats, so that every version of Elasticsearch and OpenSearch keeps it.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from middleware.personalization.state import ProfileState, Vector

USER, CLUSTER, EVERYBODY = "user", "cluster", "everybody"
"""Values of the field `kind`."""
KIND = "kind"
_MAPS = ("brands", "categories", "attributes", "bought", "edge")
_NUMBERS = ("price_weight", "price_sum", "price_square_sum", "vector_weight")


@dataclass(frozen=True, slots=True)
class ClusterStatistics:
    """What `users` users have in common, those of a cluster (`name`: its number) or, named `everybody`, all of them.

    Affinities: name as in HitFields -> share of their behaviour, at most 1 in sum. `popularity`: object_id -> share.
    `vector`: the centroid, shape (d,), made of vectors of `vector_model`.
    """

    name: str
    users: int
    brand_affinity: Mapping[str, float] = field(default_factory=dict)
    category_affinity: Mapping[str, float] = field(default_factory=dict)
    attribute_affinity: Mapping[str, float] = field(default_factory=dict)
    popularity: Mapping[str, float] = field(default_factory=dict)
    vector: Vector | None = field(default=None, compare=False)
    vector_model: str | None = None

    @property
    def document_id(self) -> str:
        """Its `_id` in the index."""
        return EVERYBODY if self.name == EVERYBODY else f"{CLUSTER}:{self.name}"


def pack_vector(vector: Vector) -> str:
    """A vector of components within +-65,504 as base64 of little-endian 16-bit floats."""
    return b64encode(np.asarray(vector, dtype="<f2").tobytes()).decode()


def unpack_vector(packed: str) -> Vector:
    """The vector, 32-bit, shape (d,). Raises ValueError where the text is no such thing."""
    vector = np.frombuffer(b64decode(packed, validate=True), dtype="<f2").astype(np.float32)
    if not len(vector) or not np.isfinite(vector).all():
        raise ValueError("not a vector of finite 16-bit floats")
    return vector


def to_document(state: ProfileState) -> dict[str, Any]:
    """The document of a user who has done something; its `_id` is the user's hash."""
    sums: dict[str, Any] = {name: dict(getattr(state, name)) for name in _MAPS}
    sums |= {name: getattr(state, name) for name in _NUMBERS}
    sums["price_bands"] = {str(band): weight for band, weight in state.price_bands.items()}
    sums |= {"as_of_s": state.as_of_s, "last_event_s": state.last_event_s if state.events else None}
    document = {
        KIND: USER,
        "updated_at": int(state.as_of_s * 1000),
        "last_event_at": int(state.last_event_s * 1000) if state.events else None,
        "event_count": state.events,
        "event_weight": state.weight,
        "cluster": state.cluster,
        "vector": _mean(state),
        "vector_model": state.vector_model,
        "state": sums,
    }
    return {name: value for name, value in document.items() if value is not None}


def from_document(document: Mapping[str, Any]) -> ProfileState:
    """The state in a document (`_source`) of a user. Raises ValueError where it is not one."""
    try:
        sums = document["state"]
        vector = unpack_vector(document["vector"]) if document.get("vector") else None
        last = sums.get("last_event_s")
        return ProfileState(
            as_of_s=float(sums["as_of_s"]),
            weight=float(document["event_weight"]),
            events=int(document["event_count"]),
            last_event_s=-math.inf if last is None else float(last),
            edge=_weights(sums["edge"]),
            brands=_weights(sums["brands"]),
            categories=_weights(sums["categories"]),
            attributes=_weights(sums["attributes"]),
            price_bands={int(band): float(weight) for band, weight in sums["price_bands"].items()},
            price_weight=float(sums["price_weight"]),
            price_sum=float(sums["price_sum"]),
            price_square_sum=float(sums["price_square_sum"]),
            vector_sum=None if vector is None else vector * np.float32(sums["vector_weight"]),
            vector_weight=float(sums["vector_weight"]),
            vector_model=document.get("vector_model"),
            bought=_weights(sums["bought"]),
            cluster=document.get("cluster"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the document of a profile: {error!r}") from error


def statistics_to_document(statistics: ClusterStatistics, updated_at_s: float) -> dict[str, Any]:
    """The document of a cluster or of everybody; its `_id` is `document_id`."""
    document = {
        KIND: EVERYBODY if statistics.name == EVERYBODY else CLUSTER,
        "updated_at": int(updated_at_s * 1000),
        "cluster": statistics.name,
        "users": statistics.users,
        "vector": None if statistics.vector is None else pack_vector(statistics.vector),
        "vector_model": statistics.vector_model,
        "state": {
            "brands": dict(statistics.brand_affinity),
            "categories": dict(statistics.category_affinity),
            "attributes": dict(statistics.attribute_affinity),
            "popularity": dict(statistics.popularity),
        },
    }
    return {name: value for name, value in document.items() if value is not None}


def statistics_from_document(document: Mapping[str, Any]) -> ClusterStatistics:
    """The statistics in a document (`_source`). Raises ValueError where it holds none."""
    try:
        shares = document["state"]
        return ClusterStatistics(
            name=str(document["cluster"]),
            users=int(document["users"]),
            brand_affinity=_weights(shares["brands"]),
            category_affinity=_weights(shares["categories"]),
            attribute_affinity=_weights(shares["attributes"]),
            popularity=_weights(shares["popularity"]),
            vector=unpack_vector(document["vector"]) if document.get("vector") else None,
            vector_model=document.get("vector_model"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the document of a cluster: {error!r}") from error


def _mean(state: ProfileState) -> str | None:
    """The mean of the products' vectors: a sum may be too great for 16 bits."""
    if state.vector_sum is None or state.vector_weight <= 0:
        return None
    return pack_vector(state.vector_sum / np.float32(state.vector_weight))


def _weights(weights: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(weight) for name, weight in weights.items()}
