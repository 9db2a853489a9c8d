"""What `es-rerank scorer` reads and writes: both shapes of the rerank call, told apart by the body; no I/O.

text-embeddings-inference names its documents `texts` and answers a bare list; the others (Jina, Cohere, vLLM, infinity)
name them `documents` and answer `results`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.errors import BackendError, DeadlineExceeded, MiddlewareError, ModelUnavailable, Overloaded
from middleware.message import Response, json_response

MAX_DOCUMENTS = 1000
_FINEST = 2.0**-52


class BadCall(MiddlewareError):
    """A rerank call that cannot be answered: 422."""

    status = 422
    error_type = "Validation"


class TooLarge(BadCall):
    """More documents, or bytes, than one call may hold: 413."""

    status = 413


class UnknownCall(BadCall):
    """Nothing is served here: 404."""

    status = 404


# Status and text-embeddings-inference's name of each failure, the first that fits.
_FAILURES: tuple[tuple[type[MiddlewareError], int, str], ...] = (
    (Overloaded, 429, "Overloaded"),
    (DeadlineExceeded, 504, "Timeout"),
    (ModelUnavailable, 503, "Unhealthy"),
    (BackendError, 424, "Backend"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One rerank call. `top_n` None: all."""

    query_text: str
    document_texts: Sequence[str]
    is_tei: bool
    wants_texts: bool
    wants_logits: bool
    top_n: int | None

    def answer(self, scores: Sequence[float], model: str) -> Response:
        """The documents with their `scores`, best first, in the shape in which the call was made."""
        order = sorted(range(len(scores)), key=lambda index: -scores[index])[: self.top_n]
        results = [self._result(index, float(scores[index])) for index in order]
        if self.is_tei:
            return json_answer(results)
        return json_answer({"object": "rerank", "model": model, "results": results, "usage": {"total_tokens": 0}})

    def _result(self, index: int, score: float) -> dict[str, Any]:
        value = to_logit(score) if self.wants_logits else score
        text = self.document_texts[index]
        if self.is_tei:
            return {"index": index, "score": value} | ({"text": text} if self.wants_texts else {})
        return {"index": index, "relevance_score": value} | ({"document": {"text": text}} if self.wants_texts else {})


def read_call(body: bytes) -> Call:
    """The call in a request's body. Raises BadCall, TooLarge."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadCall(f"the body is not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise BadCall("the body is not a JSON object")
    is_tei = "texts" in asked
    name = "texts" if is_tei else "documents"
    documents = asked.get(name)
    if not isinstance(documents, list) or not documents:
        raise BadCall(f"`{name}` must be a list of texts, with at least one")
    if len(documents) > MAX_DOCUMENTS:
        raise TooLarge(f"batch size {len(documents)} > maximum allowed batch size {MAX_DOCUMENTS}")
    query_text, top_n = asked.get("query"), asked.get("top_n")
    if not isinstance(query_text, str):
        raise BadCall("`query` must be a text")
    if top_n is not None and (type(top_n) is not int or top_n < 1):
        raise BadCall("`top_n` must be a number above 0")
    wants_texts = bool(asked.get("return_text" if is_tei else "return_documents"))
    texts = [_text(document) for document in documents]
    return Call(query_text, texts, is_tei, wants_texts, bool(asked.get("raw_scores")), top_n)


def _text(document: Any) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str):
        raise BadCall("each document must be a text, or an object with one under `text`")
    return text


def to_logit(score: float) -> float:
    """The finite number whose sigmoid is `score`."""
    within = min(max(score, _FINEST), 1.0 - _FINEST)
    return math.log(within / (1.0 - within))


def json_answer(answer: Any) -> Response:
    """An answer of status 200, in ASCII, so that what is no Unicode text (a lone surrogate) can be said, too."""
    data = json.dumps(answer, separators=(",", ":")).encode()
    return Response(200, (("content-type", "application/json"), ("content-length", str(len(data)))), (data,))


def failure_answer(error: MiddlewareError, *, is_tei: bool) -> Response:
    """An error in the API's own shape: text-embeddings-inference's, or that of vLLM and infinity."""
    found = ((status, name) for kind, status, name in _FAILURES if isinstance(error, kind))
    status, name = next(found, (error.status, error.error_type))
    shape: Mapping[str, Any] = {"error": error.reason, "error_type": name}
    if not is_tei:
        shape = {"error": {"message": error.reason, "type": name, "param": None, "code": status}}
    return json_response(shape, status)
