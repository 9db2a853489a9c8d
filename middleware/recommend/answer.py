"""Recommendations in the form of a search's answer, so that whatever shows hits shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from middleware.config import HeaderSettings
from middleware.fusion import FloatArray, response_scores
from middleware.verdict import Verdict, verdict_headers

_NO_SHARDS = {"total": 0, "successful": 0, "skipped": 0, "failed": 0}


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The answer: its body, and our headers."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]


def scores_of(relevance: FloatArray) -> list[float]:
    """The `_score`s of a ranking, best first: finite, in [0, 1], and none above one before it.

    What diversity put further up than it belongs has its own score, and those behind it no greater one.
    """
    return [float(score) for score in response_scores(np.minimum.accumulate(relevance), 0.0)] if len(relevance) else []


def write_body(
    hits: Sequence[Mapping[str, Any]],
    scores: Mapping[str, float],
    total: int,
    took_ms: int,
    page: Mapping[str, Any],
) -> dict[str, Any]:
    """`hits` of the page in order, `scores` by id, how many there are in all, and the answer that the hits came in."""
    written = [_scored(hit, scores[str(hit["_id"])]) for hit in hits]
    return {
        "took": took_ms,
        "timed_out": bool(page.get("timed_out", False)),
        "_shards": page.get("_shards", _NO_SHARDS),
        "hits": {
            "total": {"value": total, "relation": "eq"},
            "max_score": max(scores.values(), default=None),
            "hits": written,
        },
    }


def write_headers(names: HeaderSettings, verdict: Verdict, sources: Sequence[str]) -> dict[str, str]:
    """Those of a search, and where the candidates came from."""
    told = dict(verdict_headers(names, [verdict]))
    return told | ({names.candidates: ", ".join(sources)} if sources else {})


def _scored(hit: Mapping[str, Any], score: float) -> dict[str, Any]:
    written = {name: value for name, value in hit.items() if name != "_score"}
    head: dict[str, Any] = {name: written.pop(name) for name in ("_index", "_type", "_id") if name in written}
    return {**head, "_score": score, **written}
