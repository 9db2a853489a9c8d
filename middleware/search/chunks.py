"""TEMPORARY"""

from __future__ import annotations

from typing import Any


def split_chunks(text: str, settings: Any) -> list[str]:
    return [text]


def best_chunks(query_text: str, chunks: list[str], size: int) -> list[str]:
    return chunks[:size]
