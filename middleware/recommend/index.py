"""What `es-rerank recommend build` keeps of each product (mappings/recommend.json), the same for writer and reader.

A document's `_id` is the product's. It says under which key the product's vector lies, since many products may share a
text and the index of vectors names one of them; with whom the product is bought together; and how many bought it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from middleware.own_requests import hits_of

OBJECT_IDS, INDEX, BUILD, BUILT_AT, ENCODER = "object_ids", "index", "build", "built_at", "encoder"
VECTOR_KEY, BUYERS, TOGETHER = "vector_key", "buyers", "together"
_IDS, _SCORES = "ids", "scores"


def recommend_index_name(section: str) -> str:
    """The index of a section of `indices`."""
    return f"es-rerank-recommend-{section.lower().lstrip('_-+').replace('*', '')}"


def together_document(ids: Sequence[str], scores: Sequence[float]) -> dict[str, Any]:
    """The value of TOGETHER: products bought together with this one and how surely, greatest first."""
    return {_IDS: list(ids), _SCORES: [round(score, 4) for score in scores]}


def together_search(products: Sequence[str], object_ids: Sequence[str]) -> dict[str, Any]:
    """The body that finds what goes with products, by their `_id`s or as events name them."""
    wanted = [{"ids": {"values": list(products)}}, {"terms": {OBJECT_IDS: list(object_ids)}}]
    return {
        "size": len(products) + len(object_ids),
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"bool": {"should": wanted}}]}},
        "_source": [TOGETHER],
    }


def read_together(answer: Mapping[str, Any]) -> list[dict[str, float]]:
    """Of each product found: product -> how surely it goes with it; what is malformed is left out."""
    found = []
    for hit in hits_of(answer):
        together = (hit.get("_source") or {}).get(TOGETHER)
        if isinstance(together, Mapping):
            pairs = zip(together.get(_IDS, ()), together.get(_SCORES, ()), strict=False)
            found.append({str(name): float(score) for name, score in pairs})
    return found


def bestsellers_search(count: int) -> dict[str, Any]:
    """The body that finds the products that most users bought."""
    return {
        "size": count,
        "track_total_hits": False,
        "query": {"range": {BUYERS: {"gt": 0}}},
        "sort": [{BUYERS: {"order": "desc", "unmapped_type": "long"}}],
        "_source": False,
    }


def newest_build_search() -> dict[str, Any]:
    """The body that finds a product of the newest build that had vectors."""
    return {
        "size": 1,
        "track_total_hits": False,
        "query": {"exists": {"field": ENCODER}},
        "sort": [{BUILT_AT: {"order": "desc", "unmapped_type": "date"}}],
        "_source": [ENCODER],
    }
