"""The rerank calls that scoring servers offer: how each is asked, and how its answer is read; no I/O.

Sources: text-embeddings-inference's router/src/http; the API references of Jina and Cohere (v1, v2); vLLM's and
infinity's OpenAPI descriptions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from middleware.config import ModelSettings
from middleware.errors import BackendError
from middleware.rerank.backends import FloatArray

BUDGET_HEADER = "X-Rerank-Budget-Ms"
"""How long the caller waits for its answer; `es-rerank scorer` starts nothing that would come later."""


MODEL_HEADER = "X-Rerank-Model"
"""Which model answered, as `es-rerank scorer` says it: behind an alias that is another one from time to time."""


@dataclass(frozen=True, slots=True)
class RerankCall:
    """One server's dialect: where it is called, how it names the documents, and what else must be asked for.

    Asked for are texts cut to the model's length, probabilities, and answers without the documents' texts.
    """

    path: str
    documents: str = "documents"
    names_model: bool = True
    options: Callable[[ModelSettings], Mapping[str, Any]] = field(default=lambda _: {})

    def body(self, settings: ModelSettings, query_text: str, document_texts: Sequence[str]) -> bytes:
        """The request's body in JSON."""
        asked: dict[str, Any] = {"query": query_text, self.documents: list(document_texts), **self.options(settings)}
        if self.names_model:
            asked["model"] = settings.source
        # ASCII alone: a lone surrogate of a document stays an escape, where UTF-8 has no bytes for it.
        return json.dumps(asked, separators=(",", ":")).encode()


CALLS: Mapping[str, RerankCall] = {
    "tei": RerankCall("/rerank", "texts", False, lambda _: {"truncate": True}),
    "jina": RerankCall("/v1/rerank", options=lambda _: {"return_documents": False}),
    "cohere": RerankCall("/v2/rerank", options=lambda settings: {"max_tokens_per_doc": settings.max_tokens}),
    "cohere_v1": RerankCall("/v1/rerank", options=lambda _: {"return_documents": False}),
    # -1: cut to the length of the model; without it vLLM refuses what is longer.
    "vllm": RerankCall("/v1/rerank", options=lambda _: {"truncate_prompt_tokens": -1}),
    "infinity": RerankCall("/rerank", options=lambda _: {"return_documents": False}),
    "rerank": RerankCall("/v1/rerank"),
}


def read_scores(body: bytes, count: int) -> FloatArray:
    """What a server says of `count` documents, in their order, shape (count,), finite.

    The results are a list (text-embeddings-inference) or stand under `results`, in older infinity under `data`; each
    has the document's `index` and its `relevance_score`, or `score`. Raises BackendError where one is missing, there
    twice, of no document, or no finite number.
    """
    scores = np.full(count, np.nan)
    for result in _results(body):
        index = result.get("index") if isinstance(result, dict) else None
        if type(index) is not int or not 0 <= index < count:
            raise BackendError(f"the server gave a score to document {index!r} of {count}")
        if not np.isnan(scores[index]):
            raise BackendError(f"the server gave two scores to document {index}")
        score = result.get("relevance_score", result.get("score"))
        if type(score) not in (int, float) or not np.isfinite(score):
            raise BackendError(f"the server gave document {index} the score {score!r}")
        scores[index] = score
    missing = int(np.isnan(scores).sum())
    if missing:
        raise BackendError(f"the server gave no score to {missing} of {count} documents")
    return scores


def _results(body: bytes) -> list[Any]:
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise BackendError("the server's answer is not JSON") from error
    results = (answer.get("results") or answer.get("data")) if isinstance(answer, dict) else answer
    if not isinstance(results, list):
        raise BackendError("the server's answer holds no list of results")
    return results
