"""TEMPORARY stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from middleware.errors import RequestError


@dataclass(frozen=True, slots=True)
class Wish:
    query_text: str | None = None
    window: int | None = None
    fields: tuple[str, ...] = ()
    min_score: float | None = None
    chunks: Any = None
    model_only: bool = False
    limits_hits: bool = False
    inference_id: str | None = None


def read_wish(body: Mapping[str, Any]) -> tuple[dict[str, Any], Wish | None]:
    given = body.get("ext")
    ext = given if isinstance(given, dict) else {}
    own = ext.get("rerank")
    if not isinstance(own, dict) or "query_context" in own:
        return dict(body), None
    unknown = set(own) - {"query_text"}
    if unknown:
        raise RequestError(f"[ext.rerank] unknown field [{min(unknown)}], known are [query_text]")
    text = own.get("query_text")
    if not isinstance(text, str) or not text.strip():
        raise RequestError("[ext.rerank.query_text] must be a text that is not empty")
    rest = {name: value for name, value in ext.items() if name != "rerank"}
    without = {name: value for name, value in body.items() if name != "ext"}
    return ({**without, "ext": rest} if rest else without), Wish(text)


def strip_query_text(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body without `ext.rerank.query_text`, or the same object where it has none."""
    without, wish = read_wish(body)
    return without if wish else body
