"""How vectors lie in an index of their own (mappings/vectors.json), the same for who writes and who reads.

They do not lie in the documents: those stay what the shop put there, in every answer and after every update, and
vectors outlive a rebuilt index, since they are kept under the content that they were made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VECTOR, ENCODER, INDEX, PRODUCT = "vector", "encoder", "index", "product"
"""Fields: the packed vector, the encoder's revision, the index it was built for, the _id of a product of that text."""


def vector_index_name(section: str, configured: str | None) -> str:
    """The index that keeps the vectors of a section of `indices`."""
    return configured or f"es-rerank-vectors-{section.lower().lstrip('_-+').replace('*', '')}"


def vectors_search(keys: Sequence[str]) -> dict[str, Any]:
    """The body that finds the vectors kept under these keys."""
    return {
        "size": len(keys),
        "track_total_hits": False,
        "query": {"ids": {"values": list(keys)}},
        "sort": ["_doc"],
        "_source": [VECTOR],
    }


def read_vectors(answer: Mapping[str, Any]) -> dict[str, str]:
    """key -> packed vector, of an answer to `vectors_search`; what is malformed is left out."""
    hits = answer.get("hits")
    found = hits.get("hits") if isinstance(hits, Mapping) else None
    vectors = {}
    for hit in found if isinstance(found, list) else []:
        source = hit.get("_source") if isinstance(hit, Mapping) else None
        vector = source.get(VECTOR) if isinstance(source, Mapping) else None
        if isinstance(vector, str):
            vectors[str(hit["_id"])] = vector
    return vectors
