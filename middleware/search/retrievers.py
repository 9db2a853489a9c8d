"""TEMPORARY"""

from __future__ import annotations

from typing import Any

from middleware.search.reasons import Reason


def choose_retriever(body: dict[str, Any], *, has_retrievers: bool) -> tuple[dict[str, Any], int | None] | Reason:
    return Reason.RETRIEVER if "retriever" in body or "rank" in body else (body, None)
