"""Which words of query and product drove the cross-encoder: each is left out in turn; what the score loses is its part.

That is occlusion (Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2014), with words for the
patches of an image. It asks the model itself, whatever it is and wherever it runs, and needs no gradients.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from middleware.errors import RerankError
from middleware.features.words import comparable
from middleware.rerank.backends import FloatArray

METHOD = (
    "occlusion: what the cross-encoder's score loses when a word is left out wherever it stands "
    "(Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2014)"
)
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
# A run of Chinese or Japanese has no spaces: two characters are about a word.
_WORD = re.compile(rf"[{_CJK}]{{1,2}}|[^\W_{_CJK}]+(?:[-_/.'’][^\W_{_CJK}]+)*")
_MOST_WORDS = 64
_SHOWN = 10


class Scorer(Protocol):
    """What is asked of an engine."""

    def score_many(self, queries: Sequence[tuple[str, Sequence[str]]], *, budget_ms: float) -> list[FloatArray]:
        """See rerank.engine.Engine."""
        ...


def explain_words(scorer: Scorer, query_text: str, passages: Sequence[str], until: float) -> Mapping[str, Any] | None:
    """What each word of the query and of a product adds to its score; of several `passages` the best one counts.

    At most 64 different words of each, the first, are tried, and the ten told that matter most; `complete` says whether
    there was time for all. None where there was none by `until` (seconds, monotonic) for any, or the model fails.
    """
    found = _score(scorer, [(query_text, passages)], until)
    if found is None or len(found[0]) < len(passages):
        return None
    (scores,) = found
    best, text = float(scores.max()), passages[int(scores.argmax())]
    shorter_queries, shorter_texts = leave_one_out(query_text), leave_one_out(text)
    asked = [(query_text, list(shorter_texts.values())), *((query, [text]) for query in shorter_queries.values())]
    parts = _score(scorer, asked, until)
    if parts is None:
        return None
    of_text, *of_query = parts
    in_query = {word: best - float(part[0]) for word, part in zip(shorter_queries, of_query, strict=True) if len(part)}
    in_text = {word: best - float(part) for word, part in zip(shorter_texts, of_text, strict=False)}
    is_complete = len(in_query) == len(shorter_queries) and len(in_text) == len(shorter_texts)
    return {"score": best, "query": _strongest(in_query), "product": _strongest(in_text), "complete": is_complete}


def leave_one_out(text: str) -> dict[str, str]:
    """Word, as it stands first -> the text without it, however it is written in capitals or accents."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for match in _WORD.finditer(text):
        word = comparable(match.group())
        if word in spans or len(spans) < _MOST_WORDS:
            spans.setdefault(word, []).append(match.span())
    return {text[places[0][0] : places[0][1]]: _without(text, places) for places in spans.values()}


def _without(text: str, places: Sequence[tuple[int, int]]) -> str:
    kept, at = [], 0
    for start, end in places:
        kept.append(text[at:start])
        at = end
    return " ".join("".join([*kept, text[at:]]).split())


def _score(scorer: Scorer, queries: Sequence[tuple[str, Sequence[str]]], until: float) -> list[FloatArray] | None:
    left_ms = (until - time.monotonic()) * 1000
    if left_ms <= 0:
        return None
    try:
        return scorer.score_many(queries, budget_ms=left_ms)
    except RerankError:
        return None


def _strongest(effects: Mapping[str, float]) -> list[dict[str, Any]]:
    ordered = sorted(effects.items(), key=lambda item: -abs(item[1]))[:_SHOWN]
    return [{"word": word, "effect": round(effect, 4)} for word, effect in ordered]
