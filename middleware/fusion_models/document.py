"""A fusion model as plain data, which JSON can hold and people can read: the way in for all kinds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from middleware.fusion_models.average import Average
from middleware.fusion_models.linear import Linear
from middleware.fusion_models.network import Network
from middleware.fusion_models.trained import Trained
from middleware.fusion_models.trees import Trees

_KINDS: Mapping[str, Callable[[Mapping[str, Any], str], Trained]] = {
    Linear.kind: Linear,
    Network.kind: Network,
    Trees.kind: Trees,
    Average.kind: lambda document, key: Average(document, key, read_model),
}


def read_model(document: Mapping[str, Any]) -> Trained:
    """The model that a document describes: its `kind`, its `features`, and what its kind needs beside.

    Raises ValueError saying what is wrong.
    """
    if not isinstance(document, dict):
        raise ValueError("not an object")
    kind = str(document.get("kind"))
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, not {kind!r}")
    key = hashlib.blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=16).hexdigest()
    try:
        return _KINDS[kind](document, key)
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not of the form of a {kind} model: {error}") from error
