"""Fusion models of every kind with random weights: what must hold of any model is tested on them."""

from __future__ import annotations

import numpy as np

FEATURES = ("cross_encoder", "first_stage", "vector_cosine", "match", "match.title", "price_level")
FIELDS = ("title",)


def random_document(kind, seed, monotone=("cross_encoder", "match.title"), features=FEATURES, profile=False):
    """A document that any serving of `kind` must take; monotone in the features named so."""
    rng = np.random.default_rng(seed)
    head = {"kind": kind, "features": list(features), "fields": list(FIELDS), "monotone": list(monotone)}
    if profile:
        head["profile"] = {"brand_affinity": 1.5, "price_fit": 0.25}
    signs = np.array([name in monotone for name in features])
    return head | _BODIES[kind](rng, list(features), signs)


def _linear(rng, features, is_monotone):
    weights = rng.normal(size=len(features)) * rng.choice((0.1, 1, 20))
    weights = np.where(is_monotone, np.abs(weights), weights)
    return {
        **_scaling(rng, features),
        "weights": dict(zip(features, weights.tolist(), strict=True)),
        "bias": rng.normal(),
    }


def _network(rng, features, is_monotone):
    units = int(rng.integers(1, 6))
    hidden = rng.normal(size=(units, len(features))) * rng.choice((0.1, 1, 5))
    return {
        **_scaling(rng, features),
        "hidden": np.where(is_monotone, np.abs(hidden), hidden).tolist(),
        "hidden_bias": rng.normal(size=units).tolist(),
        "output": (np.abs if is_monotone.any() else np.asarray)(rng.normal(size=units) * 3).tolist(),
        "bias": rng.normal(),
    }


def _trees(rng, features, is_monotone):
    nodes = {name: [] for name in ("feature", "threshold", "left", "right", "value")}

    def grow(low, high, depth):
        """A node whose leaves all lie in [low, high]; a split by a monotone feature divides that."""
        place = len(nodes["feature"])
        is_leaf = depth == 0 or rng.uniform() < 0.2
        feature = -1 if is_leaf else int(rng.integers(len(features)))
        row = (feature, 0.0 if is_leaf else rng.uniform(), place, place, rng.uniform(low, high))
        for name, value in zip(nodes, row, strict=True):
            nodes[name].append(value)
        if not is_leaf:
            middle = rng.uniform(low, high)
            bounds = ((low, middle), (middle, high)) if is_monotone[feature] else ((low, high), (low, high))
            nodes["left"][place] = grow(*bounds[0], depth - 1)
            nodes["right"][place] = grow(*bounds[1], depth - 1)
        return place

    roots = [grow(-1.0, 1.0, int(rng.integers(0, 5))) for _ in range(rng.integers(1, 12))]
    return {"roots": roots, "nodes": nodes, "scale": float(rng.uniform(0, 3)), "bias": rng.normal()}


def _average(rng, features, is_monotone):
    monotone = [name for name, is_so in zip(features, is_monotone, strict=True) if is_so]
    members = []
    for kind in rng.choice(("linear", "network", "trees"), size=rng.integers(1, 4)):
        some = [name for name in features if rng.uniform() < 0.8] or list(features)
        members.append(random_document(str(kind), int(rng.integers(2**32)), [n for n in monotone if n in some], some))
    return {"members": members}


def _scaling(rng, features):
    mean, deviation = rng.uniform(size=len(features)), rng.uniform(0.05, 1, size=len(features))
    named = [dict(zip(features, values.tolist(), strict=True)) for values in (mean, deviation)]
    return {"scaling": {"mean": named[0], "deviation": named[1]}}


_BODIES = {"linear": _linear, "network": _network, "trees": _trees, "average": _average}
KINDS = tuple(_BODIES)
